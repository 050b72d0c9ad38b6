"""What a user passes to a prediction, checked."""

from hnn_hpc.errors import UserError
from hnn_hpc.integrators.arguments import checked_states, checked_steps


def checked_rollout(hamiltonian, starts, time_step, steps):
    """Return starts (T, D), time step and steps of a rollout forward in time; `UserError` where they cannot be used."""
    time_step, steps = checked_steps(time_step, steps)
    if time_step < 0 or steps < 1:
        raise UserError(f"time_step = {time_step:g}, steps = {steps}: expected a positive time step and at least one step")
    starts = checked_states(starts, hamiltonian.dimension)
    if starts.ndim != 2:
        raise UserError(f"starts has the shape {starts.shape}; expected (starts, {hamiltonian.dimension})")
    return starts, time_step, steps


def check_undamped(model, name="the model"):
    """Raise `UserError` for a model with damping, called by its name: the motions to compare it with have none."""
    damping = getattr(model, "damping", None)
    if damping is not None:
        told = ", ".join(f"{gamma:.6g}" for gamma in damping)
        raise UserError(f"{name} has damping γ = {told}, and the systems here have none; predict compares undamped motions")


def check_same_dimension(model, system):
    """Raise `UserError` unless the learned and the true Hamiltonian have as many coordinates."""
    if model.dimension != system.dimension:
        name = getattr(system, "name", "the system")
        raise UserError(f"the model has {model.dimension} coordinates, but {name} has {system.dimension}; name the system it has learned")
