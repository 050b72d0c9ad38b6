"""Components of feature matrices against a plain union-find, and solving by them against the dense matrix and numpy.linalg.lstsq."""

from dataclasses import replace

import numpy as np
import pytest

from hnn_hpc import FitOptions
from hnn_hpc.features import ACTIVATIONS, FeatureMap, HiddenLayer, Pool, make_coordinates, plain_coordinates
from hnn_hpc.least_squares import LeastSquares
from hnn_hpc.operators import components_of, gradient_operator
from hnn_hpc.output_layer import OutputLayerSolver
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.threads import single_threaded_blas
from hnn_hpc.samples import ArraySamples
from hnn_hpc.solvers import joined, solve
from hnn_hpc.symplectic import gradient_from_vector_field
from hnn_hpc.training import plan_for

# Sums of some hundred products of numbers of order 1; a solution differs by that times the condition number of the scaled columns.
ROUND_OFF, TOLERANCE, LARGEST_CONDITION = 1e-13, 1e-9, 1e4
PAIRS = make_coordinates(8, ["q1", "q2"], [["q1", "q2"], ["p2", "p3"]], [[["q3"], ["q4"]]])


@pytest.fixture
def rng(seed):
    return np.random.default_rng(seed)


def union_find(weights, coordinates):
    """The components as sets, {(features, coordinates of x)}: coordinates that a feature depends on are joined one pair after the other."""
    jacobian_entries = list(zip(coordinates.entry_columns.tolist(), coordinates.entry_coordinates.tolist(), strict=True))
    touched = [{x for column, x in jacobian_entries if row[column] != 0} for row in weights]
    leader = list(range(coordinates.dimension))
    for coordinates_of_feature in touched:
        for a in coordinates_of_feature:
            for b in coordinates_of_feature:
                leader = [leader[b] if at == leader[a] else at for at in leader]
    used = set().union(*touched)
    groups = {at: {x for x in used if leader[x] == at} for at in {leader[x] for x in used}}
    found = {frozenset(group): {m for m, some in enumerate(touched) if some & group} for group in groups.values()}
    left_features, left_coordinates = {m for m, some in enumerate(touched) if not some}, set(range(coordinates.dimension)) - used
    if not found:
        return {(frozenset(left_features), frozenset(left_coordinates))}
    first = min(found, key=min)
    found[first | left_coordinates] = found.pop(first) | left_features
    return {(frozenset(features), group) for group, features in found.items()}


def as_sets(components):
    return {(frozenset(features.tolist()), frozenset(rows_of.tolist())) for features, rows_of in components}


def check(weights, coordinates):
    """Assert all that is said of components; return them."""
    components = components_of(weights, coordinates)
    assert as_sets(components) == union_find(weights, coordinates)
    for name, count in (("features", len(weights)), ("rows_of", coordinates.dimension)):
        parts = [getattr(component, name) for component in components]
        assert sorted(np.concatenate(parts).tolist()) == list(range(count))
        assert all((np.diff(part) > 0).all() for part in parts)
    assert all(len(features) for features, _ in components)
    return components


@pytest.mark.parametrize("coordinates", [plain_coordinates(8), PAIRS], ids=["plain", "derived"])
@pytest.mark.parametrize("nonzeros", [0.02, 0.1, 0.2, 0.5])
def test_components_are_those_of_a_union_find(coordinates, nonzeros, rng):
    numbers = []
    for features in (1, 3, 10, 40):
        for _ in range(10):
            weights = rng.standard_normal((features, coordinates.count)) * (rng.random((features, coordinates.count)) < nonzeros)
            numbers.append(len(check(weights, coordinates)))
    assert min(numbers) == 1 and (max(numbers) > 1 or nonzeros == 0.5)


def test_components_come_in_the_order_of_their_coordinates():
    weights = np.zeros((5, 6))
    weights[0, [4, 5]], weights[1, 2], weights[2, [1, 3]], weights[3, 2], weights[4, 3] = 1, -1, 1e-300, 1, 2
    assert [(c.features.tolist(), c.rows_of.tolist()) for c in check(weights, plain_coordinates(6))] == [
        ([2, 4], [0, 1, 3]),  # and q1, which no feature touches
        ([1, 3], [2]),
        ([0], [4, 5]),
    ]


@pytest.mark.parametrize("dimension", [2, 6])
def test_features_of_weight_zero_and_coordinates_that_nobody_touches_belong_to_the_first(dimension):
    weights = np.zeros((4, dimension))
    assert as_sets(check(weights, plain_coordinates(dimension))) == {(frozenset(range(4)), frozenset(range(dimension)))}
    weights[2, -1] = 1
    assert len(check(weights, plain_coordinates(dimension))) == 1
    weights[1, 0] = 1
    assert [c.features.tolist() for c in check(weights, plain_coordinates(dimension))] == [[0, 1, 3], [2]]


