"""The sections of a report: each a function of `Findings` that returns its `Html` and the list of the `Picture`s in it."""

import numpy as np

from hnn_hpc.features import plain_coordinates
from hnn_hpc.operators.components import components_of
from hnn_hpc.quantities import count, scientific
from hnn_hpc.report.certificate_text import certificate_rows
from hnn_hpc.report.energy_pictures import energy_pictures
from hnn_hpc.report.feature_pictures import place_picture, steepness_picture
from hnn_hpc.report.headline import headline
from hnn_hpc.report.html import explained, joined, paragraph, table, tag
from hnn_hpc.report.interaction_figure import interaction_figure
from hnn_hpc.report.motion_pictures import motion_pictures
from hnn_hpc.report.origin import provenance
from hnn_hpc.report.picture import Picture, gallery
from hnn_hpc.report.residuals import residual_pictures
from hnn_hpc.report.section_pictures import section_pictures
from hnn_hpc.report.spectrum_picture import spectrum_picture

STAGES = {
    "data": "reading the samples once, to check them and to find their range",
    "sampling": "choosing the hidden layer: which coordinates interact, how fast the energy varies, and the features",
    "solve": "the least-squares problem of the output layer, and its certificate",
    "evaluate": "comparing with the test samples",
}
MOST_SUPPORTS = 12  # in the table


def energy(found):
    """Contours of the learned energy, and beside the true one where that is known."""
    pictures = energy_pictures(found.model, found.system, found.plane, found.coordinates)
    known = "The samples come from a system that is known, so the learned energy can be laid beside the true one."
    unknown = "The true energy is not known to this program, so the learned one stands alone."
    free = "" if found.model.constant_known else " The data fix an energy only up to a constant, and none was given."
    if free and not found.system:
        free += " On the picture the smallest is 0."
    return joined([paragraph((known if found.system else unknown) + free), gallery(pictures)]), pictures


def features(found):
    """Where the features sit, how steep they are, and what interacts."""
    pictures = [place_picture(found.model, found.plane, found.coordinates), steepness_picture(found.model)]
    if found.graph and found.graph.pairs:
        pictures.append(_interactions(found.graph))
    parts = [
        paragraph(
            f"Each of the {count(found.model.feature_map.count, 'feature')} is {found.model.feature_map.activation.name}(w·z + b), "
            "with w and b drawn from the data and never trained. It changes most where w·z + b = 0."
        ),
        gallery(pictures),
    ]
    basis = found.result["basis"]
    if basis and found.graph:
        rows = [[", ".join(names), str(number)] for names, number in zip(basis["supports"], basis["features"], strict=False)]
        more = len(rows) - MOST_SUPPORTS
        origin = "found from the data" if found.graph.is_found else "as given"
        rest = f"; the first {MOST_SUPPORTS} of {len(rows)}" if more > 0 else ""
        parts.append(
            table(
                f"Coordinates that meet in one term of the energy, {origin}{rest}", ["coordinates", "features"], rows[:MOST_SUPPORTS], {1}
            )
        )
    return joined(parts), pictures


def _interactions(graph):
    pairs = [f"{graph.coordinates.names[a]}–{graph.coordinates.names[b]}" for a, b in graph.pairs]
    told = f"{count(len(pairs), 'pair')} of {count(len(graph.bandwidths), 'coordinate')} interact"
    some = ", ".join(pairs[:12]) + (f" and {len(pairs) - 12} more" if len(pairs) > 12 else "")
    low, high = min(graph.bandwidths), max(graph.bandwidths)
    seen = (
        f"Coordinates as points on a circle, joined where they meet in one term of the energy: {told}: {some}. "
        f"Bandwidths {low:.3g} to {high:.3g}."
    )
    return Picture(
        "interactions",
        interaction_figure(graph),
        seen,
        "Who interacts with whom; the larger a point, the faster the energy varies along it.",
    )


def spectrum(found):
    """Singular values and rank."""
    result = found.result
    told = f"condition {scientific(result['condition_estimate'])}, numerical rank {result['rank']} of {result['features']}"
    picture = None
    if result.get("spectrum"):
        rcond = result["job"]["solver"].get("rcond", 1e-15)
        picture = spectrum_picture(result["spectrum"], result["rank"], result["features"], rcond, _block_count(found))
    text = paragraph(
        f"The fit solves for {count(result['features'], 'coefficient')} at once: {told}. Singular values say how well the data tell "
        f"combinations of the features apart.{_remark(result)}"
    )
    absent = None if picture else paragraph("This result tells no singular values: there are none, or an earlier version wrote it.")
    pictures = [picture] if picture else []
    return joined([text, absent, gallery(pictures) if picture else None]), pictures


