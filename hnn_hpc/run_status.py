"""How far a run is, in a file of its directory, for `hnn-hpc status`; and the sign that a directory is taken.

status.json is there while a run works, and is written anew every BEAT seconds: a file that no longer changes is that of a run which
was killed. An orderly end removes it; what it came to is told by result.json, or by the checkpoint.
"""

import os
import socket
import threading
import time
from contextlib import suppress
from numbers import Real

from hnn_hpc.errors import UserError
from hnn_hpc.json_text import json_text
from hnn_hpc.run_files import LARGEST, STATUS_FILE, make_directory, read_dictionary

BEAT = 2.0  # seconds
PATIENCE = 3 * BEAT  # without a change of the file: then nobody writes it
BEGINNINGS = {"keep", "factor"}  # the stages that a solve may begin with
ABOUT = ("ranks", "samples", "dof", "features")
NUMBERS = (*ABOUT, "started", "updated", "beats", "done", "spared", "total", "stage_seconds")  # of a status
TRUST = 0.05  # part of a prediction that counts as come true from the start, lest the first steps, small ones maybe, decide
AT_ONCE = 0.1  # of what the first steps were predicted to take: so soon only a checkpoint spares them


class RunStatus:
    """The status of one run, kept by its root: a progress object (see `progress`), which tells another one too, or nobody.

    Parameters: directory (Path), about (dict): what the file says of the run besides, the numbers ABOUT, progress.

    The file holds, after `about`: host and process; job and restarts, of SLURM, or null; started and updated (seconds since 1970);
    beats; stage, done, total and stage_seconds of the work at hand, as far as this rank goes, and `spared`, how many of the steps done
    a checkpoint had; remaining_seconds of the solve, or null where nothing is known of it. That is what the stages and steps to come were
    predicted to take, times what those so far took over what was predicted for them, when the latest step ended; less the time since.
    """

    def __init__(self, directory, about, progress=None, environment=os.environ):
        self._directory, self._path, self._progress, self._made = directory, directory / STATUS_FILE, progress, []
        self._environment = environment
        self._about = about | _this_process(environment) | {"started": time.time()}
        self._beats, self._lock, self._ended = 0, threading.Lock(), threading.Event()
        self._stage, self._total, self._done, self._spared = "start", 0, 0, 0
        self._since = self._latest = time.monotonic()  # the start of the stage, and of the step at hand
        self._ahead, self._predicted, self._taken, self._allotted = [], 0.0, 0.0, 0.0  # the last two of the stages done
        self._thread = threading.Thread(target=self._beat, name="status", daemon=True)

    def begin(self):
        """Take the directory, which is made where it is missing; `UserError` where another run works there, or a file is not ours."""
        check_free(self._directory, self._environment)
        self._made = make_directory(self._directory)
        self._write()
        self._thread.start()

    def end(self):
        """Remove the file, and the directories that were made for it where nothing else is in them."""
        self._ended.set()
        self._thread.join()
        with suppress(OSError):
            self._path.unlink()
            for directory in reversed(self._made):
                directory.rmdir()

    # As a progress object

    def expect(self, stages):
        """Be told what is to come: a list of (stage, seconds that it is predicted to take), in order."""
        with self._lock:
            self._ahead = list(stages)
            self._taken = self._allotted = TRUST * sum(seconds for _, seconds in stages)

    def start(self, stage, total):
        if self._progress:
            self._progress.start(stage, total)
        with self._lock:
            self._stage, self._total, self._done, self._spared = stage, total, 0, 0
            self._since = self._latest = time.monotonic()
            self._predicted = self._predicted_for(stage)

    def advance(self, n=1):
        if self._progress:
            self._progress.advance(n)
        with self._lock:
            now, steps = time.monotonic(), max(1, self._total)
            if n > 1 and not self._done and now - self._since < AT_ONCE * self._predicted * n / steps:
                self._spared = n
            if n:
                self._done, self._latest = self._done + n, now

    def finish(self):
        if self._progress:
            self._progress.finish()
        with self._lock:
            self._latest = time.monotonic()
            if self._predicted and self._spared < max(1, self._total):
                self._taken += self._latest - self._since
                self._allotted += self._predicted * (1 - self._spared / max(1, self._total))
            self._predicted, self._done = 0.0, self._total

    def as_dict(self):
        """Return what the file holds."""
        with self._lock:
            now = time.monotonic()
            work = {"stage": self._stage, "done": self._done, "spared": self._spared, "total": self._total}
            work |= {"stage_seconds": now - self._since, "remaining_seconds": self._remaining(now)}
            return self._about | work | {"updated": time.time(), "beats": self._beats}

    def _predicted_for(self, stage):
        """Return what a stage that starts was predicted to take, no longer ahead then; 0 for one that was not expected."""
        names = [name for name, _ in self._ahead]
        if stage not in names:
            return 0.0
        place = names.index(stage)
        if stage in BEGINNINGS:
            del self._ahead[:place]  # what the solve before has left out
            place = 0
        elif not BEGINNINGS.isdisjoint(names[:place]):  # of a later solve; this one repeats the stage
            return 0.0
        return self._ahead.pop(place)[1]

    def _remaining(self, now):
        steps = max(1, self._total)
        step, done = self._predicted / steps, min(self._done, steps)
        if not (step or self._ahead) or (step and self._spared and done == steps):  # the other ranks may have much to do then
            return None
        taken, known = self._taken, self._allotted
        if step and done > self._spared:
            taken, known = taken + self._latest - self._since, known + (done - self._spared) * step
        pace = taken / known if known else 1.0
        rest = (steps - done) * step + sum(seconds for _, seconds in self._ahead)
        return max(0.0, pace * rest - min(now - self._latest, pace * step))

    # The file

    def _beat(self):
        while not self._ended.wait(BEAT):
            self._write()

    def _write(self):
        """Write the file or, on a full disk, mark it as new. The run goes on even where neither can be."""
        self._beats += 1
        beside = self._directory / f".{STATUS_FILE}.partial"
        with suppress(OSError):
            try:
                beside.write_text(json_text(self.as_dict()) + "\n", encoding="utf-8")
                os.replace(beside, self._path)
            except OSError:
                beside.unlink(missing_ok=True)
                os.utime(self._path)


