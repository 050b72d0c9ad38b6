"""The streaming triangle against Householder QR of all rows at once: identities, backward stability, and the rows it must not trust."""

import numpy as np
import pytest
from oracles import (
    BESIDE_HOUSEHOLDER,
    ROUND_OFF,
    STABLE,
    column_norms,
    cut,
    decaying,
    gram_error,
    scaled_lstsq,
    singular_value_error,
    smooth_features,
)

from hnn_hpc.solvers import row_triangle as module
from hnn_hpc.solvers.row_triangle import row_triangle
from hnn_hpc.solvers.triangle import triangle_of


def streamed(A, first, piece):
    """(triangle, householder_rows, the runs asked for) of the rows of A."""
    asked = []

    def read(start, stop):
        asked.append((start, stop))
        return np.array(A[start:stop], order="F")

    return *row_triangle(read, cut(len(A), first, piece)), asked


def householder(A):
    return triangle_of(np.array(A, order="F"))


@pytest.mark.parametrize("first, piece", [(80, 64), (80, 7), (81, 1), (40, 33), (25, 40), (1, 1), (500, 1)])
@pytest.mark.parametrize("rows, columns", [(500, 40), (331, 1), (130, 97), (60, 12), (7, 20), (1, 5), (1, 1)])
def test_triangle_has_the_gram_matrix_of_the_rows(rng, rows, columns, first, piece):
    A = rng.standard_normal((rows, columns))
    R, _, _ = streamed(A, first, piece)
    assert R.shape == (columns, columns) and R.flags.f_contiguous and not np.tril(R, -1).any()
    assert gram_error(R, A) < (ROUND_OFF if first >= 2 * columns else BESIDE_HOUSEHOLDER)


@pytest.mark.parametrize("columns", [1, 30, 97, 200])
def test_triangle_is_that_of_householder_up_to_signs(rng, columns):
    A = rng.standard_normal((5 * columns + 3, columns))
    R, householder_rows, _ = streamed(A, 2 * columns, 33)
    expected = householder(A)
    signs = np.sign(R.diagonal() * expected.diagonal())
    assert householder_rows == 0
    np.testing.assert_allclose(signs[:, None] * R, expected, atol=ROUND_OFF * np.linalg.norm(A))


@pytest.mark.parametrize("exponent", [8, 100, 150])
def test_the_scale_of_a_column_does_not_matter(rng, exponent):
    A = rng.standard_normal((400, 20)) * 10.0 ** rng.permutation(np.linspace(-exponent, exponent, 20))
    R, householder_rows, _ = streamed(A, 40, 50)
    assert householder_rows == 0 and gram_error(R, A) < ROUND_OFF


@pytest.mark.parametrize("zeros", [[0], [7], [19], [3, 4, 11], range(20)], ids=str)
def test_columns_of_zeros_cost_nothing_and_stay_zero(rng, zeros):
    A = rng.standard_normal((300, 20))
    A[:, zeros] = 0
    R, householder_rows, _ = streamed(A, 40, 50)
    assert householder_rows == 0 and gram_error(R, A) < ROUND_OFF
    assert not R[:, zeros].any()


@pytest.mark.parametrize("columns, condition", [(40, 1e8), (40, 1e13), (40, 1e17), (120, 1e13), (120, 1e17)])
def test_backward_stable_at_every_condition(rng, columns, condition):
    A = decaying(rng, 6 * columns, columns, condition) * 10.0 ** rng.uniform(-5, 5, columns)
    R, householder_rows, _ = streamed(A, 2 * columns, 40)
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
    for R in (streamed(rows, 100, 37)[0], householder(rows)):
        solution, _, _ = scaled_lstsq(R[:-1, :-1], R[:-1, -1], 1e-14)
        residuals.append(np.linalg.norm(A @ solution - f))
    _, best, _ = scaled_lstsq(A, f, 1e-14)
    # Rounding turns the directions kept by about 1e-16 / 1e-14, and leaves of an exact fit units of round-off times ‖A‖ ‖w‖ = sqrt(40).
    assert residuals == pytest.approx([best, best], rel=1e-4, abs=1e-13)


def test_rows_in_a_new_direction_go_to_householder_and_no_others(rng):
    A = rng.standard_normal((400, 20))
    A[:200, 15] *= 1e-9  # a feature that the first rows hardly see
    A[:250, 3] = 0  # and one that they do not see at all
    R, householder_rows, asked = streamed(A, 100, 50)
    assert asked == [(0, 100), (100, 150), (150, 200), (200, 250), (200, 250), (250, 300), (250, 300), (300, 350), (350, 400)]
    assert householder_rows == 100
    assert gram_error(R, A) < ROUND_OFF and singular_value_error(R, A) < STABLE


