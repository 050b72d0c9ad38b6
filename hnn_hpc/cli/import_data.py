"""`hnn-hpc import FILE`: samples of one's own, from a text table or arrays of numpy, in an HDF5 file."""

import csv

from hnn_hpc.cli.text import count, table
from hnn_hpc.errors import UserError
from hnn_hpc.importing import Wanted, import_samples

MOST_RANGES = 16  # coordinates in the table for people
HELP = "bring samples of your own, in a text table or in arrays of numpy, to HDF5"


def add_arguments(parser):
    parser.add_argument("source", metavar="FILE", help="text table such as .csv with commas, semicolons, tabs or blanks; or .npz, .npy")
    names = "by their names in the header, or their numbers from 1 on where there is none; arrays of numpy by theirs"
    parser.add_argument("--columns", required=True, metavar="q1,..,pn", help=f"the coordinates, positions and then momenta: {names}")
    parser.add_argument("--velocities", metavar="dq1,..,dpn", help="columns of dx/dt in the same order; trajectories in time need none")
    parser.add_argument("--energy", metavar="H", help="column of the energy")
    parser.add_argument("--time", metavar="t", help="column of the time: rows are states of trajectories, equally far apart")
    parser.add_argument(
        "--time-step",
        type=float,
        metavar="H",
        help="or the time between two states, where there is no column of it: of one trajectory, unless --trajectory tells several apart",
    )
    trajectory = "column that tells trajectories apart, by numbers or words; default: one begins where time jumps back"
    parser.add_argument("--trajectory", metavar="id", help=trajectory)
    tolerance = f"largest relative difference of a step in time from the others; default {Wanted.time_tolerance:g}"
    parser.add_argument("--time-tolerance", type=float, default=Wanted.time_tolerance, metavar="R", help=tolerance)
    parser.add_argument("--output", required=True, metavar="FILE")
    parser.add_argument("--force", action="store_true", help="replace an existing file")


def run(arguments, communicator, progress):
    with communicator.together():
        result = _import(arguments, progress) if communicator.is_root else None
    return communicator.broadcast(result)


def _import(arguments, progress):
    single = {name: getattr(arguments, name) for name in ("energy", "time", "trajectory", "time_step", "time_tolerance")}
    velocities = None if arguments.velocities is None else _names(arguments.velocities, "--velocities")
    wanted = Wanted(_names(arguments.columns, "--columns"), velocities, **single)
    return import_samples(arguments.source, arguments.output, wanted, arguments.force, progress)


def _names(text, option):
    """Return the names of a list with commas between; one that holds a comma itself stands in quotation marks."""
    names = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
    if not names or "" in names:
        raise UserError(f"{option} {text}: expected names of columns with commas between")
    return tuple(names)


def describe(result):
    trajectories = result.get("trajectories")
    return table(
        [
            ("written", result["file"]),
            ("read", f"{result['source']}, {count(result['rows'], 'row')}"),
            ("found", result["form"]),
            ("coordinates", _coordinates(result["columns"])),
            ("samples", count(result["samples"], "sample") if trajectories is None else None),
            ("trajectories", _trajectories(result) if trajectories is not None else None),
            ("left out", _left_out(result) if result.get("states_left_out") else None),
            ("time step", _time_step(result) if trajectories is not None else None),
            ("velocities", "in the file" if result["velocities"] else "none: to be told from consecutive states"),
            ("energies", "in the file" if result["energies"] else "none: H is learned up to a constant"),
            *_ranges(result["ranges"]),
            ("next", "hnn-hpc fit JOB.toml, where JOB.toml has the two lines"),
            ("", "[data]"),
            ("", f'file = "{result["file"]}"'),
        ]
    )


def _coordinates(columns):
    shown = [f"{name} = {column}" if name != column else name for name, column in list(columns.items())[:MOST_RANGES]]
    return ", ".join(shown + ["..."] * (len(columns) > MOST_RANGES))


def _trajectories(result):
    found, pieces = result["trajectories_found"], result["trajectories"]
    states = f"{pieces} of {count(result['states'], 'state')}"
    return states if result["states_left_out"] == 0 and pieces == found else f"{states}, cut from the {found} in the table"


def _left_out(result):
    left_out = result["states_left_out"]
    return f"{count(left_out, 'state')} ({left_out / result['rows']:.1%}), ends of trajectories that fill no piece"


def _time_step(result):
    if result["time_step"] is None:
        return "unknown"
    deviation = result["time_step_deviation"]
    found = "as given" if deviation is None else f"steps differ by {deviation:.1e} of it at most"
    return f"{result['time_step']:.10g}, {found}"


def _ranges(ranges):
    shown = [(name, f"{lower:.6g} to {upper:.6g}") for name, (lower, upper) in list(ranges.items())[:MOST_RANGES]]
    return [*shown, ("...", "")] if len(ranges) > MOST_RANGES else shown
