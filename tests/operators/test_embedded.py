"""The operator in derived coordinates against the dense matrix by the chain rule, one sample and one feature at a time; and its solve."""

from dataclasses import replace

import numpy as np
import pytest

from hnn_hpc.features import ACTIVATIONS, FeatureMap, make_coordinates, plain_coordinates
from hnn_hpc.operators import EmbeddedGradientOperator, GradientOperator, gradient_operator
from hnn_hpc.operators.checks import dot_test
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.parallel.threads import single_threaded_blas
from hnn_hpc.samples import ArraySamples
from hnn_hpc.solvers import plan, solve
from hnn_hpc.symplectic import gradient_from_vector_field
from hnn_hpc.systems import make_system

# Sums of a few dozen products of numbers of order 1.
TOLERANCE = 1e-13
K, M = 43, 9
COORDINATES = {
    "angles": make_coordinates(4, ["q1", "q2"], [["q1", "q2"]]),
    "distances": make_coordinates(8, [], [["p1", "p4"]], [[["q1", "q2"], ["q3", "q4"]], [["p1", "p2"], ["p3", "p4"]]]),
    "both": make_coordinates(6, ["q3"], [], [[["q1"], ["q2"]]]),
}
ROWS_OF = [None, [0], [1, 3], [0, 1, 2, 3]]


@pytest.fixture(params=COORDINATES.values(), ids=COORDINATES)
def coordinates(request):
    return request.param


@pytest.fixture
def few_at_a_time(monkeypatch):
    """Pieces of 10 samples, and of few features in dense rows."""
    monkeypatch.setattr("hnn_hpc.operators.gradient.FEWEST_ROWS", 10)
    monkeypatch.setattr("hnn_hpc.operators.gradient.PIECE_VALUES", 1)
    monkeypatch.setattr("hnn_hpc.operators.embedded.CACHED_VALUES", 100)


def operator_of(coordinates, rng, rows_of=None, samples=K, features=M):
    D = coordinates.dimension
    W, b = rng.standard_normal((features, coordinates.count)), rng.standard_normal(features)
    source = ArraySamples(rng.standard_normal((samples, D)), rng.standard_normal((samples, D)), None, samples)
    rows_of = None if rows_of is None else np.array(rows_of)
    return gradient_operator(FeatureMap(W, b, ACTIVATIONS["tanh"], coordinates), source, rows_of)


def dense(operator):
    """A (K r, M) and f (K r,) by the definition: A[(k, d), m] = σ'(w_m·z_k + b_m) Σ_e J_k[e, d] W[m, e]."""
    points, velocities, _ = operator.source.read(0, operator.samples)
    W, b, z = operator.feature_map.weights, operator.feature_map.biases, operator.feature_map.coordinates
    rows_of = range(z.dimension) if operator.rows_of is None else operator.rows_of
    A = []
    for x in points:
        J = np.zeros((z.count, z.dimension))
        J[z.entry_columns, z.entry_coordinates] = z.jacobian(x[None])[0]
        slopes = [1 - np.tanh(W[m] @ z.embed(x) + b[m]) ** 2 for m in range(len(W))]
        A.extend([[slopes[m] * (J[:, d] @ W[m]) for m in range(len(W))] for d in rows_of])
    return np.array(A), gradient_from_vector_field(velocities)[:, rows_of].ravel()


@pytest.mark.parametrize("rows_of", ROWS_OF, ids=str)
@pytest.mark.parametrize("start, stop", [(0, K), (3, 4), (5, 37), (6, 6)])
def test_rows_and_products_of_a_run(coordinates, rows_of, start, stop, seed, few_at_a_time):
    rng = np.random.default_rng(seed)
    operator = operator_of(coordinates, rng, rows_of)
    r = operator.rows_per_sample
    assert isinstance(operator, EmbeddedGradientOperator) and r == (coordinates.dimension if rows_of is None else len(rows_of))
    (A, f), rows = dense(operator), slice(start * r, stop * r)
    block = operator.dense_rows(start, stop)
    np.testing.assert_allclose(block, np.column_stack([A, f])[rows], atol=TOLERANCE)
    assert block.flags.f_contiguous
    vector, R = rng.standard_normal(M), rng.standard_normal((stop - start, r))
    for found in (operator, operator.loaded(start, stop)):
        np.testing.assert_allclose(found.multiply(start, stop, vector).ravel(), A[rows] @ vector, atol=TOLERANCE)
        np.testing.assert_allclose(found.multiply_transposed(start, stop, R), A[rows].T @ R.ravel(), atol=TOLERANCE)
        residual, At_r, F = found.residual(start, stop, vector)
        np.testing.assert_allclose(residual.ravel(), (f - A @ vector)[rows], atol=TOLERANCE)
        np.testing.assert_allclose(At_r, A[rows].T @ (f - A @ vector)[rows], atol=10 * TOLERANCE)
        np.testing.assert_array_equal(F.ravel(), f[rows])
        np.testing.assert_array_equal(found.targets(start, stop), F)
        residual, At_r, _ = found.residual(start, stop, vector, R)
        np.testing.assert_allclose(residual.ravel(), R.ravel() - A[rows] @ vector, atol=TOLERANCE)
        np.testing.assert_allclose(At_r, A[rows].T @ (R.ravel() - A[rows] @ vector), atol=10 * TOLERANCE)
    assert not hasattr(operator, "factors")


