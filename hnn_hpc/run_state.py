"""What became of a run, told from the files in its directory alone; the run itself is not touched."""

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from numbers import Real
from pathlib import Path

from hnn_hpc.run_files import CHECKPOINT, RESULT_FILE, STATUS_FILE, read_result
from hnn_hpc.run_place import SILENCE, STILL, read_status, watch
from hnn_hpc.storage import saved_blocks

FINISHED, RUNNING, SILENT, INTERRUPTED, FAILED, WAITING = "finished", "running", "silent", "interrupted", "failed", "waiting"
NUMBERS = ("samples", "dof", "features", "ranks", "threads", "flops", "peak_memory_bytes", "resumed")  # of a result
LOG = re.compile(r"slurm-\d+\.out")
ERROR = re.compile(r"hnn-hpc: error[^:]*: (.*)")  # see `cli.main`
INTERRUPTION = "interrupted"  # with which an error begins that tells that the run can go on
MOST_WATCHED = 200  # at once
LOG_BYTES = 100_000  # of its end, that are looked through


def run_state(directory):
    """Return what became of the run in a directory (Path), a dictionary fit for JSON, or None where there are no files of one.

    directory; state: "finished"; "running"; "silent", which was running, but gives no sign any more, killed as a rule; "interrupted",
    which can go on, from a checkpoint if there is one; "failed"; "waiting", where the log of a job of SLURM is empty yet. Each None where
    there is none: result, of result.json; status, of status.json; silent_seconds, since its last sign; saved, see `storage.saved_blocks`;
    log, the newest of SLURM; problem, the error that it ends with. It takes SILENCE seconds where a status is old, or written by another
    clock.
    """
    status, silent = read_status(directory), None
    if status and _written(directory / RESULT_FILE) > _written(directory / STATUS_FILE):
        status = None  # of a run that is about to end, or was killed after its last step but one
    if status:
        status, silent = _watched(directory, status)
    result, saved = _whole_result(directory), saved_blocks(directory / CHECKPOINT)  # by now, for a run that has ended leaves no status
    since_result = time.time() - _written(directory / RESULT_FILE)
    state = None
    if status:
        state = SILENT if silent else RUNNING
    elif result and not any(solve["seconds_ago"] < since_result for solve in saved):  # which are of a run that came to replace it
        state = FINISHED
    log = _newest_log(directory)
    error = None if state else _last_error(log)
    was_told = bool(error) and error.startswith(INTERRUPTION)
    problem = None if was_told else error
    if not state and (problem or saved or was_told):
        state = FAILED if problem else INTERRUPTED
    with suppress(OSError):
        if not state and log and not os.path.getsize(log):
            state = WAITING
    if not state:
        return None
    found = {"state": state, "result": result, "status": status, "silent_seconds": silent, "saved": saved or None}
    return {"directory": str(directory)} | found | {"log": log and str(log), "problem": problem}


def run_states(directory):
    """Return the states of the runs in a directory (Path) or, where there is none in it, of those below it, a list sorted by name.

    A log alone makes a run only where none lies below it: jobs that are sent by hand leave theirs anywhere.
    """
    folders = []
    for name, below, _ in os.walk(directory):
        folder = Path(name)
        if read_status(folder) or read_result(folder) or saved_blocks(folder / CHECKPOINT):
            below.clear()
        below.sort()
        folders.append(folder)
    with ThreadPoolExecutor(MOST_WATCHED) as pool:
        states = [state for state in pool.map(run_state, folders) if state]
    above = {str(parent) for state in states for parent in Path(state["directory"]).parents}
    return [state for state in states if state["state"] not in (FAILED, WAITING) or state["directory"] not in above]


def _whole_result(directory):
    """Return the result of a directory, None where it lacks any of what is told of it."""
    result = read_result(directory)
    try:
        numbers = [result[name] for name in NUMBERS] + [result["seconds"][name] for name in ("solve", "total")]
        errors = [result["test"][name] for name in ("energy_error", "gradient_error")]
    except (KeyError, TypeError):
        return None
    is_whole = all(isinstance(value, Real) for value in numbers + [error for error in errors if error is not None])
    return result if is_whole else None


def _watched(directory, status):
    """Return (the status, None) where it is new or changes, (None, None) where it goes, else (status, seconds since its last sign)."""
    age = time.time() - status["updated"]
    if 0 <= age <= SILENCE:
        return status, None
    what, now = watch(directory, status, SILENCE)
    return now, max(age, SILENCE) if what == STILL else None


def _written(path):
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _newest_log(directory):
    """Return the path of the newest log of a job of SLURM in the directory, or None."""
    with suppress(OSError):
        return max((path for path in directory.iterdir() if LOG.fullmatch(path.name) and path.is_file()), key=_written, default=None)
    return None


def _last_error(log):
    """Return the last error in a log, None without one."""
    with suppress(OSError, TypeError):
        with open(log, "rb") as stream:
            stream.seek(max(0, os.path.getsize(log) - LOG_BYTES))
            errors = ERROR.findall(stream.read().decode(errors="replace"))
        return errors[-1] if errors else None
    return None
