"""What a rollout asks of a Hamiltonian H = T(p) + V(q) for the particles that a rank owns; a rank that owns none asks nothing.

Parameters: hamiltonian (see `hnn_hpc.rollout`), graphs (`Graphs`): the rank's own particles and the ghosts they need, without any momenta,
blocks (`Blocks`).
"""

import numpy as np

from hnn_hpc.particles.separable import check_separable


def position_gradient(hamiltonian, graphs, blocks):
    """Return dH/dq (O, d)."""
    owned = blocks.plan.owned
    return hamiltonian.gradient(graphs)[0].take(owned, axis=0) if len(owned) else np.zeros((0, graphs.dimension))


def velocities(hamiltonian, blocks):
    """Return dH/dp (O, d), of the particles alone: as H is separable, bonds do not count, and they would take most of the time."""
    if not len(blocks.momenta):
        return np.zeros_like(blocks.momenta)
    return hamiltonian.gradient(blocks.particles.at(blocks.positions, blocks.momenta))[1]


def energy_of_owned(hamiltonian, graphs, blocks):
    """Return the sum of the energies of the rank's own particles."""
    owned = blocks.plan.owned
    return hamiltonian.energies_of_particles(_with_momenta(graphs, blocks))[owned].sum() if len(owned) else 0.0


def check_parts(hamiltonian, graphs, blocks):
    """Raise `UserError` where dH/dp depends on whether there are bonds."""
    owned = blocks.plan.owned
    if len(owned):
        check_separable(hamiltonian.gradient(_with_momenta(graphs, blocks))[1][owned], velocities(hamiltonian, blocks))


def _with_momenta(graphs, blocks):
    momenta = np.zeros_like(graphs.positions)
    momenta[blocks.plan.owned] = blocks.momenta
    return graphs.at(graphs.positions, momenta)
