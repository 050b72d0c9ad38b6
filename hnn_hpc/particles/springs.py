"""Springs between the particles that have a bond, each with the law v(s) of its stretch s = r - length.

    springs-linear       v = k s²/2
    springs-anharmonic   v = k (s²/2 + α s³/3 + β s⁴/4)
    springs-morse        v = D (1 - exp(-a s))²

All have v(0) = v′(0) = 0, and near rest the Morse spring is linear with k = 2 D a².
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hnn_hpc.particles.base import PairSystem


class Springs(PairSystem):
    """What the springs share: everything but the law. A subclass has the parameter `length`, that of a spring at rest."""

    @abstractmethod
    def law(self, stretch):
        """Return v(s), elementwise."""

    @abstractmethod
    def pull(self, stretch):
        """Return v′(s), elementwise."""

    def bond_energies(self, graphs):
        return self.law(graphs.bond_lengths - self.length)

    def tensions(self, graphs):
        return self.pull(graphs.bond_lengths - self.length)


@dataclass(frozen=True)
class LinearSprings(Springs):
    """Springs that obey Hooke's law; k is the `stiffness`."""

    name: ClassVar[str] = "springs-linear"
    stiffness: float = 1.0
    length: float = 1.0

    def law(self, stretch):
        return self.stiffness / 2 * stretch * stretch

    def pull(self, stretch):
        return self.stiffness * stretch


@dataclass(frozen=True)
class AnharmonicSprings(Springs):
    """Springs that harden or soften: the laws of the Fermi-Pasta-Ulam-Tsingou chain."""

    name: ClassVar[str] = "springs-anharmonic"
    stiffness: float = 1.0
    length: float = 1.0
    alpha: float = 0.25
    beta: float = 0.1

    def law(self, stretch):
        return self.stiffness * stretch * stretch * (0.5 + stretch * (self.alpha / 3 + stretch * (self.beta / 4)))

    def pull(self, stretch):
        return self.stiffness * stretch * (1 + stretch * (self.alpha + stretch * self.beta))


@dataclass(frozen=True)
class MorseSprings(Springs):
    """Springs that break: D, the `depth`, is the energy to part two particles, and 1/a, a the `rate`, the length over which they part."""

    name: ClassVar[str] = "springs-morse"
    depth: float = 1.0
    rate: float = 1.0
    length: float = 1.0

    def law(self, stretch):
        lost = np.expm1(-self.rate * stretch)
        return self.depth * lost * lost

    def pull(self, stretch):
        lost = np.expm1(-self.rate * stretch)
        return -2 * self.depth * self.rate * lost * (1 + lost)
