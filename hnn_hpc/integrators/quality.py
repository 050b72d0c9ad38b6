"""Whether an integration can be trusted: before it, is H separable; after it, how far has H drifted?"""

import numpy as np

from hnn_hpc.integrators.arguments import limits
from hnn_hpc.random_streams import random_stream

CHECK_SEED, CHECK_POINTS = 0, 256
SEPARABLE_TOLERANCE = 1e-3  # a trained model of a separable H is separable only up to twice its own relative gradient error
ROUND_OFF_AT_REST = 1e-8  # of |H|: the least scale of the drift, so that a state at rest does not measure its round-off by itself


def is_separable(hamiltonian, tolerance=SEPARABLE_TOLERANCE):
    """Return whether H = T(p) + V(q): what the hamiltonian declares as `separable`, or else `separability_defect` <= tolerance.

    Where a model's defect is below the tolerance but not 0, an explicit method's error has a floor of about the defect.
    """
    declared = getattr(hamiltonian, "separable", None)
    return separability_defect(hamiltonian) <= tolerance if declared is None else declared


def separability_defect(hamiltonian):
    """Measure how much dH/dq depends on p and dH/dp on q: 0 for a separable H, about 1 for one that is far from it.

    At seeded random points (q, p) of the hamiltonian's `box` or, for a trained model, `domain`, half of each point is exchanged for
    that of another, (q', p'), and the defect is the root mean square of dH/dq(q, p) - dH/dq(q, p') and dH/dp(q, p) - dH/dp(q', p),
    divided by that of the gradient.
    """
    low, high = limits(hamiltonian).T
    x, other = random_stream(CHECK_SEED, "checks").uniform(low, high, size=(2, CHECK_POINTS, len(low)))
    dof = hamiltonian.dof
    gradient = hamiltonian.gradient(x)
    other_p = hamiltonian.gradient(np.concatenate([x[:, :dof], other[:, dof:]], axis=-1))
    other_q = hamiltonian.gradient(np.concatenate([other[:, :dof], x[:, dof:]], axis=-1))
    change = gradient - np.concatenate([other_p[:, :dof], other_q[:, dof:]], axis=-1)
    return np.linalg.norm(change) / max(np.linalg.norm(gradient), np.finfo(float).tiny)


def energy_drift(hamiltonian, trajectory):
    """Return the largest energy error of any of the trajectories, relative to the energy that the trajectory exchanges, a float.

    Parameters: trajectory (steps + 1, ..., D), time first, as `integrate` returns it (for `accurate_trajectories` move axis 1 to 0).
    The error is max_t |H(q(t), p(t)) - H(0)|, and the energy exchanged is the larger of max_t |H(q(t), p(0)) - H(0)| and
    max_t |H(q(0), p(t)) - H(0)|: for H = T(p) + V(q) the swing of V and of T. Unlike |H(0)| it does not depend on the constant in H,
    which is arbitrary and, in a model fitted without any energy, may be millions of times larger.
    """
    x = np.asarray(trajectory, dtype=float)
    error, exchanged = energy_changes(hamiltonian, x, x[0])
    return float(np.max(relative_drift(hamiltonian, x[0], error, exchanged), initial=0))


def energy_changes(hamiltonian, states, start):
    """Return the largest energy error and the energy exchanged, as `energy_drift` defines them: two arrays (...).

    Parameters: states (N, ..., D): those of a trajectory, or a part of them, start (..., D): where it began. The changes of a trajectory
    are the largest of those of its parts.
    """
    error, exchanged = _changes(hamiltonian, states, start)
    return error.max(axis=0), exchanged.max(axis=0)


def drift_over_time(hamiltonian, trajectory):
    """Return the energy errors (N, ...) of trajectories (N, ..., D), time first, each relative to the energy that it exchanges.

    As `energy_drift` defines them, but for each time. The error is NaN where a state is, as once an orbit has escaped, and infinite where
    H overflows; the energy exchanged is that of the other states.
    """
    x = np.asarray(trajectory, dtype=float)
    with np.errstate(over="ignore", invalid="ignore"):
        error, exchanged = _changes(hamiltonian, x, x[0])
        exchanged = np.fmax.reduce(np.where(np.isfinite(exchanged), exchanged, 0), axis=0)
        drift = relative_drift(hamiltonian, x[0], np.where(np.isnan(error), np.inf, error), exchanged)  # H may overflow to inf - inf
    return np.where(np.isnan(x).any(axis=-1), np.nan, drift)


def _changes(hamiltonian, states, start):
    """Return |H(q, p) - H(0)|, and the larger of |H(q, p(0)) - H(0)| and |H(q(0), p) - H(0)|, of each state: two arrays (N, ...)."""
    dof, starts = hamiltonian.dof, np.broadcast_to(start, states.shape)
    start_energy = hamiltonian.energy(start)

    def change(q, p):
        return np.abs(hamiltonian.energy(np.concatenate([q, p], axis=-1)) - start_energy)

    error = change(states[..., :dof], states[..., dof:])
    kinetic = change(starts[..., :dof], states[..., dof:])
    potential = change(states[..., :dof], starts[..., dof:])
    return error, np.maximum(kinetic, potential)


def relative_drift(hamiltonian, start, error, exchanged):
    """Return error / exchanged, where the energy exchanged is at least what round-off could make it seem at the start (..., D)."""
    least = np.maximum(ROUND_OFF_AT_REST * np.abs(hamiltonian.energy(start)), np.finfo(float).tiny)
    return error / np.maximum(exchanged, least)
