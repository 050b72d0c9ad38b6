"""Ridge regression from the triangle of [A | f]: noise in the data, without another pass over the samples and without squaring A.

    min ‖Ā w̄ - f‖² + λ² ‖w̄‖²,   λ dimensionless, for the columns of Ā have norm 1

is the least-squares problem of [Ā; λ I], whose triangle is that of [R̄ z; 0 ρ] merged with [λ I  0]. With the singular values σ of R̄ and
β = Uᵀz every λ costs O(M): filters φ = σ²/(σ² + λ²), effective degrees of freedom Σ φ, and for N rows

    ‖r‖² = ρ² + Σ (1 - φ)² β²,    GCV(λ) = N ‖r‖² / (N - Σ φ)²

whose minimum is the λ that predicts left-out rows best, the noise of the rows being independent and of one size (Golub, Heath, Wahba,
Technometrics 21, 1979). The noise itself is then σ̂² = ‖r‖² / (N - Σ φ).
"""

import numpy as np

from hnn_hpc.solvers.certificate import Residual
from hnn_hpc.solvers.lapack import singular_values_and_components
from hnn_hpc.solvers.triangle import combine

GRID_PER_DECADE = 8
SMALLEST_RIDGE = 1e-16  # relative to σ_max; below it nothing changes in double precision


class RidgePath:
    """All ridge solutions of one triangle [R z; 0 ρ], (M + 1, M + 1), of N rows; one bidiagonalization, (8/3) M³ flops."""

    def __init__(self, triangle, rows):
        R, z, self._rho = triangle[:-1, :-1], triangle[:-1, -1], triangle[-1, -1]
        norms = np.linalg.norm(R, axis=0)
        norms[norms == 0] = 1
        self._values, self._beta = singular_values_and_components(R / norms, z)
        self._rows = rows

    def filters(self, ridge):
        """Return φ = σ²/(σ² + λ²), (M,)."""
        squares = self._values**2
        return np.divide(squares, squares + ridge**2, out=np.zeros_like(squares), where=squares > 0)

    def effective_dof(self, ridge):
        """Return Σ φ: how many coefficients the data decide."""
        return float(self.filters(ridge).sum())

    def residual_norm(self, ridge):
        """Return ‖r‖ of the ridge solution."""
        return float(np.hypot(self._rho, np.linalg.norm((1 - self.filters(ridge)) * self._beta)))

    def gcv(self, ridge):
        """Return GCV(λ), infinite where as many coefficients as rows are free."""
        free = self._rows - self.effective_dof(ridge)
        return self._rows * self.residual_norm(ridge) ** 2 / free**2 if free > 0 else np.inf

    def best_ridge(self):
        """Return the λ of the smallest GCV(λ) from 1e-16 σ_max to σ_max: on a grid first, for there may be several minima."""
        from scipy.optimize import minimize_scalar  # here, for it takes 15 MB that most fits do without

        largest = self._values.max()
        if largest == 0:
            return 0.0
        low, high = np.log10(SMALLEST_RIDGE * largest), np.log10(largest)
        grid = np.linspace(low, high, round((high - low) * GRID_PER_DECADE) + 1)
        best = int(np.argmin([self.gcv(10**log) for log in grid]))
        bounds = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
        return float(10 ** minimize_scalar(lambda log: self.gcv(10**log), bounds=bounds, method="bounded", options={"xatol": 1e-3}).x)


def with_ridge(triangle, ridge, threads=1):
    """Return the triangle of [A f; diag(penalty) 0] from that of [A | f], and penalty (M,) = λ ‖A_m‖: (2/3) M³ flops."""
    penalty = ridge * np.linalg.norm(triangle[:-1, :-1], axis=0)
    return combine(triangle.copy(order="F"), np.asfortranarray(np.diag([*penalty, 0.0])), threads), penalty


def penalized(residual, coefficients, penalty):
    """Return the `Residual` of [A; diag(penalty)] w = [f; 0] from that of A w = f; penalty (M,) is λ ‖A_m‖, None stands for zeros."""
    if penalty is None:
        return residual
    rows = penalty * coefficients
    return Residual(float(np.hypot(residual.r_norm, np.linalg.norm(rows))), residual.f_norm, residual.At_r - penalty * rows)


def effective_dof_of(R, factor):
    """Return Σ φ = ‖R R_λ⁻¹‖_F² for the triangle R of A, (M, M), and the factor of [A; diag(penalty)]: M³ flops."""
    return float(np.linalg.norm(factor.basis_transposed(R.T / factor.column_norms[:, None])) ** 2)


def covariance_factor(R, factor, noise_level):
    """Return C (M, M) with C Cᵀ the covariance of the coefficients, for independent noise of size `noise_level` in the rows of f.

    With the factor of [A; diag(penalty)] and R the triangle of A alone, C = σ̂ (R_λᵀR_λ)⁺ Rᵀ; without a ridge, C Cᵀ = σ̂² (AᵀA)⁺.
    """
    scaled_Rt = R.T / factor.column_norms[:, None]
    return noise_level * factor.basis(factor.basis_transposed(scaled_Rt)) / factor.column_norms[:, None]
