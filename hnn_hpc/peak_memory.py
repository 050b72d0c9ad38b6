"""The resident memory of this process, at its peak and now, and what the node has left."""

import resource
import sys


def peak_memory_bytes():
    """Return the largest resident size so far, in bytes.

    Linux tells it per program image; getrusage there also counts what the parent had at the time of the fork.
    """
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def resident_memory_bytes():
    """Return the resident size now, in bytes; where only the largest so far is known, that one."""
    return _status("VmRSS") or peak_memory_bytes()


def available_memory_bytes():
    """Return the memory of this node that new arrays may take, in bytes; 0 where the system does not tell."""
    return _status("MemAvailable", "/proc/meminfo") or 0


def _status(name, file="/proc/self/status"):
    """Return a size from a file of /proc, in bytes; None where there is no such thing."""
    try:
        with open(file) as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name))
    except (OSError, StopIteration):
        return None
