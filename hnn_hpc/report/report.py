"""A report: `Findings` as the text of a page, and its pictures as files."""

from hnn_hpc.quantities import count
from hnn_hpc.report.html import joined, paragraph
from hnn_hpc.report.page import page
from hnn_hpc.report.section_pictures import NAMES as ENERGIES
from hnn_hpc.report.section_pictures import picture_name
from hnn_hpc.report.sections import SECTIONS

# Files of all the pictures that reports have: by their names an earlier report is known.
PICTURES = frozenset(
    f"{name}.png"
    for name in (
        *("energy-learned", "energy-true", "energy-difference", "features-places", "features-steepness", "interactions", "singular-values"),
        *("residuals", "residuals-along", "orbit", "rollout-error", "energy-drift"),
        *(picture_name(energy, kind) for energy in ENERGIES for kind in ("true", "learned")),
    )
)


def render(found):
    """Return the text of the page and {name: bytes} of the pictures in it, PNG."""
    result, sections, pictures = found.result, [], {}
    for name, (heading, section) in SECTIONS.items():
        html, drawn = section(found)
        sections.append((name, heading, html))
        pictures |= {f"{picture.name}.png": picture.png for picture in drawn}
    assert PICTURES.issuperset(pictures), f"name them in PICTURES: {sorted(set(pictures) - PICTURES)}"
    of_system = f" of the system {found.system.name}" if found.system else ""
    lead = (
        f"A Hamiltonian of {count(result['dof'], 'degree')} of freedom, learned from {count(result['samples'], 'sample')}{of_system} "
        "by one least-squares solve, without backpropagation."
    )
    footer = joined([paragraph("Made by hnn-hpc report. This page is one file and loads nothing.")])
    return page(f"Learned Hamiltonian: {found.name}", paragraph(lead), sections, footer), pictures
