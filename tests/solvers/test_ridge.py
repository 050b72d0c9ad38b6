"""Ridge regression against the dense augmented problem [A; λ diag(‖A_m‖)], cross-validation by leaving rows out, and the covariance."""

import numpy as np
import pytest
from problems import operator_of, problem
from problems import solved as solved_by

from hnn_hpc import UserError, fit
from hnn_hpc.features import ACTIVATIONS, FeatureMap
from hnn_hpc.operators import GradientOperator
from hnn_hpc.options import FitOptions
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.samples import ArraySamples, SystemSamples
from hnn_hpc.solvers import plan, solve
from hnn_hpc.solvers.ridge import RidgePath, with_ridge
from hnn_hpc.solvers.triangle import triangle_of
from hnn_hpc.systems import make_system

# Sums of a few hundred products, through a few factorizations.
ROUND_OFF = 1e-11
K, D, M = 150, 4, 40
RIDGES = [1e-6, 1e-2, 0.3, 3.0]


@pytest.fixture
def operator(seed):
    rng = np.random.default_rng(seed)
    feature_map = FeatureMap(rng.standard_normal((M, D)), rng.standard_normal(M), ACTIVATIONS["tanh"])
    return GradientOperator(feature_map, ArraySamples(rng.standard_normal((K, D)), rng.standard_normal((K, D)), None, K))


def dense(operator):
    """A (K D, M), f and the norms of the columns."""
    block = operator.dense_rows(0, K)
    return block[:, :-1], block[:, -1], np.linalg.norm(block[:, :-1], axis=0)


def oracle(A, f, norms, ridge):
    """Coefficients of the augmented problem, by numpy."""
    augmented = np.vstack([A, ridge * np.diag(norms)])
    return np.linalg.lstsq(augmented, np.concatenate([f, np.zeros(len(norms))]))[0]


def hat_matrix(A, norms, ridge):
    """H with f̂ = H f."""
    scaled = A / norms
    return scaled @ np.linalg.solve(scaled.T @ scaled + ridge**2 * np.identity(len(norms)), scaled.T)


@pytest.mark.parametrize("ridge", RIDGES)
def test_path_is_that_of_the_dense_problem(operator, ridge):
    A, f, norms = dense(operator)
    path = RidgePath(triangle_of(operator.dense_rows(0, K)), K * D)
    hat = hat_matrix(A, norms, ridge)
    assert path.effective_dof(ridge) == pytest.approx(np.trace(hat), rel=ROUND_OFF)
    r_norm = np.linalg.norm(f - A @ oracle(A, f, norms, ridge))
    assert path.residual_norm(ridge) == pytest.approx(r_norm, rel=ROUND_OFF)
    assert path.gcv(ridge) == pytest.approx(K * D * r_norm**2 / (K * D - np.trace(hat)) ** 2, rel=ROUND_OFF)


def test_gcv_is_near_the_error_of_rows_left_out(operator):
    """What GCV stands for: Σ_i of the squared error at row i of the fit without row i, here by the formula r_i / (1 - H_ii)."""
    A, f, norms = dense(operator)
    path = RidgePath(triangle_of(operator.dense_rows(0, K)), K * D)
    for ridge in RIDGES:
        hat = hat_matrix(A, norms, ridge)
        left_out = np.mean(((f - hat @ f) / (1 - np.diag(hat))) ** 2)
        assert path.gcv(ridge) == pytest.approx(left_out, rel=0.05)  # GCV replaces each H_ii by their mean


def test_triangle_with_a_ridge_is_that_of_the_augmented_rows(operator):
    A, f, norms = dense(operator)
    triangle, penalty = with_ridge(triangle_of(operator.dense_rows(0, K)), 0.1)
    np.testing.assert_allclose(penalty, 0.1 * norms, rtol=ROUND_OFF)
    rows = np.block([[A, f[:, None]], [np.diag(penalty), np.zeros((M, 1))]])
    np.testing.assert_allclose(triangle.T @ triangle, rows.T @ rows, atol=ROUND_OFF * np.linalg.norm(rows) ** 2)


@pytest.mark.parametrize("solver", ["khatri-rao-qr", "tsqr"])
@pytest.mark.parametrize("ridge", RIDGES)
def test_solution_is_that_of_the_augmented_problem(operator, solver, ridge):
    A, f, norms = dense(operator)
    solution = solve(operator, plan(K, D, M, solver), SerialCommunicator(), ridge=ridge)
    w = oracle(A, f, norms, ridge)
    np.testing.assert_allclose(solution.coefficients, w, atol=ROUND_OFF * np.abs(w).max())
    assert solution.certified and solution.ridge == ridge
    assert solution.relative_residual == pytest.approx(np.linalg.norm(f - A @ w) / np.linalg.norm(f), rel=ROUND_OFF)
    assert solution.effective_dof == pytest.approx(np.trace(hat_matrix(A, norms, ridge)), rel=ROUND_OFF)
    noise = np.linalg.norm(f - A @ w) / np.sqrt(K * D - solution.effective_dof)
    assert solution.noise_level == pytest.approx(noise, rel=ROUND_OFF)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_covariance_is_that_of_the_dense_problem(operator, ridge):
    A, _, norms = dense(operator)
    solution = solve(operator, plan(K, D, M), SerialCommunicator(), ridge=ridge, covariance=True)
    inverse = np.linalg.inv(A.T @ A + ridge**2 * np.diag(norms**2))
    expected = solution.noise_level**2 * inverse @ A.T @ A @ inverse
    C = solution.covariance_factor
    np.testing.assert_allclose(C @ C.T, expected, atol=1e-8 * np.abs(expected).max())  # the oracle squares a condition of about 1e3
    assert solve(operator, plan(K, D, M), SerialCommunicator(), ridge=ridge).covariance_factor is None


