"""The symplectic structure: x = (q, p) in R^D with D = 2n, J = [[0, I], [-I, 0]], and Hamilton's equations dx/dt = J grad H; with damping
(J - Γ) grad H, Γ = diag(0, γ), γ (n,).

The sign convention of J lives in these functions and nowhere else (arXiv 2411.17511, eq. 1).
"""

import numpy as np


def vector_field_from_gradient(gradient, damping=None):
    """Return (dH/dp, -dH/dq - γ dH/dp) for gradients (dH/dq, dH/dp) of shape (..., D); damping: γ, None for 0."""
    dof = gradient.shape[-1] // 2
    kicks = -gradient[..., :dof] if damping is None else -gradient[..., :dof] - damping * gradient[..., dof:]
    return np.concatenate([gradient[..., dof:], kicks], axis=-1)


def gradient_from_vector_field(velocities):
    """Return J^-1 dx/dt = (-dp/dt, dq/dt) for velocities (dq/dt, dp/dt) of shape (..., D)."""
    dof = velocities.shape[-1] // 2
    return np.concatenate([-velocities[..., dof:], velocities[..., :dof]], axis=-1)


def undamped(velocities, damping):
    """Return J grad H for velocities (J - Γ) grad H of shape (..., D) and γ (n,): dq/dt = dH/dp tells what the damping took."""
    dof = velocities.shape[-1] // 2
    return np.concatenate([velocities[..., :dof], velocities[..., dof:] + damping * velocities[..., :dof]], axis=-1)


def undamped_gradient(gradient, damping):
    """Return grad H for J^-1 (J - Γ) grad H = (dH/dq + γ dH/dp, dH/dp) of shape (..., D) and γ (n,)."""
    dof = gradient.shape[-1] // 2
    return np.concatenate([gradient[..., :dof] - damping * gradient[..., dof:], gradient[..., dof:]], axis=-1)


def gradient_component(velocities, coordinate):
    """Return one column of `gradient_from_vector_field`, shape (...,)."""
    dof = velocities.shape[-1] // 2
    return -velocities[..., coordinate + dof] if coordinate < dof else velocities[..., coordinate - dof]
