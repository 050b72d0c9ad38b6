"""Hamiltonians whose motion is known in closed form, as systems and as learned ones with a known error."""

import numpy as np

from hnn_hpc.symplectic import vector_field_from_gradient
from hnn_hpc.systems import make_system

OSCILLATOR = make_system("henon-heiles", {"alpha": 0})  # H = (|q|² + |p|²)/2: both turn with the period 2π
HENON_HEILES = make_system("henon-heiles")
REGULAR = [0.0, 0.1, 0.3952, 0.0]  # E = 0.0828 with α = 1


class Learned:
    """A system whose energy and motion are off by the factor 1 + error, as a trained model shows itself: with a `domain`."""

    def __init__(self, system, error=0.0, domain=None):
        self.system, self.error = system, error
        self.dof, self.dimension = system.dof, system.dimension
        self.domain = np.array(system.box if domain is None else domain, dtype=float)

    def energy(self, x):
        return (1 + self.error) * self.system.energy(x)

    def gradient(self, x):
        return (1 + self.error) * self.system.gradient(x)

    def vector_field(self, x):
        return vector_field_from_gradient(self.gradient(x))


class Saddle:
    """H = (p² - q²)/2: q + p grows like exp(t), q - p falls like exp(-t)."""

    dof, dimension, box = 1, 2, np.array([[-1.0, 1.0], [-1.0, 1.0]])

    def energy(self, x):
        return (x[..., 1] ** 2 - x[..., 0] ** 2) / 2

    def gradient(self, x):
        return np.stack([-x[..., 0], x[..., 1]], axis=-1)

    def vector_field(self, x):
        return vector_field_from_gradient(self.gradient(x))
