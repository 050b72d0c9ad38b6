"""States on the command line."""

from hnn_hpc.errors import UserError


def parse_state(text, dimension):
    """Return the D numbers of `--start q1,..,qn,p1,..,pn` as a list; `UserError` where they are not D numbers."""
    try:
        state = [float(number) for number in text.split(",")]
    except ValueError:
        raise UserError(f"--start {text}: expected {dimension} numbers with commas between, q1..qn, p1..pn") from None
    if len(state) != dimension:
        raise UserError(f"--start {text} has {len(state)} numbers, but the model has {dimension} coordinates, q1..qn, p1..pn")
    return state
