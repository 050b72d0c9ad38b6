"""Ranks that are threads of one process: enough of mpi4py for an `MPICommunicator`, for tests of who does what on any number of ranks."""

import threading
from concurrent.futures import ThreadPoolExecutor

from hnn_hpc.parallel.communicator import MPICommunicator

SECONDS = 60  # that a rank waits for the others


class _Shared:
    def __init__(self, size):
        self.size, self.values, self.barrier = size, [None] * size, threading.Barrier(size, timeout=SECONDS)


class _Rank:
    """What mpi4py calls a communicator."""

    def __init__(self, shared, rank):
        self._shared, self._rank = shared, rank

    def Get_rank(self):
        return self._rank

    def Get_size(self):
        return self._shared.size

    def allgather(self, value):
        self._shared.values[self._rank] = value
        self._shared.barrier.wait()
        values = list(self._shared.values)
        self._shared.barrier.wait()
        return values

    def bcast(self, value, root):
        return self.allgather(value)[root]

    def Barrier(self):
        self._shared.barrier.wait()


def on_ranks(size, work):
    """Return the list of work(communicator) of so many ranks; an exception of one of them, the first that is not about a broken barrier."""
    shared = _Shared(size)

    def run(rank):
        try:
            return work(MPICommunicator(_Rank(shared, rank)))
        except BaseException as error:
            shared.barrier.abort()
            return error

    with ThreadPoolExecutor(size) as threads:
        results = list(threads.map(run, range(size)))
    errors = [result for result in results if isinstance(result, BaseException)]
    for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return results


def errors_on_ranks(size, work, kind):
    """Return the messages of the exceptions of this kind that work(communicator) raises on so many ranks, on all of them."""

    def caught(communicator):
        try:
            work(communicator)
        except kind as error:
            return str(error)
        raise AssertionError(f"rank {communicator.rank} went on")

    return on_ranks(size, caught)
