"""How long a computation takes still: what was predicted for the stages to come, times what those so far took over their prediction."""

import threading
import time

BEGINNINGS = {"keep", "factor"}  # the stages that a solve may begin with
TRUST = 0.05  # part of a prediction that counts as come true from the start, lest the first steps, small ones maybe, decide
AT_ONCE = 0.1  # of what the first steps were predicted to take: so soon only a checkpoint spares them


class RemainingTime:
    """A progress object (see `progress`) that keeps where the work is, and when it ends."""

    def __init__(self):
        self._lock = threading.Lock()
        self._stage, self._total, self._done, self._spared = "start", 0, 0, 0
        self._since = self._latest = time.monotonic()  # the start of the stage, and of the step at hand
        self._ahead, self._predicted, self._taken, self._allotted = [], 0.0, 0.0, 0.0  # the last two of the stages done

    def expect(self, stages):
        """Be told what is to come: a list of (stage, seconds that it is predicted to take), in order."""
        with self._lock:
            self._ahead = list(stages)
            self._taken = self._allotted = TRUST * sum(seconds for _, seconds in stages)

    def start(self, stage, total):
        with self._lock:
            self._stage, self._total, self._done, self._spared = stage, total, 0, 0
            self._since = self._latest = time.monotonic()
            self._predicted = self._predicted_for(stage)

    def advance(self, n=1):
        with self._lock:
            now, steps = time.monotonic(), max(1, self._total)
            if n > 1 and not self._done and now - self._since < AT_ONCE * self._predicted * n / steps:
                self._spared = n
            if n:
                self._done, self._latest = self._done + n, now

    def finish(self):
        with self._lock:
            self._latest = time.monotonic()
            if self._predicted and self._spared < max(1, self._total):
                self._taken += self._latest - self._since
                self._allotted += self._predicted * (1 - self._spared / max(1, self._total))
            self._predicted, self._done = 0.0, self._total

    def as_dict(self):
        """Return {stage, done, spared, total, stage_seconds, remaining_seconds} by now.

        Steps done and in total, of which a checkpoint has spared some; remaining_seconds is None where nothing is known. The pace is
        that of when the latest step ended.
        """
        with self._lock:
            now = time.monotonic()
            work = {"stage": self._stage, "done": self._done, "spared": self._spared, "total": self._total}
            return work | {"stage_seconds": now - self._since, "remaining_seconds": self._remaining(now)}

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
