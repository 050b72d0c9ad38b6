"""σ' in memory gives the products of σ' computed, bit by bit; pieces of σ' give those of the whole run."""

import numpy as np
import pytest

from hnn_hpc.features import ACTIVATIONS, FeatureMap
from hnn_hpc.operators import GradientOperator
from hnn_hpc.operators.checks import dot_test
from hnn_hpc.operators.kept import keep_derivatives
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.samples import ArraySamples

# Sums of a few dozen products of numbers of order 1.
TOLERANCE = 1e-13
K, D, M = 150, 4, 9
LAYOUT = RowLayout(K, 4)  # blocks of 37 and 38 samples: pieces of 10, and one shorter piece
BUDGETS = {"nothing": 0, "less than a piece": 8 * M * 9, "half a block": 8 * M * 17, "two blocks and a half": 8 * M * 95, "all": 8 * M * K}


@pytest.fixture
def operator(monkeypatch, seed):
    monkeypatch.setattr("hnn_hpc.operators.gradient.FEWEST_ROWS", 10)
    monkeypatch.setattr("hnn_hpc.operators.gradient.PIECE_VALUES", 1)
    rng = np.random.default_rng(seed)
    feature_map = FeatureMap(rng.standard_normal((M, D)), rng.standard_normal(M), ACTIVATIONS["tanh"])
    return GradientOperator(feature_map, ArraySamples(rng.standard_normal((K, D)), rng.standard_normal((K, D)), None, K))


def keep(operator, budget, threads=1):
    return keep_derivatives(operator, LAYOUT, SerialCommunicator(), budget, threads)


@pytest.mark.parametrize("start, stop", [(0, K), (3, 4), (5, 39), (6, 6)])
def test_pieces_give_the_products_of_the_whole_run(operator, start, stop, seed):
    assert len(list(operator.pieces(0, operator.source.points))) == 15
    block = operator.dense_rows(start, stop)
    A, f = block[:, :-1], block[:, -1]
    rng = np.random.default_rng(seed)
    vector, rows = rng.standard_normal(M), rng.standard_normal((stop - start, D))
    np.testing.assert_allclose(operator.multiply(start, stop, vector).ravel(), A @ vector, atol=TOLERANCE)
    np.testing.assert_allclose(operator.multiply_transposed(start, stop, rows), A.T @ rows.ravel(), atol=TOLERANCE)
    r, At_r, F = operator.residual(start, stop, vector)
    np.testing.assert_allclose(r.ravel(), f - A @ vector, atol=TOLERANCE)
    np.testing.assert_allclose(At_r, A.T @ (f - A @ vector), atol=10 * TOLERANCE)
    np.testing.assert_array_equal(F.ravel(), f)
    r, At_r, _ = operator.residual(start, stop, vector, rows)
    np.testing.assert_allclose(r.ravel(), rows.ravel() - A @ vector, atol=TOLERANCE)
    np.testing.assert_allclose(At_r, A.T @ (rows.ravel() - A @ vector), atol=10 * TOLERANCE)
    chosen = operator.derivatives(start, stop, slice(2, 7), np.empty((stop - start, 5)))
    np.testing.assert_allclose(chosen, operator.factors(start, stop)[:, 2:7], atol=TOLERANCE)


@pytest.mark.parametrize("budget", BUDGETS.values(), ids=BUDGETS)
def test_kept_products_are_bitwise_the_computed_ones(operator, budget, seed):
    kept = keep(operator, budget)
    assert kept.kept.nbytes <= budget
    rng = np.random.default_rng(seed)
    vector = rng.standard_normal(M)
    for block in range(LAYOUT.blocks):
        start, stop = LAYOUT.bounds(block)
        rows = rng.standard_normal((stop - start, D))
        np.testing.assert_array_equal(kept.multiply(start, stop, vector), operator.multiply(start, stop, vector))
        np.testing.assert_array_equal(kept.multiply_transposed(start, stop, rows), operator.multiply_transposed(start, stop, rows))
        for ours, computed in zip(kept.residual(start, stop, vector), operator.residual(start, stop, vector), strict=True):
            np.testing.assert_array_equal(ours, computed)
    for start, stop in [(0, K), (11, 33), (20, 120), (140, K)]:
        ours, computed = (
            o.loaded(start, stop).derivatives(start, stop, slice(1, 4), np.empty((stop - start, 3))) for o in (kept, operator)
        )
        np.testing.assert_allclose(ours, computed, atol=1e-15)  # σ' <= 1; features in other groups may round another way
    left, right = dot_test(kept, run=37)
    assert left == pytest.approx(right, rel=TOLERANCE), f"<Au, v> = {left!r}, <u, Atv> = {right!r}"


@pytest.mark.parametrize("budget", BUDGETS.values(), ids=BUDGETS)
def test_kept_products_of_some_coordinates_are_bitwise_the_computed_ones(operator, budget, seed):
    rows_of, whole = np.array([0, 1, 3]), operator.feature_map
    part = FeatureMap(whole.weights[:, rows_of].copy(), whole.biases, whole.activation)
    restricted = GradientOperator(part, operator.source, rows_of)
    kept, vector = keep(restricted, budget), np.random.default_rng(seed).standard_normal(M)
    for block in range(LAYOUT.blocks):
        run = LAYOUT.bounds(block)
        for found in (kept, kept.loaded(*run)):
            for ours, computed in zip(found.residual(*run, vector), restricted.residual(*run, vector), strict=True):
                np.testing.assert_array_equal(ours, computed)
        S = kept.derivatives(*run, slice(1, 4), np.empty((run[1] - run[0], 3)))
        np.testing.assert_allclose(S, restricted.factors(*run)[:, 1:4], atol=1e-15)  # σ' <= 1; other groups may round another way


def test_nothing_kept_is_computed_again(operator, monkeypatch):
    kept, evaluated = keep(operator, BUDGETS["two blocks and a half"]), []
    monkeypatch.setattr(FeatureMap, "derivative", lambda self, points, out: evaluated.append(len(points)) or out)
    for block in range(LAYOUT.blocks):
        kept.residual(*LAYOUT.bounds(block), np.zeros(M))
    assert len(kept.kept) == 95  # 75 of two blocks and two pieces of the third
    assert sum(evaluated) == K - 95


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_keep_the_same(operator, threads):
    steps = []
    kept = keep_derivatives(operator, LAYOUT, SerialCommunicator(), 10**6, threads, lambda: steps.append(1))
    np.testing.assert_array_equal(kept.kept, keep(operator, 10**6).kept)
    assert len(steps) == LAYOUT.blocks
