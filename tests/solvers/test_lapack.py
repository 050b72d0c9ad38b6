"""BLAS and LAPACK in place, on whole matrices and on blocks of larger ones, against numpy."""

import threading
import time

import numpy as np
import pytest
from oracles import ROUND_OFF

from hnn_hpc.solvers.lapack import (
    PANEL,
    add_gram,
    apply_reflectors,
    cholesky_in_place,
    divide_by_triangle,
    merge_rows_in_place,
    merge_triangles_in_place,
    multiply_triangles,
    qr_in_place,
    singular_values_and_components,
)

ORDERS = [1, 2, 31, 33, PANEL, PANEL + 1, 2 * PANEL + 5]


def matrix(rng, rows, columns, inside=False):
    """Random, column-major; `inside` a larger matrix, so that its columns are further apart than they are long."""
    if not inside:
        return np.asfortranarray(rng.standard_normal((rows, columns)))
    return np.asfortranarray(rng.standard_normal((rows + 3, columns + 2)))[2:-1, 1:-1]


def triangle(rng, order, inside=False):
    result = matrix(rng, order, order, inside)
    result[...] = np.triu(result) / np.sqrt(order) + 2 * np.identity(order)
    return result


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, atol=ROUND_OFF * max(1, np.linalg.norm(expected)))


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("rows, columns", [(1, 1), (5, 1), (1, 5), (7, 20), (300, 100), (97, 97), (250, 193)])
def test_reflectors_of_a_qr_turn_the_matrix_into_its_triangle(rng, rows, columns, inside):
    A, other = matrix(rng, rows, columns, inside), matrix(rng, rows, 3, inside)
    original, other_original, R = A.copy(), other.copy(), A.copy(order="F")
    factors = qr_in_place(A)
    apply_reflectors(A, factors, R)
    apply_reflectors(A, factors, other)
    assert_close(R, np.triu(A))
    assert_close(R.T @ R, original.T @ original)
    assert_close(R.T @ other, original.T @ other_original)


@pytest.mark.parametrize("order", ORDERS)
def test_merged_triangles_and_rows(rng, order):
    upper, lower, rows = triangle(rng, order), triangle(rng, order), matrix(rng, order + 7, order)
    expected = upper.T @ upper + lower.T @ lower
    merge_triangles_in_place(upper, lower)
    assert_close(upper.T @ upper, expected)
    expected = upper.T @ upper + rows.T @ rows
    merge_rows_in_place(upper, rows)
    assert_close(upper.T @ upper, expected)
    assert not np.tril(upper, -1).any()


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_triangles_divide_and_multiply(rng, order, inside):
    R, rows, right = triangle(rng, order, inside), matrix(rng, 13, order, inside), triangle(rng, order, inside)
    expected = np.linalg.solve(R.T, rows.T).T
    divide_by_triangle(rows, R)
    assert_close(rows, expected)
    expected = R @ right
    multiply_triangles(R, right)
    assert_close(right, expected)


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_gram_matrix_and_its_cholesky_factor_fill_the_upper_triangle_alone(rng, order, inside):
    rows, gram = matrix(rng, order + 20, order, inside), matrix(rng, order, order)
    gram[...] = np.tril(np.full((order, order), 7.0), -1) + np.identity(order)
    expected = np.identity(order) + rows.T @ rows
    add_gram(gram, rows)
    assert_close(np.triu(gram), np.triu(expected))
    assert cholesky_in_place(gram)
    assert_close(np.triu(gram).T @ np.triu(gram), expected)
    assert (np.tril(gram, -1) == np.tril(np.full((order, order), 7.0), -1)).all()


@pytest.mark.parametrize("order", ORDERS)
def test_singular_values_and_components(rng, order):
    A, vector = matrix(rng, order, order), rng.standard_normal(order)
    values, components = singular_values_and_components(A, vector)
    U, expected, _ = np.linalg.svd(A)
    assert_close(values, expected)
    assert_close(np.abs(components), np.abs(U.T @ vector))


def test_cholesky_tells_what_is_not_positive_definite(rng):
    assert not cholesky_in_place(np.asfortranarray([[1.0, 2.0], [2.0, 1.0]]))
    assert not cholesky_in_place(np.zeros((3, 3), order="F"))
    for i, j in [(0, 0), (5, 7), (0, 150), (299, 299)]:
        gram = np.asfortranarray(np.identity(300))
        gram[i, j] = np.nan
        assert not cholesky_in_place(gram)


@pytest.mark.parametrize("bad", [np.ones((4, 3)), np.ones((4, 3), np.float32, order="F"), np.ones((8, 3), order="F")[::2]])
def test_a_matrix_of_another_layout_is_refused(bad):
    with pytest.raises(AssertionError):
        qr_in_place(bad)


def test_other_threads_run_meanwhile(rng):
    """The lock is free during a call: a thread that counts goes on counting."""
    counts, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counts[0] += 1
            time.sleep(0)

    A = matrix(rng, 1500, 700)
    counter = threading.Thread(target=count)
    counter.start()
    before = counts[0]
    qr_in_place(A)
    counted = counts[0] - before
    stop.set()
    counter.join()
    assert counted > 5  # thousands; with the lock held it is one or two
