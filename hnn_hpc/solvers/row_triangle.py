"""The triangle of the rows of all samples: Cholesky QR preconditioned by some of the rows, Householder QR where that is not safe.

Some of the samples, evenly spread, twice as many rows as columns in all, give a first R by Householder QR. The others, X, then cost BLAS-3
alone, and pieces of them need not wait for each other, for what they give is added up:

    Y = X R⁻¹,   G = I + YᵀY,   R := chol(G) R        (2 B n² flops for B rows of n columns)

R takes out the condition of X before the squaring, so nothing of it is lost: G has a condition of about 30, whatever that of X and however
many rows there are, if the first rows stand for the rest (the preconditioned Cholesky QR of Yamamoto et al., ETNA 44, 2015, with the rows
themselves as the sketch). Where R is singular to working precision its diagonal is kept above ε ‖column‖, the level of its rounding
errors, and above 0 for a column of zeros.

Row by row (Y + δY) R = X + δX with |δX| <= n u |Y| |R|, and the Cholesky factor of G costs up to the square root of its condition times
the error of Householder QR: both are small while the rows of Y are, which have a norm of about 1. A row that goes where none of the first
went (a sample at the edge of the box or far out, a feature that few samples see) is a large row of Y. It is left out of G and goes into R
by Householder QR in the end.
"""

from functools import partial

import numpy as np

from hnn_hpc.errors import Interruption
from hnn_hpc.parallel.checkpoint import BESIDE_NODES, MOST_ROWS, NoCheckpoint
from hnn_hpc.parallel.tree import tree_reduce
from hnn_hpc.solvers.lapack import cholesky_in_place, divide_by_triangle, multiply_triangles
from hnn_hpc.solvers.packed_gram import add_packed_gram, packed_size, unpacked
from hnn_hpc.solvers.triangle import stack, stack_rows, triangle_of

FIRST_ROWS = 2.02  # in columns: the R of fewer rows is a poor guess for that of all; half of them is seldom fewer than columns
SHORT_RUN = 4  # in columns: fewer rows are left to Householder QR, for renewing R would cost more than Cholesky QR gains
SMALLEST_DIAGONAL = 4e-16
ZERO_DIAGONAL = 1e-300  # of a column of zeros meanwhile
FARTHEST = 30.0  # the norm of a row of Y that is not large
GOLDEN_RATIO = np.uint64(0x9E3779B97F4A7C15)  # its fraction, in units of 2⁻⁶⁴


def first_share(rows, columns):
    """Return which part of so many rows the first R is made of: all where they are few."""
    return 1.0 if rows < SHORT_RUN * columns else FIRST_ROWS * columns / rows


def reduce_rows(read, plan, communicator, on_leaf=None, checkpoint=None):
    """Return (the triangle of the rows of all samples, (n, n) column-major, on rank 0, None on the others; householder_rows). Collective.

    householder_rows: how many rows, besides the first, Householder QR took because Cholesky QR was not safe for them. Two looks at the
    samples, and a third at the far ones. Bitwise independent of ranks and threads. Memory of a rank: R, and a piece and log2(blocks) packed
    Gram matrices a thread; 8 bytes a far sample.

    Parameters: read(start, stop, places) -> (rows, n) float64, column-major and ours to overwrite: the rows of the samples start + places,
    places being an array of integers; plan (Plan): blocks, their pieces, threads, first_share, rows_per_sample; on_leaf(): called after
    each block, from any thread; checkpoint: of the sums, see `NoCheckpoint`.
    """
    checkpoint = checkpoint or NoCheckpoint()
    reduction = _Reduction(read, plan, communicator)
    if plan.first_share == 1:
        reduction.add_by_householder(reduction.first, checkpoint.heeding(on_leaf))
        return reduction.finished(), 0
    if MOST_ROWS in checkpoint.names:
        far = reduction.load(checkpoint, MOST_ROWS)
    else:
        if BESIDE_NODES in checkpoint.names:
            reduction.load(checkpoint, BESIDE_NODES)
        else:
            reduction.add_by_householder(reduction.first, checkpoint.heeding())
            checkpoint.begin_nodes(reduction.R)
        far = reduction.add_by_cholesky(reduction.rest, on_leaf, checkpoint)
        checkpoint.end_nodes()
    if len(far):
        try:
            reduction.add_by_householder(partial(_places_of, far), checkpoint.heeding())
        except Interruption:
            if checkpoint.is_kept and communicator.is_root:
                checkpoint.save(MOST_ROWS, np.append(reduction.R.ravel(order="F"), far))
            checkpoint.settle(communicator)
            raise
    return reduction.finished(), plan.rows_per_sample * len(far)


