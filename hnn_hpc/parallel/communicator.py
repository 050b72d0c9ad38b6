"""One rank or many behind the same few methods, so that everything above is written once.

`SerialCommunicator` needs no MPI; `MPICommunicator` wraps a communicator of mpi4py. Only the command line names the world communicator.
`dask_rows.DaskCommunicator` is a serial one whose passes over the samples are carried out elsewhere, by tasks.
"""

import os
from contextlib import contextmanager
from functools import cached_property
from math import prod

import numpy as np

from hnn_hpc.errors import HnnError, Interruption, OutputError, UserError

# Of our messages, on a communicator that may be the user's.
TAG = 24117


class SerialCommunicator:
    """The communicator of a program that runs alone.

    reads_samples: whether the ranks themselves read the samples that they own. One that has others read them has a method reduce(layout,
    leaf, combine, name, of_samples), see `tree.tree_reduce`, and is of size 1.
    """

    rank, size, is_root = 0, 1, True
    reads_samples = True

    def broadcast(self, value):
        return value

    def broadcast_array(self, array, shape):
        return array

    def all_gather(self, value):
        return [value]

    def gather_parts(self, layout, part_of, name):
        return [part_of(0, layout.rows)]

    def exchange_rows(self, rows, counts, coming=None):
        return rows

    def all_gather_rows(self, rows, counts):
        return rows

    def sum_rows(self, array, counts):
        return array

    def agree(self, what, value):
        pass

    def barrier(self):
        pass

    def abort(self, code):
        raise SystemExit(code)

    @contextmanager
    def together(self):
        yield

    @property
    def of_mpi4py(self):
        """The same for libraries that want a communicator of mpi4py; starts MPI. `ImportError` or `RuntimeError` where there is none."""
        from mpi4py import MPI

        return MPI.COMM_SELF

    @cached_property
    def node_cores(self):
        """(cores, ranks): the cores that the ranks of this node may use between them, and the number of those ranks."""
        return len(available_cores()), 1


