"""The table that `hnn-hpc predict` prints."""

import math

from hnn_hpc.cli.text import count, scientific, table


def describe(result):
    """Return the result of `predict.run` as text for a person: all starts together, then those of each energy."""
    lines = [("written", result["file"]), ("system", result["system"]), ("followed", _how_far(result)), *_warnings(result)]
    parts = [[("energy", f"{part['energy']:.6g}"), *_figures(part, result)] for part in result["by_energy"] or ()]
    return "\n\n".join(map(table, [[*lines, *_figures(result, result)], *parts]))


def _warnings(result):
    """Return the lines that say of which starts the figures tell less than it seems."""
    if result["starts_outside"] or result["outside_domain"]:
        states = f"{result['starts_outside']:.0%} of the starts and {result['outside_domain']:.0%} of the learned states"
        yield "outside", f"{states} lie outside the training data: extrapolation"
    if result["true_escapes"]:
        yield (
            "escapes",
            f"the true motion from {_of_starts(result['true_escapes'], result)}, left out of the valid times: {result['true_escape']}",
        )


def _how_far(result):
    steps = f"{count(result['steps'], 'step')} of {result['time_step']:g}"
    return f"{count(result['starts'], 'start')} to t = {result['time']:g}, {steps}"


def _figures(part, result):
    """Return the lines about some starts, `part` of the result."""
    lines = [("valid time", f"{_times(part['valid_time'])}, until the error exceeds {result['threshold']:g} of the motion")]
    if _ends(part["reference_valid_time"]):
        lines.append(("", f"{_times(part['reference_valid_time'])}, for the true system by steps of {result['time_step']:g}"))
    if _ends(part["valid_lyapunov_times"]):
        lines.append(("", f"{_times(part['valid_lyapunov_times'])}, in Lyapunov times, of the chaotic orbits"))
    if part is not result and part["true_escapes"]:
        lines.append(("", f"the true motion escapes from {_of_starts(part['true_escapes'], part)}"))
    exponents = f"{_number(part['lyapunov_exponent'])} true, {_number(part['learned_lyapunov_exponent'])} learned (medians)"
    lines += [("exponent", exponents), ("", _chaos(part, result["time"]))]
    drift = f"{scientific(part['energy_drift'])} of the learned H, {scientific(part['true_energy_drift'])} of the true H"
    lines.append(("energy drift", f"{drift}, in {count(result['drift_steps'], 'step')} of {result['method']}"))
    if part["energy_drift_growth"] is not None:
        lines.append(("", f"the last quarter's over the first quarter's: {_number(part['energy_drift_growth'])}"))
    if part["drift_failures"]:
        lines.append(("", f"the rollout failed in {_of_starts(part['drift_failures'], part)}{_why(part)}"))
    if part["section"]:
        lines.append(("section", _section(part["section"], part)))
    return lines


def _why(part):
    return f"; {part['drift_failure']}" if part.get("drift_failure") else ""


def _of_starts(number, part):
    return f"{number} of {part['starts']:,} starts"


def _chaos(part, time):
    known = part["chaotic"] + part["not_seen_chaotic"]
    text = f"{part['chaotic']} of {known:,} show chaos within t = {time:g}, a true exponent above {part['chaos_threshold']:.3g}"
    return f"{text}; {part['not_seen_chaotic']} not seen to be chaotic" if part["not_seen_chaotic"] else text


def _section(section, part):
    text = f"{section['coordinate']} = 0, {count(section['crossings'], 'crossing')}, the fewest of an orbit {section['fewest']}"
    if section["never_cross"]:
        text += f"; from {_of_starts(section['never_cross'], part)} it is never crossed"
    if section["largest_distance"] is not None:
        text += f"; points within {scientific(section['largest_distance'])} of the true ones"
    if part["chaotic"] and section["largest_regular_distance"] is not None:
        text += f", of orbits not seen to be chaotic within {scientific(section['largest_regular_distance'])}"
    return text


def _ends(quantiles):
    """Return whether any of the times ends before the rollout does."""
    return quantiles is not None and math.isfinite(quantiles["least"])


def _times(quantiles):
    def told(time):
        return "longer than followed" if math.isinf(time) else f"{time:.4g}"

    return "-" if quantiles is None else f"median {told(quantiles['median'])}, least {told(quantiles['least'])}"


def _number(value):
    return "-" if value is None else f"{value:.3g}"
