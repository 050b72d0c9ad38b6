"""What a task of dask does where it runs: rows of a block out of their chunks, the leaf of a reduction, a merge. Imports no dask."""

from dataclasses import dataclass

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.parallel.chunks import at_hand
from hnn_hpc.parallel.heap import keeping_freed_memory
from hnn_hpc.parallel.layout import merge_top, starting_nodes
from hnn_hpc.parallel.threads import single_threaded_blas
from hnn_hpc.version import __version__


@dataclass(frozen=True)
class Work:
    """The functions of a pass. They travel as bytes, for arrays that travel by themselves may arrive unaligned."""

    leaf: object
    combine: object = None

    def pickled(self):
        """Return them as bytes."""
        import cloudpickle

        return cloudpickle.dumps((self.leaf, self.combine), protocol=4)

    def __reduce__(self):
        return unpickled, (self.pickled(), versions())


def unpickled(functions, sent_by):
    """Return the `Work` in pickled functions; `UserError` where their sender has other versions of what decides the bits."""
    import cloudpickle

    if sent_by != versions():
        told = ", ".join(f"{name} {version}" for name, version in versions().items())
        expected = ", ".join(f"{name} {version}" for name, version in sent_by.items())
        raise UserError(f"a worker of dask has {told}; expected {expected}, as in the process that calls fit: install the same on both")
    return Work(*cloudpickle.loads(functions))


def versions():
    """Return the versions, by name, of what decides the bits."""
    return {"hnn-hpc": __version__, "numpy": np.__version__}


@dataclass(frozen=True)
class AtBounds:
    """What is computed of a run of blocks at once: function(start, stop) of its rows."""

    function: object


@dataclass(frozen=True)
class Chunk:
    """Rows of a chunk: of the column `name`, its number, its first global row, the shape that it should have, and which of its rows."""

    name: str
    number: int
    first: int
    shape: tuple
    rows: slice

    def cut(self, values):
        """Return these rows as float64; `UserError` where the chunk is not what its dask array says."""
        which = f"chunk {self.number} of {self.name}, which begins with row {self.first},"
        if np.ma.is_masked(values):
            raise UserError(f"{which} has masked values; expected numbers: leave these rows out, or fill them")
        values = _as_array(values)
        if values.shape != self.shape or values.dtype.kind not in "iuf":
            raise UserError(
                f"{which} has shape {values.shape}, dtype {values.dtype}; expected real numbers of shape {self.shape}, as the dask array "
                "says: repair the function that makes the chunk"
            )
        part = values[self.rows]
        return part.astype(np.float64, copy=len(part) < len(values))  # a part that is a view would keep the whole chunk in memory


def run_blocks(work, layout, run, start, columns):
    """Return the value of a run of blocks, those that one node of the tree covers.

    columns: those of the samples, each a list of parts (Chunk, or None where it is cut already; rows).
    """
    joined = []
    for parts in columns:
        arrays = [rows if chunk is None else chunk.cut(rows) for chunk, rows in parts]
        joined.append(np.require(arrays[0] if len(arrays) == 1 else np.concatenate(arrays), requirements="CA"))
    with single_threaded_blas(), keeping_freed_memory(), at_hand(start, joined):
        if isinstance(work.leaf, AtBounds):
            return work.leaf.function(start, layout.bounds(run[-1])[1])
        stack = []
        for node, block in starting_nodes(run, layout.blocks):
            stack.append((node, work.leaf(block)))
            merge_top(stack, layout.blocks, lambda parent, left, right: work.combine(left, right))
    [(_, value)] = stack
    return value


def merge_values(work, left, right):
    """Merge two values of a pass: copies of them, for `combine` may overwrite its arguments, and dask may want these again."""
    with single_threaded_blas(), keeping_freed_memory():
        return work.combine(copied(left), copied(right))


def copied(array):
    """Return a copy with the same order in memory."""
    return np.array(array, order="K")


def rows_of(name, number, chunk):
    """Return how many rows a chunk has; `UserError` where it has none."""
    shape = np.shape(_as_array(chunk))
    if not shape:
        raise UserError(f"chunk {number} of {name} is a {type(chunk).__name__}; expected rows of numbers: repair what makes it")
    return shape[0]


def _as_array(values):
    """Return values as an array; one without dimensions where they are no array."""
    try:
        return np.asarray(values)
    except ValueError:  # rows of different lengths
        return np.array(None)
