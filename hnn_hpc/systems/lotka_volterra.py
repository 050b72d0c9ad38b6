"""The Lotka-Volterra equations in logarithms of the populations, where they are Hamiltonian."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hnn_hpc.systems.base import HamiltonianSystem


@dataclass(frozen=True, eq=False)
class LotkaVolterra(HamiltonianSystem):
    """H = beta e^q - alpha q + delta e^p - gamma p; with the defaults, -e^q + 2q - e^p + p. Source: arXiv 2411.17511."""

    name: ClassVar[str] = "lotka-volterra"
    separable: ClassVar[bool] = True
    dof: ClassVar[int] = 1
    alpha: float = -2.0
    beta: float = -1.0
    gamma: float = -1.0
    delta: float = -1.0

    def default_box(self):
        return [[-2, 2], [-2, 2]]

    def energy(self, x):
        q, p = self.coordinates(x)
        return self.beta * np.exp(q) - self.alpha * q + self.delta * np.exp(p) - self.gamma * p

    def gradient(self, x):
        q, p = self.coordinates(x)
        return np.stack([self.beta * np.exp(q) - self.alpha, self.delta * np.exp(p) - self.gamma], axis=-1)
