"""The gradient feature matrix of a plain network: see the package's docstring for A, S, W and F."""

from copy import copy
from dataclasses import replace

import numpy as np

from hnn_hpc.features import FeatureMap
from hnn_hpc.samples import ArraySamples
from hnn_hpc.symplectic import gradient_component, gradient_from_vector_field

# Values of σ' in one piece, 2 MB, and samples at least: σ' is still in the cache when the products read it, BLAS has rows enough, and
# threads seldom wait for Python's lock.
PIECE_VALUES = 2**18
FEWEST_ROWS = 32


class PiecewiseProducts:
    """Products of A by the chain rule: A v = Jᵀ (S (v∘W)) and Aᵀ r = rowsum((Sᵀ J R)∘W), sample by sample, with J = dz/dx.

    Products evaluate σ' piece by piece and never hold more of it than one piece: 2 MB or 32 samples. Here J = 1; what differs where it is
    not are `_pull_back` and `_push_forward`.

    Parameters: feature_map (FeatureMap with M features), source (SampleSource with K samples of width D); rows_of: the rows that A has of
    each sample, a sorted array of numbers of coordinates, or None for all D. Below, r is how many.
    """

    def __init__(self, feature_map, source, rows_of=None):
        self.feature_map = feature_map
        self.source = source
        self.rows_of = rows_of
        self.samples = source.count
        self.rows_per_sample = feature_map.dimension if rows_of is None else len(rows_of)
        self.columns = feature_map.count

    @property
    def weights(self):
        """W, shape (M, E)."""
        return self.feature_map.weights

    def loaded(self, start, stop):
        """Return the same operator for the run alone, with its samples in memory: to be asked for the run several times."""
        points, velocities, _ = self.source.read(start, stop)
        operator = copy(self)
        operator.source = ArraySamples(points, velocities, None, self.samples, start)
        return operator

    def points(self, start, stop):
        """Return the points of the run as the features take them."""
        return self._points_of(self.source.read(start, stop))

    def targets(self, start, stop):
        """Return F of the run, shape (B, r)."""
        return self._targets_of(self.source.read(start, stop))

    def multiply(self, start, stop, vector):
        """Return the run's rows of A v, shape (B, r)."""
        v_W, rows, points = vector[:, None] * self.weights, np.empty((stop - start, self.rows_per_sample)), self.points(start, stop)
        for piece, S in self.pieces(start, points):
            rows[piece] = self._pull_back(points[piece], S @ v_W)
        return rows

    def multiply_transposed(self, start, stop, rows):
        """Return the run's share of Aᵀ r, shape (M,), for its rows R (B, r)."""
        St_JR, points = np.zeros_like(self.weights), self.points(start, stop)
        for piece, S in self.pieces(start, points):
            St_JR += S.T @ self._push_forward(points[piece], rows[piece])
        return (St_JR * self.weights).sum(axis=1)

    def residual(self, start, stop, vector, rows=None):
        """Return R = F - A v, shape (B, r), Aᵀ R, shape (M,), and F, of the run; `rows` (B, r) takes the place of F where given."""
        samples = self.source.read(start, stop)
        F, points = self._targets_of(samples) if rows is None else rows, self._points_of(samples)
        v_W, R, St_JR = vector[:, None] * self.weights, np.empty(F.shape), np.zeros_like(self.weights)
        for piece, S in self.pieces(start, points):
            np.subtract(F[piece], self._pull_back(points[piece], S @ v_W), out=R[piece])
            St_JR += S.T @ self._push_forward(points[piece], R[piece])
        return R, (St_JR * self.weights).sum(axis=1), F

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

    def _points_of(self, samples):
        return samples.points

    def _targets_of(self, samples, places=slice(None)):
        F = gradient_from_vector_field(samples.velocities[places])
        return F if self.rows_of is None else np.take(F, self.rows_of, axis=1)

    def _pull_back(self, points, sums):
        """Return Jᵀ of each sample times its row of `sums` (B, E), for the rows of A alone: (B, r)."""
        return sums

    def _push_forward(self, points, rows):
        """Return J of each sample times its row of `rows` (B, r), which are those of A: (B, E)."""
        return rows

    def _derivative(self, start, points, out):
        """Return S of the run of samples that begins with `start`, written into out (B, M) or from elsewhere."""
        return self.feature_map.derivative(points, out)


class GradientOperator(PiecewiseProducts):
    """A and F of a feature map in plain coordinates over a source of samples (a `RowOperator`), with the Khatri-Rao factors besides.

    With `rows_of` it is a smaller problem of the same kind, over those coordinates alone: the features are a map of x[rows_of], and W has
    a column for each. That is a block of A where the features of the block touch no other coordinate, and no other feature touches these.
    """

    def factors(self, start, stop, places=slice(None)):
        """Return [S | F] of the run, or of samples at some places of it, (B, M + r), column-major and the caller's to overwrite."""
        samples = self.source.read(start, stop)
        points = self._points_of(samples)[places]
        transposed = np.empty((self.columns + self.rows_per_sample, len(points)))
        self.feature_map.derivative_transposed(points, out=transposed[: self.columns])
        transposed[self.columns :] = self._targets_of(samples, places).T
        return transposed.T

    def dense_rows(self, start, stop, places=slice(None)):
        """Return [A | f] of the run, or of the samples at some places of it, shape (B r, M + 1), column-major."""
        factors = self.factors(start, stop, places)
        S, F = factors[:, : self.columns], factors[:, self.columns :]
        rows = np.empty((self.columns + 1, len(factors), self.rows_per_sample))
        np.multiply(S.T[:, :, None], self.weights[:, None, :], out=rows[:-1])
        rows[-1] = F
        return rows.reshape(self.columns + 1, -1).T

    def rows_along(self, row):
        """Return read(start, stop, places) -> [S_d diag(W_d) | F_d], (B, M_d + 1): the rows of one coordinate d, the `row`-th of A's.

        Only of the M_d features whose weights along it are not 0, in their order; column-major and the caller's to overwrite.
        """
        chosen = np.flatnonzero(self.weights[:, row])
        touched = np.flatnonzero((self.weights[chosen] != 0).any(axis=0))
        weights = np.ascontiguousarray(self.weights[np.ix_(chosen, touched)])
        part = FeatureMap(weights, self.feature_map.biases[chosen], self.feature_map.activation)
        along, touched = (numbers if self.rows_of is None else self.rows_of[numbers] for numbers in (row, touched))

        def read(start, stop, places):
            samples = self.source.read(start, stop)
            points = np.take(samples.points, touched, axis=1)[places]
            transposed = np.empty((len(chosen) + 1, len(points)))
            part.derivative_transposed(points, out=transposed[:-1])
            transposed[:-1] *= self.weights[chosen, row, None]
            transposed[-1] = gradient_component(samples.velocities, along)[places]
            return transposed.T

        return read

    def derivatives(self, start, stop, features, out):
        """Write S of the run for a slice of the features into out (B, features), C-contiguous; return out."""
        chosen = replace(self.feature_map, weights=self.weights[features], biases=self.feature_map.biases[features])
        return chosen.derivative(self.points(start, stop), out)

    def _points_of(self, samples):
        return samples.points if self.rows_of is None else np.take(samples.points, self.rows_of, axis=1)
