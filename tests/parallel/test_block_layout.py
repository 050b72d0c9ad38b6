"""Ownership and the merge tree are arithmetic: every block has one owner, every schedule ends in one root on rank 0."""

import math
import time
from itertools import pairwise

import pytest

from hnn_hpc.parallel.layout import BLOCK_FLOPS, BLOCK_ROWS, BLOCKS, RowLayout, merge_schedule, plan_layout, subtrees

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


@pytest.mark.parametrize("columns", [1, 2, 50, 1001, 10_000])
@pytest.mark.parametrize("rows_per_sample", [1, 4, 64, 1000, 60_000])
@pytest.mark.parametrize("samples", [1, 2, 3, 5, 47, 100, 999, 20_000, 10**6])
def test_planned_blocks_are_few_even_and_tall(samples, rows_per_sample, columns):
    layout = plan_layout(samples, columns, rows_per_sample)
    rows = samples * rows_per_sample
    assert layout.rows == samples and 1 <= layout.blocks <= samples
    if 2 * rows * columns**2 <= BLOCKS * BLOCK_FLOPS:
        assert layout.blocks in (1, 2, 4, 8, 16, 32, 64)
    assert layout.blocks == 1 or rows >= layout.blocks * columns * BLOCK_ROWS
    # And there are enough for a few ranks wherever they have work.
    assert layout.blocks >= min(BLOCKS, samples, rows / columns / BLOCK_ROWS) / 2


@pytest.mark.parametrize(
    "samples, columns, blocks", [(20_000, 2004, 4), (20_000, 1004, 8), (20_000, 104, 64), (10**6, 1020, 64), (100, 1000, 1)]
)
def test_planned_blocks_of_ordinary_problems(samples, columns, blocks):
    assert plan_layout(samples, columns) == RowLayout(samples, blocks)


def test_plan_counts_the_rows_of_a_sample():
    assert plan_layout(10**4, 501, rows_per_sample=20).blocks == plan_layout(2 * 10**5, 501).blocks == 64
    assert plan_layout(10**4, 501).blocks == 8


def test_blocks_of_huge_problems_stay_affordable_and_no_more_are_there_than_that_takes():
    before = 0
    for samples in [10**exponent for exponent in range(1, 12)]:
        layout = plan_layout(samples, 1001)
        flops = 2 * layout.largest_block * 1001**2
        assert layout.blocks >= before and flops <= 2.001 * BLOCK_FLOPS
        if layout.blocks > BLOCKS:
            assert layout.blocks % BLOCKS == 0 and flops > BLOCK_FLOPS / 2 and layout.largest_block >= BLOCK_ROWS * 1001
        before = layout.blocks
    assert before > 10**5


def test_blocks_stay_tall_whatever_they_take():
    layout = plan_layout(10**7, 10**4)
    assert layout == RowLayout(10**7, 256)
    assert 2 * layout.largest_block * 10**8 > BLOCK_FLOPS


def test_a_billion_samples_cost_no_more_to_share_out_than_a_thousand():
    start = time.process_time()
    layout = plan_layout(10**9, 501, rows_per_sample=4)
    owned = [layout.owned_blocks(rank, 96) for rank in range(96)]
    schedule = merge_schedule([subtrees(run, layout.blocks) for run in owned], layout.blocks)
    assert layout.bounds(layout.blocks - 1)[1] == 10**9 and owned[-1].stop == layout.blocks > BLOCKS
    assert len(schedule) < 96 * 2 * math.log2(layout.blocks)
    assert time.process_time() - start < 2  # 0.1 on an idle machine
