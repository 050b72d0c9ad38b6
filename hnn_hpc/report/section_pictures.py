"""Pictures of a report: Poincaré sections of the Hénon-Heiles system, true and learned side by side (see `prediction.section`)."""

from dataclasses import dataclass, replace

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.prediction import energy_starts, section_distances, section_points
from hnn_hpc.report.picture import Picture, new_plot

ENERGIES = (
    1 / 12,
    1 / 8,
    1 / 6,
)  # over alpha²: regular; partly chaotic; as good as all chaotic (Hénon & Heiles, Astronomical Journal 69, 1964)
NAMES = ("1/12", "1/8", "1/6")
STARTS, CROSSINGS = 4, 30  # of each energy
TIME_STEP, LONGEST = 0.2, 400.0  # an orbit comes back after some 6 to 7
MARKERS = "o+x^"
COLOURS = ("#0072b2", "#d55e00", "#000000", "#009e73")


@dataclass(frozen=True)
class Section:
    """energy, its name; points (STARTS, CROSSINGS, 4) of the true and of the learned orbits, NaN where there is none."""

    energy: float
    name: str
    true: np.ndarray
    learned: np.ndarray


def sections_of(model, system):
    """Return the `Section`s q1 = 0 of a model of the Hénon-Heiles system, as far as its domain reaches: a list; none of other systems."""
    if system is None or system.name != "henon-heiles" or not system.alpha:
        return []
    inside, found = replace(system, box=model.domain), []
    steps = round(LONGEST / TIME_STEP)
    for energy, name in zip(ENERGIES, NAMES, strict=True):
        try:
            starts = energy_starts(inside, energy / system.alpha**2, STARTS, seed=0)
        except UserError:
            continue
        true, learned = (
            section_points(hamiltonian, starts, CROSSINGS, TIME_STEP, steps, must_cross=False) for hamiltonian in (system, model)
        )
        found.append(Section(energy / system.alpha**2, name, true, learned))
    return found


def section_pictures(section):
    """Return the two `Picture`s of a `Section`, the true and the learned one."""
    with np.errstate(invalid="ignore"):
        apart = np.nanmedian(section_distances(section.true, section.learned))
    limits = [(np.nanmin(values), np.nanmax(values)) for values in (section.true[..., 1], section.true[..., 3])]
    return [_picture(section, kind, points, limits, apart) for kind, points in (("true", section.true), ("learned", section.learned))]


def _picture(section, kind, points, limits, apart):
    figure, subplot = new_plot(f"{kind}, H = {section.energy:.4g}", "q2", "p2")
    for marker, colour, orbit in zip(MARKERS, COLOURS, points, strict=True):
        hollow = {"markerfacecolor": "none"} if marker in "o^" else {}
        subplot.plot(orbit[:, 1], orbit[:, 3], marker, color=colour, markersize=4, markeredgewidth=0.8, **hollow)
    for set_limits, (low, high) in zip((subplot.set_xlim, subplot.set_ylim), limits, strict=True):
        set_limits(low - 0.1 * (high - low), high + 0.1 * (high - low))
    subplot.grid(linewidth=0.4, alpha=0.5)
    count = np.isfinite(points[..., 0]).sum()
    seen = (
        f"Poincaré section of the {kind} motion at the energy {section.energy:.4g}: {count} crossings of q1 = 0 with growing q1 by "
        f"{len(points)} orbits, q2 from {np.nanmin(points[..., 1]):.3g} to {np.nanmax(points[..., 1]):.3g}."
    )
    caption = "Each marker is an orbit: points on a curve where it is regular, scattered where it is chaotic."
    if kind == "learned":
        caption = (
            f"The crossings are at most {apart:.1e} from the true ones, in the median over the orbits; chaotic ones part, however close."
        )
    return Picture(f"section-{section.name.replace('/', '-')}-{kind}", figure, seen, caption)
