"""What each case is held to: figures taken from its measurements, each beside its bar; two cores, medians of five rounds.

A measured problem is one of `comparison.compare`, as a dictionary. A bar is a dictionary: "what", "measured" (the median over the rounds,
or None where the runs for it are missing), "lowest", "highest", "at_least", "at_most" (either may be None) and "met". What was not
measured is not met.
"""

from hnn_hpc.benchmark.comparison import spread

GRADES = ("khatri-rao-qr", "lsqr")  # those that must be as accurate as a QR of A at any condition number
THREE = ("khatri-rao-qr", "lsqr", "gram")  # those that auto chooses from
GCV = "ridge gcv"
RIDGES = (0, *(10 ** (power / 2) for power in range(-16, 1)))  # λ (see `solvers.ridge`), two a decade from 1e-8 to 1


def bar(what, values, at_most=None, at_least=None):
    """Return the bar for a figure's values, one a round."""
    found = spread(values) or {"median": None, "lowest": None, "highest": None}
    value = found.pop("median")
    met = value is not None and (at_most is None or value <= at_most) and (at_least is None or value >= at_least)
    return {"what": what, "measured": value, **found, "at_least": at_least, "at_most": at_most, "met": met}


def values_of(problem, contestant, key):
    """Return the contestant's figure `key` in each round; empty unless every round ended well and has one."""
    values = [result.get(key) if result["status"] == "ok" else None for result in problem["runs"][contestant]["rounds"]]
    return [] if None in values else values


def ratios(problem, contestant, other, key):
    """Return key(contestant)/key(other), pair by pair in the same round; empty where either is missing."""
    above, below = values_of(problem, contestant, key), values_of(problem, other, key)
    return [a / b for a, b in zip(above, below, strict=True)] if above and below else []


def fastest(problem, contestants):
    """Return the fewest seconds of any of our solvers in each round, of those whose answer is certified."""
    certified = [name for name in contestants if all(values_of(problem, name, "certified"))]
    times = [values for name in certified if (values := values_of(problem, name, "seconds"))]
    return [min(of_round) for of_round in zip(*times, strict=True)]


def worst(what, values_by_problem, at_most):
    """Return the bar for the largest median over several problems, a list of values a problem; missing where one of them is missing."""
    medians = [(spread(values) or {"median": None})["median"] for values in values_by_problem]
    return bar(what, [] if None in medians else [max(medians)], at_most=at_most)


def ridge_label(ridge):
    return f"ridge {ridge:.1e}" if ridge else "no ridge"


def accuracy_bars(measured):
    [problem] = measured["problems"]
    yield bar("condition number of the problem", values_of(problem, "khatri-rao-qr", "condition_estimate"), at_least=1e10)
    for name in GRADES:
        for key, what in (("energy_error", "H error"), ("gradient_error", "∇H error")):
            yield bar(f"{name}: {what} over that of numpy-lstsq", ratios(problem, name, "numpy-lstsq", key), at_most=1.1)
        differences = [abs(ratio - 1) for ratio in ratios(problem, name, "numpy-lstsq", "relative_residual")]
        yield bar(f"{name}: residual, relative difference from that of numpy-lstsq", differences, at_most=1e-8)


def deficient_bars(measured):
    for problem in measured["problems"]:
        variation, M = problem["variation"], problem["features"]
        ranks = {"every feature twice": (M // 2, M // 2), "a zero feature": (M - 1, M - 1), "none": (1, M - 1)}
        what = variation if variation != "none" else problem["system"]
        for name in GRADES:
            for key, error in (("energy_error", "H error"), ("gradient_error", "∇H error")):
                yield bar(f"{what}, {name}: {error} over that of numpy-lstsq", ratios(problem, name, "numpy-lstsq", key), at_most=2)
            lowest, highest = ranks[variation]
            yield bar(f"{what}, {name}: rank", values_of(problem, name, "rank"), at_least=lowest, at_most=highest)


def small_time_bars(measured):
    [problem] = measured["problems"]
    ours = "khatri-rao-qr"  # lsqr spends memory on being faster
    yield bar(f"time of numpy-lstsq over that of {ours}", ratios(problem, "numpy-lstsq", ours, "seconds"), at_least=6)
    yield bar(f"peak memory of numpy-lstsq over that of {ours}", ratios(problem, "numpy-lstsq", ours, "peak_memory_bytes"), at_least=8)


def large_time_bars(measured):
    [problem] = measured["problems"]
    yield bar("time of tsqr over that of auto", ratios(problem, "tsqr", "auto", "seconds"), at_least=10)


def rate_bars(measured):
    [problem] = measured["problems"]
    flops, rates = 2 * problem["samples"] * problem["features"] ** 2, measured["dgemm"]
    seconds = values_of(problem, "khatri-rao-qr", "seconds") if None not in rates else []
    fractions = [flops / s / ((before + after) / 2) for s, before, after in zip(seconds, rates, rates[1:], strict=False)]
    yield bar("2KM² flops a second of khatri-rao-qr over the rate of dgemm", fractions, at_least=0.6)


def lsqr_bars(measured):
    [problem] = measured["problems"]
    yield bar("iterations of lsqr", values_of(problem, "lsqr", "iterations"), at_most=25)
    yield bar("time of lsqr over that of khatri-rao-qr", ratios(problem, "lsqr", "khatri-rao-qr", "seconds"), at_most=1)


def auto_bars(measured):
    problems = measured["problems"]

    def over_fastest(problem):
        return [a / b for a, b in zip(fastest(problem, ("auto",)), fastest(problem, THREE), strict=False)]

    def predicted_over_measured(problem, key, measured_key):
        predicted = values_of(problem, "auto", "predicted")
        return [p[key] / m for p, m in zip(predicted, values_of(problem, "auto", measured_key), strict=True)] if predicted else []

    seconds = [[max(r, 1 / r) for r in predicted_over_measured(problem, "seconds", "seconds")] for problem in problems]
    memory = [[abs(r - 1) for r in predicted_over_measured(problem, "memory_bytes", "peak_memory_bytes")] for problem in problems]
    yield worst("time of auto over that of the fastest, worst problem", map(over_fastest, problems), at_most=1.25)
    yield worst("predicted over measured time of auto, or the inverse, worst problem", seconds, at_most=2)
    yield worst("predicted from measured memory of auto, relative, worst problem", memory, at_most=0.25)


def memory_bars(measured):
    for name in THREE:
        per_problem = [values_of(problem, name, "peak_memory_bytes") for problem in measured["problems"]]
        growth = [max(of_round) / min(of_round) for of_round in zip(*per_problem, strict=True)] if all(per_problem) else []
        yield bar(f"{name}: largest over smallest peak memory", growth, at_most=1.1)


def noise_bars(measured):
    for problem in measured["problems"]:
        errors = [values for ridge in RIDGES if (values := values_of(problem, ridge_label(ridge), "gradient_error"))]
        best = [min(of_round) for of_round in zip(*errors, strict=True)]
        ratio = [a / b for a, b in zip(values_of(problem, GCV, "gradient_error"), best, strict=False)]
        yield bar(f"noise {100 * problem['noise']:g} %: ∇H error of {GCV} over that of the best on the grid", ratio, at_most=1.2)
