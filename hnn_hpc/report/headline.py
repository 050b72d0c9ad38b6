"""The first section of a report: the figures that one looks for first, each on a card of its own."""

from hnn_hpc.quantities import byte_size, count, duration, scientific
from hnn_hpc.report.html import tag

MOST_DAMPINGS = 4  # on a card


def headline(found):
    """The figures that one looks for first."""
    result, test = found.result, found.result["test"]
    tested = f"on {count(test['samples'], 'other sample')}" if test["samples"] else "no samples were kept to test on"
    tested_energy = tested if result["constant_known"] else f"{tested}, up to a constant"
    if test["samples"] and test["energy_error"] is None:
        tested_energy = "the samples tell no energies"
    certified = "the solve is as exact as the arithmetic allows" if result["certified"] else "the solve failed its check"
    cards = [
        ("error of H, relative", scientific(test["energy_error"]), tested_energy if test["samples"] else tested),
        ("error of ∇H, relative", scientific(test["gradient_error"]), tested),
        ("left of the data", scientific(result["relative_residual"]), "what the features leave unexplained of what was fitted"),
        *_dynamics(result),
        ("certificate", "certified" if result["certified"] else "not certified", certified),
        (
            "time",
            duration(result["seconds"]["total"]),
            f"{result['solver']} on {count(result['ranks'], 'rank')}, {count(result['threads'], 'thread')} each",
        ),
        ("peak memory", byte_size(result["peak_memory_bytes"]), "on the largest rank"),
        ("samples", f"{result['samples']:,}".replace(",", " "), f"of {count(2 * result['dof'], 'coordinate')}"),
        ("features", f"{result['features']:,}".replace(",", " "), f"{result['sampler']}, {found.model.feature_map.activation.name}"),
    ]
    items = [tag("div", tag("dt", name), tag("dd", value), tag("dd", note, class_="note")) for name, value, note in cards]
    return tag("dl", *items, class_="figures"), []


def _dynamics(result):
    """The figures of what was learned besides H, and of velocities that nobody measured."""
    cards, step = [], result["step"]
    if result["damping"]:
        gammas = result["damping"]["damping"]
        told = ", ".join(f"{gamma:.4g}" for gamma in gammas[:MOST_DAMPINGS])
        more = "" if len(gammas) <= MOST_DAMPINGS else f" and {len(gammas) - MOST_DAMPINGS} more"
        cards.append(("damping γ", told + more, "of dp/dt = −∂H/∂q − γ ∂H/∂p, one a momentum"))
    if step:
        missed = scientific(step["step_errors"][step["corrections"]])
        made = f"of states {step['size']:g} apart, {count(step['corrections'], 'correction')}; the model's own steps miss by {missed}"
        cards.append(("velocities", f"order {step['order']}", made))
    return cards
