"""The hidden layer as a map from phase space to features: phi(x) = sigma(W x + b), its derivative, and sums over features."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hnn_hpc.features.activations import Activation

# Values handled at a time: 512 kB, so that the passes of one evaluation (product, bias, activation) meet in the core's own cache, and yet
# enough that threads seldom wait for Python's lock. Also the bound on memory for energies and gradients.
CACHED_VALUES = 2**16
# Of points in one product: with fewer, BLAS spends its time on rearranging W.
FEWEST_ROWS = 16


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """phi(x) = sigma(W x + b), from R^D to R^M.

    weights     -- W (M, D)
    biases      -- b (M,)
    activation  -- sigma
    """

    weights: np.ndarray
    biases: np.ndarray
    activation: Activation

    @property
    def count(self):
        """M, how many features."""
        return self.weights.shape[0]

    @property
    def dimension(self):
        """D, how many coordinates."""
        return self.weights.shape[1]

    def values(self, x):
        """phi(x) (..., M) for points x (..., D), all at once: as much memory as the result."""
        z = np.asarray(x, dtype=float) @ self.weights.T
        z += self.biases
        return self.activation.value(z, out=z)

    @cached_property
    def affine(self):
        """[W b]ᵀ (D + 1, M): points with a 1 appended times this are W x + b, in one product that spares the pass for b."""
        return np.vstack([self.weights.T, self.biases])

    def derivative(self, x_block, out):
        """Write S = sigma'(W x + b) into out (B, M), C-contiguous, for points x_block (B, D); return out.

        Samples come first, as the products with S want it. Temporary memory: a copy of x_block.
        """
        points = np.column_stack([x_block, np.ones(len(x_block))])
        rows = max(FEWEST_ROWS, CACHED_VALUES // max(1, self.count))
        for start in range(0, len(points), rows):
            piece = slice(start, start + rows)
            z = np.matmul(points[piece], self.affine, out=out[piece])
            self.activation.derivative(z, out=z)
        return out

    def derivative_transposed(self, x_block, out):
        """Write Sᵀ = sigma'(W xᵀ + b) into out (M, B), C-contiguous, for points x_block (B, D); return out.

        Features come first because then `out` is the column-major S that LAPACK wants. Temporary memory: a
        copy of x_block and at most CACHED_VALUES numbers.
        """
        x_transposed = np.ascontiguousarray(x_block.T)
        rows = max(1, CACHED_VALUES // max(1, len(x_block)))
        for start in range(0, self.count, rows):
            piece = slice(start, start + rows)
            z = np.matmul(self.weights[piece], x_transposed, out=out[piece])
            z += self.biases[piece, None]
            self.activation.derivative(z, out=z)
        return out

    def energy(self, x, coefficients):
        """H(x) = sigma(W x + b)·c, without the constant, (...) for points x (..., D) and coefficients c (M,)."""
        points = np.asarray(x, dtype=float).reshape(-1, self.dimension)
        result = np.empty(len(points))
        for piece, z in self._pre_activations(points):
            np.matmul(self.activation.value(z, out=z), coefficients, out=result[piece])
        return result.reshape(np.shape(x)[:-1])

    def energy_gradient(self, x, coefficients):
        """grad H(x) = sigma'(W x + b) (c∘W), (..., D) for points x (..., D) and coefficients c (M,)."""
        points = np.asarray(x, dtype=float).reshape(-1, self.dimension)
        result = np.empty_like(points)
        c_W = coefficients[:, None] * self.weights
        for piece, z in self._pre_activations(points):
            np.matmul(self.activation.derivative(z, out=z), c_W, out=result[piece])
        return result.reshape(np.shape(x))

    def _pre_activations(self, points):
        """Yield (piece, z): slices of the points and z = x Wᵀ + b there, (at most CACHED_VALUES / M, M), in a buffer that is used again."""
        rows = max(1, CACHED_VALUES // self.count)
        buffer = np.empty((min(rows, len(points)), self.count))
        for start in range(0, len(points), rows):
            piece = slice(start, start + rows)
            z = np.matmul(points[piece], self.weights.T, out=buffer[: len(points[piece])])
            z += self.biases
            yield piece, z
