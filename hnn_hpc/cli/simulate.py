"""`hnn-hpc simulate MODEL`: the motion of the learned Hamiltonian, by a symplectic method, and how well energy is kept.

Trajectories of a model of phase space are followed by one rank; a graph, of up to millions of particles, by all of them.
"""

import numpy as np

from hnn_hpc.cli.simulate_graphs import describe_motion, simulate_graph
from hnn_hpc.cli.states import parse_state, steps_of
from hnn_hpc.cli.text import count, scientific, table
from hnn_hpc.errors import UserError
from hnn_hpc.integrators import INTEGRATORS, energy_drift, integrate
from hnn_hpc.models import load_model
from hnn_hpc.provenance import known_system
from hnn_hpc.storage import SampleFileWriter, check_other_file, check_writable, holds_graphs

MOST_BYTES = 10**9  # of the states that are kept; with velocities, energies and copies some six times as much is held
HELP = "follow trajectories of a learned Hamiltonian and write them to HDF5"


def add_arguments(parser):
    parser.add_argument("model", metavar="MODEL", help="model file that fit wrote")
    parser.add_argument(
        "--start", action="append", required=True, metavar="q1,..,pn", help="start state; once for each trajectory; of graphs an HDF5 file"
    )
    parser.add_argument("--time", type=float, required=True, metavar="T", help="how long to follow; rounded to whole steps")
    parser.add_argument("--time-step", type=float, default=0.01, metavar="H", help="default 0.01")
    parser.add_argument("--save-every", type=int, default=1, metavar="N", help="keep every N-th state only; default 1")
    parser.add_argument(
        "--method", metavar="METHOD", help=f"default implicit-midpoint; of {', '.join(INTEGRATORS)}; of graphs stormer-verlet"
    )
    parser.add_argument("--output", default="trajectory.h5", metavar="FILE", help="default trajectory.h5")
    parser.add_argument("--force", action="store_true", help="replace an existing file")


def run(arguments, communicator, progress):
    with communicator.together():
        if communicator.is_root:
            check_other_file(arguments.output, arguments.model)
            check_writable(arguments.output, arguments.force)
        of_graphs = holds_graphs(arguments.model)
    if of_graphs:
        return simulate_graph(arguments, communicator, progress)
    with communicator.together():
        result = _simulate(arguments) if communicator.is_root else None
    return communicator.broadcast(result)


def _simulate(arguments):
    model, method = load_model(arguments.model), arguments.method or "implicit-midpoint"
    starts = np.array([parse_state(text, model.dimension) for text in arguments.start])
    time_step, steps, save_every = steps_of(arguments)
    _check_memory(starts, steps, save_every)
    trajectories = integrate(model, starts, time_step, steps, method, save_every)
    _write(arguments, model, method, np.ascontiguousarray(np.moveaxis(trajectories, 0, 1)))
    system, (lower, upper) = known_system(model), model.domain.T
    return {
        "file": arguments.output,
        "method": method,
        "trajectories": len(starts),
        "steps": steps,
        "time_step": time_step,
        "save_every": save_every,
        "energy_drift": energy_drift(model, trajectories),
        "true_energy_drift": energy_drift(system, trajectories) if system else None,
        "outside_domain": float(np.mean(((trajectories < lower) | (trajectories > upper)).any(axis=-1))),
    }


def _check_memory(starts, steps, save_every):
    kept, most = 1 + steps // save_every, MOST_BYTES // starts.nbytes
    if kept > most:
        raise UserError(
            f"{kept:,} states of {starts.nbytes} bytes do not fit in memory, where up to {most:,} are kept: "
            f"pass --save-every {-(-steps // (most - 1))}, or a shorter --time"
        )


def _write(arguments, model, method, trajectories):
    attributes = {"model": arguments.model, "method": method}
    time_step = arguments.time_step * arguments.save_every
    with SampleFileWriter(arguments.output, trajectories.shape, time_step=time_step, attributes=attributes, force=arguments.force) as file:
        file.write_trajectories(0, trajectories, model.vector_field(trajectories), model.energy(trajectories))


def describe(result):
    if "particles" in result:
        return describe_motion(result)
    outside = result["outside_domain"]
    return table(
        [
            ("written", result["file"]),
            ("trajectories", f"{result['trajectories']} of {count(result['steps'], 'step')}, {result['time_step']:g} each"),
            ("saved", f"one state in {result['save_every']}" if result["save_every"] > 1 else None),
            ("method", result["method"]),
            ("energy drift", f"{scientific(result['energy_drift'])} of the learned H"),
            ("", f"{scientific(result['true_energy_drift'])} of the true H" if result["true_energy_drift"] is not None else None),
            ("outside", f"{outside:.0%} of the states lie outside the training data: extrapolation" if outside else None),
        ]
    )
