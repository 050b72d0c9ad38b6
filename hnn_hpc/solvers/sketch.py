"""A sketch: A with its K samples compressed to s, random combinations of them, so that its triangle costs next to nothing.

Ω (s, K) is a sparse sign matrix: ±1/√ζ in ζ = 4 rows of each column, one in each of ζ equal parts of the rows (Nelson & Nguyên, OSNAP,
FOCS 2013). The same Ω serves all coordinates, and so

    (Ω ⊗ I_D) [A | f]  is the Khatri-Rao matrix of  [Ω S | Ω F]   (s, M + D) and W,

a smaller problem of the same form. Its triangle R, by `khatri_rao_qr`, solves the sketched problem and, above all, preconditions:
ĀN, N = R̄⁻¹ or truncated (see `factor`), is nearly orthonormal at any condition of A.

How large s must be. A feature m spends the share W[m, d]² / ‖W_m‖² of its norm on coordinate d; the load of a coordinate is the sum of
its shares, about the number of dimensions that s samples must hold there. With s = γ max_d load_d

    cond(ĀN) ≈ (√γ + 1)/(√γ - 1):   2.1 at γ = 8, 3 at γ = 4;     LSQR gains a factor √γ an iteration.

For dense weights of equal size in all coordinates that is s = γ M / D; for M features on one coordinate, or with far steeper weights
there, s = γ M. Measured for anchored and SWIM features, dense, sparse and twice, bandwidths 40 times apart, sorted trajectories,
outliers: cond(ĀN) never above the formula, and no better with ζ = 8 (with ζ = 1 outliers spoil it).

Cost: one pass over the samples, 2 ζ K M flops besides σ'; the sum over the ranks; then 2 s M² + (2/3)(D - 1) M³ flops for the triangle.
Memory of a rank: 8 s (M + D) bytes, and 16 s PANEL a thread; where others read the samples, each of their threads merges two such sums into
copies, 32 s (M + D) bytes.
"""

from concurrent.futures import ThreadPoolExecutor
from math import ceil

import numpy as np
from scipy.sparse import csc_array

from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.parallel.tree import add_in_place, tree_reduce
from hnn_hpc.random_streams import random_stream

NONZEROS = 4  # ζ
OVERSAMPLING = 8.0  # γ
FEWEST_SAMPLES = 32  # besides, so that few features do not depend on luck
# Ω comes in global chunks of columns, each from a random stream of its own.
CHUNK = 1024
# Features that a thread compresses at a time, and samples, in units of s: the cost of adding up Ω S is spread over them.
PANEL = 64
RUN = 2


def sketch_samples(weights, samples, oversampling=OVERSAMPLING):
    """Return s for the weights W (M, D) and K samples; K, where more than half would be left, which is not worth a sketch."""
    squares = weights * weights
    norms = squares.sum(axis=1, keepdims=True)
    loads = (squares / np.where(norms == 0, 1, norms)).sum(axis=0)
    needed = ceil(oversampling * loads.max()) + FEWEST_SAMPLES
    return needed if 2 * needed <= samples else samples


class SketchedOperator:
    """The sketch of an operator as an operator of s samples, with the Khatri-Rao factors; a rank knows the samples that it owns.

    Parameters: transposed (M + D, own): [ΩS | ΩF]ᵀ of this rank's samples, the first of them number `first`; samples s; weights W (M, D).
    """

    def __init__(self, transposed, first, samples, weights):
        self._transposed, self._first = transposed, first
        self.samples = samples
        self.weights = weights
        self.columns, self.rows_per_sample = weights.shape

    def factors(self, start, stop, places=slice(None)):
        """Return [ΩS | ΩF] of the run, or of the samples at some places of it, (B, M + D), column-major and the caller's to overwrite."""
        assert self._first <= start <= stop <= self._first + self._transposed.shape[1]
        return self._transposed[:, start - self._first : stop - self._first][:, places].copy().T


