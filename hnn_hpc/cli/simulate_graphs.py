"""`hnn-hpc simulate` for a model of graphs: one graph of up to millions of particles, over all ranks."""

import numpy as np

from hnn_hpc.cli.states import steps_of
from hnn_hpc.cli.text import count, scientific, table
from hnn_hpc.errors import UserError
from hnn_hpc.graph_evaluation import check_bonds
from hnn_hpc.graph_model import load_graph_model
from hnn_hpc.graph_samples import GraphSamples
from hnn_hpc.graphs import check_graphs, with_bonds
from hnn_hpc.rollout import rollout
from hnn_hpc.storage import GraphFile, check_other_file, save_graph_file

METHOD = "stormer-verlet"


def simulate_graph(arguments, communicator, progress):
    """Follow the one graph of the file --start and write its last state, with the records of the motion; return the result. Collective."""
    with communicator.together():
        if arguments.method not in (None, METHOD):
            raise UserError(f"graphs are followed by {METHOD} alone; got --method {arguments.method}: leave it out")
        if len(arguments.start) > 1:
            raise UserError(f"a model of graphs follows one graph, that of the file --start; got {len(arguments.start)} of them")
        if communicator.is_root:
            check_other_file(arguments.output, arguments.start[0])
        model, source = load_graph_model(arguments.model), GraphFile(arguments.start[0], needs_derivatives=False)
        if source.count > 1:
            raise UserError(f"{source.location} holds {source.count} graphs; expected one, which the motion starts with")
        graph = source.read(0, 1).graphs
        if model.cutoff is None or (source.cutoff is None and len(graph.bonds)):  # else bonds are found anew
            check_bonds(model.cutoff, source)
        check_graphs(graph, source.location)
        time_step, steps, save_every = steps_of(arguments)
    motion, told = rollout(model, graph, time_step, steps, communicator, save_every, progress), None
    with communicator.together():
        if communicator.is_root:
            _write(arguments, motion, source, model.cutoff)
            outside, far, counting = model.outside(motion.end if model.cutoff is None else with_bonds(motion.end, model.cutoff))
            kinetic = max(_kinetic_energy(model, state) for state in (graph, motion.end))
            told = int(counting.sum()), int(outside.sum()), float(far.mean()), kinetic
    bonds, outside, particles_outside, kinetic = communicator.broadcast(told)
    size = np.abs(graph.momenta).sum(axis=0).max()
    return {
        "file": arguments.output,
        "method": METHOD,
        "particles": graph.particles,
        "bonds": bonds,
        "dimension": graph.dimension,
        "ranks": communicator.size,
        "steps": steps,
        "time_step": time_step,
        "save_every": save_every,
        "energy_drift": float(np.abs(motion.energies - motion.energies[0]).max() / kinetic) if kinetic > 0 else None,
        "momentum_drift": float(np.abs(motion.momenta - motion.momenta[0]).max() / size) if size else None,
        "outside": outside / max(1, bonds),
        "particles_outside": particles_outside,
        "lists": motion.lists,
    }


def _kinetic_energy(model, graph):
    alone = graph.without_bonds()
    return float(model.energy(alone)[0] - model.energy(alone.at(graph.positions, 0 * graph.momenta))[0])


def _write(arguments, motion, source, cutoff):
    attributes = {"model": arguments.model, "method": METHOD, "start": source.location, "time_step": arguments.time_step}
    zeros = np.zeros_like(motion.end.positions)
    samples = GraphSamples(motion.end, zeros, zeros)
    records = {f"rollout/{name}": getattr(motion, name) for name in ("times", "energies", "momenta", "angular_momenta")}
    how = {"force": arguments.force, "with_derivatives": False, "others": records}
    save_graph_file(arguments.output, samples, cutoff, attributes, **how)


def describe_motion(result):
    """Return the table of a result of `simulate_graph`."""
    drift, momentum = result["energy_drift"], result["momentum_drift"]
    shares = {"bonds": result["outside"], "particles": result["particles_outside"]}
    shares = [f"{share:.2g} of the {what}" for what, share in shares.items() if share]
    return table(
        [
            ("written", f"{result['file']}, the state at the end and the records of the motion"),
            ("graph", f"{count(result['particles'], 'particle')} and {count(result['bonds'], 'bond')} in {result['dimension']} dimensions"),
            ("motion", f"{count(result['steps'], 'step')} of {result['time_step']:g} by {result['method']}"),
            ("on", count(result["ranks"], "rank")),
            ("energy drift", "unknown, nothing moves" if drift is None else f"{scientific(drift)} of the kinetic energy at most"),
            ("momentum", None if momentum is None else f"kept to {scientific(momentum)} of the sum of its sizes"),
            ("lists", f"bonds found {count(result['lists'], 'time')}" if result["lists"] else None),
            ("outside", f"{' and '.join(shares)} lie outside the training data at the end" if shares else None),
        ]
    )
