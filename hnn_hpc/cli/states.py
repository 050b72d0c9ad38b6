"""States and steps on the command line."""

from hnn_hpc.errors import UserError
from hnn_hpc.values import finite_number, whole_number

MOST_STEPS = 10**12  # a year of computing at least


def parse_state(text, dimension):
    """Return the D numbers of `--start q1,..,qn,p1,..,pn` as a list; `UserError` where they are not D numbers."""
    try:
        state = [float(number) for number in text.split(",")]
    except ValueError:
        raise UserError(f"--start {text}: expected {dimension} numbers with commas between, q1..qn, p1..pn") from None
    if len(state) != dimension:
        raise UserError(f"--start {text} has {len(state)} numbers, but the model has {dimension} coordinates, q1..qn, p1..pn")
    return state


def steps_of(arguments):
    """Return (time step, steps, steps from one state that is kept to the next) of --time-step, --time and --save-every, checked."""
    time_step, time = finite_number(arguments.time_step, "--time-step"), finite_number(arguments.time, "--time")
    if not 0 < time_step <= time <= MOST_STEPS * time_step:
        raise UserError(f"--time-step {time_step:g} and --time {time:g}: expected a positive step, and from 1 to {MOST_STEPS:,} of them")
    steps = round(time / time_step)
    return time_step, steps, whole_number(arguments.save_every, "--save-every", at_least=1, at_most=steps)
