"""Atoms embedded in the electrons of their neighbours: a metal, in which bonds get weaker the more of them an atom has."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hnn_hpc.particles.base import ParticleSystem, shared_by_ends


@dataclass(frozen=True)
class EmbeddedAtom(ParticleSystem):
    """V = Σ_bonds B x⁶ - A Σ_i sqrt(ρ_i), ρ_i = Σ_j x_ij⁴, where x = 1 - r/cutoff, or 0 beyond the cutoff.

    A is the `binding`, B the `repulsion`. The form is that of Finnis and Sinclair, Phil. Mag. A 50, 45 (1984): the square root of a sum
    over neighbours, which is no sum over pairs. With x⁴ the force on an atom is continuous even where its last neighbour leaves it, ρ = 0.
    """

    name: ClassVar[str] = "embedded-atom"
    positive: ClassVar[tuple[str, ...]] = ("cutoff",)
    reach: ClassVar[int] = 2  # an atom's force depends on the electrons at its neighbours, and so on theirs
    binding: float = 1.0
    repulsion: float = 4.0
    cutoff: float = 2.0

    def potential_energies(self, graphs):
        x = self._nearness(graphs)
        square = x * x
        return shared_by_ends(graphs, self.repulsion * square * square * square) - self.binding * np.sqrt(self._densities(graphs, x))

    def potential_gradient(self, graphs):
        x = self._nearness(graphs)
        densities = self._densities(graphs, x)
        roots = np.divide(1, np.sqrt(densities), out=np.zeros_like(densities), where=densities > 0)
        first, second = graphs.bonds.T
        cube = x * x * x
        by_nearness = 6 * self.repulsion * cube * x * x - 2 * self.binding * cube * (roots[first] + roots[second])
        return graphs.pull_back(-by_nearness / self.cutoff)

    def _nearness(self, graphs):
        """Return x of each bond, (E,)."""
        return np.maximum(1 - graphs.bond_lengths / self.cutoff, 0)

    def _densities(self, graphs, x):
        """Return ρ of each particle, (P,)."""
        square = x * x
        return 2 * shared_by_ends(graphs, square * square)
