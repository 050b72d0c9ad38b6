"""The resident memory of this process, at its peak and now, and what the node has left."""

import resource
import sys
from contextlib import suppress
from pathlib import Path


def peak_memory_bytes():
    """Return the largest resident size so far, in bytes.

    Linux tells it per program image; getrusage there also counts what the parent had at the time of the fork.
    """
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def resident_memory_bytes():
    """Return the resident size now, in bytes; where only the largest so far is known, that one."""
    return _status("VmRSS") or peak_memory_bytes()


def available_memory_bytes():
    """Return the memory that new arrays of this node may take, in bytes, within the limit of its container or job; 0 where nobody tells."""
    return min([_status("MemAvailable", "/proc/meminfo") or 0, *_left_in_cgroups()])


def _left_in_cgroups(root="/sys/fs/cgroup", own="/proc/self/cgroup"):
    """Return what the control groups of this process leave of their limits, in bytes, those above it included (Linux, version 2)."""
    with suppress(OSError, StopIteration):
        name = next(line.strip()[3:] for line in Path(own).read_text().splitlines() if line.startswith("0::"))
        group = Path(root, name.lstrip("/"))
        return [left for path in (group, *group.parents) if path.is_relative_to(root) and (left := _left_in(path)) is not None]
    return []


def _left_in(group):
    with suppress(OSError, ValueError):  # ValueError: the limit is "max"
        limit, taken = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        told = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        cached = sum(int(told.get(name, 0)) for name in ("active_file", "inactive_file"))  # which gives way
        return max(0, limit - taken + cached)
    return None


def _status(name, file="/proc/self/status"):
    """Return a size from a file of /proc, in bytes; None where there is no such thing."""
    try:
        with open(file) as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name))
    except (OSError, StopIteration):
        return None
