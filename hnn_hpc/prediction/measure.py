"""All that is to be known of a model's predictions from many starts, measured by all ranks together."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.integrators import integrate
from hnn_hpc.prediction.arguments import check_same_dimension, check_undamped, checked_rollout
from hnn_hpc.prediction.drift import surviving_energy_drift
from hnn_hpc.prediction.lyapunov import chaos_threshold, is_chaotic, lyapunov_exponent
from hnn_hpc.prediction.rollouts import THRESHOLD, normalized_errors, outside_domain, steps_alone, surviving_rollouts, valid_times
from hnn_hpc.prediction.section import section_distances, section_points
from hnn_hpc.prediction.spread import STARTS_PER_BLOCK, map_starts
from hnn_hpc.samples.survey import coordinate_name
from hnn_hpc.values import finite_number, whole_number

MOST_BYTES = 10**9  # of errors and trajectories that a rank holds
QUANTILES = {"least": 0.0, "quantile_10": 0.1, "median": 0.5, "quantile_90": 0.9}
LONGER = 2  # times as long a learned orbit is followed for the crossings that the true one has


@dataclass(frozen=True)
class PredictionOptions:
    """What is measured. Times are in the units of the system.

    time_step, steps  of rollouts, exponents and sections: h > 0 and how many
    threshold         of the normalized error, above which a prediction is no longer valid
    method            a symplectic one, a key of INTEGRATORS, whose energy drift is measured
    drift_steps       its steps, of the same length; None: as many as of the rollouts
    section           the number of the coordinate of the Poincaré section, or None for no section
    crossings         of it, at most
    """

    time_step: float
    steps: int
    threshold: float = THRESHOLD
    method: str = "implicit-midpoint"
    drift_steps: int | None = None
    section: int | None = None
    crossings: int = 100


def predict(model, system, starts, options, communicator, progress=None):
    """Return a summary, a dictionary fit for JSON, and what it sums up, a dictionary of arrays; the same on every rank. Collective.

    Parameters: model and system (Ĥ and H), starts (T, D), the same on all ranks, options (`PredictionOptions`).
    Arrays: starts (T, D), energies (T,) of H, times (N,), errors (T, N), valid_times (T,), the same of the true system by the steps that
    the model is followed with, reference_errors and reference_valid_times, exponents (T, 2) of H and of Ĥ,
    outside_domain (T,), the share of learned states outside of the model's domain, drift_times (W,), drift (T, W, 2) by H and by Ĥ, and,
    where there is a section, section_true and section_learned (T, crossings, D) and section_distances (T,).
    A start from which the true motion escapes has NaN for errors and valid times. The summary is that of `summary`, and the first sentences
    on what went wrong, or None: true_escape, of those starts, drift_failure, of those from which the method failed.
    Errors: `UserError`, on every rank, for whatever cannot be used, and where the true motion escapes from all starts.
    """
    with communicator.together():
        starts = _checked(model, system, starts, options)
    spread = partial(map_starts, starts=starts, communicator=communicator, progress=progress)
    h, steps = options.time_step, options.steps

    def follow(starts):
        true, learned, failures = surviving_rollouts(model, system, starts, h, steps)
        errors, reference_errors = normalized_errors(true, learned), normalized_errors(true, steps_alone(system, starts, h, steps))
        return errors, reference_errors, outside_domain(learned, model.domain).mean(axis=-1), failures

    def exponents(starts):
        return np.stack([lyapunov_exponent(hamiltonian, starts, h, steps) for hamiltonian in (system, model)], axis=-1)

    def drift(starts):
        times, errors, failures = surviving_energy_drift(model, starts, h, options.drift_steps or steps, options.method, [system, model])
        return np.broadcast_to(times, (len(starts), len(times))), errors, failures

    def sections(starts):
        return tuple(
            section_points(hamiltonian, starts, options.crossings, h, longest, options.section, must_cross=False)
            for hamiltonian, longest in ((system, steps), (model, LONGER * steps))
        )

    arrays = {"starts": starts, "energies": system.energy(starts), "times": h * np.arange(steps + 1)}
    arrays["errors"], arrays["reference_errors"], arrays["outside_domain"], escapes = spread(follow, name="rollouts")
    true_escape = _first(escapes, "start {} {}")
    if all(escapes):
        raise UserError(f"the true motion escapes from every start, so that there is nothing to compare with: {true_escape}")
    for prefix in ("", "reference_"):
        arrays[prefix + "valid_times"] = valid_times(arrays["times"], arrays[prefix + "errors"], options.threshold)
    arrays["exponents"] = spread(exponents, name="exponents")
    drift_times, arrays["drift"], failures = spread(drift, name="drift")
    arrays["drift_times"] = drift_times[0]
    if options.section is not None:
        arrays["section_true"], arrays["section_learned"] = spread(sections, name="section")
        arrays["section_distances"] = section_distances(arrays["section_true"], arrays["section_learned"])
    sentences = {"true_escape": true_escape, "drift_failure": _first(failures, "start {}: {}")}
    return summary(arrays, model, system, options) | sentences, arrays


def summary(arrays, model, system, options, selected=...):
    """Return the figures of the starts `selected` (an index of arrays (T,)), of the arrays that `predict` returns.

    Valid times are infinite where a prediction is valid to the end, and distances where the learned orbit does not cross; JSON, which
    knows no infinity, has null for both. Figures of which there are none are None, null too.

    starts, true_escapes   how many; how many of them the true motion escapes from, which no valid time is of
    valid_time, reference_valid_time, valid_lyapunov_times   quantiles, the last of chaotic orbits alone
    valid_to_the_end       the share of starts
    chaotic, not_seen_chaotic, chaos_threshold   how many orbits have an exponent above the threshold, and how many one below it; an orbit
                           that escapes has none and is neither
    lyapunov_exponent, learned_lyapunov_exponent   medians
    energy_drift, true_energy_drift   the largest by Ĥ and by H, over the starts where the method did not fail, which it did in
    drift_failures         of them
    energy_drift_growth    that of the last quarter of the time over that of the first; None where there are too few steps
    starts_outside, outside_domain    the shares of starts and of learned states outside of the training data
    section                coordinate; crossings, of all orbits, fewest, of one, and never_cross, of how many there are none; distances of
                           the nth crossings, median, largest, and largest_regular of orbits not seen to be chaotic; energy_error
    """
    valid, exponents, drift = (arrays[name][selected] for name in ("valid_times", "exponents", "drift"))
    time = options.time_step * options.steps
    chaotic, known = is_chaotic(exponents[:, 0], time), np.isfinite(exponents[:, 0])
    followed = ~np.isnan(valid)
    found = {
        "starts": len(valid),
        "true_escapes": int(np.sum(~followed)),
        "valid_time": _quantiles(valid),
        "reference_valid_time": _quantiles(arrays["reference_valid_times"][selected]),
        "valid_to_the_end": float(np.mean(np.isinf(valid[followed]))) if followed.any() else None,
        "chaotic": int(chaotic.sum()),
        "not_seen_chaotic": int(np.sum(known & ~chaotic)),
        "chaos_threshold": chaos_threshold(time),
        "lyapunov_exponent": _median(exponents[:, 0]),
        "learned_lyapunov_exponent": _median(exponents[:, 1]),
        "valid_lyapunov_times": _quantiles((valid * exponents[:, 0])[chaotic]),
        **_drift_figures(drift),
        "starts_outside": float(outside_domain(arrays["starts"][selected], model.domain).mean()),
        "outside_domain": float(arrays["outside_domain"][selected].mean()),
        "section": None,
    }
    if options.section is not None:
        points, distances = arrays["section_true"][selected], arrays["section_distances"][selected]
        crossings = np.isfinite(points[..., 0]).sum(axis=-1)
        energy_errors = np.abs(system.energy(points) - arrays["energies"][selected][:, None])
        crosses = crossings > 0
        found["section"] = {
            "coordinate": coordinate_name(options.section, system.dimension),
            "crossings": int(crossings.sum()),
            "fewest": int(crossings.min()),
            "never_cross": int(np.sum(~crosses)),
            "median_distance": float(np.median(distances[crosses])) if crosses.any() else None,
            "largest_distance": _largest(distances[crosses]),
            "largest_regular_distance": _largest(distances[crosses & known & ~chaotic]),
            "energy_error": _largest(energy_errors[np.isfinite(energy_errors)]),
        }
    return found


def _drift_figures(drift):
    """Return the figures of the energy drift (T, W, 2) by H and by Ĥ."""
    survives = np.isfinite(drift).all(axis=(1, 2))
    drift, quarter = drift[survives], drift.shape[1] // 4
    growth = None
    if quarter and len(drift):
        first, last = drift[:, :quarter, 1].max(), drift[:, -quarter:, 1].max()
        growth = float(last / first) if first > 0 else None
    return {
        "true_energy_drift": _largest(drift[..., 0]),
        "energy_drift": _largest(drift[..., 1]),
        "energy_drift_growth": growth,
        "drift_failures": int(np.sum(~survives)),
    }


def _checked(model, system, starts, options):
    check_undamped(model)
    check_same_dimension(model, system)
    starts, _, steps = checked_rollout(system, starts, options.time_step, options.steps)
    if options.drift_steps is not None:
        whole_number(options.drift_steps, "drift_steps", at_least=1)
    integrate(model, starts[:1], options.time_step, 0, options.method)  # no step, but its checks of the method
    if finite_number(options.threshold, "threshold") <= 0:
        raise UserError(f"threshold = {options.threshold:g}: expected a positive number, of the normalized error")
    needed = 8 * (steps + 1) * (2 * len(starts) + 4 * min(len(starts), STARTS_PER_BLOCK) * system.dimension)
    if options.section is not None:
        needed += 8 * 2 * len(starts) * options.crossings * system.dimension
    if needed > MOST_BYTES:
        crossings = "" if options.section is None else f" and {options.crossings:,} crossings each"
        raise UserError(
            f"{len(starts)} starts of {steps:,} steps{crossings} would take {needed:,} bytes on every rank, and {MOST_BYTES:,} are allowed;"
            " give a longer time step, a shorter time, fewer starts or fewer crossings"
        )
    return starts


def _quantiles(values):
    """The QUANTILES of values that may be infinite, each one of the values; of NaN not a word, and None where there are no others."""
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    return {name: float(np.quantile(values, level, method="inverted_cdf")) for name, level in QUANTILES.items()}


def _first(sentences, told):
    """Return the first of the sentences (T,) that is not "", told of its number; None where all are."""
    return next((told.format(index, sentence) for index, sentence in enumerate(sentences) if sentence), None)


def _largest(values):
    return float(np.max(values)) if np.size(values) else None


def _median(values):
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else None
