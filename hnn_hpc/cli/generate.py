"""`hnn-hpc generate SYSTEM`: samples of a known system in an HDF5 file."""

from hnn_hpc.cli.text import count, table
from hnn_hpc.errors import UserError
from hnn_hpc.generation import write_trajectories, write_uniform_samples
from hnn_hpc.job import LARGEST_SEED, parse_setting
from hnn_hpc.storage import check_writable
from hnn_hpc.systems import SYSTEMS, make_system
from hnn_hpc.values import finite_number, whole_number

HELP = "write samples of a known system to HDF5"


def add_arguments(parser):
    parser.add_argument("system", metavar="SYSTEM", help=", ".join(SYSTEMS))
    parser.add_argument("--samples", type=int, metavar="K", help="points uniform in the system's box")
    parser.add_argument(
        "--trajectories", type=int, metavar="T", help="or trajectories, from points uniform in the box, followed to about 1e-12"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="of a trajectory, which then has N + 1 states")
    parser.add_argument("--time-step", type=float, metavar="H", help="between two states of a trajectory")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default 0")
    parser.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="NAME=VALUE", help="a parameter of the system, or its box"
    )
    parser.add_argument("--output", required=True, metavar="FILE")
    parser.add_argument("--force", action="store_true", help="replace an existing file")


def run(arguments, communicator, progress):
    with communicator.together():
        if communicator.is_root:
            check_writable(arguments.output, arguments.force)
        system = _system(arguments)
        seed = whole_number(arguments.seed, "--seed", at_least=0, at_most=LARGEST_SEED)
        size = _size(arguments)
    how = {"communicator": communicator, "force": arguments.force, "progress": progress}
    if "samples" in size:
        write_uniform_samples(arguments.output, system, size["samples"], seed, **how)
    else:
        write_trajectories(arguments.output, system, *size.values(), seed, **how)
    return {"file": arguments.output, "system": system.name, "parameters": system.parameters, "dof": system.dof, "seed": seed, **size}


def _system(arguments):
    parameters = dict(parse_setting(text) for text in arguments.settings)
    box = parameters.pop("box", None)
    return make_system(arguments.system, parameters, box)


def _size(arguments):
    """Return {"samples"}, or {"trajectories", "steps", "time_step"}, checked."""
    given = {
        name: getattr(arguments, name) for name in ("samples", "trajectories", "steps", "time_step") if getattr(arguments, name) is not None
    }
    if set(given) not in ({"samples"}, {"trajectories", "steps", "time_step"}):
        raise UserError("give either --samples, or --trajectories with --steps and --time-step")
    for name in set(given) - {"time_step"}:
        whole_number(given[name], f"--{name}", at_least=1)
    if "time_step" in given and finite_number(given["time_step"], "--time-step") <= 0:
        raise UserError(f"--time-step = {given['time_step']}: expected a positive number")
    return given


def describe(result):
    parameters = ", ".join(f"{name} = {value}" for name, value in result["parameters"].items())
    if "samples" in result:
        size = count(result["samples"], "sample")
    else:
        size = f"{result['trajectories']} x {count(result['steps'] + 1, 'state')}, {result['time_step']:g} apart"
    return table(
        [
            ("written", result["file"]),
            ("system", result["system"] + (f" with {parameters}" if parameters else "")),
            ("coordinates", 2 * result["dof"]),
            ("size", size),
            ("seed", result["seed"]),
        ]
    )