def _block_count(found):
    """Of the blocks that were solved one by one: features that share no coordinate, unless some have too few rows (see `output_layer`)."""
    feature_map, samples = found.model.feature_map, found.result["samples"]
    components = components_of(feature_map.weights, feature_map.coordinates or plain_coordinates(found.model.dimension))
    has_rows = all(len(component.features) <= samples * len(component.rows_of) for component in components)
    return len(components) if has_rows else 1


def _remark(result):
    """What else the matrix of the spectrum is."""
    with_ridge = " The rows of the ridge, which hold the coefficients small, count with the data here." if result["ridge"] else ""
    sketched = (
        " The solver lsqr knows them from a random sketch of the samples, within a small factor." if "lsqr" in result["solver"] else ""
    )
    return with_ridge + sketched


def errors(found):
    """What is left of the gradient, component by component."""
    if found.residuals is None:
        return paragraph(f"There is nothing to draw here: {found.remark}."), []
    pictures = residual_pictures(found.residuals, found.coordinates)
    points = count(len(found.residuals.points), "point")
    text = f"The gradient of the learned energy against that of the data at {points}: {found.residuals.where}."
    return joined([paragraph(text), gallery(pictures)]), pictures


def motion(found):
    """The learned motion beside the true one, and Poincaré sections."""
    if found.motion is None:
        return paragraph("No orbit was found that stays in the domain of the training samples; outside, a model extrapolates."), []
    pictures, moving = motion_pictures(found.motion, found.coordinates), found.motion
    text = (
        f"Orbits from {count(len(moving.learned), 'start')} that stay in the domain of the training samples, followed by a method of "
        f"order 8 up to the time {moving.times[-1]:.4g}, {len(moving.times) - 1} steps of {moving.times[1]:.3g}."
    )
    parts = [paragraph(text), gallery(pictures)]
    if moving.valid is not None:
        rows = [
            [f"start {number}", _valid(valid, moving.times[-1]), _far(errors[-1]), _far(np.nanmax(drift))]
            for number, (valid, errors, drift) in enumerate(zip(moving.valid, moving.errors, moving.true_drift, strict=True), start=1)
        ]
        header = ["orbit", "valid time", "distance at the end", "largest change of the true energy"]
        parts.append(table("How long the learned motion holds", header, rows, {1, 2, 3}))
    if found.sections:
        parts += [
            tag("h3", "Poincaré sections"),
            paragraph("Where orbits cross q1 = 0 with q1 growing, true and learned from the same starts."),
        ]
    for section in found.sections:
        pair = section_pictures(section)
        pictures += pair
        parts.append(gallery(pair))
    return joined(parts), pictures


def _valid(time, longest):
    return f"{time:.3g}" if time < longest else f"over {longest:.3g}"


def _far(number):
    return scientific(number) if np.isfinite(number) else "escapes"


def times(found):
    """Where the seconds went."""
    seconds = found.result["seconds"]
    total = seconds["total"] or 1
    rows = [[stage, f"{seconds[stage]:.3g}", f"{seconds[stage] / total:.0%}", what] for stage, what in STAGES.items()]
    rows.append(["total", f"{seconds['total']:.3g}", "", "and what lies between"])
    solve = 0 if found.result["resumed"] else seconds["solve"]
    rate = f", at {found.result['flops'] / solve / 1e9:.3g} GF/s" if solve > 0 else ""
    parts = [
        table("Seconds of the stages", ["stage", "seconds", "share", "what is done"], rows, {1, 2}, {3}),
        paragraph(f"The solve made {scientific(found.result['flops'])} floating-point operations{rate}."),
    ]
    if found.result["resumed"]:
        parts.append(paragraph("The fit went on from a checkpoint: the seconds are those of its last part."))
    return joined(parts), []


def certificate(found):
    """The certificate, explained."""
    rows = certificate_rows(found.result)
    text = "After the solve, the residual is computed anew from the samples, and from it how far the answer is from an exact one."
    return joined([paragraph(text), explained(rows)]), []


SECTIONS = {
    "summary": ("In short", headline),
    "energy": ("The energy", energy),
    "features": ("The features", features),
    "spectrum": ("Singular values and rank", spectrum),
    "errors": ("Errors of the gradient", errors),
    "motion": ("The motion", motion),
    "times": ("Times", times),
    "certificate": ("The certificate", certificate),
    "provenance": ("Where it comes from", provenance),
}
