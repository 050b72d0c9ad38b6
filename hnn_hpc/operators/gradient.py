"""The gradient feature matrix of a plain network: see the package's docstring for A, S, W and F."""

import numpy as np

from hnn_hpc.features import FeatureMap
from hnn_hpc.samples import ArraySamples
from hnn_hpc.symplectic import gradient_from_vector_field

# Values of σ' in one piece, 2 MB, and samples at least: σ' is still in the cache when the products read it, BLAS has rows enough, and
# threads seldom wait for Python's lock.
PIECE_VALUES = 2**18
FEWEST_ROWS = 32


class GradientOperator:
    """A and F of a feature map over a source of samples (a `RowOperator`), with the Khatri-Rao factors besides.

    Products evaluate σ' piece by piece and never hold more of it than one piece: 2 MB or 32 samples.

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

    def factors(self, start, stop, places=slice(None)):
        """Return [S | F] of the run, or of samples at some places of it, (B, M + D), column-major and the caller's to overwrite."""
        points, velocities, _ = self.source.read(start, stop)
        points = points[places]
        transposed = np.empty((self.columns + self.rows_per_sample, len(points)))
        self.feature_map.derivative_transposed(points, out=transposed[: self.columns])
        transposed[self.columns :] = gradient_from_vector_field(velocities[places]).T
        return transposed.T

    def dense_rows(self, start, stop, places=slice(None)):
        """Return [A | f] of the run, or of the samples at some places of it, shape (B D, M + 1), column-major."""
        factors = self.factors(start, stop, places)
        S, F = factors[:, : self.columns], factors[:, self.columns :]
        rows = np.empty((self.columns + 1, len(factors), self.rows_per_sample))
        np.multiply(S.T[:, :, None], self.weights[:, None, :], out=rows[:-1])
        rows[-1] = F
        return rows.reshape(self.columns + 1, -1).T

    def loaded(self, start, stop):
        """Return the same operator for the run alone, with its samples in memory: to be asked for the run several times."""
        points, velocities, _ = self.source.read(start, stop)
        return GradientOperator(self.feature_map, ArraySamples(points, velocities, None, self.samples, start))

    def targets(self, start, stop):
        """Return F of the run, shape (B, D)."""
        return gradient_from_vector_field(self.source.read(start, stop).velocities)

    def derivatives(self, start, stop, features, out):
        """Write S of the run for a slice of the features into out (B, features), C-contiguous; return out."""
        chosen = FeatureMap(self.weights[features], self.feature_map.biases[features], self.feature_map.activation)
        return chosen.derivative(self.source.read(start, stop).points, out)

    def multiply(self, start, stop, vector):
        """Return S (v∘W), shape (B, D)."""
        v_W, rows = vector[:, None] * self.weights, np.empty((stop - start, self.rows_per_sample))
        for piece, S in self.pieces(start, self.source.read(start, stop).points):
            np.matmul(S, v_W, out=rows[piece])
        return rows

    def multiply_transposed(self, start, stop, rows):
        """Return rowsum((Sᵀ R)∘W), shape (M,)."""
        St_R = np.zeros_like(self.weights)
        for piece, S in self.pieces(start, self.source.read(start, stop).points):
            St_R += S.T @ rows[piece]
        return (St_R * self.weights).sum(axis=1)

    def residual(self, start, stop, vector, rows=None):
        """Return R = F - S (v∘W), shape (B, D), rowsum((Sᵀ R)∘W), shape (M,), and F; `rows` (B, D) takes the place of F where given."""
        samples = self.source.read(start, stop)
        F = gradient_from_vector_field(samples.velocities) if rows is None else rows
        v_W, R, St_R = vector[:, None] * self.weights, np.empty(F.shape), np.zeros_like(self.weights)
        for piece, S in self.pieces(start, samples.points):
            np.subtract(F[piece], S @ v_W, out=R[piece])
            St_R += S.T @ R[piece]
        return R, (St_R * self.weights).sum(axis=1), F

    def pieces(self, start, points):
        """Yield (piece, S): slices of the run that begins with sample `start`, and S there, valid until the next is asked for."""
        rows = self.piece_samples
        buffer = np.empty((min(rows, len(points)), self.columns))
        for first in range(0, len(points), rows):
            piece = slice(first, min(first + rows, len(points)))
            yield piece, self._derivative(start + first, points[piece], buffer[: piece.stop - first])

    @property
    def piece_samples(self):
        """How many samples a piece has."""
        return max(FEWEST_ROWS, PIECE_VALUES // max(1, self.columns))

    def _derivative(self, start, points, out):
        """Return S of the run of samples that begins with `start`, written into out (B, M) or from elsewhere."""
        return self.feature_map.derivative(points, out)
