"""The gradient operator against the dense matrix written as the paper writes it, one sample and one feature at a time."""

from dataclasses import replace

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


GROUPS = [[0, 2], [1, 3]]  # of coordinates that the features of a block-diagonal matrix touch, and how many features there are of each
FEATURES = [slice(0, 4), slice(4, M)]


@pytest.fixture(params=[0, 1])
def block(request, operator):
    """(the rows, the features, the operator of one block, that of the whole block-diagonal matrix)."""
    W, (rows_of, features) = np.zeros((M, D)), (np.array(GROUPS[request.param]), FEATURES[request.param])
    for group, columns in zip(FEATURES, GROUPS, strict=True):
        W[group, columns] = operator.weights[group, columns]
    whole = GradientOperator(replace(operator.feature_map, weights=W), operator.source)
    part = FeatureMap(W[features][:, rows_of], operator.feature_map.biases[features], operator.feature_map.activation)
    return rows_of, features, GradientOperator(part, operator.source, rows_of), whole


@pytest.mark.parametrize("start, stop", [(0, K), (3, 4), (5, 17), (6, 6)])
def test_restricted_rows_and_products_are_those_of_a_block(block, start, stop):
    rows_of, features, restricted, whole = block
    A, f = dense(whole)
    A, f = A.reshape(K, D, M)[start:stop][:, rows_of].reshape(-1, M), f.reshape(K, D)[start:stop][:, rows_of].ravel()
    assert not np.delete(A, features, axis=1).any()
    A, rng = A[:, features], np.random.default_rng(6)
    found = restricted.dense_rows(start, stop)
    np.testing.assert_allclose(found, np.column_stack([A, f]), atol=TOLERANCE)
    assert found.flags.f_contiguous and restricted.rows_per_sample == 2
    factors = restricted.factors(start, stop)
    S, F = factors[:, :-2], factors[:, -2:]
    np.testing.assert_allclose((S[:, None, :] * restricted.weights.T).reshape(A.shape), A, atol=TOLERANCE)
    np.testing.assert_array_equal(F.ravel(), f)
    vector, R = rng.standard_normal(restricted.columns), rng.standard_normal((stop - start, 2))
    np.testing.assert_allclose(restricted.multiply(start, stop, vector).ravel(), A @ vector, atol=TOLERANCE)
    np.testing.assert_allclose(restricted.multiply_transposed(start, stop, R), A.T @ R.ravel(), atol=TOLERANCE)
    residual, At_r, F = restricted.loaded(start, stop).residual(start, stop, vector)
    np.testing.assert_allclose(residual.ravel(), f - A @ vector, atol=TOLERANCE)
    np.testing.assert_allclose(At_r, A.T @ (f - A @ vector), atol=10 * TOLERANCE)
    np.testing.assert_array_equal(restricted.targets(start, stop), F)
    chosen = restricted.derivatives(start, stop, slice(1, 3), np.empty((stop - start, 2)))
    np.testing.assert_allclose(chosen, S[:, 1:3], atol=TOLERANCE)


def test_restricted_transpose_agrees_with_the_operator(block):
    left, right = dot_test(block[2], run=7)
    assert left == pytest.approx(right, rel=TOLERANCE), f"<Au, v> = {left!r}, <u, Atv> = {right!r}"


def test_transpose_agrees_with_the_operator(operator):
    left, right = dot_test(operator, run=7)
    assert left == pytest.approx(right, rel=TOLERANCE), f"<Au, v> = {left!r}, <u, Atv> = {right!r}"


def test_dot_test_sees_a_wrong_transpose(operator):
    operator.multiply_transposed = lambda start, stop, rows: np.ones(M)
    left, right = dot_test(operator, run=7)
    assert left != pytest.approx(right, rel=1e-3)
