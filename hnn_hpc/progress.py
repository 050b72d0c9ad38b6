"""How far a computation is, told to whoever waits.

A progress object has `start(stage, total)`, `advance(n=1)`, which any thread may call, and `finish()`; None stands for nobody.
"""

from contextlib import contextmanager


@contextmanager
def stage(progress, name, total):
    """Report a stage of `total` steps to a progress object, or to nobody; yields the function to call after each step, or after n."""
    if progress is None:
        yield lambda n=1: None
        return
    progress.start(name, total)
    yield progress.advance
    progress.finish()
