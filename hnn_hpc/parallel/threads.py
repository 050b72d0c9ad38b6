"""How many threads a rank uses. BLAS is held to one, because its results may depend on their number; our threads share whole blocks."""

import os
import sys
from contextlib import contextmanager
from threading import Lock

import threadpoolctl

from hnn_hpc.errors import UserError

VARIABLE = "HNN_HPC_THREADS"


class _Hold:
    """The limits of the BLAS libraries that have one for the whole process: the first holder sets it, and the last one lifts it."""

    def __init__(self):
        self._lock, self._holders, self._before = Lock(), 0, {}
        self._modules, self._libraries = 0, []

    def take(self):
        """Hold, and return the libraries whose limit is one of the calling thread alone: those that use OpenMP."""
        with self._lock:
            self._holders += 1
            self._look_for_libraries()
            shared = [library for library in self._libraries if not _is_per_thread(library) and library.filepath not in self._before]
            self._before |= {library.filepath: (library, library.get_num_threads()) for library in shared}
            _set_threads([(library, 1) for library in shared])
            return [library for library in self._libraries if _is_per_thread(library)]

    def let_go(self):
        with self._lock:
            self._holders -= 1
            if not self._holders:
                _set_threads(list(self._before.values()))
                self._before = {}

    def _look_for_libraries(self):
        modules = len(sys.modules)
        if modules != self._modules:  # a BLAS comes with a module, and looking for it takes milliseconds
            self._modules = modules
            self._libraries = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers


def _is_per_thread(library):
    return getattr(library, "threading_layer", None) == "openmp"


def _set_threads(numbers):
    """Set the threads of libraries, from whichever thread this is."""
    # From 3.8 on threadpoolctl heeds one thread of the process alone, unless that gives up its right.
    give_up = getattr(getattr(threadpoolctl, "OpenBLASController", None), "clear_controlling_thread", lambda force: None)
    if not numbers:
        return
    give_up(force=True)
    for library, threads in numbers:
        library.set_num_threads(threads)
    give_up(force=True)


_hold = _Hold()


@contextmanager
def single_threaded_blas():
    """A context that holds every BLAS of this process to one thread and gives it back its threads afterwards; any thread may enter it."""
    of_this_thread = [(library, library.get_num_threads()) for library in _hold.take()]
    try:
        _set_threads([(library, 1) for library, _ in of_this_thread])
        yield
    finally:
        _set_threads(of_this_thread)
        _hold.let_go()


def available_threads(communicator):
    """Return how many threads this rank may use: $HNN_HPC_THREADS, or else the node's cores shared among its ranks. Collective."""
    cores, ranks = communicator.node_cores
    wanted = os.environ.get(VARIABLE) or str(max(1, cores // ranks))
    with communicator.together():
        if not wanted.isdecimal() or int(wanted) < 1:
            raise UserError(f"{VARIABLE} must be a whole number of threads, 1 or more; it is {wanted!r}")
    return int(wanted)
