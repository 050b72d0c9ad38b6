"""The learned motion beside the true one from the same starts: the error over time, and how long it stays small."""

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.integrators import accurate_trajectories
from hnn_hpc.integrators.runge_kutta import runge_kutta_step
from hnn_hpc.prediction.arguments import check_same_dimension, checked_rollout

THRESHOLD = 0.4  # of the normalized error: Pathak et al., Chaos 28, 041101 (2018)


def rollouts(model, system, starts, time_step, steps):
    """Return the true and the learned trajectories, two arrays (T, steps + 1, D) at the times 0, h, .., steps h.

    Parameters: model and system (Ĥ and H: anything with a `vector_field`), starts (T, D), time_step h > 0, steps >= 1.
    The true ones by `accurate_trajectories`. The learned ones all together by steps h of order 8 (`runge_kutta`): a method that controls
    its step would halve it again and again where the round-off of ∇Ĥ, of large coefficients that cancel, lies above its tolerance. Where
    h is small enough, the same steps follow the true system, too (`steps_alone`). States that a learned motion escapes from are NaN.
    Memory: both answers. Errors: `UserError` for values that cannot be used, and where a true trajectory cannot be followed to the end.
    """
    true, learned, failures = surviving_rollouts(model, system, starts, time_step, steps)
    for index in np.flatnonzero(failures):
        raise UserError(f"start {index} {failures[index]}")
    return true, learned


def surviving_rollouts(model, system, starts, time_step, steps):
    """Return what `rollouts` does, and what is wrong (T,): sentences without their subject, the start, each "" where nothing is.

    True trajectories are NaN, all of them, from starts where they cannot be followed to the end.
    """
    check_same_dimension(model, system)
    starts, time_step, steps = checked_rollout(system, starts, time_step, steps)
    true, failures = np.full((len(starts), steps + 1, system.dimension), np.nan), [""] * len(starts)
    for index, start in enumerate(starts):
        try:
            true[index] = accurate_trajectories(system, start[None], time_step, steps, called="start")[0]
        except UserError as error:
            failures[index] = str(error).removeprefix("start 0 ")
    return true, steps_alone(model, starts, time_step, steps), np.array(failures, dtype=object)


def steps_alone(hamiltonian, starts, time_step, steps, substeps=1):
    """Return the trajectories (T, steps + 1, D) by steps of order 8, NaN where a state is no longer finite.

    substeps (int): so many equal steps are made in each time step, and only the last is told.
    """
    starts, time_step, steps = checked_rollout(hamiltonian, starts, time_step, steps)
    states = np.empty((steps + 1, *starts.shape))
    states[0] = starts
    with np.errstate(all="ignore"):
        for step in range(steps):
            x = states[step]
            for _ in range(substeps):
                x = runge_kutta_step(hamiltonian.vector_field, x, time_step / substeps)
            states[step + 1] = x
    states[~np.isfinite(states).all(axis=-1)] = np.nan
    return np.moveaxis(states, 0, 1)


def rollout_error(model, system, starts, time_step, steps):
    """Return times (steps + 1,) and normalized errors (T, steps + 1) of the learned motion.

    The error at the time t is ‖x̂(t) - x(t)‖ / ⟨‖x‖²⟩^(1/2), with the mean over the true trajectory (Pathak et al. 2018), and infinite where
    the learned motion has escaped. Parameters and errors as in `rollouts`.
    """
    errors = normalized_errors(*rollouts(model, system, starts, time_step, steps))
    return float(time_step) * np.arange(errors.shape[-1]), errors


def normalized_errors(true, learned):
    """Return the errors (T, N) of trajectories (T, N, D), as `rollout_error` defines them; absolute ones of a start at rest in 0.

    Infinite where a state is lost, NaN; but NaN of a start whose whole true trajectory is.
    """
    scale = np.sqrt(np.mean(np.sum(true**2, axis=-1), axis=-1, keepdims=True))
    with np.errstate(over="ignore"):
        errors = np.linalg.norm(learned - true, axis=-1) / np.where(scale > 0, scale, 1)
    return np.where(np.isnan(errors) & ~np.isnan(true).all(axis=(-2, -1))[:, None], np.inf, errors)


def valid_times(times, errors, threshold=THRESHOLD):
    """Return for each start the first of the times (N,) at which its error, of errors (T, N), exceeds the threshold: (T,).

    Infinite where it never does: the valid time is longer than the rollout. Never too short, and too long by less than a time step.
    NaN where all errors are.
    """
    exceeded = np.asarray(errors) > threshold
    valid = np.where(exceeded.any(axis=-1), np.asarray(times)[exceeded.argmax(axis=-1)], np.inf)
    return np.where(np.isnan(errors).all(axis=-1), np.nan, valid)


def outside_domain(states, domain):
    """Return whether each state (..., D) lies outside the domain (D, 2), where a model extrapolates; so does a state that is lost, NaN."""
    lower, upper = np.asarray(domain).T
    return ~((states >= lower) & (states <= upper)).all(axis=-1)
