"""How far a computation is, told to whoever waits.

A progress object has `start(stage, total)`, `advance(n=1)`, which any thread may call, and `finish()`; None stands for nobody. One that
also has `expect(stages)` is told which stages are to come.
"""

from contextlib import contextmanager


class Watched:
    """A progress object that tells another one, or nobody, and calls `step()` at every advance: what that raises ends the stage."""

    def __init__(self, progress, step):
        self._progress, self._step = progress, step

    def start(self, name, total):
        if self._progress:
            self._progress.start(name, total)

    def advance(self, n=1):
        if self._progress:
            self._progress.advance(n)
        self._step()

    def finish(self):
        if self._progress:
            self._progress.finish()


def expect(progress, stages):
    """Tell a progress object, if it wants to know, the stages to come: a list of (name, seconds that it is predicted to take)."""
    if hasattr(progress, "expect"):
        progress.expect(stages)


@contextmanager
def stage(progress, name, total):
    """Report a stage of `total` steps to a progress object, or to nobody; yields the function to call after each step, or after n."""
    if progress is None:
        yield lambda n=1: None
        return
    progress.start(name, total)
    yield progress.advance
    progress.finish()
