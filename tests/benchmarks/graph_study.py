"""Measure graph networks against their goals: python tests/benchmarks/graph_study.py [--rounds N] [--ranks N] [--side N]

Trains on the jobs of jobs/graph, tests on larger graphs, and asks for the forces of a lattice of side³ particles, and their motion over
100 steps, on so many ranks under mpirun. Prints the table as Markdown. A few minutes.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from math import pi
from pathlib import Path

import numpy as np

from hnn_hpc.graph_evaluation import evaluate_graphs
from hnn_hpc.graph_model import load_graph_model
from hnn_hpc.graph_samples import ArrayGraphs, GraphSamples
from hnn_hpc.graph_training import fit_graph_source
from hnn_hpc.graphs import lattice
from hnn_hpc.job import load_job
from hnn_hpc.parallel.communicator import SerialCommunicator, world_communicator
from hnn_hpc.particles import make_particle_system, verlet
from hnn_hpc.peak_memory import peak_memory_bytes
from hnn_hpc.rollout import rollout
from hnn_hpc.storage import GraphFile, save_graph_file

JOBS = Path(__file__).parents[2] / "jobs" / "graph"
SERIAL = SerialCommunicator()
PERIOD = 2 * pi  # of a linear bond, k = m = 1
STEPS, RELAXED, TEMPERATURE = 100, 100, 1e-6


def trained(name, settings=(), rounds=1):
    """Return (the fit of a job, its errors on its test, the median seconds of training)."""
    job = load_job(JOBS / f"{name}.toml", settings)
    train, test = job.data.sources()
    train = ArrayGraphs(train.read(0, train.count), train.cutoff)  # training starts with the samples there
    fits = [fit_graph_source(train, job.options, job.network, SERIAL) for _ in range(rounds)]
    errors = evaluate_graphs(fits[0].model, test, SERIAL)
    return fits[0], errors, statistics.median(fit.record["seconds"]["total"] for fit in fits)


def error_inside(fit, name, settings=()):
    """Return the relative error of the forces on those particles of a job's test all of whose bonds are in the trained range."""
    _, test = load_job(JOBS / f"{name}.toml", settings).data.sources()
    samples = test.read(0, test.count)
    graphs, bonds = samples.graphs, fit.model.outside(samples.graphs)[0]
    inside = np.ones(graphs.particles, bool)
    inside[graphs.bonds[bonds]] = False
    wrong = fit.model.gradient(graphs)[0][inside] + samples.forces[inside]
    return np.linalg.norm(wrong) / np.linalg.norm(samples.forces[inside])


def row(what, measured, bar, kept):
    """Return a line of the table, in Markdown; `kept`: whether the bar is."""
    print(f"| {what} | {measured}{'' if kept else ' (missed)'} | {bar} |", flush=True)


def accuracy(rounds):
    fit, errors, seconds = trained("lattice_3d", rounds=rounds)
    row("3-D lattice, 8 nodes, linear: MSE", f"{errors['mse']:.1e}", "≤ 1e-14 (8.95e-5)", errors["mse"] <= 1e-14)
    row("the same: seconds of training, median", f"{seconds:.3f}", "≤ 0.16", seconds <= 0.16)
    for bond, published in (("anharmonic", "5.2e-4"), ("morse", "1.2e-3")):
        _, errors, _ = trained(f"lattice_3d_{bond}", ["graph.test_sizes=[2,2,2]", "graph.test_graphs=200"])
        row(f"{bond}: MSE", f"{errors['mse']:.1e}", f"≤ 1e-12 ({published})", errors["mse"] <= 1e-12)
    for bond in ("", "_anharmonic", "_morse"):
        name, settings = f"lattice_3d{bond}", ["graph.test_sizes=[16,16,16]", "graph.test_graphs=1"]
        fit, errors, _ = trained(name, settings)
        inside = error_inside(fit, name, settings)
        kept = errors["mse"] <= 1e-8 and inside <= 1e-10
        what = f"zero-shot to 16 × 16 × 16{bond.replace('_', ', ')}: MSE, forces inside the range"
        row(what, f"{errors['mse']:.1e}, {inside:.1e}", "≤ 1e-8, ≤ 1e-10", kept)
    for name, what in (("lattice_2d", "2 × 2 → 100 × 100"), ("chain", "chain → 16 × 16 × 16")):
        _, errors, _ = trained(name)
        row(f"zero-shot {what}: MSE", f"{errors['mse']:.1e}", "≤ 1e-8 (fails)", errors["mse"] <= 1e-8)
    _, errors, seconds = trained("lennard_jones")
    measured = f"{errors['gradient_error']:.1e}, {seconds:.2f} s of training"
    row("Lennard-Jones, 64 → 10 000: relative error of ∇H", measured, "≤ 1e-3 (about 0.1)", errors["gradient_error"] <= 1e-3)
    _, errors, _ = trained("embedded_atom")
    _, of_pairs, _ = trained("embedded_atom", ["graph.messages=0"])
    by_messages, by_pairs = errors["gradient_error"], of_pairs["gradient_error"]
    measured = f"{by_messages:.1e}, {by_pairs:.1e}, {by_pairs / by_messages:.0f}"
    row("embedded atoms: ∇H by messages; by pairs alone; ratio", measured, "≥ 100", by_pairs >= 100 * by_messages)