def check_free(directory, environment=os.environ):
    """Raise `UserError` where another run is at work in a directory (Path); remove the status of one that was killed.

    Where only the file can tell whether it was, it is watched for PATIENCE seconds.
    """
    other, path = read_status(directory), directory / STATUS_FILE
    if other and _is_at_work(other, directory, _this_process(environment)):
        raise UserError(f"another run is at work in {directory}: {told(other)}; wait for it, end it, or give another --output to this one")
    if not other and os.path.lexists(path) and not _is_blank(path):
        raise UserError(f"{path} is in the way: a fit keeps its status there, and this is none; move it or give another --output")
    with suppress(OSError):
        path.unlink()


def _this_process(environment):
    """Return what a status says of the process that writes it."""
    job, restarts = environment.get("SLURM_JOB_ID"), environment.get("SLURM_RESTART_COUNT", "0")
    return {"host": socket.gethostname(), "process": os.getpid(), "job": job, "restarts": int(restarts) if job else None}


def _is_at_work(other, directory, own):
    """Return whether the run that wrote a status is at work still."""
    if own["job"] and other["job"] == own["job"] and other["restarts"] != own["restarts"]:  # an earlier start of this very job
        return False
    if other["host"] == own["host"] and not _is_alive(other["process"]):
        return False
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        time.sleep(BEAT / 4)
        if (now := read_status(directory)) != other:
            return now is not None
    return False


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


def _is_blank(path):
    """Return whether a file holds nothing, or zeros alone, as after a crash of its node."""
    with suppress(OSError):
        return path.is_file() and path.stat().st_size <= LARGEST and not path.read_bytes().strip(b"\0")
    return False


def _is_alive(process):
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, TypeError, ValueError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True
