"""Reductions over the tree of `layout` as tasks of dask, on its threads or on a cluster; everything else stays in the user's process.

A pass over the samples is one task a block, or for several small ones, and one a merge, over the very tree of `layout`, so that its value
has the bits that ranks and threads give.
Nothing but values of the tree goes from task to task. What the leaves need besides samples is a task too, which each worker has once.
This module and `dask_client` alone import dask, and only where it is used; `dask_work` is what the tasks do.
"""

import sys
from dataclasses import dataclass
from functools import cached_property
from uuid import uuid4

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.parallel.chunks import RowChunks
from hnn_hpc.parallel.communicator import SerialCommunicator, available_cores
from hnn_hpc.parallel.dask_client import checked_client, client_in_use, computed_on_cluster
from hnn_hpc.parallel.dask_work import AtBounds, Chunk, Work, copied, merge_values, rows_of, run_blocks, unpickled, versions
from hnn_hpc.parallel.layout import leaves_of, merge_top, promote
from hnn_hpc.parallel.threads import single_threaded_blas

# Small blocks share a task, up to so many samples, as long as each thread has so many tasks; a task costs a millisecond or two.
SMALL, TASKS = 4096, 4


def is_dask_array(value):
    """Return whether a value is a dask array; imports nothing, for there is none unless somebody else did."""
    return "dask.array" in sys.modules and isinstance(value, sys.modules["dask.array"].Array)


class DaskCommunicator(SerialCommunicator):
    """One rank, whose passes over the samples are tasks of dask.

    client: of `distributed`, or None for the scheduler that dask is set to; arrays: the columns of the samples by name, dask arrays in
    chunks of whole rows, in the order in which tasks are given the rows of their block; none where the workers read for themselves.
    Where the sizes of chunks are unknown, these are computed once, to count their rows.
    A copy that is sent along with what a task computes is a plain serial communicator.
    """

    reads_samples = False

    def __init__(self, client=None, arrays=None):
        self._client = checked_client(client_in_use() if client is None else client)
        self.arrays = self._with_known_rows(_optimized(arrays or {}))

    def __reduce__(self):
        return SerialCommunicator, ()

    @cached_property
    def chunks(self):
        """By name of the column the `RowChunks` it lies in."""
        return {name: RowChunks(array.chunks[0]) for name, array in self.arrays.items()}

    def reduce(self, layout, leaf, combine, name, of_samples=True):
        """Return the root of the tree of `layout`, see `parallel.tree.tree_reduce`; the array is the caller's to overwrite."""
        [value] = self._computed(Work(leaf, combine), lambda sent, label: [self._root_task(sent, layout, label, of_samples)], name)
        return value if value.flags.writeable and value.flags.aligned else copied(value)

    def reduce_later(self, layout, leaf, combine, name, then):
        """Return then(the root of the tree) as a `dask.delayed.Delayed`: nothing is computed yet."""
        label = _labels(name)
        sent = _functions_task(Work(leaf, combine).pickled(), label)
        return _delayed(then)(self._root_task(sent, layout, label), dask_key_name=label("result", "of-all"))

    def gather_parts(self, layout, part_of, name):
        """Return the list of part_of(start, stop) of all blocks."""

        def tasks(sent, label):
            return [self._run_task(sent, layout, run, label) for _, run in self._runs(layout)]

        return self._computed(Work(AtBounds(part_of)), tasks, name)

    def _root_task(self, sent, layout, label, of_samples=True):
        stack = []

        def merge(parent, left, right):
            level, index = parent
            return _delayed(merge_values)(sent, left, right, dask_key_name=label("merge", f"{index}-of-level-{level}"))

        for node, run in self._runs(layout, of_samples):
            stack.append((node, self._run_task(sent, layout, run, label, of_samples)))
            merge_top(stack, layout.blocks, merge)
        [(_, root)] = stack
        return root

    def _runs(self, layout, of_samples=True):
        """Return the list of (node, the range of blocks that it covers), which a pass has a task for: a block, or several small ones.

        Which of them share a task is of no matter to the bits, for they are merged by the same tree in it.
        """
        level = 0
        while of_samples and layout.blocks >> (level + 1) >= TASKS * self._threads and layout.largest_block << (level + 1) <= SMALL:
            level += 1
        nodes = [promote((level, index), layout.blocks) for index in range(-(-layout.blocks >> level))]
        return [(node, leaves_of(node, layout.blocks)) for node in nodes]

    @property
    def _threads(self):
        """How many threads dask has for tasks; those of a cluster so far."""
        if self._client is not None:
            return max(1, sum(self._client.nthreads().values()))
        import dask

        return dask.config.get("num_workers", None) or len(available_cores())

    def _run_task(self, sent, layout, run, label, of_samples=True):
        start, stop = layout.bounds(run[0])[0], layout.bounds(run[-1])[1]
        columns = [self._parts(name, start, stop, label) for name in self.arrays] if of_samples else []
        key = label("block", f"{run[0]}-of-{layout.blocks}" if len(run) == 1 else f"{run[0]}-to-{run[-1]}-of-{layout.blocks}")
        return _delayed(run_blocks)(sent, layout, run, start, columns, dask_key_name=key)

    def _parts(self, name, start, stop, label):
        """Return the rows [start, stop) of a column as a list of (Chunk, its rows, or a task that cuts some of them out)."""
        array, chunks, columns = self.arrays[name], self.chunks[name], []
        for number, first, last in chunks.parts(start, stop):
            chunk = Chunk(name, number, chunks.edges[number], (chunks.sizes[number], *array.shape[1:]), slice(first, last))
            rows = self._chunk_tasks[name][number]
            if last - first < chunks.sizes[number]:
                key = label(name, f"{chunk.first + first}-to-{chunk.first + last}")
                rows = _delayed(chunk.cut)(rows, dask_key_name=key)
                chunk = None
            columns.append((chunk, rows))
        return columns

    @cached_property
    def _chunk_tasks(self):
        """By name of the column the tasks of its chunks."""
        return {name: _chunk_tasks_of(array) for name, array in self.arrays.items()}

    def _with_known_rows(self, arrays):
        unknown = {name: _chunk_tasks_of(array) for name, array in arrays.items() if np.isnan(array.chunks[0]).any()}
        if not unknown:
            return arrays

        def tasks(sent, label):
            return [
                _delayed(rows_of)(name, number, chunk, dask_key_name=label(name, f"chunk-{number}"))
                for name, chunks in unknown.items()
                for number, chunk in enumerate(chunks)
            ]

        import dask.array as da

        counts = iter(self._computed(Work(None), tasks, "count"))
        sizes = {name: tuple(next(counts) for _ in chunks) for name, chunks in unknown.items()}
        known = {name: da.Array(a.dask, a.name, (sizes[name], *a.chunks[1:]), dtype=a.dtype) for name, a in arrays.items() if name in sizes}
        return arrays | known

    def _computed(self, work, tasks, name):
        """Return the values of the list tasks(what stands for work, label); label(kind, which) gives a task its key."""
        label = _labels(name)
        if self._client is None:
            import dask

            return list(dask.compute(*tasks(work, label)))
        functions = work.pickled()
        return computed_on_cluster(self._client, tasks(_functions_task(functions, label), label), name, len(functions))