def thermal_lattice(side):
    """Return side³ particles with linear springs in equilibrium at a low TEMPERATURE, k = m = 1.

    There the lattice is made of lines along the axes, whose stretches are Gaussian and independent. Out of equilibrium, even out of that of
    the method itself, which some steps lead to, the energy changes while parts of it are exchanged, which says nothing of its drift.
    """
    rng, rest = np.random.default_rng(0), lattice([side] * 3)
    stretches, momenta = np.sqrt(TEMPERATURE) * rng.standard_normal((2, side, side, side, 3))
    displacements = np.stack([np.cumsum(stretches[..., axis], axis=axis) for axis in range(3)], axis=-1)
    momenta -= momenta.mean(axis=(0, 1, 2))
    start = rest.at(rest.positions + displacements.reshape(-1, 3), momenta.reshape(-1, 3))
    *_, relaxed = verlet(make_particle_system("springs-linear"), start, PERIOD / 50, RELAXED, every=RELAXED)
    return relaxed


def million(side, ranks):
    """Measure the forces and the motion of side³ particles, by processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        fit, _, _ = trained("lattice_3d", ["graph.displacement=0.4"])
        fit.model.save(f"{folder}/model.h5")
        start = thermal_lattice(side)
        zeros = np.zeros_like(start.positions)
        save_graph_file(f"{folder}/start.h5", GraphSamples(start, zeros, zeros), with_derivatives=False)
        command = ["mpirun", "-n", str(ranks), sys.executable, __file__, "--in", folder]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    what, gigabytes = f"{side**3:.0e} particles on {ranks} ranks", told["memory"] / 1e9
    measured, kept = f"{told['seconds']:.2f}, {gigabytes:.2f}", told["seconds"] <= 5 and gigabytes <= 4
    row(f"{what}: seconds of a step, with its force evaluation; GB a rank", measured, "≤ 5, ≤ 4", kept)
    what = f"the same: {STEPS} steps of 1/50 of the bond's period: trend of the energy; largest change"
    row(what, f"{told['drift']:.1e}; {told['deviation']:.1e}", "≤ 1e-5", told["drift"] <= 1e-5)
    row("the same: momentum, of the sum of its sizes", f"{told['momentum']:.0e}", "round-off", told["momentum"] < 1e-12)


def of_ranks(folder):
    """What each rank of `million` does."""
    communicator = world_communicator()
    model, graph = load_graph_model(f"{folder}/model.h5"), GraphFile(f"{folder}/start.h5", needs_derivatives=False).read(0, 1).graphs
    begun = time.perf_counter()
    motion = rollout(model, graph, PERIOD / 50, STEPS, communicator, every=5)
    seconds = time.perf_counter() - begun
    memory = max(communicator.all_gather(peak_memory_bytes()))
    if communicator.is_root:
        energies = motion.energies / motion.energies[0]
        drift, deviation = abs(np.polyfit(motion.times, energies, 1)[0]) * motion.times[-1], np.abs(energies - 1).max()
        sizes = np.abs(graph.momenta).sum()
        momentum = np.abs(motion.momenta - motion.momenta[0]).max() / sizes
        told = {"seconds": seconds / STEPS, "memory": memory, "momentum": momentum}
        told |= {"drift": drift, "deviation": deviation}
        print(json.dumps({name: float(value) for name, value in told.items()}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="of the training that is timed; 0: forces and motion alone")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--side", type=int, default=100)
    parser.add_argument("--in", dest="folder", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder:
        of_ranks(arguments.folder)
        return
    print("| what | measured | goal (published) |\n|---|---|---|")
    if arguments.rounds:
        accuracy(arguments.rounds)
    million(arguments.side, arguments.ranks)


if __name__ == "__main__":
    main()
