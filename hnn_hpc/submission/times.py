"""Time limits as SLURM reads and writes them, in whole minutes."""

import math
import re

from hnn_hpc.errors import UserError
from hnn_hpc.quantities import duration

WARNING = 60  # seconds at least between the signal to a job and its time limit: to end blocks and save
LONGEST = 365 * 86400
EARLY = 60  # seconds that SLURM may give the signal too early
NO_LIMIT = ("infinite", "unlimited", "n/a")
FORMS = "HH:MM:SS, D-HH:MM:SS, or a number of minutes"
# minutes[:seconds] | hours:minutes:seconds | days-hours[:minutes[:seconds]]
PATTERN = re.compile(r"(?P<minutes>\d+)(:(?P<seconds>\d+))?|((?P<D>\d+)-)?(?P<H>\d+)(:(?P<M>\d+)(:(?P<S>\d+))?)?")
UNITS = {"minutes": 60, "seconds": 1, "D": 86400, "H": 3600, "M": 60, "S": 1}


def parse_time(text):
    """Return the seconds of a time limit, such as "30", "30:00", "12:00:00", "1-12" or "1-00:00:00"; infinity for "infinite".

    Errors: `UserError` for anything else.
    """
    if text.lower() in NO_LIMIT:
        return math.inf
    match = PATTERN.fullmatch(text)
    if not match:
        raise UserError(f"{text!r} is no time limit: expected {FORMS}")
    return sum(UNITS[name] * int(value) for name, value in match.groupdict().items() if value)


def checked_limit(text, what):
    """Return the seconds of a time limit; `UserError`, naming it as `what`, for one that cannot be read or is none."""
    try:
        seconds = parse_time(text)
    except UserError as error:
        raise UserError(f"{what}: {error}") from None
    if not 0 < seconds <= LONGEST:
        raise UserError(f"{what} {text}: expected {FORMS}, above 0 and at most a year")
    return seconds


def check_limit(seconds, warning):
    """Raise `UserError` where a job of so many seconds that is told `warning` seconds before their end has no time to get anywhere."""
    if seconds < warning + EARLY:
        raise UserError(
            f"a time limit of {duration(seconds)} is too short: this job is told to save {warning} s ahead, and maybe {EARLY} s earlier; "
            f"pass --time {time_text(2 * (warning + EARLY))} or more"
        )


def time_text(seconds):
    """Return a number of seconds, rounded up to whole minutes as SLURM does, as "HH:MM:00" or "D-HH:MM:00"."""
    minutes = math.ceil(seconds / 60)
    days, hours = divmod(minutes // 60, 24)
    return f"{f'{days}-' if days else ''}{hours:02d}:{minutes % 60:02d}:00"
