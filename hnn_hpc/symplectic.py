"""The symplectic structure: x = (q, p) in R^D with D = 2n, J = [[0, I], [-I, 0]], and Hamilton's equations dx/dt = J grad H.

The sign convention of J lives in these functions and nowhere else (arXiv 2411.17511, eq. 1).
"""

import numpy as np


def vector_field_from_gradient(gradient):
    """Return J grad H = (dH/dp, -dH/dq) for gradients (dH/dq, dH/dp) of shape (..., D)."""
    dof = gradient.shape[-1] // 2
    return np.concatenate([gradient[..., dof:], -gradient[..., :dof]], axis=-1)


def gradient_from_vector_field(velocities):
    """Return J^-1 dx/dt = (-dp/dt, dq/dt) for velocities (dq/dt, dp/dt) of shape (..., D)."""
    dof = velocities.shape[-1] // 2
    return np.concatenate([-velocities[..., dof:], velocities[..., :dof]], axis=-1)


def gradient_component(velocities, coordinate):
    """Return one column of `gradient_from_vector_field`, shape (...,)."""
    dof = velocities.shape[-1] // 2
    return -velocities[..., coordinate + dof] if coordinate < dof else velocities[..., coordinate - dof]
