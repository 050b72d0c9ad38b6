"""The energy over millions of steps of a symplectic method: does it stay bounded, or drift?"""

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.integrators import integrate
from hnn_hpc.integrators.quality import energy_changes, relative_drift
from hnn_hpc.prediction.arguments import checked_rollout

WINDOWS = 20
SAVE_EVERY = 10  # the energy is taken of one state in so many, for it costs as much as a step
LONGEST_CHUNK = 1000 * SAVE_EVERY  # steps


def long_energy_drift(model, starts, time_step, steps, method="implicit-midpoint", measures=None, windows=WINDOWS):
    """Return the times (W,) at the ends of W windows of a rollout, and the largest energy errors (T, W, number of measures) in each.

    Parameters: model, starts (T, D), time_step h > 0, steps >= 1 (beyond SAVE_EVERY rounded down to its multiples), method (a key of
    INTEGRATORS), measures: the Hamiltonians whose energy is taken, by default the model's own alone (a true H beside it tells how wrong the
    learned energy is along the way), windows: W, at most one for each SAVE_EVERY steps.

    The error is max |H(x(t)) - H(x(0))| over one state in SAVE_EVERY, relative to the energy that the whole rollout exchanges between
    kinetic and potential, as in `integrators.energy_drift`. Where a method keeps the energy, errors do not grow from window to window.
    Memory: T LONGEST_CHUNK / SAVE_EVERY states, however many steps.
    Errors: `UserError` for values that cannot be used, or a step that cannot be made.
    """
    starts, time_step, steps = checked_rollout(model, starts, time_step, steps)
    measures = measures or [model]
    edges, save_every = _window_edges(steps, windows), min(SAVE_EVERY, steps)
    errors, exchanged = np.zeros((len(measures), len(starts), len(edges))), np.zeros((len(measures), len(starts)))
    x, done = starts, 0
    for window, edge in enumerate(edges):
        while done < edge:
            chunk = min(LONGEST_CHUNK, edge - done)
            states = _integrate(model, x, time_step, chunk, method, save_every, done)
            for index, measure in enumerate(measures):
                with np.errstate(over="ignore", invalid="ignore"):  # of states that escape; soon a step will fail
                    error, exchange = energy_changes(measure, states[1:], starts)
                errors[index, :, window] = np.maximum(errors[index, :, window], error)
                exchanged[index] = np.maximum(exchanged[index], exchange)
            x, done = states[-1], done + chunk
    for index, measure in enumerate(measures):
        errors[index] = relative_drift(measure, starts, errors[index].T, exchanged[index]).T
    return time_step * np.array(edges), np.moveaxis(errors, 0, -1)


def surviving_energy_drift(model, starts, time_step, steps, method, measures):
    """Return what `long_energy_drift` does, and what is wrong: sentences (T,), each "" where nothing is.

    The errors are infinite for those starts from where a step cannot be made, as where Ĥ escapes.
    """
    try:
        times, errors = long_energy_drift(model, starts, time_step, steps, method, measures)
        return times, errors, np.array([""] * len(starts), dtype=object)
    except UserError as error:
        if len(starts) > 1:
            each = [surviving_energy_drift(model, start[None], time_step, steps, method, measures) for start in starts]
            _, errors, failures = map(list, zip(*each, strict=True))
            return each[0][0], np.concatenate(errors), np.concatenate(failures)
        edges = _window_edges(steps, WINDOWS)
        errors = np.full((1, len(edges), len(measures)), np.inf)
        return time_step * np.array(edges), errors, np.array([str(error)], dtype=object)


def _window_edges(steps, windows):
    """Return the numbers of steps at which windows end, multiples of SAVE_EVERY where there are so many steps."""
    save_every = min(SAVE_EVERY, steps)
    windows = min(windows, steps // save_every)
    return [save_every * (steps // save_every * window // windows) for window in range(1, windows + 1)]


def _integrate(model, x, time_step, steps, method, save_every, done):
    try:
        return integrate(model, x, time_step, steps, method, save_every)
    except UserError as error:
        raise UserError(f"after {done:,} steps, {error}" if done else str(error)) from None
