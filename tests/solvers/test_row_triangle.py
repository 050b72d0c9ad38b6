"""The triangle of all rows against Householder QR of them at once: identities, backward stability, and the rows it must not trust."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from oracles import (
    BESIDE_HOUSEHOLDER,
    ROUND_OFF,
    STABLE,
    column_norms,
    decaying,
    gram_error,
    scaled_lstsq,
    singular_value_error,
    smooth_features,
)

from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.solvers import plan
from hnn_hpc.solvers.row_triangle import first_share, is_first, reduce_rows
from hnn_hpc.solvers.triangle import triangle_of


def reduced(A, piece=50, share=None, blocks=1, threads=1):
    """(triangle, householder_rows, the rows asked for at a time) of the rows of A; as `first_share` says, unless a share is given."""
    asked, (rows, columns) = [], A.shape

    def read(start, stop, places):
        asked.append(start + places)
        return np.array(A[start:stop][places], order="F")

    sizes = {"columns": columns, "rows_per_sample": 1, "piece_samples": piece, "threads": threads}
    share = first_share(rows, columns) if share is None else share
    the_plan = replace(plan(rows, 1, max(1, columns - 1), "tsqr"), layout=RowLayout(rows, blocks), first_share=share, **sizes)
    return *reduce_rows(read, the_plan, SerialCommunicator()), asked


def householder(A):
    return triangle_of(np.array(A, order="F"))


@pytest.mark.parametrize("piece, share, blocks", [(50, None, 1), (7, None, 5), (60, 0.2, 3), (500, 0.5, 1), (3, 0.01, 7), (33, 1.0, 2)])
@pytest.mark.parametrize("rows, columns", [(500, 40), (331, 1), (130, 97), (60, 12), (7, 20), (8, 5), (7, 1)])
def test_triangle_has_the_gram_matrix_of_the_rows(rng, rows, columns, piece, share, blocks):
    A = rng.standard_normal((rows, columns))
    R, _, _ = reduced(A, piece, share, blocks)
    assert R.shape == (columns, columns) and R.flags.f_contiguous and not np.tril(R, -1).any()
    assert gram_error(R, A) < (ROUND_OFF if share is None else BESIDE_HOUSEHOLDER)


@pytest.mark.parametrize("columns", [1, 30, 97, 200])
def test_triangle_is_that_of_householder_up_to_signs(rng, columns):
    A = rng.standard_normal((5 * columns + 3, columns))
    R, householder_rows, _ = reduced(A, 33)
    expected = householder(A)
    signs = np.sign(R.diagonal() * expected.diagonal())
    assert householder_rows == 0
    np.testing.assert_allclose(signs[:, None] * R, expected, atol=ROUND_OFF * np.linalg.norm(A))


def test_each_row_is_read_once_some_of_every_piece_first(rng):
    _, householder_rows, asked = reduced(rng.standard_normal((200, 10)), 50, 0.1, 2)
    first = np.flatnonzero(is_first(0, 200, 0.1))
    assert [list(rows) for rows in asked[:4]] == [list(first[first // 50 == piece]) for piece in range(4)] and all(map(len, asked[:4]))
    assert sorted(np.concatenate(asked)) == list(range(200)) and len(asked) == 8
    assert householder_rows == 0
    few = reduced(rng.standard_normal((30, 10)), 10)[2]
    assert [list(rows) for rows in few] == [list(range(start, start + 10)) for start in (0, 10, 20)]


@pytest.mark.parametrize("share", [1.0, 0.5, 0.37, 1e-3])
@pytest.mark.parametrize("cuts", [(0, 1000), (0, 1, 7, 500, 1000), range(1001)], ids=len)
def test_the_first_samples_are_the_same_for_any_pieces(share, cuts):
    parts = [is_first(start, stop, share) for start, stop in pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(parts), is_first(0, 1000, share))
    assert all(abs(part.sum() - share * len(part)) < 3 for part in parts)


@pytest.mark.parametrize("start", [10**6, 10**12, 10**15])
def test_the_first_samples_are_as_many_as_they_should_wherever_they_are(start):
    places = np.flatnonzero(is_first(start, start + 10**6, 1e-3))
    assert len(places) == pytest.approx(1000, abs=5) and np.diff(places).max() < 5000


@pytest.mark.parametrize("exponent", [8, 100, 150])
def test_the_scale_of_a_column_does_not_matter(rng, exponent):
    A = rng.standard_normal((400, 20)) * 10.0 ** rng.permutation(np.linspace(-exponent, exponent, 20))
    R, householder_rows, _ = reduced(A)
    assert householder_rows == 0 and gram_error(R, A) < ROUND_OFF


@pytest.mark.parametrize("zeros", [[0], [7], [19], [3, 4, 11], range(20)], ids=str)
def test_columns_of_zeros_cost_nothing_and_stay_zero(rng, zeros):
    A = rng.standard_normal((300, 20))
    A[:, zeros] = 0
    R, householder_rows, _ = reduced(A)
    assert householder_rows == 0 and gram_error(R, A) < ROUND_OFF
    assert not R[:, zeros].any()


@pytest.mark.parametrize("columns, condition", [(40, 1e8), (40, 1e13), (40, 1e17), (120, 1e13), (120, 1e17)])
def test_backward_stable_at_every_condition(rng, columns, condition):
    A = decaying(rng, 6 * columns, columns, condition) * 10.0 ** rng.uniform(-5, 5, columns)
    R, householder_rows, _ = reduced(A, 40)
    assert householder_rows == 0
    assert singular_value_error(R, A) < STABLE and singular_value_error(householder(A), A) < STABLE
    assert gram_error(R, A) < ROUND_OFF


@pytest.mark.parametrize("noise", [0, 1e-10, 1e-2])
@pytest.mark.parametrize("condition", [1e8, 1e13, 1e17])
def test_least_squares_are_as_good_as_those_of_householder_and_numpy(rng, condition, noise):
    A = decaying(rng, 400, 40, condition)
    w = rng.standard_normal(40)
    f = A @ w + noise * rng.standard_normal(400)
    rows = np.column_stack([A, f])
    residuals = []
    for R in (reduced(rows, 37)[0], householder(rows)):
        solution, _, _ = scaled_lstsq(R[:-1, :-1], R[:-1, -1], 1e-14)
        residuals.append(np.linalg.norm(A @ solution - f))
    _, best, _ = scaled_lstsq(A, f, 1e-14)
    # Rounding turns the directions kept by about 1e-16 / 1e-14, and leaves of an exact fit units of round-off times ‖A‖ ‖w‖ = sqrt(40).
    assert residuals == pytest.approx([best, best], rel=1e-4, abs=1e-13)


def test_rows_in_a_new_direction_go_to_householder_and_no_others(rng):
    A = rng.standard_normal((400, 20))
    rest, far = np.flatnonzero(~is_first(0, 400, 0.2)), np.zeros(400, bool)
    far[rest[[85, 90, 200, -1]]] = True
    A[~far, 3] = 0  # a feature that the others do not see at all
    A[~far, 15] *= 1e-9  # and one that they hardly see
    R, householder_rows, asked = reduced(A, 50, 0.2, 2)
    assert [list(rows) for rows in asked[16:]] == [list(rest[[85, 90]]), [rest[200]], [rest[-1]]]
    assert householder_rows == 4
    assert gram_error(R, A) < ROUND_OFF and singular_value_error(R, A) < STABLE


def test_all_rows_may_be_far(rng):
    A = rng.standard_normal((400, 20))
    first = is_first(0, 400, 0.2)
    A[first] *= 1e-6
    R, householder_rows, _ = reduced(A, 50, 0.2, 3)
    assert householder_rows == 400 - first.sum()
    assert gram_error(R, A) < ROUND_OFF and singular_value_error(R, A) < STABLE


@pytest.mark.parametrize("difference", [1e-3, 1e-6, 1e-9])
def test_columns_that_part_late_go_to_householder(rng, difference):
    """First rows in which three columns differ by 1e-10, later rows in which two of them differ by `difference`.

    Later rows over R are then about 1e10 without any growth, and the square of them would leave nothing of the difference.
    """
    A = np.tile(rng.standard_normal((400, 1)), 3)
    first = is_first(0, 400, 0.5)
    A[first, 1:] += 1e-10 * rng.standard_normal((first.sum(), 2))
    A[~first, 1:] += rng.standard_normal((400 - first.sum(), 1))
    A[~first, 2] += difference * rng.standard_normal(400 - first.sum())
    R, householder_rows, _ = reduced(A, 100, 0.5)
    assert householder_rows == 400 - first.sum()
    assert singular_value_error(R, A) < STABLE


@pytest.mark.parametrize("columns", [20, 60, 100])
@pytest.mark.parametrize("path", ["line", "box", "spiral"])
def test_sorted_samples_are_as_accurate_and_seldom_need_householder(rng, path, columns):
    turn = np.linspace(0, 20, 1500)
    points = {
        "line": np.sort(rng.uniform(-3, 3, (1500, 1)), axis=0),
        "box": rng.uniform(-3, 3, (1500, 2)),
        "spiral": 3 * np.exp(-turn / 20)[:, None] * np.column_stack([np.cos(turn), np.sin(turn)]),
    }[path]
    A = smooth_features(points[np.argsort(points[:, 0])] if path == "box" else points, columns, rng)
    R, householder_rows, _ = reduced(A, 100)
    assert singular_value_error(R, A) < BESIDE_HOUSEHOLDER
    assert householder_rows <= 0.05 * 1500


@pytest.mark.parametrize("outlier", [1, 10, 300, 1e4, 1e12, 1e140])
def test_one_far_row_is_safe_on_either_side_of_the_limit(rng, outlier):
    A = rng.standard_normal((400, 20))
    A[np.flatnonzero(~is_first(0, 400, 0.5))[166]] *= outlier
    R, householder_rows, _ = reduced(A, 50, 0.5)
    # Its row of Y has a norm of about its size times sqrt(20 / 200); far above or below 10 it is clear where it has to go.
    assert householder_rows == (1 if outlier >= 300 else 0)
    np.testing.assert_array_less(gram_error(R / outlier, A / outlier), BESIDE_HOUSEHOLDER)


def test_twins_in_every_piece_stay_with_cholesky(rng):
    A = rng.standard_normal((600, 30))
    A[:, 15:] = A[:, :15] * 10.0 ** np.arange(15)
    R, householder_rows, _ = reduced(A, 45)
    assert householder_rows == 0 and singular_value_error(R, A) < STABLE


def test_twins_without_any_round_off_between_them_stay_with_cholesky(rng):
    """First rows of ones and zeros leave exactly 0 on the diagonal of a twin; later rows leave their rounding errors."""
    A = rng.standard_normal((300, 20))
    A[is_first(0, 300, 0.2)] = np.tile(np.identity(20), (4, 1))[: is_first(0, 300, 0.2).sum()]
    A[:, 10:] = A[:, :10]
    R, householder_rows, _ = reduced(A, 100, 0.2)
    assert householder_rows == 0 and singular_value_error(R, A) < STABLE


def test_first_rows_far_smaller_than_the_others_do_no_harm(rng):
    """Rows of Y have norms of about 5, so that G is far from the identity."""
    A = decaying(rng, 4000, 20, 1e6)
    A[is_first(0, 4000, 0.1)] *= 0.04
    R, householder_rows, _ = reduced(A, 50, 0.1)
    assert householder_rows == 0 and singular_value_error(R, A) < BESIDE_HOUSEHOLDER


@pytest.mark.parametrize("threads", [2, 3])
def test_bits_depend_on_the_rows_and_pieces_alone(rng, threads):
    A = smooth_features(rng.uniform(-3, 3, (700, 2)), 50, rng)
    A[[35, 300]] *= 1e9
    (first, rows, _), (again, same_rows, _) = reduced(A, 60, blocks=5), reduced(A, 60, blocks=5, threads=threads)
    other, _, _ = reduced(A, 40, blocks=5)
    np.testing.assert_array_equal(first, again)
    assert rows == same_rows > 0
    np.testing.assert_allclose(np.abs(other / column_norms(A)), np.abs(first / column_norms(A)), atol=1e-12)
    assert not np.array_equal(first, other)