@pytest.mark.parametrize("rows_of", ROWS_OF, ids=str)
def test_dense_rows_of_some_places(coordinates, rows_of, seed):
    operator = operator_of(coordinates, np.random.default_rng(seed), rows_of)
    places, r = np.array([0, 7, 8, 20]), operator.rows_per_sample
    rows = operator.dense_rows(0, K).reshape(K, r, M + 1)[10 + places].reshape(-1, M + 1)
    np.testing.assert_allclose(operator.dense_rows(10, 40, places), rows, atol=TOLERANCE)


@pytest.mark.parametrize("rows_of", ROWS_OF, ids=str)
def test_restricted_rows_are_a_block_of_all(coordinates, rows_of, seed):
    operator = operator_of(coordinates, np.random.default_rng(seed))
    restricted = gradient_operator(operator.feature_map, operator.source, None if rows_of is None else np.array(rows_of))
    every_row = operator.dense_rows(0, K).reshape(K, coordinates.dimension, M + 1)
    chosen = every_row[:, slice(None) if rows_of is None else rows_of].reshape(-1, M + 1)
    np.testing.assert_allclose(restricted.dense_rows(0, K), chosen, atol=TOLERANCE)


@pytest.mark.parametrize("rows_of", ROWS_OF, ids=str)
def test_transpose_agrees_with_the_operator(coordinates, rows_of, seed, few_at_a_time):
    left, right = dot_test(operator_of(coordinates, np.random.default_rng(seed), rows_of), run=17)
    assert left == pytest.approx(right, rel=TOLERANCE), f"<Au, v> = {left!r}, <u, Atv> = {right!r}"


def test_plain_coordinates_have_the_khatri_rao_factors(seed):
    rng = np.random.default_rng(seed)
    W, b, points, velocities = (rng.standard_normal(shape) for shape in ((M, 4), M, (K, 4), (K, 4)))
    source = ArraySamples(points, velocities, None, K)
    found = [gradient_operator(FeatureMap(W, b, ACTIVATIONS["tanh"], z), source) for z in (None, plain_coordinates(4))]
    assert all(type(operator) is GradientOperator for operator in found)
    np.testing.assert_array_equal(*[operator.dense_rows(0, K) for operator in found])


@pytest.mark.parametrize("rows_of", [None, [0, 2]], ids=str)
def test_tsqr_solves_like_lstsq(coordinates, rows_of, seed):
    operator = operator_of(coordinates, np.random.default_rng(seed), rows_of, samples=600, features=30)
    block = operator.dense_rows(0, 600)
    A, f = block[:, :-1], block[:, -1]
    w = np.linalg.lstsq(A, f, rcond=None)[0]
    the_plan = replace(plan(600, operator.rows_per_sample, 30, khatri_rao=False), layout=RowLayout(600, 5), piece_samples=50)
    assert the_plan.solver == "tsqr"
    with single_threaded_blas():
        one, three = (solve(operator, the_plan.limited_to(threads), SerialCommunicator()) for threads in (1, 3))
    np.testing.assert_array_equal(one.coefficients, three.coefficients)
    # A backward stable w differs by round-off times the condition number.
    np.testing.assert_allclose(one.coefficients, w, atol=TOLERANCE * np.linalg.cond(A) * np.linalg.norm(w))
    assert one.certified and one.rank == 30
    assert one.relative_residual == pytest.approx(np.linalg.norm(f - A @ w) / np.linalg.norm(f), rel=1e-12)


def test_the_double_pendulum_is_learned_in_its_own_units(seed):
    """In q1, in q2, and in (q1 - q2, p1, p2): the energy is a sum of such terms. As many dense features of x itself err by 0.2."""
    rng, system = np.random.default_rng(seed), make_system("double-pendulum")
    points, test_points = (rng.uniform(*system.box.T, (count, 4)) for count in (2000, 500))
    coordinates = COORDINATES["angles"]
    z, W = coordinates.embed(points), np.zeros((400, coordinates.count))
    for features, units in ((slice(0, 25), [0]), (slice(25, 50), [1]), (slice(50, 400), [4, 2, 3])):
        columns = coordinates.columns_of(units)
        W[features, columns] = 0.5 * rng.standard_normal((features.stop - features.start, len(columns)))
    feature_map = FeatureMap(W, -np.einsum("me,me->m", W, z[:400]), ACTIVATIONS["tanh"], coordinates)
    operator = gradient_operator(feature_map, ArraySamples(points, system.vector_field(points), None, 2000))
    solution = solve(operator, plan(2000, 4, 400, khatri_rao=False), SerialCommunicator())
    gradient = system.gradient(test_points)
    error = np.linalg.norm(feature_map.energy_gradient(test_points, solution.coefficients) - gradient) / np.linalg.norm(gradient)
    assert solution.certified and error < 0.01
