"""Triangles by their identity, RᵀR = AᵀA, over tall, square, short, one-row and zero blocks."""

import numpy as np
import pytest
from oracles import ROUND_OFF, gram_error

from hnn_hpc.solvers.triangle import combine, stack, stack_rows, triangle_of


def block(rng, rows, columns, exponent=0):
    """Random; its columns are of sizes 10^-exponent to 10^exponent."""
    return np.asfortranarray(rng.standard_normal((rows, columns)) * 10.0 ** np.linspace(-exponent, exponent, columns))


def assert_triangle_of(triangle, matrix):
    assert triangle.shape == (matrix.shape[1],) * 2 and triangle.flags.f_contiguous
    assert not np.tril(triangle, -1).any()
    assert gram_error(triangle, matrix) < ROUND_OFF


@pytest.mark.parametrize("exponent", [0, 150])
@pytest.mark.parametrize("rows, columns", [(500, 201), (40, 40), (7, 20), (1, 5), (3, 1), (1, 1), (97, 96), (130, 129)])
def test_triangle_of_a_block(rng, rows, columns, exponent):
    A = block(rng, rows, columns, exponent)
    triangle = triangle_of(A.copy(order="F"))
    assert_triangle_of(triangle, A)
    assert not triangle[rows:].any()


def test_triangle_of_zeros_is_zero():
    for rows in (9, 2, 0):
        assert not triangle_of(np.zeros((rows, 4), order="F")).any()


@pytest.mark.parametrize("exponent", [0, 150])
@pytest.mark.parametrize("above, below, columns", [(60, 50, 33), (60, 5, 33), (4, 5, 33), (1, 1, 6), (100, 100, 1)])
def test_merged_triangles_are_the_triangle_of_both_blocks(rng, above, below, columns, exponent):
    upper, lower = block(rng, above, columns, exponent), block(rng, below, columns, exponent)
    merged = combine(triangle_of(upper.copy(order="F")), triangle_of(lower.copy(order="F")))
    assert_triangle_of(merged, np.vstack([upper, lower]))


def test_merging_with_zeros_changes_nothing_but_signs(rng):
    A = block(rng, 50, 20)
    R = triangle_of(A.copy(order="F"))
    for first, second in [(R, np.zeros_like(R)), (np.zeros_like(R), R)]:
        assert_triangle_of(combine(first.copy(order="F"), second.copy(order="F")), A)


@pytest.mark.parametrize("columns", [40, 96, 97, 400])
def test_a_merge_is_a_pure_function_whatever_the_threads(rng, columns):
    R = [triangle_of(block(rng, columns + 50, columns)) for _ in range(2)]
    merged = [combine(*(triangle.copy(order="F") for triangle in R), threads) for threads in (1, 1, 2, 3)]
    assert_triangle_of(merged[0], np.vstack(R))
    for again in merged[1:]:
        np.testing.assert_array_equal(merged[0], again)


@pytest.mark.parametrize("counts", [(3, 4, 2), (0, 0, 5), (4, 6, 9), (9, 1, 3), (10, 0, 10), (25, 30, 1), (5, 5, 40)], ids=str)
def test_rows_pile_up_until_they_make_a_triangle(rng, counts):
    blocks, upper = [block(rng, rows, 10) for rows in counts], np.empty((0, 10), order="F")
    for rows in blocks:
        upper = stack_rows(upper, [rows.copy(order="F")], len(rows))
    assert_piled(upper, np.vstack(blocks))
    at_once = stack_rows(np.empty((0, 10), order="F"), (rows.copy(order="F") for rows in blocks), sum(counts))
    assert_piled(at_once, np.vstack(blocks))
    nodes = [stack_rows(np.empty((0, 10), order="F"), [rows.copy(order="F")], len(rows)) for rows in blocks]
    assert_piled(stack(stack(nodes[0], nodes[1]), nodes[2]), np.vstack(blocks))


def assert_piled(found, rows):
    if len(rows) >= 10:
        assert_triangle_of(found, rows)
    else:
        np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(rows, axis=0))