def test_a_derived_coordinate_joins_what_it_is_made_of():
    names, weights = PAIRS.names, np.zeros((3, PAIRS.count))
    for feature, units in enumerate((["q1", "q1-q2"], ["p2-p3"], ["|q3 - q4|"])):
        weights[feature, PAIRS.columns_of([names.index(unit) for unit in units])] = 1
    assert as_sets(check(weights, PAIRS)) == {
        (frozenset([0]), frozenset([0, 1, 4, 7])),  # q1, q2, and the untouched p1, p4
        (frozenset([1]), frozenset([5, 6])),
        (frozenset([2]), frozenset([2, 3])),
    }


def sparse_problem(coordinates, supports, rng, samples=200, features=6):
    """A `HiddenLayer` with features on each support (names), shuffled, and random samples."""
    weights = np.zeros((features * len(supports), coordinates.count))
    for number, support in enumerate(supports):
        columns = coordinates.columns_of([coordinates.names.index(name) for name in support])
        weights[number * features : (number + 1) * features, columns] = rng.standard_normal((features, len(columns)))
    layer = HiddenLayer(rng.permutation(weights), rng.standard_normal(len(weights)))
    return layer, rng.standard_normal((samples, coordinates.dimension)), rng.standard_normal((samples, coordinates.dimension))


def solved(layer, points, velocities, **options):
    options = FitOptions(len(layer.weights), **options)
    source = ArraySamples(points, velocities, None, len(points))
    pool = Pool(points, gradient_from_vector_field(velocities), None, points.min(0), points.max(0))
    the_plan = plan_for(len(points), points.shape[1], options, "the arrays").limited_to(1, None, 1)
    with single_threaded_blas():
        feature_map, solution, _ = OutputLayerSolver(
            source, pool, the_plan, 1, LeastSquares(options, SerialCommunicator(), covariance=True)
        ).solve(layer)
    return feature_map, solution


def dense(layer, points, velocities, coordinates):
    """A (K D, M) and f (K D,), whole."""
    feature_map = FeatureMap(layer.weights, layer.biases, ACTIVATIONS["tanh"], coordinates)
    block = gradient_operator(feature_map, ArraySamples(points, velocities, None, len(points))).dense_rows(0, len(points))
    return block[:, :-1], block[:, -1]


def rows_of_block(rows_of, coordinates, points):
    """The numbers of the rows of A along some coordinates."""
    return (np.arange(len(points))[:, None] * coordinates.dimension + rows_of).ravel()


PLAIN_SUPPORTS = [["q1"], ["q2", "q3"], ["q3", "p1"], ["p2"]]  # p3 is touched by none
DERIVED_SUPPORTS = [["q1", "q1-q2"], ["q2"], ["|q3 - q4|", "q3"], ["p2-p3"], ["p4"]]
RING = [["q1", "q3"], ["p1", "q3"], ["p1", "q2"], ["q2", "p3"], ["p2", "p3"], ["p2", "q1"]]  # hangs together, and is sparse
CASES = {  # coordinates, supports, how many components they make, options
    "plain": (plain_coordinates(6), PLAIN_SUPPORTS, 3, {}),
    "one sparse component": (plain_coordinates(6), RING, 1, {}),
    "derived": (PAIRS, DERIVED_SUPPORTS, 4, {"coordinates": PAIRS.as_dict()}),
}


@pytest.fixture(params=CASES)
def case(request, rng):
    """Coordinates, a `HiddenLayer` of some components, points, velocities, and options."""
    coordinates, supports, components, options = CASES[request.param]
    layer, *samples = sparse_problem(coordinates, supports, rng)
    assert len(components_of(layer.weights, coordinates)) == components
    return coordinates, layer, *samples, options


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_solving_by_components_is_solving_the_dense_matrix(case, ridge):
    """Every number of the joined solution, from A, f and w alone; with a ridge λ from [A; λ diag(‖A_m‖)]."""
    coordinates, layer, points, velocities, options = case
    feature_map, solution = solved(layer, points, velocities, ridge=ridge, **options)
    A, f = dense(layer, points, velocities, coordinates)
    norms, (rows, M) = np.linalg.norm(A, axis=0), A.shape
    penalty = ridge * np.diag(norms)
    w = np.linalg.lstsq(np.vstack([A, penalty]), np.concatenate([f, np.zeros(M)]), rcond=None)[0]
    assert solution.certified and np.linalg.cond(A / norms) < LARGEST_CONDITION
    np.testing.assert_allclose(solution.coefficients * norms, w * norms, atol=TOLERANCE * np.linalg.norm(w * norms))

    r = f - A @ solution.coefficients
    assert solution.residual_norm == pytest.approx(np.linalg.norm(r), rel=ROUND_OFF)
    assert solution.target_norm == pytest.approx(np.linalg.norm(f), rel=ROUND_OFF)
    assert solution.relative_residual == pytest.approx(np.linalg.norm(r) / np.linalg.norm(f), rel=ROUND_OFF)
    normal = np.concatenate([r, -penalty @ solution.coefficients]) @ np.vstack([A, penalty]) / norms
    assert np.linalg.norm(normal) / np.linalg.norm(f) < 1e-12 and solution.normal_residual < 1e-12
    assert 0 < solution.backward_error < ROUND_OFF
    values = np.linalg.svd(A / norms, compute_uv=False)
    dof = (values**2 / (values**2 + ridge**2)).sum()
    assert (solution.rank, solution.ridge, solution.stop_reason) == (M, ridge, "converged")
    assert solution.effective_dof == pytest.approx(dof, rel=TOLERANCE)
    assert solution.noise_level == pytest.approx(np.linalg.norm(r) / np.sqrt(rows - dof), rel=TOLERANCE)
    assert feature_map.weights is layer.weights


