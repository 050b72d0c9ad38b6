"""Randomized pivoting against numpy: the identity A P = Q R, and the rank and pivots against the singular values."""

import numpy as np
import pytest
from oracles import ROUND_OFF, decaying, orthonormal

from hnn_hpc.solvers.pivoted_qr import PIVOT_PANEL, PivotedQR

ORDERS = [1, 2, 3, PIVOT_PANEL - 1, PIVOT_PANEL, PIVOT_PANEL + 1, PIVOT_PANEL + 9, 130, 200]


def dropped(A, qr):
    """‖(I - Q Qᵀ) A‖₂ with Q from the columns that were picked, by numpy."""
    if not qr.rank:
        return np.linalg.norm(A, 2)
    Q, _ = np.linalg.qr(A[:, qr.columns[: qr.rank]])
    return np.linalg.norm(A - Q @ (Q.T @ A), 2)


def of_rank(rng, order, rank):
    return rng.standard_normal((order, rank)) @ rng.standard_normal((rank, order)) / order


@pytest.mark.parametrize("order", ORDERS)
def test_projection_of_the_columns_is_the_trapezoid(rng, order):
    A = rng.standard_normal((order, order))
    original = A.copy()
    qr = PivotedQR(A, 0.0)
    assert qr.rank == order and sorted(qr.columns) == list(range(order))
    np.testing.assert_array_equal(A, original)
    projected = np.column_stack([qr.project(A[:, column]) for column in qr.columns])
    assert not np.tril(qr.R, -1).any()
    np.testing.assert_allclose(projected, qr.R, atol=ROUND_OFF * np.linalg.norm(A))
    z = rng.standard_normal(order)
    np.testing.assert_allclose(A[:, qr.columns].T @ z, qr.R.T @ qr.project(z), atol=ROUND_OFF * np.linalg.norm(A) * np.linalg.norm(z))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("part", [0, 0.3, 0.5, 0.98])
def test_exact_rank_is_found(rng, order, part):
    rank = int(part * order)
    A = of_rank(rng, order, rank)
    qr = PivotedQR(A, 1e-12)
    assert qr.rank == rank and qr.R.shape == (rank, order)
    assert dropped(A, qr) < 1e-13
    for column in range(order):
        np.testing.assert_allclose(qr.project(A[:, qr.columns[column]]), qr.R[:, column], atol=ROUND_OFF)


@pytest.mark.parametrize("condition", [1e6, 1e16, 1e30])
@pytest.mark.parametrize("order", ORDERS[3:])
@pytest.mark.parametrize("threshold", [1e-3, 1e-8, 1e-13])
def test_rank_without_a_gap_is_near_that_of_the_singular_values(rng, order, threshold, condition):
    A = decaying(rng, order, order, condition)
    qr = PivotedQR(A, threshold)
    values = np.linalg.svd(A, compute_uv=False)
    # As many as the singular values between a tenth and ten times the threshold allow.
    assert np.count_nonzero(values > 10 * threshold) <= qr.rank <= np.count_nonzero(values > threshold / 10)
    assert dropped(A, qr) < 10 * threshold


@pytest.mark.parametrize("order", [PIVOT_PANEL, 130, 200])
def test_pivots_follow_the_singular_values(rng, order):
    A = decaying(rng, order, order, 1e10)
    qr = PivotedQR(A, 0.0)
    ratio = np.abs(qr.R.diagonal()) / np.linalg.svd(A, compute_uv=False)
    assert ratio.min() > 0.1 and ratio.max() < 10
    assert qr.last_pivot == pytest.approx(abs(qr.R[-1, -1]))


def test_the_large_columns_come_first_also_across_panels(rng):
    """Sizes that fall by columns, in a random order: the pivots must undo the order, up to neighbours."""
    order = 200
    sizes = np.geomspace(1, 1e-12, order)
    shuffled = rng.permutation(order)
    qr = PivotedQR(orthonormal(rng, order, order) * sizes[shuffled], 0.0)
    np.testing.assert_allclose(np.log10(sizes[shuffled[qr.columns]]), np.log10(sizes), atol=1)


def test_a_matrix_on_which_unpivoted_qr_shows_nothing(rng):
    """Kahan's: upper triangular with large diagonal entries, and singular all the same; its columns are in the order of pivoting."""
    c, s = np.cos(1.2), np.sin(1.2)
    A = np.diag(s ** np.arange(130)) @ (np.identity(130) - c * np.triu(np.ones((130, 130)), 1))
    values = np.linalg.svd(A, compute_uv=False)
    assert values[-1] < 1e-15 * values[0] and abs(A[-1, -1]) > 1e-5 * values[0]
    assert PivotedQR(A, 1e-14 * values[0]).rank == np.count_nonzero(values > 1e-14 * values[0]) == 129


def test_the_same_bits_again(rng):
    A = decaying(rng, 150, 150, 1e12)
    first, again = PivotedQR(A, 1e-9), PivotedQR(A, 1e-9)
    np.testing.assert_array_equal(first.columns, again.columns)
    np.testing.assert_array_equal(first.R, again.R)
    z = rng.standard_normal(150)
    np.testing.assert_array_equal(first.project(z), again.project(z))
