"""What a solver may ask of a matrix: its shape, and dense rows or products of any run of samples."""

from typing import Protocol

import numpy as np


class RowOperator(Protocol):
    """A (samples * rows_per_sample, columns) matrix A with one right-hand side f, known by runs of samples [start, stop).

    B stands for stop - start. Methods may be called from several threads at once.
    """

    samples: int
    rows_per_sample: int
    columns: int

    def dense_rows(self, start: int, stop: int, places: np.ndarray | slice) -> np.ndarray:
        """Return [A | f] of the run, or of the samples at some places of it, counted from its start.

        (B * rows_per_sample, columns + 1), column-major and the caller's to overwrite.
        """

    def multiply(self, start: int, stop: int, vector: np.ndarray) -> np.ndarray:
        """Return the run's rows of A v, (B, rows_per_sample)."""

    def multiply_transposed(self, start: int, stop: int, rows: np.ndarray) -> np.ndarray:
        """Return the run's share of Aᵀ r, (columns,), for its rows r of shape (B, rows_per_sample)."""

    def residual(self, start: int, stop: int, vector: np.ndarray, rows: np.ndarray | None = None) -> tuple:
        """Return r = f - A v of the run, (B, rows_per_sample), its share of Aᵀ r, (columns,), and f, from one assembly of A.

        Where `rows` are given, (B, rows_per_sample), they take the place of f.
        """
