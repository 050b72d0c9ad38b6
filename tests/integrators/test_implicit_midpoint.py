"""The equation of the implicit midpoint rule: solved to round-off where it is easy, stiff or noisy; refused where it has no solution."""

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.integrators import integrate
from hnn_hpc.symplectic import vector_field_from_gradient
from hnn_hpc.systems import make_system


class Quadratic:
    """H = x.A x / 2, counting its evaluations; the midpoint rule has the closed form x' = (I - h J A/2)^-1 (I + h J A/2) x.

    noise: relative size of a pseudo-random error of the gradient, as round-off where the coefficients of a model cancel.
    """

    def __init__(self, A, noise=0.0):
        self.A, self.noise, self.evaluations = np.array(A, dtype=float), noise, 0
        self.dimension, self.dof = len(A), len(A) // 2
        self.domain = np.tile([-1.0, 1.0], (len(A), 1))

    def gradient(self, x):
        self.evaluations += x.size // self.dimension
        return x @ self.A + self.noise * np.sin(3e14 * x)

    def vector_field(self, x):
        return vector_field_from_gradient(self.gradient(x))

    def exact_step(self, x, h):
        JA = vector_field_from_gradient(self.A).T
        return np.linalg.solve(np.eye(self.dimension) - h / 2 * JA, x + h / 2 * JA @ x)


START = np.array([0.5, -0.2, 0.1, 0.3])
MIXED = [[2.0, 0.3, 0.5, 0.0], [0.3, 1.0, 0.0, -0.4], [0.5, 0.0, 1.0, 0.0], [0.0, -0.4, 0.0, 3.0]]
STIFF = np.diag([1.0, 1e6, 1.0, 1.0])


@pytest.mark.parametrize("A", [MIXED, STIFF], ids=["mixed", "stiff"])
@pytest.mark.parametrize("time_step", [1e-6, 0.1, 3.0, -3.0])  # from the easiest to far beyond where fixed-point iteration contracts
def test_a_step_is_the_closed_form_to_round_off(A, time_step):
    hamiltonian = Quadratic(A)
    step = integrate(hamiltonian, START, time_step, 1)[-1]
    np.testing.assert_allclose(step, hamiltonian.exact_step(START, time_step), atol=1e-9 if A is STIFF else 1e-14)  # condition 1e6


@pytest.mark.parametrize("noise", [0, 1e-10])  # and so ends progress, not the limit of rounds
def test_a_usual_step_takes_few_gradients(noise):
    hamiltonian = Quadratic(MIXED, noise)
    integrate(hamiltonian, START, 0.01, 10)
    assert hamiltonian.evaluations <= 200


def test_newtons_method_finds_what_fixed_point_iteration_loses_to_overflow():
    chain, start, h = make_system("toda-chain", {"dof": 1}), np.array([5.0, 0.0]), 1.0
    end = integrate(chain, start, h, 1)[-1]
    np.testing.assert_allclose(end - start, h * chain.vector_field((start + end) / 2), rtol=1e-12)


def test_slow_and_fast_states_of_one_batch_take_their_own_paths_bit_by_bit():
    system = make_system("henon-heiles", {})
    starts = np.array([[0.0, 0.0, 0.0, 0.0], [1e-3, 0.0, 0.0, 0.0], [0.3, 0.2, -0.3, 0.1], [-1.0, 1.5, 0.5, 0.5]])
    together = integrate(system, starts, 0.5, 3)  # the last state needs Newton's method, the first one round
    for index, start in enumerate(starts):
        np.testing.assert_array_equal(together[:, index], integrate(system, start, 0.5, 3))


@pytest.mark.parametrize("noise", [1e-13, 1e-10, 1e-7])
@pytest.mark.parametrize("start", [START, 1e-9 * START, 0 * START], ids=["moving", "nearly at rest", "at rest"])
def test_round_off_of_a_model_far_above_that_of_its_states_is_no_obstacle(noise, start):
    hamiltonian = Quadratic(MIXED, noise)
    step = integrate(hamiltonian, start, 0.1, 1)[-1]
    np.testing.assert_allclose(step, hamiltonian.exact_step(start, 0.1), atol=noise)


def test_an_equation_without_solution_says_which_state_and_to_reduce_the_step():
    # On q1 = p1 = 0 the midpoint z of q2 obeys a z^2 - (1 + a) z + q2 + h p2/2 = 0 with a = h^2/4: no real root where q2 + h p2/2 > 3.31.
    system, h = make_system("henon-heiles", {}), 0.6
    midpoint = (1.09 - np.sqrt(1.09**2 - 0.36 * 3.3)) / 0.18  # just within, where two roots are close: conditioned like 1e3
    np.testing.assert_allclose(integrate(system, [0.0, 3.0, 0.0, 1.0], h, 1)[-1, 1], 2 * midpoint - 3.0, rtol=1e-11)
    with pytest.raises(UserError, match=r"step 1 \(t = 0.6\): no solution .* state 1 of 2, with coordinates up to 4; reduce the time step"):
        integrate(system, [[0.1, 0.0, 0.0, 0.0], [0.0, 4.0, 0.0, -1.0]], h, 1)


def test_an_exactly_singular_equation_is_a_user_error_as_well():
    saddle = Quadratic(np.diag([-1.0, 1.0]))  # I - h J A/2 is singular at h = 2, and differences over a power of 2 are exact
    with pytest.raises(UserError, match="reduce the time step"):
        integrate(saddle, [1.0, 0.5], 2.0, 5)
