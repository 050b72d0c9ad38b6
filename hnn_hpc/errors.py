"""The exceptions a user may meet. Each message is one sentence or two: what was expected, what came, where, what to do next."""


class HnnError(Exception):
    """Base of every exception that this package raises on purpose."""


class UserError(HnnError):
    """The input cannot be used: a file, a value, a name or a shape. The command line answers with exit code 2."""


class OutputError(HnnError):
    """What was computed cannot be written: the disk is full, the directory has gone. The command line answers with exit code 1."""


class NotCertifiedError(HnnError):
    """The solve ended without a certified solution; exit code 3. The uncertified `solution` is attached for inspection."""

    def __init__(self, message, solution=None):
        super().__init__(message)
        self.solution = solution


class Interruption(HnnError):
    """The program was told to end, by Ctrl-C or a scheduler; exit code 75 where `resumable`, the run being able to go on, else 1.

    Unlike KeyboardInterrupt it is an `Exception`, so that the ranks agree on it as on any other.
    """

    BARE = "interrupted"  # the message of one that nobody has met who could say how to go on

    def __init__(self, message=BARE, resumable=False):
        super().__init__(message)
        self.resumable = resumable


def look_up(table, name, kind):
    """Return `table[name]`; a wrong name raises `UserError` listing the right ones from the same table.

    Parameters: table (dict), name (str), kind (str): what the names stand for, as in "sampler".
    """
    try:
        return table[name]
    except (KeyError, TypeError):
        kinds = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
        raise UserError(f"unknown {kind} {name!r}; the {kinds} are: {', '.join(table)}") from None