class MPICommunicator:
    """A communicator of mpi4py. Its collectives are collective here too: every rank calls them, in the same order."""

    reads_samples = True

    def __init__(self, comm):
        self._comm = comm
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self.is_root = self.rank == 0

    @property
    def of_mpi4py(self):
        """The communicator of mpi4py."""
        return self._comm

    def broadcast(self, value):
        """Return root's value, anything that pickles, on every rank."""
        return self._comm.bcast(value, root=0)

    def broadcast_array(self, array, shape):
        """Return root's float64 array, column-major and of a shape that all ranks know, on every rank; no copy, no pickle."""
        with self.together():  # there may be no memory for it
            array = array if self.is_root else np.empty(shape, order="F")
        self._comm.Bcast(array, root=0)
        return array

    def all_gather(self, value):
        """Return the list of every rank's value, in rank order, on every rank."""
        return self._comm.allgather(value)

    def gather_parts(self, layout, part_of, name):
        """Return on every rank the list of part_of(start, stop) for runs of samples that make up all of `layout`: the rows of each rank.

        part_of returns anything that pickles and does not communicate; if it fails on any rank, that is raised on all. `name` says what
        it is for, in one word.
        """
        with self.together():
            part = part_of(*layout.owned_rows(self.rank, self.size))
        return self.all_gather(part)

    def send(self, array, destination):
        """Send a contiguous float64 array to one rank, which calls `receive`."""
        self._comm.Send(array, dest=destination, tag=TAG)

    def receive(self, like, source):
        """Return the array that `source` sends; `like` is any array of its memory order and, but for the number of rows, its shape."""
        from mpi4py import MPI

        status = MPI.Status()
        self._comm.Probe(source, TAG, status)
        rows = status.Get_count(MPI.DOUBLE) // prod(like.shape[1:])
        array = np.empty((rows, *like.shape[1:]), order="F" if like.flags.f_contiguous else "C")
        self._comm.Recv(array, source=source, tag=TAG)
        return array

    def exchange_rows(self, rows, counts, coming=None):
        """Return the rows addressed to this rank, in the order of the ranks they come from.

        rows (B, width), numbers of any type, C-contiguous: those for rank 0 first, then those for rank 1 …; counts: how many for each.
        coming: how many come from each, where that is known, as where the same places are exchanged again and again.
        """
        width = rows.shape[1]
        if coming is None:
            coming = self._comm.alltoall(counts)
        received = np.empty((sum(coming), width), rows.dtype)
        self._comm.Alltoallv([rows, [count * width for count in counts]], [received, [count * width for count in coming]])
        return received

    def all_gather_rows(self, rows, counts):
        """Return every rank's rows, in rank order, on every rank.

        rows (counts[rank], width), numbers of any type, C-contiguous; counts: how many each rank has, known to all.
        """
        width = rows.shape[1]
        gathered = np.empty((sum(counts), width), rows.dtype)
        self._comm.Allgatherv(rows, [gathered, [count * width for count in counts]])
        return gathered

    def sum_rows(self, array, counts):
        """Return this rank's rows of the sum of every rank's `array`: counts[0] rows go to rank 0, the next counts[1] to rank 1 …

        array (sum(counts), width), float64 and C-contiguous, of one shape on all ranks. The order of the sum is the MPI library's.
        """
        width = array.shape[1]
        total = np.empty((counts[self.rank], width))
        self._comm.Reduce_scatter(array, total, [count * width for count in counts])
        return total

    def agree(self, what, value):
        """Raise `UserError` on all ranks unless `value` reads the same on all; `what` names it."""
        values = self.all_gather(repr(value))
        for rank, other in enumerate(values):
            if other != values[0]:
                raise UserError(f"every rank must pass the same; {what} on rank {rank}: {other}; on rank 0: {values[0]}")

    def barrier(self):
        self._comm.Barrier()

    def abort(self, code):
        """End every rank at once; for a failure that the other ranks cannot know of."""
        self._comm.Abort(code)

    @contextmanager
    def together(self):
        """Run a block that does not communicate; if it fails on any rank, it fails on all.

        The first failing rank's message reaches everybody: as the same `UserError`, `OutputError` or `Interruption`, or, where it was
        none of them, as `HnnError` (the failing rank itself raises its original exception). One all-gather, on success too.
        """
        failure = None
        try:
            yield
        except Exception as error:
            failure = error
        kind = next((kind for kind in (UserError, OutputError, Interruption) if isinstance(failure, kind)), None)
        reports = self.all_gather(failure and (kind, f"{type(failure).__name__}: {failure}", str(failure)))
        first = next((rank for rank, report in enumerate(reports) if report), None)
        if first is None:
            return
        if first == self.rank:
            raise failure
        kind, tagged, message = reports[first]
        raise kind(message) if kind else HnnError(f"rank {first} failed: {tagged}")

    @cached_property
    def node_cores(self):
        """(cores, ranks): the cores that the ranks of this node may use between them, and the number of those ranks. Collective."""
        from mpi4py import MPI

        node = self._comm.Split_type(MPI.COMM_TYPE_SHARED)
        cores = set().union(*node.allgather(available_cores()))
        ranks = node.Get_size()
        node.Free()
        return len(cores), ranks


def available_cores():
    """Return the set of cores that this process may run on."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def as_communicator(comm):
    """Return a communicator of this module for None (alone), one of mpi4py's, or one of our own."""
    if comm is None:
        return SerialCommunicator()
    if isinstance(comm, SerialCommunicator | MPICommunicator):
        return comm
    if hasattr(comm, "Get_rank") and hasattr(comm, "allgather"):
        return MPICommunicator(comm)
    raise UserError(f"comm must be None or a communicator of mpi4py, such as MPI.COMM_WORLD; got {type(comm).__name__}")


def world_communicator():
    """Return the communicator of all ranks that were started together. Starts MPI; for the command line and tests only."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: mpi4py is there, but no MPI library is
        raise UserError(f"running on several ranks needs mpi4py ({error}): pip install 'hnn-hpc[mpi]'") from None
    return MPICommunicator(MPI.COMM_WORLD) if MPI.COMM_WORLD.Get_size() > 1 else SerialCommunicator()
