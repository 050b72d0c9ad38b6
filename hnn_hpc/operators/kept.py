"""σ' in memory, as far as a budget of bytes goes, for solvers that pass over the same samples many times.

Reading σ' back costs 8 bytes of memory traffic a value, about 1 ns, where computing it costs several; the products are bitwise the same.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from hnn_hpc.operators.gradient import GradientOperator


class KeptGradientOperator(GradientOperator):
    """A `GradientOperator` that holds S of the samples [first, first + len(kept)) and computes it for those after them.

    Parameters: feature_map, source and rows_of as there; kept (samples, M), C-contiguous; first (int).
    """

    def __init__(self, feature_map, source, kept, first, rows_of=None):
        super().__init__(feature_map, source, rows_of)
        self.kept, self.first = kept, first

    def derivatives(self, start, stop, features, out):
        """Write S of the run for a slice of the features into out (B, features), C-contiguous; return out."""
        at = start - self.first
        known = max(0, min(stop - self.first, len(self.kept)) - at)
        out[:known] = self.kept[at : at + known, features]
        super().derivatives(start + known, stop, features, out[known:])
        return out

    def _derivative(self, start, points, out):
        at = start - self.first
        if at + len(points) <= len(self.kept):
            return self.kept[at : at + len(points)]
        return super()._derivative(start, points, out)


def keep_derivatives(operator, layout, communicator, budget, threads=1, on_leaf=None):
    """Return the `KeptGradientOperator` that holds S of this rank's samples, as many as `budget` bytes allow. Collective.

    8 M bytes a sample; one evaluation of σ' for them. Each rank may pass another budget.

    Parameters: operator (GradientOperator), layout (RowLayout): which samples are whose, and the runs of later products; on_leaf(): called
    after each block, from any thread.
    """
    blocks = layout.owned_blocks(communicator.rank, communicator.size)
    first, last = layout.owned_rows(communicator.rank, communicator.size)
    end = min(last, first + budget // (8 * operator.columns))

    def fill(block):
        start, stop = layout.bounds(block)
        for piece, S in operator.pieces(start, operator.points(start, max(start, min(stop, end)))):
            kept[start - first : stop - first][piece] = S
        if on_leaf:
            on_leaf()

    with communicator.together():
        for block in blocks:
            start, stop = layout.bounds(block)
            if start < end < stop:  # whole pieces only
                end = start + (end - start) // operator.piece_samples * operator.piece_samples
        kept = np.empty((end - first, operator.columns))
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, blocks))
    return KeptGradientOperator(operator.feature_map, operator.source, kept, first, operator.rows_of)
