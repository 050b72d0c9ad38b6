"""Which parts of chunks a run of rows is made of, against slices of the rows themselves."""

from threading import Thread

import numpy as np
import pytest

from hnn_hpc.parallel.chunks import RowChunks, at_hand, rows_at_hand


@pytest.mark.parametrize("sizes", [(10,), (3, 4, 3), (0, 3, 0, 0, 7, 0), (1,) * 10])
def test_the_parts_of_every_run_are_its_rows(sizes):
    chunks, rows = RowChunks(sizes), np.arange(10)
    held = np.split(rows, np.cumsum(sizes)[:-1])
    assert chunks.rows == 10
    for start in range(11):
        for stop in range(start, 11):
            parts = chunks.parts(start, stop)
            assert all(first < last for _, first, last in parts)
            joined = [row for chunk, first, last in parts for row in held[chunk][first:last]]
            assert joined == rows[start:stop].tolist()
    assert all(row in held[chunks.chunk_of(row)] for row in rows)


def test_rows_at_hand_are_those_of_the_thread():
    points, found = np.arange(20.0).reshape(10, 2), {}

    def ask(first):
        with at_hand(first, [points + first, points[:, 0]]):
            found[first] = rows_at_hand(first + 2, first + 4)

    threads = [Thread(target=ask, args=(first,)) for first in (0, 100)]
    with at_hand(50, [points]):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        np.testing.assert_array_equal(rows_at_hand(50, 51)[0], points[:1])
        with pytest.raises(AssertionError):
            rows_at_hand(49, 51)
    for first, (rows, ones) in found.items():
        np.testing.assert_array_equal(rows, points[2:4] + first)
        np.testing.assert_array_equal(ones, points[2:4, 0])
