"""A function of many starts, spread over ranks so that their number changes no bit of the answer."""

import hashlib

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.parallel.threads import single_threaded_blas
from hnn_hpc.progress import stage

# Of a block. A product of matrices may round a row differently beside other rows, so blocks are the same on any number of ranks. Enough
# starts that the calls of numpy do not matter, few enough that there are blocks for all ranks.
STARTS_PER_BLOCK = 8


def map_starts(compute, starts, communicator, progress=None, name="predict"):
    """Return compute(starts), with the starts (T, D) in fixed blocks of rows, on every rank. Collective.

    Every rank passes all the starts, computes its own blocks, a run of them, and gets the answer for all by one all-gather. `compute`
    returns an array (B, ...) for B starts, or a tuple of such arrays, and does not communicate.
    Errors: what `compute` raises on any rank is raised on all, a `UserError` with the numbers of the starts it is about; `UserError` where
    the ranks pass different starts.
    """
    starts = np.ascontiguousarray(starts, dtype=float)
    communicator.agree("the starts of a prediction", (starts.shape, hashlib.sha256(starts.tobytes()).hexdigest()))
    layout = RowLayout(len(starts), max(1, -(-len(starts) // STARTS_PER_BLOCK)))
    own = layout.owned_blocks(communicator.rank, communicator.size)

    def compute_part(first, last):
        parts = []
        with stage(progress, name, len(own)) as on_block, single_threaded_blas():
            for start, stop in map(layout.bounds, own):
                assert first <= start <= stop <= last
                parts.append(_told_of(compute, starts, start, stop))
                on_block()
        return parts

    parts = [part for parts in communicator.gather_parts(layout, compute_part, "predict") for part in parts]
    if isinstance(parts[0], tuple):
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return np.concatenate(parts)


def _told_of(compute, starts, start, stop):
    try:
        return compute(starts[start:stop])
    except UserError as error:
        if stop - start == len(starts):
            raise
        raise UserError(f"among the starts {start} to {stop - 1}, counted from their first: {error}") from None
