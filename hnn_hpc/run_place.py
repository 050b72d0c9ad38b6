"""The directory of a run belongs to that run: its status file says whose it is, and is written anew every BEAT seconds while it works.

A file that no longer changes is that of a run which was killed; the next run takes the directory over.
"""

import os
import secrets
import socket
import time
from contextlib import suppress
from numbers import Real
from pathlib import Path

from hnn_hpc.errors import UserError
from hnn_hpc.run_files import LARGEST, STATUS_FILE, read_dictionary

BEAT = 2.0  # seconds
SILENCE = 3 * BEAT  # without a change of the file: then it is told that nobody writes it
PATIENCE = 15 * BEAT  # without one: then another run may take its place, sure that no busy disk has delayed a sign
OWNER = ("host", "process", "started")
ABOUT = ("ranks", "samples", "dof", "features")
NUMBERS = (*ABOUT, "started", "updated", "beats", "done", "spared", "total", "stage_seconds")  # of a status
GONE, STILL, CHANGED = "gone", "still", "changed"


def this_process(environment):
    """Return what a status says of the process that writes it: host and process; job and restarts, of SLURM, or None."""
    job = environment.get("SLURM_JOB_ID")
    return {"host": socket.gethostname(), "process": os.getpid(), "job": job, "restarts": restarts_by_slurm(environment) if job else None}


def restarts_by_slurm(environment):
    """Return how often SLURM has started the job again that this runs in, as the environment (a mapping) tells."""
    told = environment.get("SLURM_RESTART_COUNT", "")
    return int(told) if told.isdecimal() else 0


def take(directory, write, environment=os.environ):
    """Make a directory (Path) that of this process, whose first status write(path) writes; of two that try at once one succeeds.

    Errors: `UserError` where another run is at work there, or the file is none of ours; `OSError` where it cannot be written.
    """
    path = directory / STATUS_FILE
    beside = path.with_name(f".{STATUS_FILE}.{secrets.token_hex(4)}.partial")
    try:
        write(beside)
        while True:
            try:
                os.link(beside, path)  # unlike a rename it fails where there is one
                return
            except FileExistsError:
                if _replaces(beside, path, check_free(directory, environment)):
                    return
            except OSError:  # a file system without links, and no file there
                os.replace(beside, path)
                return
    finally:
        beside.unlink(missing_ok=True)


def check_free(directory, environment=os.environ):
    """Raise `UserError` where another run is at work in a directory, or a file is in the way; return the status of a dead one, or None.

    Where only the file can tell whether its run has ended, it is watched for PATIENCE seconds.
    """
    other, path = read_status(directory), directory / STATUS_FILE
    if other and _is_at_work(other, directory, this_process(environment)):
        raise UserError(f"another run is at work in {directory}: {told(other)}; wait for it, end it, or give another --output to this one")
    if not other and os.path.lexists(path) and not _is_blank(path) and not read_status(directory):
        raise UserError(f"{path} is in the way: a fit keeps its status there, and this is none; move it or give another --output")
    return other


def is_of(status, other):
    """Return whether two statuses, or None, are of one run."""
    return bool(status and other) and all(status[name] == other[name] for name in OWNER)


def watch(directory, status, seconds):
    """Watch a status for so many seconds; return ("changed", the new one), ("gone", None), or ("still", the same)."""
    until, missing = time.monotonic() + seconds, False
    while time.monotonic() < until:
        time.sleep(BEAT / 4)
        now = read_status(directory)
        if now and now != status:
            return CHANGED, now
        if not now and missing:  # twice: a disk of the network may fail to show a file while it is replaced
            return GONE, None
        missing = not now
    return STILL, status


def read_status(directory):
    """Return what the status file of a directory (Path) holds, a dictionary, or None where there is none, or a damaged one.

    And `changed`, when the file was written or marked as new, by the clock of its disk.
    """
    path = directory / STATUS_FILE
    status = read_dictionary(path) or {}
    is_whole = {"host", "process", "job", "restarts", "stage", "remaining_seconds"} <= set(status)
    with suppress(OSError):
        if is_whole and all(isinstance(status.get(name), Real) for name in NUMBERS):
            return status | {"changed": path.stat().st_mtime}
    return None


def told(status):
    """Return in words which run a status is of."""
    job = f"job {status['job']} of SLURM, " if status["job"] else ""
    return f"{job}process {status['process']} on {status['host']}"


def _is_at_work(other, directory, own):
    """Return whether the run that wrote a status is at work still."""
    if own["job"] and other["job"] == own["job"] and other["restarts"] != own["restarts"]:  # an earlier start of this very job
        return False
    if other["host"] == own["host"] and not _is_alive(other["process"]):
        return False
    return watch(directory, other, PATIENCE)[0] == CHANGED


def _replaces(beside, path, dead):
    """Put a file in the place of the status of a dead run, or of a blank one (None); return whether that was there still.

    Only one can do that at a time, who has given the dead file a second name, and sees by that which file it is.
    """
    aside = path.with_name(f".{STATUS_FILE}.{dead['started'] if dead else 'blank'}.partial")
    try:
        os.link(path, aside)
    except FileNotFoundError:
        return False
    except FileExistsError:  # another one is at it, or has died at it
        with suppress(FileNotFoundError):
            if time.time() - aside.stat().st_ctime > PATIENCE:
                aside.unlink()
        time.sleep(BEAT / 100)
        return False
    except OSError:  # a file system without links
        os.replace(beside, path)
        return True
    try:
        found = read_dictionary(aside)
        is_dead = _is_blank(aside) if dead is None else bool(found) and all(found.get(name) == dead[name] for name in OWNER)
        if is_dead:
            os.replace(beside, path)
        return is_dead
    finally:
        aside.unlink(missing_ok=True)


def _is_blank(path):
    """Return whether a file holds nothing, or zeros alone, as after a crash of its node; or is gone."""
    if not os.path.lexists(path):
        return True
    with suppress(OSError):
        return path.is_file() and path.stat().st_size <= LARGEST and not path.read_bytes().strip(b"\0")
    return False


def _is_alive(process):
    """Return whether a process of this host is there, and no zombie, where the system tells."""
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, TypeError, ValueError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    with suppress(OSError, IndexError):
        return Path(f"/proc/{int(process)}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True