def test_the_joined_residuals_are_those_of_any_coefficients(case, rng):
    """Far from the minimum, where they are no rounding error."""
    coordinates, layer, points, velocities, options = case
    _, solution = solved(layer, points, velocities, **options)
    A, f = dense(layer, points, velocities, coordinates)
    norms, w = np.linalg.norm(A, axis=0), rng.standard_normal(A.shape[1]) * np.abs(solution.coefficients)
    parts = []
    for features, rows_of in components_of(layer.weights, coordinates):
        rows = rows_of_block(rows_of, coordinates, points)
        block, r = A[np.ix_(rows, features)], (f - A @ w)[rows]
        sizes = {"residual_norm": np.linalg.norm(r), "target_norm": np.linalg.norm(f[rows])}
        reached = np.linalg.norm(block.T @ r / norms[features]) / (np.sqrt(len(features)) * np.linalg.norm(r))
        told = {"coefficients": w[features], "normal_residual": reached, "covariance_factor": None}
        parts.append((features, replace(solution, **sizes, **told)))
    whole, r = joined(parts, len(w), len(f)), f - A @ w
    np.testing.assert_array_equal(whole.coefficients, w)
    assert whole.residual_norm == pytest.approx(np.linalg.norm(r), rel=ROUND_OFF)
    assert whole.relative_residual == pytest.approx(np.linalg.norm(r) / np.linalg.norm(f), rel=ROUND_OFF)
    expected = np.linalg.norm(A.T @ r / norms) / (np.sqrt(len(w)) * np.linalg.norm(r))
    assert expected > 0.01 and whole.normal_residual == pytest.approx(expected, rel=ROUND_OFF)


@pytest.mark.parametrize(
    "odd, words", [({"certified": False}, (False, "converged")), ({"stop_reason": "rank-deficient"}, (True, "rank-deficient"))]
)
def test_one_bad_block_is_seen_in_the_whole(case, odd, words):
    _, layer, points, velocities, options = case
    _, solution = solved(layer, points, velocities, **options)
    M = len(layer.weights)
    parts = [(np.arange(0, M, 2), solution), (np.arange(1, M, 2), replace(solution, condition_estimate=1e30, **odd))]
    parts = [(features, replace(part, coefficients=part.coefficients[features], covariance_factor=None)) for features, part in parts]
    for some in (parts, parts[::-1]):
        whole = joined(some, M, 10 * M)
        assert (whole.certified, whole.stop_reason) == words and whole.condition_estimate == 1e30 and whole.covariance_factor is None


def test_covariance_is_that_of_each_block_with_its_own_noise(case):
    coordinates, layer, points, velocities, options = case
    _, solution = solved(layer, points, velocities, **options)
    A, f = dense(layer, points, velocities, coordinates)
    C = solution.covariance_factor
    expected = np.zeros_like(C)
    for features, rows_of in components_of(layer.weights, coordinates):
        rows = rows_of_block(rows_of, coordinates, points)
        block = A[np.ix_(rows, features)]
        r = f[rows] - block @ solution.coefficients[features]
        inverse = np.linalg.pinv(block)
        expected[np.ix_(features, features)] = (r @ r) / (len(rows) - len(features)) * inverse @ inverse.T
    sizes = np.sqrt(expected.diagonal())
    np.testing.assert_allclose(C @ C.T / sizes / sizes[:, None], expected / sizes / sizes[:, None], atol=TOLERANCE)


@pytest.mark.parametrize("samples, solves", [(12, 1), (20, 2)])
def test_a_component_with_fewer_rows_than_features_is_solved_together_with_the_others(samples, solves, rng, monkeypatch):
    """q1 has 20 features, and one row a sample."""
    layer, points, velocities = sparse_problem(plain_coordinates(4), [["q1"], ["q2", "p1", "p2"]], rng, samples, features=20)
    calls = []
    monkeypatch.setattr("hnn_hpc.least_squares.solve", lambda *given, **options: calls.append(1) or solve(*given, **options))
    _, solution = solved(layer, points, velocities)
    A, f = dense(layer, points, velocities, plain_coordinates(4))
    norms = np.linalg.norm(A, axis=0)
    w = np.linalg.lstsq(A / norms, f, rcond=1e-15)[0] / norms
    assert len(calls) == solves and solution.certified
    assert solution.residual_norm <= (1 + 1e-6) * np.linalg.norm(f - A @ w)