def sketched(operator, layout, sketch_layout, communicator, threads=1, seed=0, on_leaf=None):
    """Return the `SketchedOperator` of a `GradientOperator`. Collective.

    Each rank compresses the samples it owns in `layout`, threads sharing the features; then the sums over the ranks go, panel by panel of
    features, to the ranks that own them in `sketch_layout`. Ω depends on seed, s and the numbers of the samples only; with several ranks
    the order of their sum, and so the last bits, depends on how many there are. Where others read the samples, each compresses long blocks
    of them, whose sums are added over a fixed tree.

    Parameters: layout (RowLayout of K rows), sketch_layout (RowLayout of s rows), on_leaf(n=1): called after each block of `layout`, or
    once for n of them.
    """
    s, (M, D) = sketch_layout.rows, operator.weights.shape
    panels, on_leaf = [slice(first, min(first + PANEL, M)) for first in range(0, M, PANEL)], on_leaf or (lambda n=1: None)
    if not communicator.reads_samples:
        total = _compressed_elsewhere(operator, layout, s, panels, communicator, seed)
        on_leaf(layout.blocks)
        return SketchedOperator(total.T, 0, s, operator.weights)

    owned = [sketch_layout.owned_rows(rank, communicator.size) for rank in range(communicator.size)]
    first, last = owned[communicator.rank]
    ends = [layout.bounds(block)[1] for block in layout.owned_blocks(communicator.rank, communicator.size)]

    def on_run(start, stop):
        for _ in range(sum(start < end <= stop for end in ends)):
            on_leaf()

    with communicator.together():
        sums = [np.zeros((s, panel.stop - panel.start)) for panel in panels] + [np.zeros((s, D))]
        _compress(operator, *layout.owned_rows(communicator.rank, communicator.size), s, panels, sums, threads, seed, on_run)
        transposed = np.empty((M + D, last - first))
    for rows in (*panels, slice(M, M + D)):
        transposed[rows] = communicator.sum_rows(sums.pop(0), [stop - start for start, stop in owned]).T
    return SketchedOperator(transposed, first, s, operator.weights)


def _compressed_elsewhere(operator, layout, s, panels, communicator, seed):
    """Return [ΩS | ΩF] (s, M + D) from those who read the samples, in blocks so long that their sums cost more to make than to add."""
    blocks = RowLayout(layout.rows, min(layout.blocks, max(1, layout.rows // (RUN * s))))

    def leaf(block):
        total = np.zeros((s, operator.columns + operator.rows_per_sample))
        sums = [*(total[:, panel] for panel in panels), total[:, operator.columns :]]
        _compress(operator, *blocks.bounds(block), s, panels, sums, 1, seed)
        return total

    return tree_reduce(communicator, blocks, leaf, add_in_place, name="sketch")


def _compress(operator, start, stop, s, panels, sums, threads, seed, on_run=lambda first, last: None):
    """Add to `sums`, an array (s, features) a panel and one (s, D), ΩS and ΩF of the samples [start, stop); on_run: after each run."""
    length = max(RUN * s, CHUNK)
    with ThreadPoolExecutor(threads) as pool:
        for first in range(start, stop, length):
            last = min(first + length, stop)
            run, omega = operator.loaded(first, last), sparse_sign_columns(first, last, s, seed)
            sums[-1] += omega @ run.targets(first, last)

            def add(panel, total, first=first, last=last, run=run, omega=omega):
                S = run.derivatives(first, last, panel, out=np.empty((last - first, panel.stop - panel.start)))
                total += omega @ S

            list(pool.map(add, panels, sums[:-1]))
            on_run(first, last)


def sparse_sign_columns(start, stop, s, seed):
    """Return the columns [start, stop) of Ω, a sparse (s, stop - start) matrix; the same for any cut of the samples into runs."""
    nonzeros = min(NONZEROS, s)
    parts = np.arange(nonzeros + 1) * s // nonzeros
    draws = np.concatenate(
        [
            random_stream(seed, "sketch", chunk).integers(2 * np.diff(parts), size=(CHUNK, nonzeros))
            for chunk in range(start // CHUNK, -(-stop // CHUNK))
        ]
    )[start - start // CHUNK * CHUNK :][: stop - start]
    rows, signs = (parts[:-1] + draws // 2).astype(np.int32), np.where(draws % 2, 1.0, -1.0) / np.sqrt(nonzeros)
    ends = np.arange(len(draws) + 1, dtype=np.int32) * nonzeros
    return csc_array((signs.ravel(), rows.ravel(), ends), shape=(s, len(draws)))
