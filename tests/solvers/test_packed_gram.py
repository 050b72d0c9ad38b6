"""Packed Gram matrices against XᵀX, on either side of a panel's width."""

import numpy as np
import pytest

from hnn_hpc.solvers.packed_gram import PANEL, add_packed_gram, packed_size, unpacked


@pytest.mark.parametrize("columns", [1, 2, PANEL - 1, PANEL, PANEL + 1, 2 * PANEL + 37])
def test_packed_gram_is_the_upper_triangle(rng, columns):
    packed, expected = np.zeros(packed_size(columns)), np.zeros((columns, columns))
    for rows in (50, 1, 300):
        X = rng.standard_normal((rows, columns))
        add_packed_gram(packed, np.asfortranarray(X))
        expected += X.T @ X
    gram = unpacked(packed, columns)
    assert gram.flags.f_contiguous
    np.testing.assert_allclose(gram, np.triu(expected), rtol=0, atol=1e-13 * expected.max())


def test_columns_of_a_larger_matrix_will_do(rng):
    X = np.asfortranarray(rng.standard_normal((40, 400)))
    packed = np.zeros(packed_size(300))
    add_packed_gram(packed, X[:, 50:350])
    np.testing.assert_allclose(unpacked(packed, 300), np.triu(X[:, 50:350].T @ X[:, 50:350]), atol=1e-12)


def test_sums_of_packed_grams_are_grams_of_all_rows(rng):
    X, packed = rng.standard_normal((90, 300)), [np.zeros(packed_size(300)) for _ in range(3)]
    for part, rows in zip(packed, (X[:40], X[40:], X), strict=True):
        add_packed_gram(part, np.asfortranarray(rows))
    np.testing.assert_allclose(packed[0] + packed[1], packed[2], atol=1e-12)


def test_half_the_memory_of_a_square():
    assert packed_size(2004) < 0.57 * 2004**2
    assert packed_size(10_064) < 0.52 * 10_064**2
