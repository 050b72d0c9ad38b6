"""The largest Lyapunov exponent, λ = lim ln(|v(t)|/|v(0)|)/t, of a separation v that the motion carries along, dv/dt = J H''(x) v.

Benettin, Galgani, Strelcyn, Phys. Rev. A 14, 2338, 1976: v is brought back to length 1 again and again, and λ is the mean rate of its
growth. Their v leads to a second trajectory nearby; here it is a tangent vector, with a central difference of ∇H for H'' v,

    H''(x) v ≈ (∇H(x + ε v) - ∇H(x - ε v)) / (2 ε),   |v| = 1.
"""

import math

import numpy as np

from hnn_hpc.integrators.arguments import limits
from hnn_hpc.integrators.runge_kutta import runge_kutta_step
from hnn_hpc.prediction.arguments import checked_rollout
from hnn_hpc.random_streams import random_stream

NUDGE = 2.0**-17  # ε, of the largest coordinate of the box: round-off in a model's ∇H is divided by it, and its square is an error
SETTLING = 0.2  # of the time, while v turns to where it grows fastest; not counted
LEAST_GROWTH = math.log(1e4)  # of |v| over the time counted; on a regular orbit it grows by 1/SETTLING, and a factor that comes and goes


def lyapunov_exponent(hamiltonian, starts, time_step, steps):
    """Return the largest Lyapunov exponent of each orbit over the time steps h, in units of 1/time: (T,). NaN where an orbit escapes.

    Parameters: hamiltonian (a system or a trained model, with its `box` or `domain`), starts (T, D), time_step h > 0, steps >= 1.
    The first fifth of the steps is not counted. A regular orbit of the time t gives about 2/t, not 0 (see `is_chaotic`).
    Steps of order 8 (`runge_kutta`), 36 gradients each. Errors: `UserError` for values that cannot be used.
    """
    starts, time_step, steps = checked_rollout(hamiltonian, starts, time_step, steps)
    nudge = NUDGE * np.abs(limits(hamiltonian)).max()

    def field(x_and_v):
        x, v = x_and_v
        f, ahead, behind = hamiltonian.vector_field(np.stack([x, x + nudge * v, x - nudge * v]))
        return np.stack([f, (ahead - behind) / (2 * nudge)])

    # Any v would do but one that has no share in the direction of fastest growth, as one along an axis may.
    v = random_stream(0, "checks").standard_normal(hamiltonian.dimension)
    x_and_v = np.stack([starts, np.broadcast_to(v / np.linalg.norm(v), starts.shape)])
    growth, settled = np.zeros(len(starts)), int(SETTLING * steps)
    with np.errstate(all="ignore"):
        for step in range(steps):
            x_and_v = runge_kutta_step(field, x_and_v, time_step)
            length = np.linalg.norm(x_and_v[1], axis=-1, keepdims=True)
            x_and_v[1] /= length
            if step >= settled:
                growth += np.log(length[:, 0])
    exponents = growth / (time_step * (steps - settled))
    return np.where(np.isfinite(x_and_v).all(axis=(0, -1)) & np.isfinite(exponents), exponents, np.nan)


def chaos_threshold(time):
    """Return the exponent, measured over the time, that a regular orbit stays below."""
    return LEAST_GROWTH / ((1 - SETTLING) * time)


def is_chaotic(exponents, time):
    """Return whether each exponent (T,), measured over the time, is larger than a regular orbit could make it seem; False of NaN.

    An orbit that is not may be chaotic nevertheless: slowly, or for a part of the time that was not seen.
    """
    return np.asarray(exponents) > chaos_threshold(time)
