"""Triangles: the R of a QR factorization, and how two of them merge.

For a matrix [A | f] with n + 1 columns, the (n + 1) x (n + 1) triangle

    [ R  z ]
    [ 0  ρ ]

holds all that least squares needs: min ‖A w − f‖² = min ‖R w − z‖² + ρ². R of [R1; R2] is R of the rows that R1 and R2 came from, so
triangles of row blocks merge pairwise in any fixed order (TSQR: Demmel, Grigori, Hoemmen, Langou, SIAM J. Sci. Comput. 34, 2012).
"""

import numpy as np

from hnn_hpc.solvers.lapack import merge_triangles_in_place, qr_in_place


def triangle_of(block):
    """Return the (n, n) column-major triangle of a (rows, n) block, which is destroyed; rows of zeros where rows < n.

    A square block becomes the triangle itself, without another n² numbers in memory.
    """
    rows, columns = block.shape
    qr_in_place(block)
    triangle = block if rows == columns else np.zeros((columns, columns), order="F")
    for column in range(columns):  # np.triu would take a copy
        triangle[: column + 1, column][:rows] = block[: column + 1, column]
        triangle[column + 1 :, column] = 0.0
    return triangle


def combine(upper, lower):
    """Return the triangle of [upper; lower]; both are destroyed. A pure function of the two: the merge of every tree."""
    merge_triangles_in_place(upper, lower)
    return upper
