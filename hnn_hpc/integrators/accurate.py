"""Trajectories with an error near 1e-12: training data, and the measure of the symplectic methods."""

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.integrators.arguments import checked_states, checked_steps

TOLERANCE = 1e-13  # of an inner step, relative and absolute; the states between inner steps, interpolated, are 20 times less accurate


def accurate_trajectories(hamiltonian, starts, time_step, steps, first_index=0, called="trajectory"):
    """Return the states at the times 0, h, .., steps h, shape (T, steps + 1, D), by the Runge-Kutta method DOP853 with its own inner steps.

    Parameters: hamiltonian (a system or a trained model), starts (T, D), time_step h (float, negative for back in time), steps (int),
    first_index (int): the number of the first trajectory among those of all ranks, called (str): what it is, both for messages.
    One trajectory at a time: inner steps shared by a batch would make each trajectory depend on its neighbours, and so on the ranks.
    Raises UserError: a value that cannot be used; a trajectory that cannot be followed to the end, with its number and the time.
    """
    time_step, steps = checked_steps(time_step, steps)
    starts = checked_states(starts, hamiltonian.dimension)
    if starts.ndim != 2:
        raise UserError(f"starts has the shape {starts.shape}; expected (trajectories, {hamiltonian.dimension})")

    times = time_step * np.arange(steps + 1)
    trajectories = np.empty((len(starts), steps + 1, hamiltonian.dimension))
    for index, start in enumerate(starts):
        states = _follow(hamiltonian, start, times)
        if len(states) <= steps or not np.isfinite(states).all():
            raise UserError(
                f"{called} {first_index + index} cannot be followed beyond t = {times[len(states) - 1]:g} of {times[-1]:g}: it escapes or"
                " its energy overflows; choose a smaller box for the starts, or fewer or shorter steps"
            )
        trajectories[index] = states
    return trajectories


def _follow(hamiltonian, start, times):
    """Return the states at those of the `times` that are reached, (reached times, D); times[0] always is."""
    from scipy.integrate import solve_ivp  # here, for it takes 17 MB that fits do without

    def velocity(_, x):
        return hamiltonian.vector_field(x)

    with np.errstate(all="ignore"):
        if not np.isfinite(velocity(0, start)).all():  # from there SciPy would not return
            return start[None]
        path = solve_ivp(velocity, times[[0, -1]], start, "DOP853", t_eval=times[1:], rtol=TOLERANCE, atol=TOLERANCE)
    return np.vstack([start, np.reshape(path.y, (len(start), -1)).T])
