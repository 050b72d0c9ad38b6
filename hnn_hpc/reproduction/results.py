"""What lies in a member's folder: its figures where they are whole, or else why there are none."""

import math
from contextlib import suppress
from numbers import Real

from hnn_hpc.errors import UserError
from hnn_hpc.run_files import MODEL_FILE, RESULT_FILE, difference, read_result
from hnn_hpc.storage import written_beside

FAILURE_FILE = "failure.txt"  # why the last attempt failed
TRAINING = ("data", "sampling", "solve")  # the stages of a fit that the published seconds are of


def figures_of(member):
    """Return {"energy_error", "gradient_error", "seconds"} of a member, or None where its result is not there or damaged.

    Errors: `UserError` where it is the result of another job, which is not for us to replace.
    """
    result = read_result(member.directory)
    try:
        figures = {name: result["test"][name] for name in ("energy_error", "gradient_error")}
        figures["seconds"] = sum(result["seconds"][stage] for stage in TRAINING)
    except (KeyError, TypeError):
        return None
    if not all(isinstance(value, Real) and math.isfinite(value) for value in figures.values()):
        return None
    if differs := difference(member.job, result["job"]):
        key, there, here = differs
        raise UserError(
            f"{member.directory / RESULT_FILE} is the result of another job: {key} is {there!r} there and {here!r} here; "
            "give another --output, or --force to compute all chosen members anew"
        )
    return figures


def is_there(member):
    """Whether a member's folder holds a result, whole or damaged."""
    return (member.directory / RESULT_FILE).exists()


def problem_of(member):
    """Return why a member has no figures, in a line."""
    with suppress(OSError, ValueError):
        return " ".join((member.directory / FAILURE_FILE).read_text(encoding="utf-8").split())
    if is_there(member):
        return f"{member.directory / RESULT_FILE} is damaged"
    return "nothing is there: it was not computed, or its process was ended"


def note_problem(member, text):
    """Keep why a member failed, for `problem_of`."""
    member.directory.mkdir(parents=True, exist_ok=True)
    with written_beside(member.directory / FAILURE_FILE, force=True) as path:
        path.write_text(text + "\n", encoding="utf-8")


def remove_results(members):
    """Remove what the members' folders hold of earlier runs."""
    for member in members:
        for name in (RESULT_FILE, MODEL_FILE, FAILURE_FILE):
            with suppress(FileNotFoundError, NotADirectoryError):
                (member.directory / name).unlink()
