"""The last section of a report: how to load the model, and all that is needed to make it again."""

from hnn_hpc.report.html import joined, paragraph, preformatted, table, tag
from hnn_hpc.report.toml_text import toml_text


def provenance(found):
    """How to load the model, and where it comes from."""
    result = found.result
    code = [
        "from hnn_hpc import load_model",
        f"model = load_model({found.model_file!r})",
        "model.energy(x), model.gradient(x), model.vector_field(x)",
    ]
    shape = f"x is an array (…, {found.model.dimension}) with the columns {_columns(found.coordinates)}."
    seeds = [[f"seed of {name}", "none" if seed is None else str(seed)] for name, seed in result["seeds"].items()]
    versions = [[name, version] for name, version in result["versions"].items()]
    return joined(
        [
            tag("h3", "Load the model"),
            preformatted("Python code that loads the model", "\n".join(code)),
            paragraph(shape),
            tag("h3", "Versions and seeds"),
            table("Programs and seeds that the numbers depend on", ["what", "value"], versions + seeds),
            tag("h3", "The job"),
            preformatted("The job file with every default", toml_text(result["job"])),
        ]
    ), []


def _columns(names):
    dof = len(names) // 2
    return ", ".join(names) if dof <= 3 else f"q1 to q{dof}, p1 to p{dof}"
