"""Integration of damped motion: what knows it, and what refuses."""

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.integrators import integrate
from hnn_hpc.symplectic import vector_field_from_gradient


class DampedOscillator:
    """H = (q² + p²)/2 and γ = 0.2."""

    dimension, dof, damping, box = 2, 1, np.array([0.2]), np.array([[-2.0, 2.0], [-2.0, 2.0]])
    energy = staticmethod(lambda x: (x**2).sum(axis=-1) / 2)
    gradient = staticmethod(lambda x: x)

    def vector_field(self, x):
        return vector_field_from_gradient(x, self.damping)


def test_the_implicit_midpoint_rule_follows_it():
    h, steps = 0.01, 500
    path = integrate(DampedOscillator(), np.array([1.0, 0.0]), h, steps)
    t, rate = h * steps, np.sqrt(1 - 0.01)
    exact = np.exp(-0.1 * t) * (np.cos(rate * t) + 0.1 / rate * np.sin(rate * t))
    assert path[-1, 0] == pytest.approx(exact, abs=1e-4)


@pytest.mark.parametrize("method", ["symplectic-euler", "stormer-verlet"])
def test_explicit_methods_refuse_it(method):
    with pytest.raises(UserError, match=f"{method} knows no damping, which this model has; use implicit-midpoint"):
        integrate(DampedOscillator(), np.array([1.0, 0.0]), 0.01, 5, method)
