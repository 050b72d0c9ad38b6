"""The Gram matrix XᵀX of many rows as one vector: its upper triangle in panels of columns, each as high as it has to be.

Half the memory of a square and a little more; products of matrices throughout; and sums of Gram matrices are sums of vectors.
"""

import numpy as np

from hnn_hpc.solvers.lapack import add_gram, add_product

PANEL = 256  # columns: the fastest of 128 ... 512


def packed_size(columns):
    """Return how many numbers the Gram matrix of so many columns takes: about n² / 2 + 128 n."""
    return sum(stop * (stop - start) for start, stop in _bounds(columns))


def add_packed_gram(packed, rows):
    """Add rowsᵀ rows, for `rows` (B, n) column-major, to a packed Gram matrix: B n² flops."""
    for (start, stop), panel in _panels(packed, rows.shape[1]):
        if start:
            add_product(panel[:start], rows[:, :start], rows[:, start:stop])
        add_gram(panel[start:], rows[:, start:stop])


def unpacked(packed, columns):
    """Return the (n, n) column-major Gram matrix, with zeros below the diagonal."""
    gram = np.zeros((columns, columns), order="F")
    for (start, stop), panel in _panels(packed, columns):
        gram[:start, start:stop] = panel[:start]
        gram[start:stop, start:stop] = np.triu(panel[start:])
    return gram


def _bounds(columns):
    return [(start, min(start + PANEL, columns)) for start in range(0, columns, PANEL)]


def _panels(packed, columns):
    """Yield (start, stop) of a panel's columns and the panel, (stop, stop - start) column-major, a view."""
    at = 0
    for start, stop in _bounds(columns):
        size = stop * (stop - start)
        yield (start, stop), packed[at : at + size].reshape((stop, stop - start), order="F")
        at += size
