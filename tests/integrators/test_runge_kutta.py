"""Steps of order 8 against an exact rotation, of each state by itself."""

import numpy as np
import pytest
from hamiltonians import OSCILLATOR

from hnn_hpc.integrators.runge_kutta import runge_kutta_step


def rotated(x, angle):
    q, p = x[..., :2], x[..., 2:]
    return np.concatenate([np.cos(angle) * q + np.sin(angle) * p, np.cos(angle) * p - np.sin(angle) * q], axis=-1)


def test_the_order_is_eight():
    x = np.array([[1.0, 0.5, -0.25, 2.0]])
    errors = [np.abs(runge_kutta_step(OSCILLATOR.vector_field, x, h) - rotated(x, h)).max() for h in (1.6, 0.8)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(9, abs=0.7)  # of one step


def test_each_state_may_have_its_own_step():
    x = np.random.default_rng(0).standard_normal((5, 4))
    steps = np.array([0.0, 0.01, 0.1, -0.1, 0.05])[:, None]
    np.testing.assert_allclose(runge_kutta_step(OSCILLATOR.vector_field, x, steps), rotated(x, steps), atol=1e-14)


def test_a_step_back_undoes_a_step():
    x = np.random.default_rng(1).standard_normal((3, 4))
    there = runge_kutta_step(OSCILLATOR.vector_field, x, 0.1)
    np.testing.assert_allclose(runge_kutta_step(OSCILLATOR.vector_field, there, -0.1), x, atol=1e-14)
