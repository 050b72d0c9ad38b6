"""The pendulum, of any frequency of its potential."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hnn_hpc.systems.base import HamiltonianSystem


@dataclass(frozen=True, eq=False)
class Pendulum(HamiltonianSystem):
    """H = p^2/2 + 1 - cos(f q). Source: arXiv 2411.17511; a high frequency f is its hard case."""

    name: ClassVar[str] = "pendulum"
    separable: ClassVar[bool] = True
    dof: ClassVar[int] = 1
    frequency: float = 1.0

    def default_box(self):
        return [[-2 * np.pi, 2 * np.pi], [-6, 6]] if self.frequency == 1 else [[-np.pi, np.pi], [-0.5, 0.5]]

    def energy(self, x):
        q, p = self.coordinates(x)
        sine = np.sin(self.frequency * q / 2)
        return p * p / 2 + 2 * sine * sine  # 1 - cos(f q) without its cancellation near the bottom

    def gradient(self, x):
        q, p = self.coordinates(x)
        return np.stack([self.frequency * np.sin(self.frequency * q), p], axis=-1)
