"""The peak resident memory of this process."""

import resource
import sys


def peak_memory_bytes():
    """Return the largest resident size so far, in bytes.

    Linux tells it per program image; getrusage there also counts what the parent had at the time of the fork.
    """
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
