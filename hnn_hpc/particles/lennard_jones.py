"""The Lennard-Jones fluid: every pair nearer than a cutoff attracts from afar and repels from near."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hnn_hpc.particles.base import PairSystem


@dataclass(frozen=True)
class LennardJones(PairSystem):
    """v(r) = 4ε ((σ/r)¹² - (σ/r)⁶) - c for r below the cutoff, where c makes it vanish, and 0 beyond; the force jumps to 0 there."""

    name: ClassVar[str] = "lennard-jones"
    positive: ClassVar[tuple[str, ...]] = ("sigma", "cutoff")
    epsilon: float = 1.0
    sigma: float = 1.0
    cutoff: float = 2.5

    def bond_energies(self, graphs):
        return np.where(graphs.bond_lengths < self.cutoff, self._unshifted(graphs.bond_lengths) - self._unshifted(self.cutoff), 0)

    def tensions(self, graphs):
        lengths = graphs.bond_lengths
        sixth = self._sixth_power(lengths)
        return np.where(lengths < self.cutoff, 24 * self.epsilon * sixth * (1 - 2 * sixth) / lengths, 0)

    def _unshifted(self, lengths):
        sixth = self._sixth_power(lengths)
        return 4 * self.epsilon * sixth * (sixth - 1)

    def _sixth_power(self, lengths):
        """Return (σ/r)⁶."""
        ratio = self.sigma / lengths
        square = ratio * ratio
        return square * square * square
