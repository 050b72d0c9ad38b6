"""The hidden layer as a map from phase space to features: phi(x) = sigma(W z(x) + b), its derivative, and sums over features."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hnn_hpc.features.activations import Activation
from hnn_hpc.features.coordinates import Coordinates

# Values handled at a time: 512 kB, so that the passes of one evaluation (product, bias, activation) meet in the core's own cache, and yet
# enough that threads seldom wait for Python's lock. Also the bound on memory for energies and gradients.
CACHED_VALUES = 2**16
# Of points in one product: with fewer, BLAS spends its time on rearranging W.
FEWEST_ROWS = 16


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """phi(x) = sigma(W z(x) + b), from R^D to R^M.

    weights      -- W (M, E)
    biases       -- b (M,)
    activation   -- sigma
    coordinates  -- z, from R^D to R^E; None: z(x) = x, and E = D is whatever W has
    """

    weights: np.ndarray
    biases: np.ndarray
    activation: Activation
    coordinates: Coordinates | None = None

    def __post_init__(self):
        assert self.coordinates is None or self.coordinates.count == self.weights.shape[1]

    @property
    def count(self):
        """M, how many features."""
        return self.weights.shape[0]

    @property
    def dimension(self):
        """D, how many coordinates x has."""
        return self.coordinates.dimension if self.coordinates else self.weights.shape[1]

    @property
    def is_plain(self):
        """Whether z(x) = x."""
        return self.coordinates is None or self.coordinates.is_plain

    def values(self, x):
        """phi(x) (..., M) for points x (..., D), all at once: as much memory as the result."""
        values = self.embed(x) @ self.weights.T
        values += self.biases
        return self.activation.value(values, out=values)

    def embed(self, x):
        """z (..., E) for points x (..., D); x itself, as floats, where z(x) = x."""
        return self.coordinates.embed(x) if self.coordinates else np.asarray(x, dtype=float)

    @cached_property
    def affine(self):
        """[W b]ᵀ (E + 1, M): z with a 1 appended times this is W z + b, in one product that spares the pass for b."""
        return np.vstack([self.weights.T, self.biases])

    def derivative(self, x_block, out):
        """Write S = sigma'(W z + b) into out (B, M), C-contiguous, for points x_block (B, D); return out.

        Samples come first, as the products with S want it. Temporary memory: z of x_block, a few times over.
        """
        points = np.column_stack([self.embed(x_block), np.ones(len(x_block))])
        rows = max(FEWEST_ROWS, CACHED_VALUES // max(1, self.count))
        for start in range(0, len(points), rows):
            piece = slice(start, start + rows)
            Wz_plus_b = np.matmul(points[piece], self.affine, out=out[piece])
            self.activation.derivative(Wz_plus_b, out=Wz_plus_b)
        return out

    def derivative_transposed(self, x_block, out):
        """Write Sᵀ = sigma'(W zᵀ + b) into out (M, B), C-contiguous, for points x_block (B, D); return out.

        Features come first because then `out` is the column-major S that LAPACK wants. Temporary memory: z of x_block, of derived
        coordinates a few times over, and at most CACHED_VALUES numbers.
        """
        z_transposed = np.ascontiguousarray(self.embed(x_block).T)
        rows = max(1, CACHED_VALUES // max(1, len(x_block)))
        for start in range(0, self.count, rows):
            piece = slice(start, start + rows)
            Wz_plus_b = np.matmul(self.weights[piece], z_transposed, out=out[piece])
            Wz_plus_b += self.biases[piece, None]
            self.activation.derivative(Wz_plus_b, out=Wz_plus_b)
        return out

    def energy(self, x, coefficients):
        """H(x) = sigma(W z + b)·c, without the constant, (...) for points x (..., D) and coefficients c (M,)."""
        points = np.asarray(x, dtype=float).reshape(-1, self.dimension)
        result = np.empty(len(points))
        for piece, Wz_plus_b in self._pre_activations(points):
            np.matmul(self.activation.value(Wz_plus_b, out=Wz_plus_b), coefficients, out=result[piece])
        return result.reshape(np.shape(x)[:-1])

    def energy_gradient(self, x, coefficients):
        """grad H(x) = Jᵀ (sigma'(W z + b) (c∘W)), J = dz/dx, (..., D) for points x (..., D) and coefficients c (M,)."""
        points = np.asarray(x, dtype=float).reshape(-1, self.dimension)
        result = np.empty_like(points)
        c_W = coefficients[:, None] * self.weights
        for piece, Wz_plus_b in self._pre_activations(points):
            S = self.activation.derivative(Wz_plus_b, out=Wz_plus_b)
            if self.is_plain:
                np.matmul(S, c_W, out=result[piece])
            else:
                result[piece] = self.coordinates.pull_back(points[piece], S @ c_W)
        return result.reshape(np.shape(x))

    def _pre_activations(self, points):
        """Yield (piece, W z + b): slices of the points, and the values there in a buffer that is used again.

        (at most CACHED_VALUES / M, M); in derived coordinates fewer points, where the Jacobian has more entries than there are features.
        """
        widest = self.count if self.is_plain else max(self.count, len(self.coordinates.entry_columns))
        rows = max(1, CACHED_VALUES // widest)
        buffer = np.empty((min(rows, len(points)), self.count))
        for start in range(0, len(points), rows):
            piece = slice(start, start + rows)
            Wz_plus_b = np.matmul(self.embed(points[piece]), self.weights.T, out=buffer[: len(points[piece])])
            Wz_plus_b += self.biases
            yield piece, Wz_plus_b
