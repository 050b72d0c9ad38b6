"""What the exit code of a command says; the one table for the program, its help and its tests."""

from hnn_hpc.errors import Interruption, NotCertifiedError, UserError

DONE, FAILED, USER_INPUT, NOT_CERTIFIED, INTERRUPTED = 0, 1, 2, 3, 75

EXIT_CODES = {
    DONE: "done",
    USER_INPUT: "the input cannot be used: a file, a value or a name",
    NOT_CERTIFIED: "the solve did not converge or is not certified; no model was written",
    INTERRUPTED: "interrupted; the same command with --resume goes on from the checkpoint",
    FAILED: "anything else",
}


def exit_code_of(error):
    """Return the exit code that an exception ends the program with."""
    if isinstance(error, Interruption) and error.resumable:
        return INTERRUPTED
    return next((code for kind, code in ((UserError, USER_INPUT), (NotCertifiedError, NOT_CERTIFIED)) if isinstance(error, kind)), FAILED)
