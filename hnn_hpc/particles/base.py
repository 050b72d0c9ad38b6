"""What all known systems of particles share: checked parameters, the kinetic energy, and energies and gradients of whole graphs."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.values import finite_number


@dataclass(frozen=True)
class ParticleSystem(ABC):
    """H = Σ_i |p_i|²/2m_i + V, V a function of the bonds' lengths, known in closed form.

    A subclass is a frozen dataclass whose fields are its parameters, all float. Every method takes `Graphs`; a graph's answer has the same
    bits alone as beside others. Two systems are equal when their kind and parameters are.

    positive: the parameters that must be above 0.
    cutoff: None where the bonds are given with the graph, or the length below which every pair is one: a longer bond counts as absent.
    reach: how many bonds away a particle's position may still act on another's force.
    """

    name: ClassVar[str]
    positive: ClassVar[tuple[str, ...]] = ()
    reach: ClassVar[int] = 1
    separable: ClassVar[bool] = True
    cutoff = None

    def __post_init__(self):
        for parameter in fields(self):
            value, what = getattr(self, parameter.name), f"{self.name}: {parameter.name}"
            value = finite_number(value, what)
            if parameter.name in self.positive and not value > 0:
                raise UserError(f"{what} = {value:g}: expected a positive number")
            object.__setattr__(self, parameter.name, value)

    @abstractmethod
    def potential_energies(self, graphs):
        """Return the potential energy of each particle, (P,): that of a bond belongs half and half to its two particles."""

    @abstractmethod
    def potential_gradient(self, graphs):
        """Return ∂V/∂q, (P, d): the forces with the other sign."""

    def energies_of_particles(self, graphs):
        """Return the energy of each particle, (P,), kinetic and potential, whose sum over a graph is its H."""
        return kinetic_energies(graphs) + self.potential_energies(graphs)

    def energy(self, graphs):
        """Return H of each graph, (K,)."""
        return graphs.sums_of_particles(self.energies_of_particles(graphs))

    def gradient(self, graphs):
        """Return (∂H/∂q, ∂H/∂p), (P, d) each."""
        return self.potential_gradient(graphs), self.velocities(graphs)

    def velocities(self, graphs):
        """Return dq/dt = ∂H/∂p = p/m, (P, d)."""
        return graphs.momenta / graphs.masses[:, None]

    def forces(self, graphs):
        """Return dp/dt = -∂H/∂q, (P, d)."""
        return -self.potential_gradient(graphs)

    @property
    def parameters(self):
        """The parameters, a dict of numbers by name."""
        return {parameter.name: getattr(self, parameter.name) for parameter in fields(self)}


class PairSystem(ParticleSystem):
    """A `ParticleSystem` in which V is a sum over bonds, of a function v of the bond's length and of its two particles."""

    @abstractmethod
    def bond_energies(self, graphs):
        """Return v of each bond, (E,)."""

    @abstractmethod
    def tensions(self, graphs):
        """Return dv/dr of each bond, (E,): positive where it pulls its particles together."""

    def potential_energies(self, graphs):
        return shared_by_ends(graphs, self.bond_energies(graphs))

    def potential_gradient(self, graphs):
        return graphs.pull_back(self.tensions(graphs))


def kinetic_energies(graphs):
    """Return |p|²/2m of each particle, (P,)."""
    squares = np.zeros(graphs.particles)
    for along in graphs.momenta.T:
        squares += along * along
    return squares / (2 * graphs.masses)


def shared_by_ends(graphs, values):
    """Return for each particle half of the sum of `values` (E,) over its bonds, (P,)."""
    first, second = graphs.bonds.T
    return (np.bincount(first, values, graphs.particles) + np.bincount(second, values, graphs.particles)) / 2
