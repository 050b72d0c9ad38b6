"""The Hénon-Heiles system: two oscillators with a cubic coupling, bounded below the energy 1/(6 alpha^2) only."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hnn_hpc.systems.base import HamiltonianSystem


@dataclass(frozen=True, eq=False)
class HenonHeiles(HamiltonianSystem):
    """H = |p|^2/2 + |q|^2/2 + alpha (q1^2 q2 - q2^3/3). Source: arXiv 2411.17511, where alpha runs from 0 to 1."""

    name: ClassVar[str] = "henon-heiles"
    separable: ClassVar[bool] = True
    dof: ClassVar[int] = 2
    alpha: float = 1.0

    def default_box(self):
        return [[-5, 5]] * 4

    def energy(self, x):
        q1, q2, p1, p2 = self.coordinates(x)
        return (q1 * q1 + q2 * q2 + p1 * p1 + p2 * p2) / 2 + self.alpha * q2 * (q1 * q1 - q2 * q2 / 3)

    def gradient(self, x):
        q1, q2, p1, p2 = self.coordinates(x)
        return np.stack([q1 * (1 + 2 * self.alpha * q2), q2 + self.alpha * (q1 * q1 - q2 * q2), p1, p2], axis=-1)