def map_points(function, points, drops_coordinates=False):
    """Return function(points) of a dask array (..., D) as another one, computed chunk by chunk when somebody asks for it.

    function: a named one, takes and returns arrays of any number of points, the coordinates last; drops_coordinates: it returns one number
    a point.
    """
    from dask.base import tokenize

    if points.numblocks[-1] > 1:
        last = points.ndim - 1
        raise UserError(f"the coordinates of a point must lie in one chunk; there are {points.numblocks[-1]}: use rechunk({{{last}: -1}})")
    dimensions = points.ndim - drops_coordinates
    how = {"drop_axis": points.ndim - 1} if drops_coordinates else {}
    name = f"hnn-{function.__name__.replace('_', '-')}-{tokenize(function, points)}"
    return points.map_blocks(_OneThread(function), name=name, dtype=np.float64, meta=np.empty((0,) * dimensions), **how)


@dataclass(frozen=True)
class _OneThread:
    """A function that has BLAS held to one thread, for dask computes many chunks at once."""

    function: object

    def __call__(self, points):
        with single_threaded_blas():
            return self.function(points)


def _labels(name):
    """Return a label(kind, which) that gives the tasks of one pass keys that no others have."""
    token = uuid4().hex[:8]
    return lambda kind, which: f"hnn-{name}-{kind}-{which}-{token}"


def _functions_task(functions, label):
    """Return the task of which the other tasks of a pass have its functions, so that these too are made again where they are lost."""
    return _delayed(unpickled)(functions, versions(), dask_key_name=label("functions", "of-all"))


def _delayed(function):
    from dask import delayed

    return delayed(function, pure=False, traverse=True)


def _optimized(arrays):
    """Return dask arrays, by name, of one graph, optimized as a whole, so that what several of them are made of is made once a pass."""
    import dask.array as da
    from dask.highlevelgraph import HighLevelGraph

    for name, array in arrays.items():
        if not hasattr(array, "to_delayed"):
            raise UserError(f"{name} is an array expression of dask; set the option array.query-planning of dask to False")
    keys = [array.__dask_keys__() for array in arrays.values()]
    graph = da.Array.__dask_optimize__(HighLevelGraph.merge(*(array.dask for array in arrays.values())), keys) if arrays else {}
    return {name: da.Array(graph, array.name, array.chunks, dtype=array.dtype) for name, array in arrays.items()}


def _chunk_tasks_of(array):
    """Return the tasks of the chunks of rows, in order."""
    return array.to_delayed(optimize_graph=False).ravel()
