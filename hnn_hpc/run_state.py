"""What became of a run, told from the files in its directory alone; the run itself is not touched."""

import os
import re
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from numbers import Real
from pathlib import Path

from hnn_hpc.run_files import CHECKPOINT, RESULT_FILE, STATUS_FILE, read_result
from hnn_hpc.run_status import BEAT, PATIENCE, read_status
from hnn_hpc.storage import saved_blocks

FINISHED, RUNNING, SILENT, INTERRUPTED, FAILED = "finished", "running", "silent", "interrupted", "failed"
NUMBERS = ("samples", "dof", "features", "ranks", "threads", "flops", "peak_memory_bytes", "resumed")  # of a result
LOG = re.compile(r"slurm-\d+\.out")
ERROR = re.compile(r"hnn-hpc: error[^:]*: (.*)")  # see `cli.main`
MOST_WATCHED = 200  # at once
LOG_BYTES = 100_000  # of its end, that are looked through


def run_state(directory):
    """Return what became of the run in a directory (Path), a dictionary fit for JSON, or None where there are no files of one.

    directory; state: "finished"; "running"; "silent", which was running, but gives no sign any more, killed as a rule; "interrupted",
    with a checkpoint to go on from; "failed". Each None where there is none: result, of result.json; status, of status.json;
    silent_seconds, since its last sign; saved, see `storage.saved_blocks`; problem, the last error that the log of a SLURM job tells.
    It takes PATIENCE seconds where a status is old, or written by another clock.
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
    elif saved:
        state = INTERRUPTED
    problem = None if state in (FINISHED, RUNNING) else _problem(directory)
    if not state and problem:
        state = FAILED
    if not state:
        return None
    found = {"state": state, "result": result, "status": status, "silent_seconds": silent, "saved": saved or None, "problem": problem}
    return {"directory": str(directory)} | found


def run_states(directory):
    """Return the states of the runs in a directory (Path) or, where there is none in it, of those below it, a list sorted by name."""
    found = []
    with ThreadPoolExecutor(MOST_WATCHED) as pool:
        for folder, below, _ in os.walk(directory):
            below.sort()
            folder = Path(folder)
            state = pool.submit(run_state, folder) if read_status(folder) else run_state(folder)
            if state:
                found.append(state)
                below.clear()
    return [state for state in (some.result() if isinstance(some, Future) else some for some in found) if state]


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
    if 0 <= age <= PATIENCE:
        return status, None
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        time.sleep(BEAT / 4)
        now = read_status(directory)
        if now != status:
            return now, None
    return status, max(age, PATIENCE)


def _written(path):
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _problem(directory):
    """Return the last error in the newest log of the directory, or None."""
    with suppress(OSError):
        logs = [path for path in directory.iterdir() if LOG.fullmatch(path.name)]
        for path in sorted(logs, key=_written, reverse=True)[:1]:
            with open(path, "rb") as stream:
                stream.seek(max(0, os.path.getsize(path) - LOG_BYTES))
                errors = ERROR.findall(stream.read().decode(errors="replace"))
            return errors[-1] if errors else None
    return None
