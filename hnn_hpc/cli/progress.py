"""What a waiting person sees: a bar on a terminal, or log lines that name the rank. Both are progress objects (see `hnn_hpc.progress`)."""

import time
from threading import Lock

WIDTH = 32
WIPE = "\r\033[K"
REDRAW_SECONDS = 0.1


class ProgressBar:
    """One line on a terminal, redrawn at most ten times a second and wiped at the end of the stage."""

    def __init__(self, stream):
        self._stream, self._lock = stream, Lock()

    def start(self, stage, total):
        self._stage, self._total, self._done = stage, total, 0
        self._started, self._drawn = time.monotonic(), 0.0
        self._draw(time.monotonic())

    def advance(self, n=1):
        with self._lock:
            self._done += n
            if (now := time.monotonic()) - self._drawn > REDRAW_SECONDS:
                self._draw(now)

    def finish(self):
        self._write(WIPE)

    def _draw(self, now):
        self._drawn, part = now, min(1.0, self._done / max(1, self._total))
        bar = "#" * round(WIDTH * part)
        self._write(f"\r{self._stage:<10} [{bar:.<{WIDTH}}] {part:4.0%} {now - self._started:6.1f} s\033[K")

    def _write(self, text):
        self._stream.write(text)
        self._stream.flush()


class ProgressLog:
    """A line when a stage starts and one when it ends, with the time of day and the rank."""

    def __init__(self, stream, rank):
        self._stream, self._rank, self._stage = stream, rank, None

    def start(self, stage, total):
        self._stage, self._started = stage, time.monotonic()
        self._write(f"{stage} starts, {total} steps")

    def advance(self, n=1):
        pass

    def finish(self):
        if self._stage:
            self._write(f"{self._stage} took {time.monotonic() - self._started:.3f} s")
        self._stage = None

    def _write(self, text):
        self._stream.write(f"{time.strftime('%H:%M:%S')} rank {self._rank}: {text}\n")
        self._stream.flush()
