"""Samples read into memory once, for solves that read them many times over."""

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.samples import ArraySamples, SystemSamples, loaded
from hnn_hpc.systems import make_system

COUNT, BYTES = 101, 101 * 4 * 16  # of points and velocities of two degrees of freedom


class Recording(SystemSamples):
    """Samples that remember which rows were read."""

    def read(self, start, stop):
        self.__dict__.setdefault("rows", []).append((start, stop))
        return super().read(start, stop)


class TwoRanks(SerialCommunicator):
    """One of two ranks, as far as the layout goes."""

    size = 2

    def __init__(self, rank):
        self.rank = rank


def source(kind=SystemSamples):
    return kind(make_system("henon-heiles", {}), COUNT, seed=3)


@pytest.mark.parametrize("blocks", [1, 4, 101])
def test_loaded_samples_are_those_of_the_source(blocks):
    samples, layout = source(Recording), RowLayout(COUNT, blocks)
    found = loaded(samples, layout, SerialCommunicator(), BYTES)
    assert isinstance(found, ArraySamples) and (found.count, found.first) == (COUNT, 0)
    assert samples.rows == [layout.bounds(block) for block in range(blocks)]  # each once, block by block
    for start, stop in ((0, COUNT), (17, 18), (60, 60)):
        for mine, theirs in zip(found.read(start, stop)[:2], source().read(start, stop)[:2], strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_loads_its_own_rows_alone(rank):
    layout = RowLayout(COUNT, 6)
    first, last = layout.owned_rows(rank, 2)
    found = loaded(source(), layout, TwoRanks(rank), BYTES)
    assert (found.first, len(found.points), found.count) == (first, last - first, COUNT) and 0 < last - first < COUNT
    np.testing.assert_array_equal(found.read(first, last).velocities, source().read(first, last).velocities)


def test_what_does_not_fit_or_is_there_already_stays_as_it_is():
    samples, layout = source(Recording), RowLayout(COUNT, 2)
    assert loaded(samples, layout, SerialCommunicator(), BYTES - 1) is samples and "rows" not in samples.__dict__
    arrays = ArraySamples(*source().read(0, COUNT), COUNT)
    assert loaded(arrays, layout, SerialCommunicator(), 10 * BYTES) is arrays


def test_an_error_of_reading_is_the_users():
    class Broken(SystemSamples):
        def read(self, start, stop):
            raise UserError("row 7 is damaged")

    with pytest.raises(UserError, match="row 7 is damaged"):
        loaded(source(Broken), RowLayout(COUNT, 2), SerialCommunicator(), BYTES)
