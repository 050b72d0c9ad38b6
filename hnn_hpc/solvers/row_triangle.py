"""The triangle of the rows of all samples: Cholesky QR preconditioned by some of the rows, Householder QR where that is not safe.

Some of the samples of each piece, evenly spread, twice as many rows as columns in all, give a first R by Householder QR. The rest of a
piece, X, then costs BLAS-3 alone, and the pieces need not wait for each other, for what they give is added up:

    Y = X R⁻¹,   G = I + Σ YᵀY,   R := chol(G) R        (2 B n² flops for B rows of n columns)

R takes out the condition of X before the squaring, so nothing of it is lost: G has a condition of about 30, whatever that of X and however
many rows there are, if the first rows stand for the rest (the preconditioned Cholesky QR of Yamamoto et al., ETNA 44, 2015, with the rows
themselves as the sketch). Where R is singular to working precision its diagonal is kept above ε ‖column‖, the level of its rounding
errors, and above 0 for a column of zeros.

Row by row (Y + δY) R = X + δX with |δX| <= n u |Y| |R|, and the Cholesky factor of G costs up to the square root of its condition times
the error of Householder QR: both are small while the columns of Y are. Where a piece goes where none of the first rows went (features that
few samples see, outliers), some ‖Y_i‖ is large. Such a piece is left out of G. Half of it then goes into R by Householder QR, which so
learns its directions, and the rest is tried again, until nothing is left.
"""

from functools import partial

import numpy as np

from hnn_hpc.parallel.checkpoint import BESIDE_NODES, NoCheckpoint
from hnn_hpc.parallel.tree import add_in_place, tree_reduce
from hnn_hpc.solvers.lapack import cholesky_in_place, divide_by_triangle, multiply_triangles
from hnn_hpc.solvers.packed_gram import add_packed_gram, packed_size, unpacked
from hnn_hpc.solvers.triangle import stack, stack_rows, triangle_of

FIRST_ROWS = 2.02  # in columns: the R of fewer rows is a poor guess for that of all; the half of them is no fewer than columns
SHORT_RUN = 4  # in columns: fewer rows are left to Householder QR, for renewing R would cost more than Cholesky QR gains
SMALLEST_DIAGONAL = 4e-16
ZERO_DIAGONAL = 1e-300  # of a column of zeros meanwhile
LARGEST_COLUMN = 100.0  # ‖Y_i‖ of a piece


def first_share(rows, columns):
    """Return which part of so many rows the first R is made of: all where they are few."""
    return 1.0 if rows < SHORT_RUN * columns else FIRST_ROWS * columns / rows


def reduce_rows(read, plan, communicator, on_leaf=None, checkpoint=None):
    """Return (the triangle of the rows of all samples, (n, n) column-major, on rank 0, None on the others; householder_rows). Collective.

    householder_rows: how many rows, besides the first, Householder QR took because Cholesky QR was not safe for them. One pass over the
    samples, and further looks at the pieces that are not safe. Bitwise independent of ranks and threads. Memory of a rank: R, and for each
    thread a piece and log2(blocks) packed Gram matrices.

    Parameters: read(start, stop, places) -> (rows, n) float64, column-major and ours to overwrite: the rows of the samples start + places,
    places being an array of integers; plan (Plan): blocks, their pieces, threads, first_share, rows_per_sample; on_leaf(): called after
    each block, from any thread; checkpoint: of the sums, see `NoCheckpoint`.
    """
    checkpoint = checkpoint or NoCheckpoint()
    reduction = _Reduction(read, plan, communicator)
    pieces = [plan.pieces(block) for block in range(plan.layout.blocks)]
    if plan.first_share == 1:
        reduction.add_by_householder(pieces, checkpoint.heeding(on_leaf))
        return reduction.finished(), 0
    if BESIDE_NODES in checkpoint.names:
        reduction.load(checkpoint)
    else:
        reduction.add_by_householder(pieces, checkpoint.heeding())
        checkpoint.begin_nodes(reduction.R)
    pieces = reduction.add_by_cholesky(pieces, on_leaf, checkpoint)
    while any(pieces):
        reduction.look += 1
        reduction.add_by_householder(pieces, checkpoint.heeding())
        pieces = reduction.add_by_cholesky(pieces, checkpoint.heeding())
    return reduction.finished(), reduction.householder_rows


def divided(start, stop, share, look):
    """Return (first, rest), places in a piece of samples: those for Householder QR at a look at it, from look 0 on, and what is left.

    `share` of all samples come first, evenly spread, and at each further look half of what was left by the one before.
    """
    is_first = np.diff(np.floor(np.arange(start, stop + 1) * share)) > 0
    first, rest = np.flatnonzero(is_first), np.flatnonzero(~is_first)
    for _ in range(look):
        first, rest = rest[::2], rest[1::2]
    return first, rest


