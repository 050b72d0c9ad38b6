"""A program that Ctrl-C or a scheduler tells to end does so like one that fails: temporary files are removed, and no rank is left."""

import signal
import threading
from contextlib import contextmanager

from hnn_hpc.errors import HnnError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption(HnnError):
    """The process got one of SIGNALS. Unlike KeyboardInterrupt it is an `Exception`, so that the ranks agree on it as on any other."""


@contextmanager
def interruptions_raised():
    """Let the first of SIGNALS raise `Interruption` within the block; mpirun and timeout send more, which must not stop the clean-up.

    Handlers belong to the main thread: in another one nothing changes. A signal that is ignored, as under nohup, stays ignored.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in SIGNALS if in_main_thread}
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}

    def interrupt(*_):
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        raise Interruption("interrupted")

    try:
        for number in before:
            signal.signal(number, interrupt)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
