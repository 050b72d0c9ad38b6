"""The gradient feature matrix of a plain network: see the package's docstring for A, S, W and F."""

import numpy as np

from hnn_hpc.symplectic import gradient_from_vector_field


class GradientOperator:
    """A and F of a feature map over a source of samples (a `RowOperator`), with the Khatri-Rao factors besides.

    Parameters: feature_map (FeatureMap with M features of D coordinates), source (SampleSource with K samples of width D).
    """

    def __init__(self, feature_map, source):
        self.feature_map = feature_map
        self.source = source
        self.samples = source.count
        self.rows_per_sample = feature_map.dimension
        self.columns = feature_map.count

    @property
    def weights(self):
        """W, shape (M, D)."""
        return self.feature_map.weights

    def factors(self, start, stop):
        """Return [S | F] of the run, shape (B, M + D), column-major and the caller's to overwrite."""
        samples = self.source.read(start, stop)
        transposed = np.empty((self.columns + self.rows_per_sample, stop - start))
        self.feature_map.derivative_transposed(samples.points, out=transposed[: self.columns])
        transposed[self.columns :] = gradient_from_vector_field(samples.velocities).T
        return transposed.T

    def dense_rows(self, start, stop):
        """Return [A | f] of the run, shape (B D, M + 1), column-major."""
        S, F = self._split(self.factors(start, stop))
        rows = np.empty((self.columns + 1, stop - start, self.rows_per_sample))
        np.multiply(S.T[:, :, None], self.weights[:, None, :], out=rows[:-1])
        rows[-1] = F
        return rows.reshape(self.columns + 1, -1).T

    def multiply(self, start, stop, vector):
        """Return S (v∘W), shape (B, D)."""
        S, _ = self._split(self.factors(start, stop))
        return S @ (vector[:, None] * self.weights)

    def multiply_transposed(self, start, stop, rows):
        """Return rowsum((Sᵀ R)∘W), shape (M,)."""
        S, _ = self._split(self.factors(start, stop))
        return self._adjoint(S, rows)

    def residual(self, start, stop, vector):
        """Return R = F - S (v∘W), shape (B, D), rowsum((Sᵀ R)∘W), shape (M,), and F."""
        S, F = self._split(self.factors(start, stop))
        R = F - S @ (vector[:, None] * self.weights)
        return R, self._adjoint(S, R), F

    def _adjoint(self, S, R):
        return ((S.T @ R) * self.weights).sum(axis=1)

    def _split(self, factors):
        return factors[:, : self.columns], factors[:, self.columns :]