@pytest.mark.parametrize("difference", [1e-3, 1e-6, 1e-9])
def test_columns_that_part_late_go_to_householder(rng, difference):
    """First rows in which three columns differ by 1e-10, later rows in which two of them differ by `difference`.

    Later rows over R are then about 1e10 without any growth, and the square of them would leave nothing of the difference.
    """
    A = np.tile(rng.standard_normal((400, 1)), 3)
    A[:200, 1:] += 1e-10 * rng.standard_normal((200, 2))
    A[200:, 1:] += rng.standard_normal((200, 1))
    A[200:, 2] += difference * rng.standard_normal(200)
    R, householder_rows, _ = streamed(A, 200, 100)
    assert householder_rows == 100
    assert singular_value_error(R, A) < STABLE


@pytest.mark.parametrize("columns", [20, 60, 100])
@pytest.mark.parametrize("path", ["line", "box", "spiral"])
def test_sorted_samples_are_as_accurate(rng, path, columns):
    turn = np.linspace(0, 20, 1500)
    points = {
        "line": np.sort(rng.uniform(-3, 3, (1500, 1)), axis=0),
        "box": rng.uniform(-3, 3, (1500, 2)),
        "spiral": 3 * np.exp(-turn / 20)[:, None] * np.column_stack([np.cos(turn), np.sin(turn)]),
    }[path]
    A = smooth_features(points[np.argsort(points[:, 0])] if path == "box" else points, columns, rng)
    R, householder_rows, asked = streamed(A, 2 * columns, 100)
    assert householder_rows > 0 and len(asked) > len(set(asked))
    assert singular_value_error(R, A) < BESIDE_HOUSEHOLDER
    shuffled = rng.permutation(A)
    R, few_rows, _ = streamed(shuffled, 2 * columns, 100)
    assert few_rows <= householder_rows / 2 and singular_value_error(R, shuffled) < BESIDE_HOUSEHOLDER


@pytest.mark.parametrize("outlier", [1, 50, 300, 1e4, 1e12, 1e140])
def test_one_far_row_is_safe_on_either_side_of_the_limit(rng, outlier):
    A = rng.standard_normal((400, 20))
    A[333] *= outlier
    R, householder_rows, _ = streamed(A, 200, 50)
    # ‖Y_i‖ of the far row is about its size over sqrt(200); far above or below 100 it is clear where it has to go.
    assert householder_rows == (50 if outlier >= 1e4 else 0)
    np.testing.assert_array_less(gram_error(R / outlier, A / outlier), BESIDE_HOUSEHOLDER)


def test_twins_in_every_piece_stay_with_cholesky(rng):
    A = rng.standard_normal((600, 30))
    A[:, 15:] = A[:, :15] * 10.0 ** np.arange(15)
    R, householder_rows, _ = streamed(A, 60, 45)
    assert householder_rows == 0 and singular_value_error(R, A) < STABLE


def test_twins_without_any_round_off_between_them_stay_with_cholesky(rng):
    """First rows of ones and zeros leave exactly 0 on the diagonal of a twin; later rows leave their rounding errors."""
    A = rng.standard_normal((300, 20))
    A[:40] = np.tile(np.identity(20), (2, 1))
    A[:, 10:] = A[:, :10]
    R, householder_rows, _ = streamed(A, 40, 30)
    assert householder_rows == 0 and singular_value_error(R, A) < STABLE


@pytest.mark.parametrize("limit, renewals", [(module.LARGEST_GRAM, 2), (1e9, 1), (0.0, 10)])
def test_triangle_is_renewed_before_the_identity_drowns(rng, monkeypatch, limit, renewals):
    """First rows of a fiftieth: every later piece adds some 2500 to G, so that it is renewed once it has grown by LARGEST_GRAM."""
    calls = []
    cholesky = module.cholesky_in_place
    monkeypatch.setattr(module, "cholesky_in_place", lambda gram: calls.append(gram.diagonal().max()) or cholesky(gram))
    monkeypatch.setattr(module, "LARGEST_GRAM", limit)
    A = decaying(rng, 600, 20, 1e6)
    A[:100] *= 0.02
    R, householder_rows, _ = streamed(A, 100, 50)
    assert householder_rows == 0 and len(calls) == renewals
    assert max(calls) < limit + 2 * 2500 and singular_value_error(R, A) < STABLE


def test_bits_depend_on_the_rows_and_pieces_alone(rng):
    A = smooth_features(rng.uniform(-3, 3, (700, 2)), 50, rng)
    first, again, other = streamed(A, 100, 60)[0], streamed(A.copy(), 100, 60)[0], streamed(A, 100, 61)[0]
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(np.abs(other / column_norms(A)), np.abs(first / column_norms(A)), atol=1e-12)
    assert not np.array_equal(first, other)
