"""What the tests ask the system about processes that they have started."""

import time
from pathlib import Path

LONGEST = 30.0  # seconds


def wait_until(is_true, seconds=LONGEST):
    """Wait until a function returns something true; a failure after so many seconds."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(process):
    """Return whether a process is there and no zombie, which nobody has asked for its end."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(process):
    """Return the numbers of the processes whose parent this is."""
    return [int(number) for task in Path(f"/proc/{process}/task").iterdir() for number in (task / "children").read_text().split()]
