"""Reduce one value a block to one value in all, over the fixed tree of `layout`.

The value of a node is combine(value of its left child, value of its right child). Which pairs meet never depends on the ranks or the
threads, so neither do the bits of the result, as long as `leaf` and `combine` are deterministic (hold BLAS to one thread). Nor do they
depend on where the value of a node comes from: computed a moment ago, or by an earlier run and kept in a checkpoint.
"""

from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from threading import Event, Lock

from hnn_hpc.errors import Interruption
from hnn_hpc.parallel.checkpoint import NoCheckpoint
from hnn_hpc.parallel.layout import merge_schedule, merge_top, starting_nodes, subtrees

GLANCE = 0.1  # seconds between two looks at the clock and at signals, while the threads compute


def tree_reduce(
    communicator, layout, leaf, combine, threads=1, on_leaf=None, checkpoint=None, combine_alone=None, *, name="reduce", of_samples=True
):
    """Return the root's value on rank 0 and None on the others.

    Every rank passes the same arguments and reduces its own blocks first, at most 2 log2(blocks) values in memory a thread; then
    ranks send single values along the tree: log2(ranks) point-to-point messages on the longest path.

    Parameters: layout (RowLayout); leaf(block) -> float64 array, of any number of rows and one shape otherwise; combine(left, right) ->
    array, may overwrite both; threads (int): blocks of this rank in work at once; on_leaf(n=1): called after each block, from any thread,
    and once for the n blocks that a checkpoint spares; checkpoint: see `NoCheckpoint`. Each rank saves the nodes of its own blocks when it
    is due, while the threads compute, and at an interruption, which is raised as `Interruption` on all ranks. combine_alone: what takes the
    place of combine while no more than one thread of a rank has work, bit for bit the same, so that it may use them all; name: what is
    computed, in a word or two joined by "-"; of_samples: whether the leaves are blocks of samples, of which each reads its own.

    Where the communicator has others do the work, leaf and combine are sent to them: pure functions, which need no more than these samples.
    """
    checkpoint, on_leaf, blocks = checkpoint or NoCheckpoint(), on_leaf or (lambda n=1: None), layout.blocks
    if not communicator.reads_samples:
        value = communicator.reduce(layout, leaf, combine, name, of_samples)
        on_leaf(blocks)
        return value
    combine_alone = combine_alone or combine
    owned = [layout.owned_blocks(rank, communicator.size) for rank in range(communicator.size)]
    with communicator.together():
        values = _Lanes(owned[communicator.rank], blocks, leaf, combine, threads, on_leaf, checkpoint, combine_alone).reduce()
    if checkpoint.interrupted_anywhere(communicator):
        checkpoint.save_nodes(values.items())
        checkpoint.settle(communicator)
        raise Interruption
    for left, right, parent, left_rank, right_rank in merge_schedule([subtrees(run, blocks, checkpoint.nodes) for run in owned], blocks):
        if communicator.rank == right_rank != left_rank:
            communicator.send(values.pop(right), left_rank)
        elif communicator.rank == left_rank:
            right_value = values.pop(right) if left_rank == right_rank else communicator.receive(values[left], right_rank)
            values[parent] = combine_alone(values.pop(left), right_value)
    return values.popitem()[1] if communicator.is_root else None


def add_in_place(left, right):
    """Return left + right, written over left: a `combine` for sums."""
    left += right
    return left


class _Lanes:
    """The blocks of a rank, a contiguous part of them a thread, and for each thread the stack of nodes that it has reduced so far.

    A thread computes a leaf without its lock and merges with it, so whoever holds the lock finds values on the stack that nobody changes.
    """

    def __init__(self, owned, leaves, leaf, combine, threads, on_leaf, checkpoint, combine_alone):
        self._leaves, self._leaf, self._on_leaf, self._checkpoint = leaves, leaf, on_leaf, checkpoint
        self._combine, self._combine_alone = combine, combine_alone
        nodes = starting_nodes(owned, leaves, checkpoint.nodes)
        to_compute = [number for number, (_, block) in enumerate(nodes) if block is not None]
        self._spared = len(owned) - len(to_compute)
        lanes = max(1, min(threads, len(to_compute)))
        if lanes == 1:
            self._combine = combine_alone
        edges = [0, *(to_compute[len(to_compute) * lane // lanes] for lane in range(1, lanes)), len(nodes)]
        self._parts = [nodes[edges[lane] : edges[lane + 1]] for lane in range(lanes)]
        self._stacks, self._locks = [[] for _ in self._parts], [Lock() for _ in self._parts]
        self._stop = Event()

    def reduce(self):
        """Return {node: value} for the nodes that the blocks reduce to; after an interruption for those that there are."""
        if self._spared:
            self._on_leaf(self._spared)
        if len(self._parts) == 1 and not self._checkpoint.is_kept:  # here, where a signal ends it at once
            self._reduce_part(self._parts[0], self._stacks[0], self._locks[0])
            return dict(self._stacks[0])
        with ThreadPoolExecutor(len(self._parts)) as pool:
            running = [pool.submit(self._reduce_part, *lane) for lane in zip(self._parts, self._stacks, self._locks, strict=True)]
            try:
                while wait(running, GLANCE, FIRST_EXCEPTION).not_done and not self._stop.is_set():
                    self._save_if_due(zip(self._stacks, self._locks, strict=True))
            except BaseException:
                self._stop.set()
                raise
        for lane in running:
            lane.result()
        merged = []
        for stack in self._stacks:
            while stack:
                merged.append(stack.pop(0))
                if not self._checkpoint.interrupted:
                    self._merge_top(merged, self._combine_alone)
        self._save_if_due([(merged, Lock())])
        return dict(merged)

    def _reduce_part(self, part, stack, lock):
        try:
            for node, block in part:
                if self._stop.is_set() or self._checkpoint.interrupted:
                    break
                value = self._checkpoint.load_node(node) if block is None else self._leaf(block)
                with lock:
                    stack.append((node, value))
                    del value  # merged, it is in nobody's way while the next leaf is computed
                    self._merge_top(stack, self._combine)
                if block is not None:
                    self._on_leaf()
        except BaseException:
            self._stop.set()
            raise

    def _merge_top(self, stack, combine):
        merge_top(stack, self._leaves, lambda parent, left, right: combine(left, right))

    def _save_if_due(self, stacks_and_locks):
        if self._checkpoint.is_due():
            for stack, lock in stacks_and_locks:
                with lock:
                    self._checkpoint.save_nodes(stack)
