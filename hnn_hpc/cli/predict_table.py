"""The table that `hnn-hpc predict` prints."""

import math

from hnn_hpc.cli.text import count, scientific, table


def describe(result):
    """Return the result of `predict.run` as text for a person: all starts together, then those of each energy."""
    lines = [("written", result["file"]), ("system", result["system"]), ("followed", _how_far(result)), *_figures(result, result)]
    if result["starts_outside"] or result["outside_domain"]:
        states = f"{result['starts_outside']:.0%} of the starts and {result['outside_domain']:.0%} of the learned states"
        lines.append(("outside", f"{states} lie outside the training data: extrapolation"))
    parts = [[("energy", f"{part['energy']:.6g}"), *_figures(part, result)] for part in result["by_energy"] or ()]
    return "\n\n".join(map(table, [lines, *parts]))


def _how_far(result):
    steps = f"{count(result['steps'], 'step')} of {result['time_step']:g}"
    return f"{count(result['starts'], 'start')} to t = {result['time']:g}, {steps}"


def _figures(part, result):
    """Return the lines about some starts, `part` of the result."""
    lines = [("valid time", f"{_times(part['valid_time'])}, until the error exceeds {result['threshold']:g} of the motion")]
    if math.isfinite(part["reference_valid_time"]["least"]):
        lines.append(("", f"{_times(part['reference_valid_time'])}, for the true system by steps of {result['time_step']:g}"))
    if part["valid_lyapunov_times"] and math.isfinite(part["valid_lyapunov_times"]["least"]):
        lines.append(("", f"{_times(part['valid_lyapunov_times'])}, in Lyapunov times, of the chaotic orbits"))
    exponents = f"{_number(part['lyapunov_exponent'])} true, {_number(part['learned_lyapunov_exponent'])} learned (medians)"
    lines.append(("exponent", f"{exponents}; {part['chaotic']} of {count(part['starts'], 'orbit')} chaotic"))
    drift = f"{scientific(part['energy_drift'])} of the learned H, {scientific(part['true_energy_drift'])} of the true H"
    lines.append(("energy drift", f"{drift}, in {count(result['drift_steps'], 'step')} of {result['method']}"))
    lines.append(("", f"the last quarter's over the first quarter's: {_number(part['energy_drift_growth'])}"))
    if part["section"]:
        lines.append(("section", _section(part["section"], part["chaotic"])))
    return lines


def _section(section, chaotic):
    text = f"{section['coordinate']} = 0, {count(section['crossings'], 'crossing')}, "
    text += f"points within {scientific(section['largest_distance'])} of the true ones"
    if chaotic and section["largest_regular_distance"] is not None:
        text += f", on regular orbits within {scientific(section['largest_regular_distance'])}"
    return text


def _times(quantiles):
    def told(time):
        return "longer than followed" if math.isinf(time) else f"{time:.4g}"

    return f"median {told(quantiles['median'])}, least {told(quantiles['least'])}"


def _number(value):
    return "-" if value is None else f"{value:.3g}"
