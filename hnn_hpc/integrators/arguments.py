"""What a user passes to an integrator, checked, and how a message names one state of many."""

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.values import finite_number, whole_number

MOST_STEPS = 10**15  # years of computing


def checked_states(start, dimension):
    """Return the start states as an array of finite floats (..., D) of its own; UserError otherwise."""
    try:
        x = np.array(start, dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"start = {start!r}: expected {dimension} numbers for each state, q1..qn, p1..pn") from None
    if x.shape[-1:] != (dimension,):
        raise UserError(f"start has the shape {x.shape}; expected (..., {dimension}), the coordinates q1..qn, p1..pn in the last axis")
    unusable = ~np.isfinite(x).all(axis=-1)
    if unusable.any():
        raise UserError(f"start: {name_first(unusable)} holds a value that is not finite")
    return x


def checked_steps(time_step, steps):
    """Return the time step as a float other than 0, and the number of steps as an int of at least 0; UserError otherwise."""
    time_step, steps = finite_number(time_step, "time_step"), whole_number(steps, "steps", at_least=0, at_most=MOST_STEPS)
    if time_step == 0:
        raise UserError("time_step = 0: expected a number other than 0, negative for back in time")
    finite_number(time_step * steps, "time_step * steps")
    return time_step, steps


def name_first(failed):
    """Name the first state that failed, given a bool for each (any shape): "the state" where there is only one."""
    return f"state {np.argmax(failed)} of {np.size(failed)}" if np.size(failed) > 1 else "the state"


def limits(hamiltonian):
    """Return the lower and upper limits, (D, 2), between which H is meant to be used: a system's box, a trained model's domain."""
    return hamiltonian.box if hasattr(hamiltonian, "box") else hamiltonian.domain
