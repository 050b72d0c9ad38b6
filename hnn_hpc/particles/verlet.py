"""Graphs followed in time by Störmer-Verlet.

    p ← p - h/2 dH/dq(q),  q ← q + h dH/dp(p),  p ← p - h/2 dH/dq(q)

Of order 2, symplectic and time-reversible for H = T(p) + V(q); conserves momentum to round-off. dH/dq at the end of a step is that at the
beginning of the next, so that a step takes one gradient. Source: Hairer, Lubich, Wanner, Geometric Numerical Integration, 2nd ed., I.1.
"""

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.graphs.bond_list import SKIN, BondList
from hnn_hpc.integrators.arguments import checked_steps
from hnn_hpc.particles.separable import check_separable
from hnn_hpc.values import finite_number, whole_number


def verlet(hamiltonian, graphs, time_step, steps, every=1, skin=SKIN):
    """Return an iterator over the `Graphs` at the times 0, every h, 2 every h, .. up to steps h.

    Parameters: hamiltonian (of graphs, separable), graphs (`Graphs`, left as they are), time_step h (float, negative for back in time),
    steps (int), every (int), skin (float): by what part of a cutoff bonds may be longer, so that they last for more than a step; those of
    the states given may be so much longer too. The states do not depend on `every`. One gradient a step and some; memory: a few times
    that of the state.
    Raises UserError: at once, for a value that cannot be used and a Hamiltonian that is not separable; in passing, for a particle that is
    no longer finite, with step and time.
    """
    time_step, steps = checked_steps(time_step, steps)
    every, skin = whole_number(every, "every", at_least=1), finite_number(skin, "skin")
    if skin < 0:
        raise UserError(f"skin = {skin:g}: expected a part of the cutoff, 0 or more")
    bonds = BondList(graphs, hamiltonian.cutoff, skin)
    start = bonds.at(graphs.positions.astype(float), graphs.momenta.astype(float))
    free = graphs.without_bonds()
    with np.errstate(all="ignore"):
        check_separable(hamiltonian.gradient(start)[1], _velocities(hamiltonian, free.at(start.positions, start.momenta)))
    return _states(hamiltonian, bonds, start, free, time_step, steps, every)


def _states(hamiltonian, bonds, state, free, h, steps, every):
    gradient = None
    for step in range(steps + 1):
        if step > 0:
            with np.errstate(all="ignore"):
                if gradient is None:
                    gradient = hamiltonian.gradient(state)[0]
                momenta = state.momenta - h / 2 * gradient
                positions = state.positions + h * _velocities(hamiltonian, free.at(state.positions, momenta))
                _check_finite(positions, free, step, h)
                state = bonds.at(positions, momenta)
                gradient = hamiltonian.gradient(state)[0]
                state = state.at(positions, momenta - h / 2 * gradient)
                _check_finite(state.momenta, free, step, h)
        if step % every == 0:
            yield state


def _velocities(hamiltonian, graphs):
    """Return dH/dp, (P, d), of graphs without bonds: for a separable H they do not count, and would take most of the time."""
    return hamiltonian.gradient(graphs)[1]


def _check_finite(values, graphs, step, h):
    lost = ~np.isfinite(values).all(axis=1)
    if lost.any():
        number = np.argmax(lost)
        graph = graphs.graph_of_particles[number]
        raise UserError(
            f"stormer-verlet with time_step = {h:g} failed in step {step} (t = {step * h:g}): particle {number - graphs.offsets[graph]} of"
            f" graph {graph} is no longer finite; reduce the time step, or the time if the trajectory escapes"
        )
