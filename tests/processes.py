"""What the tests ask the system about processes."""

import os
import time
from contextlib import suppress
from pathlib import Path

LONGEST = 120.0  # seconds


def wait_until(is_true, what="what was waited for did not come", seconds=LONGEST):
    """Wait until a function returns something true; `what` says in words what did not come within so many seconds."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def processes():
    """Return the numbers of all processes."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def environment_of(process):
    """Return the environment that a process was started with, a list of texts "NAME=value"; empty where it has gone."""
    with suppress(OSError):
        return Path(f"/proc/{process}/environ").read_bytes().decode(errors="replace").split("\0")
    return []


def name_of(process):
    """Return the name of a process, empty where it has gone."""
    with suppress(OSError):
        return Path(f"/proc/{process}/comm").read_text().strip()
    return ""


def parent_of(process):
    """Return the number of a process's parent, 0 where it has gone."""
    with suppress(OSError):
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def is_running(process):
    """Return whether a process is there and no zombie, which nobody has asked for its end."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(process):
    """Return the numbers of the processes whose parent this is."""
    return [int(number) for task in Path(f"/proc/{process}/task").iterdir() for number in (task / "children").read_text().split()]