class _Reduction:
    """R (n, n) of the rows added so far, on rank 0; takes lists of the pieces of each block, (start, stop). All methods are collective.

    look            at the pieces, see `divided`
    householder_rows
    """

    def __init__(self, read, plan, communicator):
        self._read, self._plan, self._communicator = read, plan, communicator
        self.R, self.look, self.householder_rows = None, 0, 0

    def load(self, checkpoint):
        """Begin with the R that a checkpoint holds."""
        with self._communicator.together():
            if self._communicator.is_root:
                self.R, _ = checkpoint.load(BESIDE_NODES)

    def add_by_householder(self, blocks, on_leaf):
        """Merge the first rows of some pieces into R, by the fixed tree."""

        def leaf(block):
            parts = [(*piece, self._divided(piece)[0]) for piece in blocks[block]]
            count = self._plan.rows_per_sample * sum(len(places) for _, _, places in parts)
            return stack_rows(np.empty((0, self._plan.columns), order="F"), (self._read(*part) for part in parts), count)

        threads = self._plan.threads
        alone = partial(stack, threads=threads)
        rows = tree_reduce(self._communicator, self._plan.layout, leaf, stack, threads, on_leaf, combine_alone=alone)
        if self._communicator.is_root:
            rows = rows if len(rows) == self._plan.columns else triangle_of(rows)
            self.R = rows if self.R is None else stack(self.R, rows, threads)
        if self.look:
            samples = sum(len(self._divided(piece)[0]) for pieces in blocks for piece in pieces)
            self.householder_rows += self._plan.rows_per_sample * samples

    def add_by_cholesky(self, blocks, on_leaf, checkpoint=None):
        """Add what is left of some pieces to R; return those, on every rank, for which that is not safe and that remain to be added."""
        n, root = self._plan.columns, self._communicator.is_root
        R = self._communicator.broadcast_array(self._regular() if root else None, (n, n))
        size, numbers = packed_size(n), np.cumsum([0, *map(len, blocks)])  # of a Gram matrix; of the pieces

        def leaf(block):
            """Return G - I, packed, and for each piece of all blocks whether it is unsafe: one array that can be added up."""
            value = np.zeros(size + numbers[-1])
            for number, piece in enumerate(blocks[block], numbers[block]):
                value[size + number] = not self._add_if_safe(piece, R, value[:size])
            return value

        value = tree_reduce(self._communicator, self._plan.layout, leaf, add_in_place, self._plan.threads, on_leaf, checkpoint)
        unsafe = None
        with self._communicator.together():
            if root:
                self._renew(unpacked(value[:size], n))
                unsafe = value[size:].astype(bool)
        unsafe = iter(self._communicator.broadcast(unsafe))
        return [[piece for piece in pieces if next(unsafe)] for pieces in blocks]

    def _add_if_safe(self, piece, R, gram):
        """Add YᵀY to a packed Gram matrix for what is left of a piece, X = Y R, where that is safe; return whether it is."""
        places = self._divided(piece)[1]
        if not len(places):
            return True
        Y = self._read(*piece, places)
        divide_by_triangle(Y, R)
        with np.errstate(over="ignore", invalid="ignore"):  # where R has a column of zeros and X has not, Y may overflow
            is_safe = np.sqrt(np.einsum("bn,bn->n", Y, Y).max()) <= LARGEST_COLUMN
        if is_safe:
            add_packed_gram(gram, Y)
        return is_safe

    def _divided(self, piece):
        return divided(*piece, self._plan.first_share, self.look)

    def finished(self):
        """Return the triangle, with the columns of zeros that there are."""
        if self.R is None:
            return None
        diagonal = self.R.diagonal()
        np.fill_diagonal(self.R, np.where(np.abs(diagonal) <= 2 * ZERO_DIAGONAL, 0.0, diagonal))
        return self.R

    def _regular(self):
        """Return R once its diagonal is large enough to divide by."""
        diagonal = self.R.diagonal()
        smallest = np.maximum(SMALLEST_DIAGONAL * np.linalg.norm(self.R, axis=0), ZERO_DIAGONAL)
        np.fill_diagonal(self.R, np.copysign(np.maximum(np.abs(diagonal), smallest), diagonal))
        return self.R

    def _renew(self, gram):
        """Put R := chol(I + gram) R; gram is destroyed."""
        np.fill_diagonal(gram, 1 + gram.diagonal())
        positive = cholesky_in_place(gram)
        assert positive, "the identity plus a Gram matrix of columns of bounded norm is positive definite"
        multiply_triangles(gram, self.R, self._plan.threads)
