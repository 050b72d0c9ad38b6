"""Triangles by their identities, RᵀR = AᵀA, over tall, square, short, one-row and zero blocks; their solutions against numpy."""

import numpy as np
import pytest

from hnn_hpc.solvers.triangle import TriangleFactor, combine, triangle_of

# Householder QR is columnwise backward stable: errors of a few units of round-off times a slow function of the size.
TOLERANCE = 1e-13


def random_block(rows, columns, seed=0):
    return np.asfortranarray(np.random.default_rng(seed).standard_normal((rows, columns)))


def solved(triangle, rcond):
    """The factor of A in the triangle of [A | f], and the coefficients it gives."""
    factor = TriangleFactor(triangle[:-1, :-1], rcond)
    return factor, factor.solve(triangle[:-1, -1]) / factor.column_norms


def assert_triangle_of(triangle, matrix):
    assert triangle.shape == (matrix.shape[1],) * 2 and triangle.flags.f_contiguous
    assert not np.tril(triangle, -1).any()
    assert np.linalg.norm(triangle.T @ triangle - matrix.T @ matrix) <= TOLERANCE * max(1, np.linalg.norm(matrix) ** 2)


@pytest.mark.parametrize("rows, columns", [(500, 201), (40, 40), (7, 20), (1, 5), (3, 1), (1, 1), (97, 96), (130, 129)])
def test_triangle_of_a_block(rows, columns):
    block = random_block(rows, columns)
    assert_triangle_of(triangle_of(block.copy(order="F")), block)


def test_triangle_of_zeros_is_zero():
    assert not triangle_of(np.zeros((9, 4), order="F")).any()


@pytest.mark.parametrize("above, below, columns", [(60, 50, 33), (60, 5, 33), (4, 5, 33), (1, 1, 6), (100, 100, 1)])
def test_merged_triangles_are_the_triangle_of_both_blocks(above, below, columns):
    upper, lower = random_block(above, columns, 1), random_block(below, columns, 2)
    merged = combine(triangle_of(upper.copy(order="F")), triangle_of(lower.copy(order="F")))
    assert_triangle_of(merged, np.vstack([upper, lower]))


def test_solution_is_lstsq_and_needs_no_svd_when_well_conditioned():
    block = random_block(300, 41)
    answer, coefficients = solved(triangle_of(block.copy(order="F")), 1e-15)
    expected = np.linalg.lstsq(block[:, :40], block[:, 40])[0]
    np.testing.assert_allclose(coefficients, expected, rtol=1e-11)
    np.testing.assert_allclose(answer.column_norms, np.linalg.norm(block[:, :40], axis=0), rtol=1e-13)
    assert (answer.rank, answer.used_svd) == (40, False)
    assert np.linalg.cond(block[:, :40]) / 40 < answer.condition < np.linalg.cond(block[:, :40]) * 40


@pytest.mark.parametrize("defect", ["twice", "zero", "combination"])
def test_rank_deficiency_is_found_and_gives_the_shortest_scaled_solution(defect):
    block = random_block(300, 41)
    block[:, 7] = {"twice": block[:, 3], "zero": 0, "combination": block[:, :7] @ np.arange(7)}[defect]
    answer, coefficients = solved(triangle_of(block.copy(order="F")), 1e-13)
    assert (answer.rank, answer.used_svd) == (39, True)
    scales = np.where(answer.column_norms == 0, 1, answer.column_norms)
    expected = np.linalg.lstsq(block[:, :40] / scales, block[:, 40], rcond=1e-13)[0] / scales
    np.testing.assert_allclose(coefficients, expected, rtol=1e-9, atol=1e-12)


def test_badly_scaled_columns_are_no_rank_deficiency():
    block = random_block(200, 21)
    block[:, :20] *= 10.0 ** np.linspace(-150, 150, 20)
    answer, coefficients = solved(triangle_of(block.copy(order="F")), 1e-15)
    residual = block[:, :20] @ coefficients - block[:, 20]
    scaled = block[:, :20] / np.linalg.norm(block[:, :20], axis=0)
    assert answer.rank == 20
    assert np.linalg.norm(scaled.T @ residual) <= TOLERANCE * np.linalg.norm(block[:, 20])


def test_rcond_decides_what_is_dropped():
    U, _ = np.linalg.qr(random_block(100, 10))
    V, _ = np.linalg.qr(random_block(10, 10, 3))
    A = U @ np.diag(10.0 ** -np.arange(10)) @ V.T
    triangle = triangle_of(np.asfortranarray(np.column_stack([A, U.sum(axis=1)])))
    scaled_values = np.linalg.svd(A / np.linalg.norm(A, axis=0), compute_uv=False)
    for rcond in (1e-15, 1e-6, 1e-3):
        assert solved(triangle, rcond)[0].rank == np.count_nonzero(scaled_values > rcond * scaled_values[0])


@pytest.mark.parametrize("rcond", [1e-15, 1e-3])
def test_transposed_solve_and_correction_are_the_pseudoinverse(rcond):
    A = random_block(60, 8) * 10.0 ** np.linspace(0, 3, 8)
    A[:, 7] = A[:, 0] + (1e-6 if rcond == 1e-3 else 1) * A[:, 7]
    factor = TriangleFactor(triangle_of(A.copy(order="F")), rcond)
    assert factor.used_svd == (rcond == 1e-3) and factor.rank == (7 if factor.used_svd else 8)
    pseudoinverse = np.linalg.pinv(factor.scaled, rcond)
    g = np.random.default_rng(4).standard_normal(8)
    assert np.linalg.norm(factor.solve_transposed(g)) == pytest.approx(np.linalg.norm(pseudoinverse.T @ g), rel=1e-10)
    np.testing.assert_allclose(factor.correction(g), pseudoinverse @ (pseudoinverse.T @ g), rtol=1e-9)
    np.testing.assert_allclose(factor.solve(g), pseudoinverse @ g, rtol=1e-9)
