"""The tree reduction on threads; tests/mpi runs it on ranks."""

import threading

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.parallel.communicator import SerialCommunicator, as_communicator
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.parallel.threads import available_threads
from hnn_hpc.parallel.tree import tree_reduce


def test_threads_merge_the_same_pairs():
    # The sum of these depends on the order of additions, so equal bits mean an equal tree.
    numbers = np.random.default_rng(1).standard_normal(37) * 10.0 ** np.arange(37)
    sums = [
        tree_reduce(SerialCommunicator(), RowLayout(37, 37), lambda block: numbers[block : block + 1].copy(), np.add, threads)
        for threads in (1, 2, 3, 5, 64)
    ]
    assert all(np.array_equal(sums[0], other) for other in sums[1:])
    assert sums[0] == pytest.approx(numbers.sum(), rel=1e-9)
    assert sums[0] != sum(numbers[::-1])


def test_a_failing_leaf_stops_the_other_threads():
    done = []

    def leaf(block):
        if block == 50:
            raise UserError("row 7 is bad")
        done.append(block)
        return np.zeros(1)

    with pytest.raises(UserError, match="row 7 is bad"):
        tree_reduce(SerialCommunicator(), RowLayout(100, 100), leaf, np.add, threads=2)
    assert threading.active_count() == 1


def test_progress_counts_every_block():
    ticks = []
    tree_reduce(SerialCommunicator(), RowLayout(9, 9), lambda block: np.zeros(1), np.add, 2, lambda: ticks.append(1))
    assert len(ticks) == 9


def test_thread_count_follows_the_variable(monkeypatch):
    monkeypatch.setenv("HNN_HPC_THREADS", "7")
    assert available_threads(SerialCommunicator()) == 7
    monkeypatch.setenv("HNN_HPC_THREADS", "none")
    with pytest.raises(UserError, match=r"HNN_HPC_THREADS must be a whole number of threads, 1 or more; it is 'none'"):
        available_threads(SerialCommunicator())
    monkeypatch.delenv("HNN_HPC_THREADS")
    assert available_threads(SerialCommunicator()) >= 1


def test_only_communicators_are_communicators():
    with pytest.raises(UserError, match=r"comm must be None or a communicator of mpi4py.*got int"):
        as_communicator(3)
