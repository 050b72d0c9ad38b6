"""QR of the gradient feature matrix A = S ⊙ Wᵀ for sparse weights W: coordinate by coordinate, over the features that touch it alone.

The rows of coordinate d are [S_d diag(W_d) | F[:, d]] for the M_d features with W[m, d] ≠ 0, and zero elsewhere. Each group of rows is
reduced to its own triangle, and the triangles merge in a front (see `front`):

    2 K Σ_d M_d² flops, and those of the fronts, in place of 2 K M² + (2/3) (D - 1) M³.

For a chain of n particles with all M features on bonds M_d is 2M/n, and the cost falls by n/4.
"""

from dataclasses import replace

import numpy as np

from hnn_hpc.errors import Interruption
from hnn_hpc.parallel.checkpoint import COORDINATES, NoCheckpoint, OnlyHeeded
from hnn_hpc.solvers.front import merge_groups
from hnn_hpc.solvers.row_triangle import first_share, reduce_rows
from hnn_hpc.solvers.triangle import triangle_of


def coordinate_triangle(operator, plan, communicator, on_leaf=None, checkpoint=None):
    """Return (the (M + 1, M + 1) triangle of [A | f] on rank 0, None on the others; householder_rows of all ranks). Collective.

    `reduce_rows` for the rows of each coordinate in turn: two looks at the samples each, which had better be in memory. Rank 0 merges.
    Bitwise independent of ranks and threads. Memory of a rank: as `reduce_rows` for the largest M_d; on rank 0 R
    and Σ (M_d + 1)² numbers besides.

    Parameters: operator with `weights` and `rows_along` (GradientOperator), whose features are best in the order that `elimination_order`
    gives them, for otherwise R is put in order in the end, (4/3) M³ flops; plan (Plan), checkpoint: see `reduce_rows`. What is kept are
    the triangles of the coordinates that are done.
    """
    checkpoint = checkpoint or NoCheckpoint()
    D, blocks = operator.weights.shape[1], plan.blocks_of(communicator)
    columns = [np.flatnonzero(operator.weights[:, d]) for d in range(D)]
    kept = _Kept(checkpoint, [len(some) + 1 for some in columns], communicator)
    if on_leaf and kept.done:
        on_leaf(blocks * kept.done // D)
    try:
        for d in range(kept.done, D):
            part = _part_of(plan, len(columns[d]) + 1)
            kept.add(*reduce_rows(operator.rows_along(d), part, communicator, None, OnlyHeeded(checkpoint)))
            if on_leaf:
                on_leaf(blocks * (d + 1) // D - blocks * d // D)
    except Interruption:
        kept.save()
        checkpoint.settle(communicator)
        raise
    R = None
    with communicator.together():
        if communicator.is_root:
            R = _merged(columns, kept.triangles, operator.columns)
    return R, kept.householder_rows


def _merged(columns, triangles, count):
    """Return the triangle of all coordinates."""
    R, order = merge_groups(columns, triangles, count)
    if np.array_equal(order, np.arange(count)):
        return R
    place = np.empty_like(order)
    place[order] = np.arange(count)
    return triangle_of(np.asfortranarray(R[:, np.append(place, count)]))


def _part_of(plan, columns):
    """Return the plan for a matrix of fewer columns over the same blocks, and pieces as large in memory."""
    share = first_share(plan.layout.rows, columns)
    piece = max(1, plan.piece_samples * plan.columns // columns)
    return replace(plan, columns=columns, rows_per_sample=1, first_share=share, piece_samples=piece)


class _Kept:
    """The triangles that are done, on rank 0, and how a checkpoint keeps them: one after the other, as numbers."""

    def __init__(self, checkpoint, sizes, communicator):
        self._checkpoint, self._is_root = checkpoint, communicator.is_root
        self.triangles, self.householder_rows = [], 0
        if COORDINATES in checkpoint.names:
            with communicator.together():
                if self._is_root:
                    array, self.householder_rows = checkpoint.load(COORDINATES)
                    self.triangles = _cut(array.ravel(order="F"), sizes)
        self.done, self.householder_rows = communicator.broadcast((len(self.triangles), self.householder_rows))

    def add(self, triangle, householder_rows):
        """Keep one more triangle in mind, and save all where it is time."""
        self.householder_rows += householder_rows
        if self._is_root:
            self.triangles.append(triangle)
            if self._checkpoint.is_due():
                self.save()

    def save(self):
        """Save what is done."""
        if self._is_root and self._checkpoint.is_kept and self.triangles:
            self._checkpoint.save(COORDINATES, np.concatenate([t.ravel(order="F") for t in self.triangles]), self.householder_rows)


def _cut(numbers, sizes):
    """Return the triangles (n, n) of the first sizes n that the numbers hold."""
    triangles, start = [], 0
    for n in sizes:
        if start == len(numbers):
            break
        triangles.append(numbers[start : start + n * n].reshape((n, n), order="F"))
        start += n * n
    return triangles
