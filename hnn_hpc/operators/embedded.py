"""The gradient feature matrix in derived coordinates z(x) with the Jacobian J = dz/dx (see `features.coordinates`).

    A[(k, d), m] = S[k, m] Σ_e J_k[e, d] W[m, e],    S = σ'(Z Wᵀ + b):

Khatri-Rao in z, then a small sparse product for each sample. So A has no Khatri-Rao form of its own, but dense rows and products.
"""

import numpy as np

from hnn_hpc.features.feature_map import CACHED_VALUES
from hnn_hpc.operators.gradient import GradientOperator, PiecewiseProducts


class EmbeddedGradientOperator(PiecewiseProducts):
    """A and F of a feature map in derived coordinates over a source of samples (a `RowOperator`).

    With `rows_of` the features are the same, of all of z, but A and F have only the rows of these coordinates.
    """

    def __init__(self, feature_map, source, rows_of=None):
        super().__init__(feature_map, source, rows_of)
        self._coordinates = feature_map.coordinates
        self._entries = [self._coordinates.entries_of(d) for d in (range(feature_map.dimension) if rows_of is None else rows_of)]

    def dense_rows(self, start, stop, places=slice(None)):
        """Return [A | f] of the run, or of the samples at some places of it, shape (B r, M + 1), column-major.

        Temporary memory: Sᵀ (M, B), and z and J of the samples a few times over.
        """
        samples = self.source.read(start, stop)
        points = self._points_of(samples)[places]
        S_transposed = self.feature_map.derivative_transposed(points, np.empty((self.columns, len(points))))
        J_transposed = np.ascontiguousarray(self._coordinates.jacobian(points).T)
        rows = np.empty((self.columns + 1, len(points), self.rows_per_sample))
        features = max(1, CACHED_VALUES // max(1, len(points)))  # at a time
        for first in range(0, self.columns, features):
            piece = slice(first, min(first + features, self.columns))
            for row, entries in enumerate(self._entries):
                W_J = self.weights[piece, self._coordinates.entry_columns[entries]] @ J_transposed[entries]
                np.multiply(W_J, S_transposed[piece], out=rows[piece, :, row])
        rows[-1] = self._targets_of(samples, places)
        return rows.reshape(self.columns + 1, -1).T

    def _pull_back(self, points, sums):
        pulled_back = self._coordinates.pull_back(points, sums)
        return pulled_back if self.rows_of is None else np.take(pulled_back, self.rows_of, axis=1)

    def _push_forward(self, points, rows):
        if self.rows_of is not None:
            every_row = np.zeros((len(points), self.feature_map.dimension))
            every_row[:, self.rows_of] = rows
            rows = every_row
        return self._coordinates.push_forward(points, rows)


def gradient_operator(feature_map, source, rows_of=None):
    """Return the operator of a feature map over a source: a `GradientOperator` in plain coordinates, else an `EmbeddedGradientOperator`.

    rows_of: see there; with it a feature map in plain coordinates is one of x[rows_of].
    """
    return (GradientOperator if feature_map.is_plain else EmbeddedGradientOperator)(feature_map, source, rows_of)
