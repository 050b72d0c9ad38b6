"""Particles that attract by their masses."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.particles.base import PairSystem


@dataclass(frozen=True)
class Gravity(PairSystem):
    """v(r) = -G m_i m_j / sqrt(r² + s²) for every bond (i, j), where s is the `softening`, in any dimension.

    Pairs without a bond do not attract: `with_bonds(graphs, math.inf)` of `hnn_hpc.graphs` makes all pairs bonds, P²/2 of them.
    """

    name: ClassVar[str] = "gravity"
    constant: float = 1.0
    softening: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        if self.softening < 0:
            raise UserError(f"{self.name}: softening = {self.softening:g}: expected a number of at least 0")

    def bond_energies(self, graphs):
        return -self._strengths(graphs) / self._distances(graphs)

    def tensions(self, graphs):
        distances = self._distances(graphs)
        return self._strengths(graphs) * graphs.bond_lengths / (distances * distances * distances)

    def _strengths(self, graphs):
        """Return G m_i m_j, (E,)."""
        first, second = graphs.bonds.T
        return self.constant * graphs.masses[first] * graphs.masses[second]

    def _distances(self, graphs):
        """Return sqrt(r² + s²), (E,)."""
        return np.sqrt(graphs.bond_lengths * graphs.bond_lengths + self.softening * self.softening)
