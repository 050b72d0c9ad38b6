"""All that is to be known of a model's predictions from many starts, measured by all ranks together."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.integrators import integrate
from hnn_hpc.prediction.arguments import check_same_dimension, checked_rollout
from hnn_hpc.prediction.drift import surviving_energy_drift
from hnn_hpc.prediction.lyapunov import is_chaotic, lyapunov_exponent
from hnn_hpc.prediction.rollouts import THRESHOLD, normalized_errors, outside_domain, rollouts, steps_alone, valid_times
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
    Errors: `UserError`, on every rank, for whatever cannot be used or followed.
    """
    with communicator.together():
        starts = _checked(model, system, starts, options)
    spread = partial(map_starts, starts=starts, communicator=communicator, progress=progress)
    h, steps = options.time_step, options.steps

    def follow(starts):
        true, learned = rollouts(model, system, starts, h, steps)
        errors, reference_errors = normalized_errors(true, learned), normalized_errors(true, steps_alone(system, starts, h, steps))
        return errors, reference_errors, outside_domain(learned, model.domain).mean(axis=-1)

    def exponents(starts):
        return np.stack([lyapunov_exponent(hamiltonian, starts, h, steps) for hamiltonian in (system, model)], axis=-1)

    def drift(starts):
        times, errors = surviving_energy_drift(model, starts, h, options.drift_steps or steps, options.method, [system, model])
        return np.broadcast_to(times, (len(starts), len(times))), errors

    def sections(starts):
        true = section_points(system, starts, options.crossings, h, steps, options.section)
        learned = section_points(model, starts, options.crossings, h, LONGER * steps, options.section, must_cross=False)
        return true, learned

    arrays = {"starts": starts, "energies": system.energy(starts), "times": h * np.arange(steps + 1)}
    arrays["errors"], arrays["reference_errors"], arrays["outside_domain"] = spread(follow, name="rollouts")
    for prefix in ("", "reference_"):
        arrays[prefix + "valid_times"] = valid_times(arrays["times"], arrays[prefix + "errors"], options.threshold)
    arrays["exponents"] = spread(exponents, name="exponents")
    drift_times, arrays["drift"] = spread(drift, name="drift")
    arrays["drift_times"] = drift_times[0]
    if options.section is not None:
        arrays["section_true"], arrays["section_learned"] = spread(sections, name="section")
        arrays["section_distances"] = section_distances(arrays["section_true"], arrays["section_learned"])
    return summary(arrays, model, system, options), arrays


def summary(arrays, model, system, options, selected=...):
    """Return the figures of the starts `selected` (an index of arrays (T,)), of the arrays that `predict` returns."""
    valid, exponents, drift = (arrays[name][selected] for name in ("valid_times", "exponents", "drift"))
    chaotic = is_chaotic(exponents[:, 0], options.time_step * options.steps)
    quarter = max(1, drift.shape[1] // 4)
    first_quarter, last_quarter, largest_drift = (np.max(part, axis=(0, 1)) for part in (drift[:, :quarter], drift[:, -quarter:], drift))
    found = {
        "starts": len(valid),
        "valid_time": _quantiles(valid),
        "reference_valid_time": _quantiles(arrays["reference_valid_times"][selected]),
        "valid_to_the_end": float(np.mean(np.isinf(valid))),
        "chaotic": int(chaotic.sum()),
        "lyapunov_exponent": _median(exponents[:, 0]),
        "learned_lyapunov_exponent": _median(exponents[:, 1]),
        "valid_lyapunov_times": _quantiles((valid * exponents[:, 0])[chaotic]),
        "true_energy_drift": float(largest_drift[0]),
        "energy_drift": float(largest_drift[1]),
        "energy_drift_growth": float(last_quarter[1] / first_quarter[1]) if 0 < first_quarter[1] < np.inf else None,
        "starts_outside": float(outside_domain(arrays["starts"][selected], model.domain).mean()),
        "outside_domain": float(arrays["outside_domain"][selected].mean()),
        "section": None,
    }
    if options.section is not None:
        points, distances = arrays["section_true"][selected], arrays["section_distances"][selected]
        energy_errors = system.energy(points) - arrays["energies"][selected][:, None]
        found["section"] = {
            "coordinate": coordinate_name(options.section, system.dimension),
            "crossings": int(np.isfinite(points[..., 0]).sum()),
            "fewest": int(np.isfinite(points[..., 0]).sum(axis=-1).min()),
            "median_distance": float(np.median(distances)),
            "largest_distance": float(np.max(distances)),
            "largest_regular_distance": float(np.max(distances[~chaotic])) if not chaotic.all() else None,
            "energy_error": float(np.nanmax(np.abs(energy_errors))),
        }
    return found


def _checked(model, system, starts, options):
    check_same_dimension(model, system)
    starts, _, steps = checked_rollout(system, starts, options.time_step, options.steps)
    if options.drift_steps is not None:
        whole_number(options.drift_steps, "drift_steps", at_least=1)
    integrate(model, starts[:1], options.time_step, 0, options.method)  # no step, but its checks of the method
    if finite_number(options.threshold, "threshold") <= 0:
        raise UserError(f"threshold = {options.threshold:g}: expected a positive number, of the normalized error")
    needed = 8 * (steps + 1) * (2 * len(starts) + 4 * min(len(starts), STARTS_PER_BLOCK) * system.dimension)
    if needed > MOST_BYTES:
        raise UserError(
            f"{len(starts)} starts of {steps:,} steps would take {needed:,} bytes on every rank, and {MOST_BYTES:,} are allowed; give a"
            " longer time step, a shorter time or fewer starts"
        )
    return starts


def _quantiles(values):
    """The QUANTILES of values that may be infinite, each one of the values; None where there are none."""
    if not len(values):
        return None
    return {name: float(np.quantile(values, level, method="inverted_cdf")) for name, level in QUANTILES.items()}


def _median(values):
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else None
