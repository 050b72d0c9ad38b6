"""Time to accuracy: how long our fit and Adam take for the same error on the same samples.

Three questions: how good is our fit, and in how many seconds; when is Adam as good, if ever; and how long do we take to be as good as Adam
ever was. A width of ours takes seconds that grow with its square, so all powers of two below the fit's own add a third to its time.
"""

import statistics
from dataclasses import asdict, replace

from hnn_hpc.baselines.adam import TARGET, train_by_adam
from hnn_hpc.baselines.pytorch import import_torch
from hnn_hpc.errors import NotCertifiedError, UserError
from hnn_hpc.evaluation import check_finite, evaluate
from hnn_hpc.training import fit_source

ROUNDS = 3  # of the fit whose time is compared with Adam's; the median counts
ERRORS = ("energy_error", "gradient_error")


def compare(train, test, fit_options, adam_options, communicator, *, reference=None, cap=600.0, progress=None):
    """Measure both ways of training and return the comparison as a dictionary of plain values. Serial: one rank.

    Parameters: train, test (SampleSource), fit_options (FitOptions), adam_options (AdamOptions), reference: (x0, H0) or None; cap: seconds
    of training that Adam may take; progress: see `hnn_hpc.progress`.

    metric           the error that is compared: "energy_error", or "gradient_error" where the test samples have no energies
    ours             {features, sampler, solver, threads, seconds {data, sampling, solve, total}, errors}: the fit as its options say
    adam             its options, {threads, cap, stop_reason, seconds, steps_done, best (a point of the curve), curve}
    widths           our fits of 2, 4, 8 … features up to those of `ours`: {features, seconds, errors, problem: why there is no error}
    to_our_error     {error, seconds, adam_seconds: None where not reached, speed_up: None, or Adam's seconds over ours, speed_up_above:
                     where not reached, a number that it is above}
    to_adams_error   {error, adam_seconds, adam_steps: when it first was as low, features: the fewest of `widths` that reach it, seconds:
                     the median, rounds, speed_up}; the last four are None where none of them reaches it
    Our seconds are those of a whole fit, reading the samples included; Adam's those of its steps alone.

    Errors: `UserError`, and `NotCertifiedError` where the fit itself is not certified.
    """
    import_torch()  # a missing one is to be noticed now
    check_finite(test, communicator, progress)
    metric = ERRORS[0] if test.has_energies else ERRORS[1]

    def measured(features):
        options = replace(fit_options, features=features)
        fit = fit_source(train, options, communicator, progress, reference=reference)
        errors = evaluate(fit.model, test, communicator, progress)
        return fit, {"features": features, "seconds": fit.record["seconds"]["total"], **{name: errors[name] for name in ERRORS}}

    fit, own = measured(fit_options.features)
    how = {"reference": reference, "metric": metric, "target": own[metric], "cap": cap, "progress": progress}
    run = train_by_adam(train, test, adam_options, communicator, **how)
    best = min(run.curve, key=lambda point: getattr(point, metric))
    widths = [_tried(measured, width) for width in powers_of_two_below(fit_options.features)] + [{**own, "problem": None}]
    enough = next((width for width in widths if width["problem"] is None and width[metric] <= getattr(best, metric)), None)
    rounds = [enough["seconds"], *(measured(enough["features"])[1]["seconds"] for _ in range(ROUNDS - 1))] if enough else None
    last = run.curve[-1]
    return {
        "metric": metric,
        "samples": train.count,
        "test_samples": test.count,
        "dimension": train.dimension,
        "ours": {
            **own,
            "sampler": fit_options.sampler,
            "solver": fit.solution.solver,
            "threads": fit.record["threads"],
            "seconds": fit.record["seconds"],
        },
        "adam": {
            **asdict(adam_options),
            "threads": run.threads,
            "cap": cap,
            "stop_reason": run.stop_reason,
            "seconds": last.seconds,
            "steps_done": last.steps,
            "best": best._asdict(),
            "curve": [point._asdict() for point in run.curve],
        },
        "widths": widths,
        "to_our_error": _to_our_error(own[metric], own["seconds"], last.seconds, run.stop_reason == TARGET),
        "to_adams_error": {
            "error": getattr(best, metric),
            "adam_seconds": best.seconds,
            "adam_steps": best.steps,
            "features": enough and enough["features"],
            "seconds": rounds and statistics.median(rounds),
            "rounds": rounds,
            "speed_up": rounds and best.seconds / statistics.median(rounds),
        },
    }


def powers_of_two_below(features):
    """Return [2, 4, 8 …], all below `features`."""
    return [2**power for power in range(1, features.bit_length()) if 2**power < features]


def _tried(measured, features):
    """Return what `measured` tells of so many features; where so few cannot be fitted, the problem in place of figures."""
    try:
        return {**measured(features)[1], "problem": None}
    except (NotCertifiedError, UserError) as error:
        return {"features": features, "seconds": None, **dict.fromkeys(ERRORS), "problem": str(error)}


def _to_our_error(error, seconds, adam_seconds, reached):
    ratio = adam_seconds / seconds
    return {
        "error": error,
        "seconds": seconds,
        "adam_seconds": adam_seconds if reached else None,
        "speed_up": ratio if reached else None,
        "speed_up_above": None if reached else ratio,
    }
