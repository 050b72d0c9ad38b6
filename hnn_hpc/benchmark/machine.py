"""What this machine is, and what it has free."""

import os
import platform
from contextlib import suppress
from importlib import metadata

from hnn_hpc.parallel.communicator import available_cores
from hnn_hpc.provenance import versions


def describe_machine():
    """Return {"processor", "cores" that this process may use, "memory_bytes", "load" of the last minute, "versions"}, fit for JSON."""
    found = versions()
    for name in ("dask", "petsc4py"):
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    load = os.getloadavg()[0]
    return {"processor": _processor(), "cores": len(available_cores()), "memory_bytes": memory, "load": load, "versions": found}


def available_memory_bytes():
    """Return how many bytes a new process can have without pushing others out, as Linux tells; elsewhere all of the machine's."""
    with suppress(OSError, StopIteration), open("/proc/meminfo") as info:
        return next(int(line.split()[1]) * 1024 for line in info if line.startswith("MemAvailable"))
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _processor():
    with suppress(OSError, StopIteration), open("/proc/cpuinfo") as info:
        return next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    return platform.processor() or platform.machine()
