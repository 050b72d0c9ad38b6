"""The implicit midpoint rule, its equation solved to round-off.

One step of length h leads from x to x + u, where

    u = h f(x + u/2),    f = J grad H.

Fixed-point iteration contracts by about h |f'|/2 a round and costs one gradient: 5 to 15 rounds for the usual h. States for which that is
too slow go on to Newton's method, with f' from differences, at D + 1 gradients a round; it converges for any h that resolves the motion
at all. Each state has its own stop test, so that its path is the same alone and in a batch.

Stopping short of round-off would make the energy drift (Hairer, Lubich, Wanner, VIII.6). But round-off in f may be far above that of x,
where the large coefficients of a model cancel: an iteration also ends when a change that is small already gets no smaller.
"""

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.integrators.arguments import limits, name_first

ROUNDS = 30  # of either iteration: a contraction by 0.3 a round reaches round-off in as many
ROUND_OFF = 2 * np.finfo(float).eps  # change of u, of |x| + |u| (largest coordinates)
PATIENCE = 5  # rounds without a new smallest change that end progress; rotations converge unevenly, but not as unevenly
NOISE = 1e-6  # change of u without progress, of |u|: above the round-off of a usable model, and no diverging iteration is below
NUDGE = 2.0**-17  # of the box, for the differences: coarse, since noise spoils f' sooner than curvature does


def implicit_midpoint(hamiltonian, x, time_step):
    """Return the states one step later, x (..., D). Order 2; any H. UserError where the equation cannot be solved."""
    extent = _largest(limits(hamiltonian).ravel())

    def increment(states, u):
        return time_step * hamiltonian.vector_field(states + u / 2)

    def newton(states, u):
        identity, nudge, expected = np.eye(u.shape[-1]), NUDGE * extent, increment(states, u)
        nudged = increment(states[:, None], u[:, None] + nudge * identity)
        derivative = np.swapaxes(nudged - expected[:, None], -1, -2) / nudge
        try:
            return u - np.linalg.solve(identity - derivative, (u - expected)[..., None])[..., 0]
        except np.linalg.LinAlgError:  # exactly singular: no solution nearby
            return np.full_like(u, np.nan)

    states = x.reshape(-1, x.shape[-1])
    u, solved = _iterate(increment, states, rest=0)
    if not solved.all():
        slow = ~solved
        u[slow], solved[slow] = _iterate(newton, states[slow], rest=NOISE * extent)
    if not solved.all():
        raise UserError(
            f"no solution of the midpoint equation was found for {name_first(~solved)}, with coordinates up to"
            f" {_largest(states[np.argmin(solved)]):.3g}; reduce the time step, or the time if the trajectory escapes"
        )
    return x + u.reshape(x.shape)


def _iterate(improve, states, rest):
    """Repeat u = improve(x, u) from u = 0 for each x of the states (B, D) until it has converged; return u (B, D), converged (B,).

    rest: a change that will do when progress or rounds have ended, as they do near a point of rest, where u itself is nothing but noise.
    """
    solution, converged = np.zeros_like(states), np.zeros(len(states), dtype=bool)
    active, x, u = np.arange(len(states)), states, solution.copy()
    smallest, stalled = np.full(len(states), np.inf), np.zeros(len(states), dtype=int)
    for round_ in range(ROUNDS):
        improved = improve(x, u)
        change, size = _largest(improved - u), _largest(improved)
        stalled = np.where(change < smallest, 0, stalled + 1)
        smallest = np.fmin(change, smallest)
        u = improved
        ended = stalled >= PATIENCE
        done = (change <= ROUND_OFF * (_largest(x) + size)) | (ended & (change <= NOISE * size))
        done |= (ended | (round_ == ROUNDS - 1)) & (change <= rest)
        done &= np.isfinite(change)
        if done.any():
            solution[active[done]], converged[active[done]] = u[done], True
            active, x, u, smallest, stalled = (values[~done] for values in (active, x, u, smallest, stalled))
        if not active.size:
            break
    return solution, converged


def _largest(coordinates):
    return np.abs(coordinates).max(axis=-1)
