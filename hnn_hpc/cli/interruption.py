"""A program that Ctrl-C or a scheduler tells to end does so like one that fails: temporary files are removed, and no rank is left."""

import signal
import threading
from contextlib import contextmanager

from hnn_hpc.errors import Interruption

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)  # the last is what SLURM sends ahead of a time limit (--signal)


class Interruptions:
    """What the first of SIGNALS does: it raises `Interruption` in the main thread, or is `noted` where that is put off."""

    def __init__(self):
        self.noted, self._put_off = False, False

    @contextmanager
    def deferred(self):
        """Put interruptions off within the block, which looks at `noted`; one that it has not heeded is raised at its end."""
        self._put_off = True
        try:
            yield
        finally:
            self._put_off = False
        if self.noted:
            raise Interruption

    def arrive(self):
        """Do what a signal does."""
        self.noted = True
        if not self._put_off:
            raise Interruption


@contextmanager
def interruptions_raised():
    """Let the first of SIGNALS arrive at the `Interruptions` that the block gets; SLURM, mpirun and timeout send more, which must not
    stop the clean-up.

    Handlers belong to the main thread: in another one nothing changes. A signal that is ignored, as under nohup, stays ignored.
    """
    interruptions = Interruptions()
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in SIGNALS if in_main_thread}
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    arrived = []

    def interrupt(number, _):
        arrived.append(number)  # rather than SIG_IGN from now on, of which Python complains where two signals arrive at once
        if len(arrived) == 1:
            interruptions.arrive()

    try:
        for number in before:
            signal.signal(number, interrupt)
        yield interruptions
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
