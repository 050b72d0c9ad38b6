"""The sketch against an explicit Ω, and the condition that its triangle leaves of A."""

import numpy as np
import pytest

from hnn_hpc.features import ACTIVATIONS, FeatureMap
from hnn_hpc.operators import GradientOperator
from hnn_hpc.operators.kept import keep_derivatives
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.parallel.tree import tree_reduce
from hnn_hpc.samples import ArraySamples
from hnn_hpc.solvers.factor import factor_of
from hnn_hpc.solvers.sketch import CHUNK, FEWEST_SAMPLES, NONZEROS, OVERSAMPLING, sketch_samples, sketched, sparse_sign_columns

SERIAL = SerialCommunicator()
# Sums of some thousand products of order 1.
ROUND_OFF = 1e-12


def operator_of(weights, K, kind="random", seed=1):
    rng = np.random.default_rng(seed)
    M, D = weights.shape
    points = rng.standard_normal((K, D))
    if kind == "sorted":
        points = points[np.argsort(points[:, 0])]
    elif kind == "outliers":
        points[: M // 2] *= 30
    biases = -(weights * points[rng.integers(K, size=M)]).sum(axis=1)
    if kind == "outliers":
        biases[: M // 2] = -(weights[: M // 2] * points[: M // 2]).sum(axis=1)
    if kind == "twice":
        biases[M // 2 :] = biases[: M - M // 2]
    return GradientOperator(FeatureMap(weights, biases, ACTIVATIONS["tanh"]), ArraySamples(points, points[:, ::-1].copy(), None, K))


def sketch_of(operator, s, blocks=3, threads=1, seed=0):
    return sketched(operator, RowLayout(operator.samples, blocks), RowLayout(s, 2), SERIAL, threads, seed)


@pytest.mark.parametrize("s", [1, 3, 60, 1000])
def test_columns_have_signs_in_separate_parts_of_the_rows(s):
    omega = sparse_sign_columns(0, 500, s, seed=3).toarray()
    nonzeros = min(s, NONZEROS)
    values, counts = np.unique(omega[omega != 0], return_counts=True)
    np.testing.assert_allclose(values, [-(nonzeros**-0.5), nonzeros**-0.5])
    assert (np.count_nonzero(omega, axis=0) == nonzeros).all()
    assert abs(counts[0] - counts[1]) < 5 * np.sqrt(counts.sum())
    for part in range(nonzeros):
        assert (np.count_nonzero(omega[s * part // nonzeros : s * (part + 1) // nonzeros], axis=0) == 1).all()


def test_columns_do_not_depend_on_where_the_samples_are_cut():
    K = 2 * CHUNK + 100
    whole = sparse_sign_columns(0, K, 50, seed=3).toarray()
    for start, stop in [(0, 10), (CHUNK - 3, CHUNK + 4), (CHUNK, K), (77, 77)]:
        np.testing.assert_array_equal(sparse_sign_columns(start, stop, 50, seed=3).toarray(), whole[:, start:stop])
    assert not (whole == sparse_sign_columns(0, K, 50, seed=4).toarray()).all()


def test_norms_are_kept_on_average():
    x = np.random.default_rng(0).standard_normal(60)
    squares = [np.sum((sparse_sign_columns(0, 60, 40, seed) @ x) ** 2) for seed in range(400)]
    # ‖Ωx‖² / ‖x‖² varies by sqrt(2 / s) or less, its mean over n draws by sqrt(2 / (s n)); five times that.
    assert np.mean(squares) == pytest.approx(x @ x, rel=5 * np.sqrt(2 / (40 * 400)))


@pytest.mark.parametrize("M", [1, 63, 64, 150])
@pytest.mark.parametrize("blocks", [1, 5])
def test_sketch_is_omega_times_the_factors(M, blocks):
    K, s = 2 * CHUNK + 60, 70  # three runs
    operator = operator_of(np.random.default_rng(2).standard_normal((M, 4)), K)
    sketch = sketch_of(operator, s, blocks, seed=9)
    expected = sparse_sign_columns(0, K, s, 9).toarray() @ operator.factors(0, K)
    assert (sketch.samples, sketch.columns, sketch.rows_per_sample) == (s, M, 4)
    np.testing.assert_allclose(sketch.factors(0, s), expected, atol=ROUND_OFF)
    part = sketch.factors(20, 45)
    np.testing.assert_allclose(part, expected[20:45], atol=ROUND_OFF)
    assert part.flags.f_contiguous
    part[:] = 0
    np.testing.assert_allclose(sketch.factors(20, 45), expected[20:45], atol=ROUND_OFF)


def test_sketch_of_those_who_read_the_samples_elsewhere():
    """Blocks of their own, twice as long as the sketch, over a tree: the same numbers but for the order of a sum."""
    operator, layout = operator_of(np.random.default_rng(2).standard_normal((150, 4)), 3000), RowLayout(3000, 40)
    asked, steps = [], []

    class Elsewhere(SerialCommunicator):
        reads_samples = False

        def reduce(self, layout, leaf, combine, name, of_samples=True):
            asked.append((layout, name, of_samples))
            return tree_reduce(SERIAL, layout, leaf, combine)

    sketch = sketched(operator, layout, RowLayout(90, 2), Elsewhere(), on_leaf=steps.append)
    np.testing.assert_allclose(sketch.factors(0, 90), sketch_of(operator, 90).factors(0, 90), atol=ROUND_OFF)
    assert asked == [(RowLayout(3000, 16), "sketch", True)] and sum(steps) == layout.blocks


def test_threads_and_kept_derivatives_do_not_change_the_sketch():
    operator, layout = operator_of(np.random.default_rng(2).standard_normal((200, 4)), 3000), RowLayout(3000, 7)
    alone, steps = sketch_of(operator, 90).factors(0, 90), []
    for threads in (2, 5):
        np.testing.assert_array_equal(sketch_of(operator, 90, threads=threads).factors(0, 90), alone)
    kept = keep_derivatives(operator, layout, SERIAL, 8 * 200 * 1700)
    sketch = sketched(kept, layout, RowLayout(90, 2), SERIAL, 2, on_leaf=lambda: steps.append(1))
    np.testing.assert_allclose(sketch.factors(0, 90), alone, atol=ROUND_OFF)
    assert len(steps) == layout.blocks


def test_size_follows_the_fullest_coordinate():
    M, rng = 400, np.random.default_rng(5)
    dense, one = rng.standard_normal((M, 8)), np.zeros((M, 8))
    one[:, 3] = rng.standard_normal(M)
    assert sketch_samples(one, 10**6) == OVERSAMPLING * M + FEWEST_SAMPLES
    assert sketch_samples(dense, 10**6) == pytest.approx(OVERSAMPLING * M / 8, rel=0.3)
    assert sketch_samples(np.vstack([one, np.zeros((9, 8))]), 10**6, 2.0) == 2 * M + FEWEST_SAMPLES
    assert sketch_samples(one, 6464) == 3232
    assert sketch_samples(one, 6463) == 6463  # one sample fewer than twice the sketch


def weights_of(kind, M=120, D=4):
    W = np.random.default_rng(7).standard_normal((M, D))
    if kind == "cond 1e5":
        W *= 0.15
    elif kind == "cond 1e10":
        W *= 0.007
    elif kind == "one coordinate":
        W[:, 1:] = 0
        W[:, 0] *= 3
    elif kind == "half on one coordinate":
        W[: M // 2, 1:] = 0
    elif kind == "steep along one":
        W *= [3, 0.1, 0.1, 0.1]
    elif kind == "twice":
        W[M // 2 :] = W[: M // 2]
    elif kind == "zero feature":
        W[5] = 0
    return W


KINDS = ["cond 1", "cond 1e5", "cond 1e10", "one coordinate", "half on one coordinate", "steep along one", "twice", "zero feature"]


@pytest.mark.parametrize("kind", [*KINDS, "sorted", "outliers"])
def test_triangle_of_the_sketch_takes_out_the_condition_of_A(kind):
    operator = operator_of(weights_of(kind), 3000, kind)
    s = sketch_samples(operator.weights, 3000)
    assert s < 3000
    factors = sketch_of(operator, s).factors(0, s)
    sketched_A = (factors[:, None, :-4] * operator.weights.T).reshape(4 * s, -1)
    factor = factor_of(np.linalg.qr(sketched_A, mode="r"), 1e-13)
    A = operator.dense_rows(0, 3000)[:, :-1] / factor.column_norms
    N = factor.basis(np.identity(factor.rank))
    singular = np.linalg.svd(A @ N, compute_uv=False)
    condition = np.linalg.cond(A)
    assert {"cond 1e5": 1e4 < condition < 1e7, "cond 1e10": 1e9 < condition < 1e13}.get(kind, True), f"{condition:.1e}"
    # (√γ + 1)/(√γ - 1) = 2.1 in the limit of many features; these are few, and it is below.
    assert singular[0] / singular[-1] < 2.3, f"cond(A) {condition:.1e}, rank {factor.rank}, cond(AN) {singular[0] / singular[-1]:.2f}"


def test_a_sketch_too_small_for_its_coordinate_is_worse():
    operator = operator_of(weights_of("one coordinate"), 3000)
    factors = sketch_of(operator, 130).factors(0, 130)
    R = np.linalg.qr(factors[:, :-4] * operator.weights[:, 0], mode="r")
    A = operator.dense_rows(0, 3000)[:, :-1]
    assert np.linalg.cond(np.linalg.solve(R.T, A.T)) > 10
