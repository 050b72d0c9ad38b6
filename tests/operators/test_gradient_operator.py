"""The gradient operator against the dense matrix written as the paper writes it, one sample and one feature at a time."""

import numpy as np
import pytest

from hnn_hpc.features import ACTIVATIONS, FeatureMap
from hnn_hpc.operators import GradientOperator
from hnn_hpc.operators.checks import dot_test
from hnn_hpc.samples import ArraySamples
from hnn_hpc.symplectic import gradient_from_vector_field

# Sums of a few dozen products of numbers of order 1.
TOLERANCE = 1e-13
K, D, M = 23, 4, 9


@pytest.fixture
def operator():
    rng = np.random.default_rng(5)
    feature_map = FeatureMap(rng.standard_normal((M, D)), rng.standard_normal(M), ACTIVATIONS["tanh"])
    points, velocities = rng.standard_normal((K, D)), rng.standard_normal((K, D))
    return GradientOperator(feature_map, ArraySamples(points, velocities, None, K))


def dense(operator):
    """A (K D, M) and f (K D,) by the definition: row (k, d), column m is σ'(w_m·x_k + b_m) W[m, d]."""
    points, velocities, _ = operator.source.read(0, K)
    W, b = operator.feature_map.weights, operator.feature_map.biases
    A = np.array([[(1 - np.tanh(W[m] @ x + b[m]) ** 2) * W[m, d] for m in range(M)] for x in points for d in range(D)])
    return A, gradient_from_vector_field(velocities).ravel()


@pytest.mark.parametrize("start, stop", [(0, K), (3, 4), (5, 17), (6, 6)])
def test_rows_and_products_of_a_run(operator, start, stop):
    A, f = dense(operator)
    rows, rng = slice(start * D, stop * D), np.random.default_rng(6)
    block = operator.dense_rows(start, stop)
    np.testing.assert_allclose(block, np.column_stack([A, f])[rows], atol=TOLERANCE)
    assert block.flags.f_contiguous
    vector, r = rng.standard_normal(M), rng.standard_normal((stop - start, D))
    np.testing.assert_allclose(operator.multiply(start, stop, vector).ravel(), A[rows] @ vector, atol=TOLERANCE)
    np.testing.assert_allclose(operator.multiply_transposed(start, stop, r), A[rows].T @ r.ravel(), atol=TOLERANCE)
    residual, At_r, F = operator.residual(start, stop, vector)
    np.testing.assert_allclose(residual.ravel(), (f - A @ vector)[rows], atol=TOLERANCE)
    np.testing.assert_allclose(At_r, A[rows].T @ (f - A @ vector)[rows], atol=10 * TOLERANCE)
    np.testing.assert_array_equal(F.ravel(), f[rows])


def test_factors_are_the_khatri_rao_factors(operator):
    A, f = dense(operator)
    factors = operator.factors(0, K)
    S, F = factors[:, :M], factors[:, M:]
    assert factors.flags.f_contiguous
    np.testing.assert_allclose((S[:, None, :] * operator.weights.T).reshape(K * D, M), A, atol=TOLERANCE)
    np.testing.assert_array_equal(F.ravel(), f)


def test_transpose_agrees_with_the_operator(operator):
    left, right = dot_test(operator, run=7)
    assert left == pytest.approx(right, rel=TOLERANCE), f"<Au, v> = {left!r}, <u, Atv> = {right!r}"


def test_dot_test_sees_a_wrong_transpose(operator):
    operator.multiply_transposed = lambda start, stop, rows: np.ones(M)
    left, right = dot_test(operator, run=7)
    assert left != pytest.approx(right, rel=1e-3)
