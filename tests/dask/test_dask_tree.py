"""The tree of tasks against that of one process, for sums that no other order gives, and the tasks that it is made of."""

import dask
import dask.array as da
import numpy as np
import pytest
from dask.callbacks import Callback

from hnn_hpc.parallel.chunks import rows_at_hand
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.dask_rows import DaskCommunicator
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.parallel.tree import add_in_place, tree_reduce


class Keys(Callback):
    """The keys of the tasks that dask computes, of our own."""

    def __init__(self):
        self.found = []
        super().__init__(pretask=lambda key, dsk, state: self.found.append(str(key)))

    def of(self, kind):
        return [key for key in self.found if key.startswith(f"hnn-sum-{kind}")]


@pytest.fixture(params=[1, 3, 100])
def threads(request):
    """How many threads dask's tasks are made for."""
    with dask.config.set(num_workers=request.param):
        yield request.param


@pytest.mark.parametrize("blocks", [1, 2, 3, 5, 12, 37, 64])
def test_every_tree_gives_the_serial_bits(threads, blocks):
    rows = 10 * blocks + 3
    numbers = np.random.default_rng(blocks).standard_normal((rows, 3)) * 10.0 ** (np.arange(rows)[:, None] % 17)
    layout, arrays = RowLayout(rows, blocks), {"numbers": da.from_array(numbers, chunks=(7, -1))}

    def leaf_of(read):
        return lambda block: read(*layout.bounds(block)).sum(axis=0)

    expected = tree_reduce(SerialCommunicator(), layout, leaf_of(lambda start, stop: numbers[start:stop]), add_in_place)
    ticks = []
    with Keys() as keys:
        ours = tree_reduce(
            DaskCommunicator(None, arrays), layout, leaf_of(lambda *run: rows_at_hand(*run)[0]), add_in_place, 1, ticks.append, name="sum"
        )
    np.testing.assert_array_equal(ours, expected)
    assert sum(ticks) == blocks
    tasks = len(keys.of("block"))
    assert len(keys.of("merge")) == tasks - 1
    assert min(blocks, 4 * threads) <= tasks <= blocks  # small blocks share tasks, but not so many that threads go without
    assert (tasks < blocks) == (blocks >= 8 * threads)


def test_large_blocks_share_no_task():
    numbers, layout = np.ones((16 * 70_000, 4)), RowLayout(16 * 70_000, 16)
    with Keys() as keys, dask.config.set(num_workers=1):
        communicator = DaskCommunicator(None, {"numbers": da.from_array(numbers, chunks=(100_000, -1))})
        total = tree_reduce(communicator, layout, lambda block: rows_at_hand(*layout.bounds(block))[0].sum(axis=0), np.add, name="sum")
    assert total.tolist() == [16 * 70_000] * 4 and len(keys.of("block")) == 16


def test_leaves_that_are_no_samples_are_given_none(threads):
    communicator = DaskCommunicator(None, {"numbers": da.from_array(np.zeros((4, 2)))})
    total = tree_reduce(communicator, RowLayout(20, 20), lambda block: np.full(2, float(block)), np.add, name="sum", of_samples=False)
    assert total.tolist() == [190.0, 190.0]


@pytest.mark.parametrize("blocks", [1, 5, 64])
def test_parts_cover_every_row_in_order(threads, blocks):
    layout, numbers = RowLayout(200, blocks), np.arange(200.0)
    communicator = DaskCommunicator(None, {"numbers": da.from_array(numbers, chunks=33)})
    parts = communicator.gather_parts(layout, lambda start, stop: (start, stop, rows_at_hand(start, stop)[0].copy()), "sum")
    assert [start for start, _, _ in parts[1:]] == [stop for _, stop, _ in parts[:-1]]
    np.testing.assert_array_equal(np.concatenate([rows for _, _, rows in parts]), numbers)


def test_values_may_be_overwritten_although_they_are_merged_in_place():
    layout, kept = RowLayout(2, 2), [np.zeros(3), np.ones(3)]
    total = tree_reduce(DaskCommunicator(), layout, lambda block: kept[block], add_in_place, name="sum", of_samples=False)
    total += 1
    assert kept[0].tolist() == [0.0] * 3 and total.tolist() == [2.0] * 3
