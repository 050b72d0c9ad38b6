"""Whether memory that is freed stays with the process for its next arrays.

The C library of Linux sees to that by itself, unless MALLOC_TRIM_THRESHOLD_ or MALLOC_MMAP_THRESHOLD_ is in its environment, and dask
starts its workers with the first: from then on every array above 128 kB has pages of its own, which the kernel clears and takes back at
once. A pass over the samples makes and frees such arrays all the time, and took a tenth to a half longer.
"""

import ctypes
import os
import sys
from contextlib import contextmanager
from threading import Lock

# Parameters of mallopt(3), the variable of each, and its value where there is none.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
VARIABLES = {TRIM_THRESHOLD: "MALLOC_TRIM_THRESHOLD_", MMAP_THRESHOLD: "MALLOC_MMAP_THRESHOLD_"}
DEFAULT = 128 * 2**10
LARGEST = 2**31 - 1  # that mallopt takes
KEPT = 32 * 2**20  # to which the library would raise them by itself, at most


class _Hold:
    """The thresholds, which the whole process has in common: the first who holds raises them, and the last who lets go sets them back."""

    def __init__(self):
        self._lock, self._holders = Lock(), 0

    def take(self):
        with self._lock:
            if not self._holders:
                _set(dict.fromkeys(VARIABLES, KEPT))
            self._holders += 1

    def let_go(self):
        with self._lock:
            self._holders -= 1
            if not self._holders:
                _set(_from_environment())


def _from_environment():
    """Return {parameter: value} as the C library has them from its environment."""
    told = {parameter: os.environ.get(name, "") for parameter, name in VARIABLES.items()}
    return {parameter: min(int(value), LARGEST) if value.isdecimal() else DEFAULT for parameter, value in told.items()}


def _set(values):
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt:
        for parameter, value in values.items():
            mallopt(parameter, value)


_hold = _Hold()


@contextmanager
def keeping_freed_memory():
    """A context in which this process keeps the memory of arrays up to 32 MB that are freed, although its environment says otherwise.

    What lies between others is not given back afterwards either, until these are freed.
    """
    if not sys.platform.startswith("linux") or not any(name in os.environ for name in VARIABLES.values()):
        yield
        return
    _hold.take()
    try:
        yield
    finally:
        _hold.let_go()