def test_covariance_near_rank_deficiency_is_that_of_the_directions_kept(operator):
    operator.feature_map.weights[1], operator.feature_map.biases[1] = operator.feature_map.weights[0], operator.feature_map.biases[0]
    A, _, norms = dense(operator)
    solution = solve(operator, plan(K, D, M), SerialCommunicator(), 1e-12, covariance=True)
    inverse = np.linalg.pinv(A / norms, 1e-10)
    expected = solution.noise_level**2 * inverse @ inverse.T / np.outer(norms, norms)
    C = solution.covariance_factor
    assert solution.rank == M - 1
    np.testing.assert_allclose(C @ C.T, expected, atol=1e-8 * np.abs(expected).max())


SYSTEM = make_system("henon-heiles")
TRAINING = SystemSamples(SYSTEM, 1500, seed=1).read(0, 1500)
TEST = SystemSamples(SYSTEM, 500, seed=1, stream="test points").read(0, 500)


def gradient_error(model):
    """Relative L2 error of the velocities on clean test points."""
    return np.linalg.norm(model.vector_field(TEST.points) - TEST.velocities) / np.linalg.norm(TEST.velocities)


@pytest.mark.parametrize("noise", [0.01, 0.05, 0.2])
def test_gcv_finds_a_ridge_near_the_best_on_clean_data(noise, seed):
    size = noise * np.sqrt(np.mean(TRAINING.velocities**2))
    velocities = TRAINING.velocities + size * np.random.default_rng(seed).standard_normal(TRAINING.velocities.shape)

    def fitted(ridge):
        return fit(TRAINING.points, velocities, features=800, bandwidth=0.5, supports="dense", ridge=ridge)

    found = fitted("gcv")
    errors = [gradient_error(fitted(float(ridge)).model) for ridge in 10.0 ** np.arange(-8, 1)]
    assert gradient_error(found.model) <= 1.2 * min(errors)
    assert gradient_error(found.model) < gradient_error(fitted(0.0).model) / 1.1
    # σ̂ has a relative standard deviation of 1 / sqrt(2 · 6000 rows), about 0.01.
    assert found.solution.noise_level == pytest.approx(size, rel=0.05)
    assert 0 < found.solution.effective_dof < 800


def test_gcv_of_targets_of_zero_takes_no_ridge_that_matters(operator):
    operator.source.velocities[:] = 0
    solution = solve(operator, plan(K, D, M), SerialCommunicator(), ridge="gcv")
    assert not solution.coefficients.any() and solution.certified


@pytest.mark.parametrize("value", [-1, "best", float("nan"), True, None])
def test_a_ridge_that_cannot_be_used_is_named(value):
    with pytest.raises(UserError, match=r"ridge = .*: expected 0, a number from 1e-100 to 1e.100, or 'gcv'"):
        FitOptions(ridge=value)


def test_a_ridge_needs_a_qr():
    with pytest.raises(UserError, match=r"ridge = 'gcv' needs the triangle of a QR, and the solver 'gram' has none; use 'auto'"):
        FitOptions(ridge="gcv", solver="gram")


@pytest.mark.parametrize("kind", ["zero feature", "saturated"])
@pytest.mark.parametrize("ridge", [1e-3, "gcv"])
def test_a_column_of_zeros_takes_no_part(rng, kind, ridge):
    operator = problem(rng, 200, 4, 20, kind)
    (zero,) = np.flatnonzero(np.linalg.norm(operator.dense_rows(0, 200)[:, :-1], axis=0) == 0)
    solution = solved_by("khatri-rao-qr", operator, ridge=ridge)
    others = operator_of(
        *(np.delete(array, zero, axis=0) for array in (operator.weights, operator.feature_map.biases)),
        operator.source.points,
        operator.source.velocities,
    )
    expected = solved_by("khatri-rao-qr", others, ridge=ridge)
    np.testing.assert_allclose(np.delete(solution.coefficients, zero), expected.coefficients, rtol=1e-6)
    assert solution.effective_dof == pytest.approx(expected.effective_dof, rel=1e-6) and solution.coefficients[zero] == 0
