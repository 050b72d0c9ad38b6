"""Reduce one value a block to one value in all, over the fixed tree of `layout`.

The value of a node is combine(value of its left child, value of its right child). Which pairs meet never depends on the ranks or the
threads, so neither do the bits of the result, as long as `leaf` and `combine` are deterministic (hold BLAS to one thread).
"""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

from hnn_hpc.parallel.layout import merge_schedule, parent_of, promote, subtrees


def tree_reduce(communicator, layout, leaf, combine, threads=1, on_leaf=None):
    """Return the root's value on rank 0 and None on the others.

    Every rank passes the same arguments and reduces its own blocks first, at most 2 log2(blocks) values in memory a thread; then
    ranks send single values along the tree: log2(ranks) point-to-point messages on the longest path.

    Parameters: layout (RowLayout); leaf(block) -> float64 array, the same shape for every block; combine(left, right) -> array, may
    overwrite both; threads (int): blocks of this rank in work at once; on_leaf(): called after each block, from any thread.
    """
    owned = [layout.owned_blocks(rank, communicator.size) for rank in range(communicator.size)]
    with communicator.together():
        values = _reduce_own(owned[communicator.rank], layout.blocks, leaf, combine, threads, on_leaf or (lambda: None))
    for left, right, parent, left_rank, right_rank in merge_schedule([subtrees(run, layout.blocks) for run in owned], layout.blocks):
        if communicator.rank == right_rank != left_rank:
            communicator.send(values.pop(right), left_rank)
        elif communicator.rank == left_rank:
            right_value = values.pop(right) if left_rank == right_rank else communicator.receive(values[left], right_rank)
            values[parent] = combine(values.pop(left), right_value)
    return values.popitem()[1] if communicator.is_root else None


def _reduce_own(owned, leaves, leaf, combine, threads, on_leaf):
    """Return {node: value} for the nodes that the run of blocks `owned` reduces to, a contiguous part of the run a thread."""
    lanes = max(1, min(threads, len(owned)))
    parts = [owned[len(owned) * lane // lanes : len(owned) * (lane + 1) // lanes] for lane in range(lanes)]
    stop = Event()

    def reduce_part(part):
        stack = []
        try:
            for block in part:
                if stop.is_set():
                    break
                _push(stack, (promote((0, block), leaves), leaf(block)), leaves, combine)
                on_leaf()
        except BaseException:
            stop.set()
            raise
        return stack

    if lanes == 1:
        return dict(reduce_part(parts[0]))
    with ThreadPoolExecutor(lanes) as pool:
        try:
            stacks = list(pool.map(reduce_part, parts))
        except BaseException:
            stop.set()
            raise
    merged = []
    for item in (item for stack in stacks for item in stack):
        _push(merged, item, leaves, combine)
    return dict(merged)


def _push(stack, item, leaves, combine):
    """Append (node, value) and merge siblings on top of the stack, like the carry of a binary counter."""
    stack.append(item)
    while len(stack) > 1 and (parent := parent_of(stack[-2][0], stack[-1][0], leaves)):
        (_, left), (_, right) = stack[-2:]
        stack[-2:] = [(parent, combine(left, right))]
