"""The symplectic methods by name, and the loop over their steps."""

import numpy as np

from hnn_hpc.errors import UserError, look_up
from hnn_hpc.integrators.arguments import checked_states, checked_steps, name_first
from hnn_hpc.integrators.implicit_midpoint import implicit_midpoint
from hnn_hpc.integrators.quality import is_separable
from hnn_hpc.values import whole_number


def symplectic_euler(hamiltonian, x, time_step):
    """Return the states one explicit step later, x (..., D): drift of q, then kick of p. Order 1; separable H; 2 gradients."""
    dof = x.shape[-1] // 2
    x = x.copy()
    q, p = x[..., :dof], x[..., dof:]
    q += time_step * hamiltonian.gradient(x)[..., dof:]
    p -= time_step * hamiltonian.gradient(x)[..., :dof]
    return x


def stormer_verlet(hamiltonian, x, time_step):
    """Return the states one explicit step later, x (..., D): half a kick, drift, half a kick. Order 2; separable H; 3 gradients."""
    dof = x.shape[-1] // 2
    x = x.copy()
    q, p = x[..., :dof], x[..., dof:]
    p -= time_step / 2 * hamiltonian.gradient(x)[..., :dof]
    q += time_step * hamiltonian.gradient(x)[..., dof:]
    p -= time_step / 2 * hamiltonian.gradient(x)[..., :dof]
    return x


INTEGRATORS = {"symplectic-euler": symplectic_euler, "stormer-verlet": stormer_verlet, "implicit-midpoint": implicit_midpoint}
EXPLICIT = ("symplectic-euler", "stormer-verlet")


def integrate(hamiltonian, start, time_step, steps, method="implicit-midpoint", save_every=1):
    """Follow dx/dt = J grad H and return every `save_every`-th state, the start first: (1 + steps // save_every, ..., D).

    Parameters: hamiltonian (a system or a trained model), start (..., D): one state or many, time_step (float, negative for back in
    time), steps (int), method (a key of INTEGRATORS), save_every (int).
    The path of a state does not depend on the states beside it, up to round-off in how the hamiltonian evaluates a batch.
    Raises UserError: a value that cannot be used; an explicit method for an H that is not separable; a step that cannot be made, with
    its number and time.
    """
    step = look_up(INTEGRATORS, method, "integration method")
    time_step, steps = checked_steps(time_step, steps)
    save_every = whole_number(save_every, "save_every", at_least=1)
    x = checked_states(start, hamiltonian.dimension)
    if method in EXPLICIT and getattr(hamiltonian, "damping", None) is not None:
        raise UserError(f"{method} knows no damping, which this model has; use implicit-midpoint")
    if method in EXPLICIT and not is_separable(hamiltonian):
        raise UserError(f"{method} needs a separable Hamiltonian, H = T(p) + V(q), which this one is not; use implicit-midpoint")

    saved = np.empty((1 + steps // save_every, *x.shape))
    saved[0] = x
    for done in range(1, steps + 1):
        try:
            x = _checked_step(step, hamiltonian, x, time_step)
        except UserError as error:
            where = f"{method} with time_step = {time_step:g} failed in step {done} (t = {done * time_step:g})"
            raise UserError(f"{where}: {error}") from None
        if done % save_every == 0:
            saved[done // save_every] = x
    return saved


def _checked_step(step, hamiltonian, x, time_step):
    with np.errstate(all="ignore"):
        x = step(hamiltonian, x, time_step)
    lost = ~np.isfinite(x).all(axis=-1)
    if lost.any():
        raise UserError(f"{name_first(lost)} is no longer finite; reduce the time step, or the time if the trajectory escapes")
    return x
