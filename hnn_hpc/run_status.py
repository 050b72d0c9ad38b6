"""How far a run is, in a file of its directory, for `hnn-hpc status`; an orderly end removes it, and leaves a result or a checkpoint."""

import os
import threading
import time
from contextlib import suppress

from hnn_hpc.errors import OutputError
from hnn_hpc.json_text import json_text
from hnn_hpc.progress import expect
from hnn_hpc.remaining_time import RemainingTime
from hnn_hpc.run_files import STATUS_FILE, make_directory
from hnn_hpc.run_place import BEAT, PATIENCE, is_of, read_status, take, this_process, told


class RunStatus:
    """The status of one run, kept by its root: a progress object (see `progress`), which tells another one too, or nobody.

    Parameters: directory (Path), about (dict): what the file says of the run besides, the numbers `run_place.ABOUT`, progress.

    The file holds, after `about`: what `run_place.this_process` tells; started and updated (seconds since 1970) and beats; and what
    `RemainingTime` tells of the work at hand, as far as this rank goes.
    """

    def __init__(self, directory, about, progress=None, environment=os.environ):
        self._directory, self._path, self._progress, self._made = directory, directory / STATUS_FILE, progress, []
        self._environment = environment
        self._about = about | this_process(environment) | {"started": time.time()}
        self._work, self._beats, self._ended = RemainingTime(), 0, threading.Event()
        self._is_ours, self._taker = False, None  # the directory; the status of the run that has taken it from this one
        self._thread = threading.Thread(target=self._beat, name="status", daemon=True)

    def begin(self):
        """Take the directory, which is made where it is missing; `UserError` where another run works there, or a file is not ours."""
        self._made = make_directory(self._directory)
        try:
            with suppress(OSError):  # a full disk: the run does without until it can
                take(self._directory, self._write_to, self._environment)
                self._is_ours = True
        except BaseException:
            self._remove_made()
            raise
        self._thread.start()

    def end(self):
        """Remove the file, and the directories that were made for it where nothing else is in them."""
        self._ended.set()
        self._thread.join()
        with suppress(OSError):
            if is_of(read_status(self._directory), self._about):
                self._path.unlink()
        self._remove_made()

    def as_dict(self):
        """Return what the file holds."""
        return self._about | self._work.as_dict() | {"updated": time.time(), "beats": self._beats}

    def check_place(self):
        """Raise `OutputError` where another run has taken the directory, as one may that finds no sign of life for long."""
        if self._taker:
            other = f"another run has taken over {self._directory}: {told(self._taker)}"
            raise OutputError(
                f"{other}; this one, which gave no sign of life for {PATIENCE:g} s or more, ends and leaves everything to that"
            )

    # As a progress object

    def expect(self, stages):
        expect(self._progress, stages)
        self._work.expect(stages)

    def start(self, stage, total):
        self.check_place()
        if self._progress:
            self._progress.start(stage, total)
        self._work.start(stage, total)

    def advance(self, n=1):
        if self._progress:
            self._progress.advance(n)
        self._work.advance(n)

    def finish(self):
        if self._progress:
            self._progress.finish()
        self._work.finish()

    # The file

    def _beat(self):
        pause = BEAT / 10  # at first: the run has only just begun
        while not self._ended.wait(pause):
            self._write()
            pause = BEAT

    def _write(self):
        """Write the file or, on a full disk, mark it as new, if it is ours still. The run goes on even where neither can be."""
        self._beats += 1
        beside = self._directory / f".{STATUS_FILE}.partial"
        with suppress(OSError):
            found, there = read_status(self._directory), os.path.lexists(self._path)
            is_ours = is_of(found, self._about)
            if there and not is_ours:
                self._taker = self._taker or (found if self._is_ours else None)
                return
            try:
                self._write_to(beside)
                (os.replace if there else os.link)(beside, self._path)  # a link takes no other run's place
                self._is_ours = True
            except OSError:
                if is_ours:
                    os.utime(self._path)
            finally:
                beside.unlink(missing_ok=True)

    def _write_to(self, path):
        path.write_text(json_text(self.as_dict()) + "\n", encoding="utf-8")

    def _remove_made(self):
        with suppress(OSError):
            for directory in reversed(self._made):
                directory.rmdir()