def is_first(start, stop, share):
    """Return for each of the samples [start, stop) whether it is one of the first: `share` of all, wherever a run begins.

    Those whose multiple of the golden ratio has a small fraction are spread evenly, and in step with no period of the data.
    """
    if share == 1:
        return np.ones(stop - start, bool)
    return np.arange(start, stop, dtype=np.uint64) * GOLDEN_RATIO < np.uint64(share * 2**64)


def _append(values, more):
    """Return values (n,), which is destroyed, with `more` behind them, without a copy of a large array."""
    count = len(values)
    values.resize(count + len(more), refcheck=False)
    values[count:] = more
    return values


def _places_of(samples, start, stop):
    """Return the places in [start, stop) of those of `samples`, sorted, that are there."""
    return samples[np.searchsorted(samples, start) : np.searchsorted(samples, stop)] - start


class _Reduction:
    """R (n, n) of the rows added so far, on rank 0. All methods but `first` and `rest` are collective."""

    def __init__(self, read, plan, communicator):
        self._read, self._plan, self._communicator = read, plan, communicator
        self.R = None

    def first(self, start, stop):
        """Return the places of the first samples in a piece."""
        return np.flatnonzero(is_first(start, stop, self._plan.first_share))

    def rest(self, start, stop):
        """Return the places of the others."""
        return np.flatnonzero(~is_first(start, stop, self._plan.first_share))

    def load(self, checkpoint, name):
        """Begin with the R that a checkpoint holds under a name; return the numbers of samples behind it, if any, on every rank."""
        far, n = None, self._plan.columns
        with self._communicator.together():
            if self._communicator.is_root:
                values = checkpoint.load(name)[0].ravel(order="F")
                self.R, far = values[: n * n].reshape((n, n), order="F"), values[n * n :].astype(int)
        return self._communicator.broadcast(far)

    def add_by_householder(self, places_in, on_leaf):
        """Merge the rows of those samples into R that are at places_in(start, stop) of each piece, by the fixed tree."""

        def leaf(block):
            parts = [(*piece, places) for piece in self._plan.pieces(block) if len(places := places_in(*piece))]
            count = self._plan.rows_per_sample * sum(len(places) for _, _, places in parts)
            return stack_rows(np.empty((0, self._plan.columns), order="F"), (self._read(*part) for part in parts), count)

        threads = self._plan.threads
        alone = partial(stack, threads=threads)
        rows = tree_reduce(self._communicator, self._plan.layout, leaf, stack, threads, on_leaf, combine_alone=alone, name="factor-rows")
        if self._communicator.is_root:
            rows = rows if self.R is None else stack(self.R, rows, threads)
            self.R = rows if len(rows) == self._plan.columns else triangle_of(rows)

    def add_by_cholesky(self, places_in, on_leaf, checkpoint):
        """Add the rows of the samples at places_in(start, stop) of each piece to R, but for the far ones; return these, on every rank."""
        n, size, root = self._plan.columns, packed_size(self._plan.columns), self._communicator.is_root
        R = self._communicator.broadcast_array(self._regular() if root else None, (n, n))

        def leaf(block):
            """Return G - I, packed, and the numbers of the far samples behind it."""
            gram, far = np.zeros(size), []
            for start, stop in self._plan.pieces(block):
                places = places_in(start, stop)
                far.append(start + places[self._add_gram(self._read(start, stop, places), R, gram)])
            return _append(gram, np.concatenate(far))

        def combine(left, right):
            left[:size] += right[:size]
            return _append(left, right[size:])

        layout, threads = self._plan.layout, self._plan.threads
        value = tree_reduce(self._communicator, layout, leaf, combine, threads, on_leaf, checkpoint, name="factor")
        far = None
        with self._communicator.together():
            if root:
                far = value[size:].astype(int)
                self._renew(unpacked(value[:size], n))
        return self._communicator.broadcast(far)

    def _add_gram(self, X, R, gram):
        """Add YᵀY to a packed Gram matrix for the rows X = Y R that are not far, X being destroyed; return which samples are far."""
        divide_by_triangle(X, R)
        with np.errstate(over="ignore", invalid="ignore"):  # where R has a column of zeros and X has not, Y may overflow
            squares = np.einsum("nb,nb->b", X.T, X.T)
        is_far = ~(squares.reshape(-1, self._plan.rows_per_sample) <= FARTHEST**2).all(axis=1)
        if is_far.any():
            X[np.repeat(is_far, self._plan.rows_per_sample)] = 0
        add_packed_gram(gram, X)
        return is_far

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
        assert positive, "the identity plus a Gram matrix of rows of bounded norm is positive definite"
        multiply_triangles(gram, self.R, self._plan.threads)
