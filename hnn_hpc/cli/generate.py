"""`hnn-hpc generate SYSTEM`: samples of a known system in an HDF5 file, of phase space or of graphs."""

from hnn_hpc.cli.text import count, table
from hnn_hpc.errors import UserError
from hnn_hpc.generation import write_trajectories, write_uniform_samples
from hnn_hpc.graph_job import NETWORK_KEYS, TEST, graph_data
from hnn_hpc.job import check_names, parse_setting
from hnn_hpc.particles import PARTICLE_SYSTEMS
from hnn_hpc.storage import check_writable, save_graph_file
from hnn_hpc.systems import SYSTEMS, make_system
from hnn_hpc.values import LARGEST_SEED, finite_number, whole_number

SIZES = ("samples", "trajectories", "steps", "time_step")
HELP = "write samples of a known system to HDF5"


def add_arguments(parser):
    parser.add_argument("system", metavar="SYSTEM", help=f"{', '.join(SYSTEMS)}; of particles: {', '.join(PARTICLE_SYSTEMS)}")
    parser.add_argument("--samples", type=int, metavar="K", help="points uniform in the system's box")
    parser.add_argument(
        "--trajectories", type=int, metavar="T", help="or trajectories, from points uniform in the box, followed to about 1e-12"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="of a trajectory, which then has N + 1 states")
    parser.add_argument("--time-step", type=float, metavar="H", help="between two states of a trajectory")
    parser.add_argument("--graphs", type=int, metavar="K", help="of a system of particles: states of a graph")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default 0")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="NAME=VALUE",
        help="a parameter of the system, or its box; of a system of particles any key of [graph], such as sizes=[2,2,2]",
    )
    parser.add_argument("--output", required=True, metavar="FILE")
    parser.add_argument("--force", action="store_true", help="replace an existing file")


def run(arguments, communicator, progress):
    with communicator.together():
        if communicator.is_root:
            check_writable(arguments.output, arguments.force)
    if arguments.system in PARTICLE_SYSTEMS:
        return _generate_graphs(arguments, communicator)
    with communicator.together():
        if arguments.graphs is not None:
            raise UserError(f"--graphs is for systems of particles, {', '.join(PARTICLE_SYSTEMS)}; got {arguments.system}")
        system = _system(arguments)
        seed = whole_number(arguments.seed, "--seed", at_least=0, at_most=LARGEST_SEED)
        size = _size(arguments)
    how = {"communicator": communicator, "force": arguments.force, "progress": progress}
    if "samples" in size:
        write_uniform_samples(arguments.output, system, size["samples"], seed, **how)
    else:
        write_trajectories(arguments.output, system, *size.values(), seed, **how)
    return {"file": arguments.output, "system": system.name, "parameters": system.parameters, "dof": system.dof, "seed": seed, **size}


def _generate_graphs(arguments, communicator):
    """Write states of a graph, on one rank."""
    result = None
    with communicator.together():
        if communicator.is_root:
            if arguments.graphs is None or any(getattr(arguments, name) is not None for name in SIZES):
                raise UserError(f"{arguments.system} is a system of particles: give --graphs K in place of {_options(SIZES)}")
            table = dict(parse_setting(text) for text in arguments.settings)
            for name in ("system", "graphs", "seed"):
                if name in table:
                    raise UserError(f"--set {name}={table[name]}: {name} is told by {'SYSTEM' if name == 'system' else f'--{name}'} here")
            for name in table:
                if name in NETWORK_KEYS or name.startswith(TEST):
                    raise UserError(f"--set {name}={table[name]}: {name} is for a fit or its test; leave it out")
            table |= {"system": arguments.system, "graphs": arguments.graphs}
            data, _ = graph_data(table | {"seed": arguments.seed}, check_names, None)
            source, _ = data.sources()
            samples = source.read(0, source.count)
            save_graph_file(arguments.output, samples, source.cutoff, source.description, arguments.force)
            result = {"file": arguments.output, "system": arguments.system, "parameters": data.system.parameters, "graphs": source.count}
            result |= {"particles": samples.graphs.particles, "bonds": len(samples.graphs.bonds), "dimension": source.dimension}
            result |= {"seed": data.seed}
    return communicator.broadcast(result)


def _options(names):
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)


def _system(arguments):
    parameters = dict(parse_setting(text) for text in arguments.settings)
    box = parameters.pop("box", None)
    return make_system(arguments.system, parameters, box)


def _size(arguments):
    """Return {"samples"}, or {"trajectories", "steps", "time_step"}, checked."""
    given = {name: getattr(arguments, name) for name in SIZES if getattr(arguments, name) is not None}
    if set(given) not in ({"samples"}, {"trajectories", "steps", "time_step"}):
        raise UserError("give either --samples, or --trajectories with --steps and --time-step")
    for name in set(given) - {"time_step"}:
        whole_number(given[name], f"--{name}", at_least=1)
    if "time_step" in given and finite_number(given["time_step"], "--time-step") <= 0:
        raise UserError(f"--time-step = {given['time_step']}: expected a positive number")
    return given


def describe(result):
    parameters = ", ".join(f"{name} = {value}" for name, value in result["parameters"].items())
    if "graphs" in result:
        size = f"{count(result['graphs'], 'graph')}, {count(result['particles'], 'particle')} and {count(result['bonds'], 'bond')}"
    elif "samples" in result:
        size = count(result["samples"], "sample")
    else:
        size = f"{result['trajectories']} x {count(result['steps'] + 1, 'state')}, {result['time_step']:g} apart"
    return table(
        [
            ("written", result["file"]),
            ("system", result["system"] + (f" with {parameters}" if parameters else "")),
            ("coordinates", 2 * result["dof"] if "dof" in result else None),
            ("space", f"{result['dimension']} dimensions" if "graphs" in result else None),
            ("size", size),
            ("seed", result["seed"]),
        ]
    )
