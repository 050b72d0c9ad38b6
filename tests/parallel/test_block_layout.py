"""Ownership and the merge tree are arithmetic: every block has one owner, every schedule ends in one root on rank 0."""

from itertools import pairwise

import pytest

from hnn_hpc.parallel.layout import RowLayout, merge_schedule, plan_layout, subtrees

COUNTS = [1, 2, 3, 5, 8, 12, 13, 31, 64, 65]


@pytest.mark.parametrize("blocks", COUNTS)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 80])
def test_blocks_are_dealt_once_and_in_order(blocks, size):
    layout = RowLayout(1000, blocks)
    owned = [layout.owned_blocks(rank, size) for rank in range(size)]
    assert [block for run in owned for block in run] == list(range(blocks))
    assert len(owned[0]) > 0
    assert max(map(len, owned)) - min(map(len, owned)) <= 1
    rows = [layout.owned_rows(rank, size) for rank in range(size)]
    assert rows[0][0] == 0 and rows[-1][1] == 1000
    assert all(before[1] == after[0] for before, after in pairwise(rows))


@pytest.mark.parametrize("blocks", COUNTS)
def test_bounds_cover_all_rows_evenly(blocks):
    layout = RowLayout(1003, blocks)
    bounds = [layout.bounds(block) for block in range(blocks)]
    assert bounds[0][0] == 0 and bounds[-1][1] == 1003
    assert all(before[1] == after[0] for before, after in pairwise(bounds))
    sizes = [stop - start for start, stop in bounds]
    assert max(sizes) - min(sizes) <= 1 and max(sizes) == layout.largest_block


def merged_order(blocks, size):
    """Run the schedule on texts: the bracketing of the leaves that reaches rank 0."""
    layout = RowLayout(blocks, blocks)
    owned = [layout.owned_blocks(rank, size) for rank in range(size)]
    values = {}
    for run in owned:
        serial = {}
        for leaf in run:
            serial[leaf] = str(leaf)
        for node in subtrees(run, blocks):
            level, index = node
            values[node] = bracket(range(index << level, min((index + 1) << level, blocks)), serial)
    for left, right, parent, _, _ in merge_schedule([subtrees(run, blocks) for run in owned], blocks):
        values[parent] = f"({values.pop(left)} {values.pop(right)})"
    assert len(values) == 1
    return values.popitem()[1]


def bracket(leaves, names):
    """The oracle: split at the largest power of two below the number of leaves."""
    if len(leaves) == 1:
        return names[leaves[0]]
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return f"({bracket(leaves[:half], names)} {bracket(leaves[half:], names)})"


@pytest.mark.parametrize("blocks", COUNTS)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 70])
def test_every_rank_count_merges_the_same_tree(blocks, size):
    assert merged_order(blocks, size) == bracket(range(blocks), [str(leaf) for leaf in range(blocks)])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 9])
def test_the_root_ends_on_rank_zero(size):
    layout = RowLayout(100, 7)
    nodes = [subtrees(layout.owned_blocks(rank, size), 7) for rank in range(size)]
    holder = {node: rank for rank, owned in enumerate(nodes) for node in owned}
    for left, right, parent, left_rank, right_rank in merge_schedule(nodes, 7):
        assert holder.pop(left) == left_rank and holder.pop(right) == right_rank
        holder[parent] = left_rank
    assert list(holder.values()) == [0]


def test_plan_keeps_blocks_tall_bounded_and_even():
    assert plan_layout(20_000, 2004) == RowLayout(20_000, 8)
    large = plan_layout(10**6, 1020)
    assert large.blocks % 12 == 0 and 1020 <= large.largest_block <= 4 * 1020
    assert plan_layout(100, 1000) == RowLayout(100, 1)
    assert 8 * 1001 * plan_layout(10**6, 1001, block_bytes=2**20).largest_block <= 2**20
    assert plan_layout(5, 1001, block_bytes=1) == RowLayout(5, 5)


def test_plan_counts_the_rows_of_a_sample():
    layout = plan_layout(10**5, 501, rows_per_sample=20)
    assert 501 <= 20 * layout.largest_block <= 4 * 501 + 20
