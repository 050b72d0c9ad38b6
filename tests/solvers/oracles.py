"""Matrices of known flaws, plain oracles, and the tolerances of the solvers' tests with their reasons."""

import numpy as np

# Some units of 1.1e-16 for sums of a few hundred terms or merges, relative to the norms of what is summed.
ROUND_OFF = 3e-14
# Householder QR is columnwise backward stable, so that singular values of the scaled matrix are right to units of round-off times σ_max.
STABLE = 3e-15
# Where rows are nearly far, Cholesky QR loses a factor of up to FARTHEST; so it is if the first rows are few.
BESIDE_HOUSEHOLDER = 3e-13


def orthonormal(rng, rows, columns):
    return np.linalg.qr(rng.standard_normal((rows, columns)))[0]


def with_singular_values(rng, rows, values):
    """A (rows, len(values)) matrix of random singular vectors."""
    return (orthonormal(rng, rows, len(values)) * values) @ orthonormal(rng, len(values), len(values))


def decaying(rng, rows, columns, condition):
    """Singular values that fall from 1 to 1/condition at a constant ratio: no gap anywhere."""
    return with_singular_values(rng, rows, np.geomspace(1, 1 / condition, columns))


def smooth_features(points, columns, rng):
    """Columns 1 - tanh²(w·x + b) at points (rows, D): the S of a feature map, numerically of low rank for few D."""
    return 1 - np.tanh(points @ rng.standard_normal((points.shape[1], columns)) + rng.uniform(-3, 3, columns)) ** 2


def column_norms(A):
    """‖A_m‖, 1 in place of 0."""
    norms = np.linalg.norm(A, axis=0)
    return np.where(norms == 0, 1, norms)


def gram_error(R, A):
    """The largest entry of RᵀR - AᵀA, relative to the norms of its two columns."""
    norms = column_norms(A)
    return np.max(np.abs((R / norms).T @ (R / norms) - (A / norms).T @ (A / norms)))


def singular_value_error(R, A):
    """The largest error of the singular values of R with scaled columns, relative to σ_max."""
    found, exact = (np.linalg.svd(matrix / column_norms(A), compute_uv=False) for matrix in (R, A))
    exact = np.pad(exact, (0, len(found) - len(exact)))
    return np.max(np.abs(found - exact)) / exact[0]


def scaled_lstsq(A, f, rcond):
    """(w, ‖A w - f‖, rank) by the SVD of the whole matrix with columns of norm 1."""
    norms = column_norms(A)
    w, _, rank, _ = np.linalg.lstsq(A / norms, f, rcond=rcond)
    return w / norms, np.linalg.norm(A @ (w / norms) - f), rank
