"""Every source of graphs: any run of it has the bits of the whole, on any thread, and the derivatives are those of its system."""

import json
import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.graph_samples import ArrayGraphs, GeneratedGraphs, GraphSamples, SimulatedGraphs
from hnn_hpc.graphs import check_graphs, fluid, joined, lattice, populated, with_bonds
from hnn_hpc.particles import make_particle_system, verlet

SPRINGS, METAL = make_particle_system("springs-morse"), make_particle_system("embedded-atom")
FLUID = make_particle_system("lennard-jones", {"cutoff": 1.5})
LATTICE, SITES = populated(lattice([3, 2], periodic=True), (0.5, 2), 2), fluid(30, 3, 0.8)


def arrays(count, **changes):
    graphs = joined([lattice([number + 1, 2]) for number in range(count)])
    generator, shape = np.random.default_rng(count), graphs.positions.shape
    graphs = graphs.at(graphs.positions + generator.uniform(-0.1, 0.1, shape), generator.normal(size=shape))
    samples = GraphSamples(graphs, SPRINGS.velocities(graphs), SPRINGS.forces(graphs), SPRINGS.energy(graphs))
    return ArrayGraphs(samples._replace(**changes))


SOURCES = {
    "arrays": arrays(7),
    "arrays without energies": arrays(7, energies=None),
    "arrays with a cutoff": replace(arrays(7), cutoff=1.5),
    "springs": GeneratedGraphs(SPRINGS, LATTICE, 7, 3, displacement=0.2, momentum=2),
    "fluid": GeneratedGraphs(FLUID, SITES, 7, 3, "test points"),
    "runs of springs": SimulatedGraphs(SPRINGS, LATTICE, 7, 3, time_step=0.05, burn_in=9, interval=4, states_per_run=3),
    "runs of a metal": SimulatedGraphs(METAL, fluid(27, 2, 0.8), 7, 3, time_step=0.02, burn_in=5, interval=5, states_per_run=4),
}
every_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())


def same(one, other):
    """Whether two `GraphSamples` have the same bits; a run without bonds may have no shifts."""
    for name in ("positions", "momenta", "masses", "species", "bonds", "offsets", "boxes"):
        np.testing.assert_array_equal(getattr(one.graphs, name), getattr(other.graphs, name), err_msg=name)
    np.testing.assert_array_equal(one.graphs.bond_vectors, other.graphs.bond_vectors)
    for name in ("velocities", "forces", "energies"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def part(samples, start, stop):
    particles = slice(samples.graphs.offsets[start], samples.graphs.offsets[stop])
    energies = None if samples.energies is None else samples.energies[start:stop]
    return GraphSamples(samples.graphs.run(start, stop), samples.velocities[particles], samples.forces[particles], energies)


@every_source
def test_every_run_has_the_bits_of_the_whole(source):
    whole = source.read(0, source.count)
    for start in range(source.count + 1):
        for stop in range(start, source.count + 1):
            same(source.read(start, stop), part(whole, start, stop))


@every_source
def test_what_is_read_is_what_the_source_tells_of_itself(source):
    samples = source.read(0, source.count)
    check_graphs(samples.graphs, source.location)
    assert source.count == samples.graphs.count == 7 and source.dimension == samples.graphs.dimension
    np.testing.assert_array_equal(source.offsets, samples.graphs.offsets)
    assert samples.velocities.shape == samples.forces.shape == samples.graphs.positions.shape
    assert source.has_energies == (samples.energies is not None)
    assert json.loads(json.dumps(source.description)) == source.description
    if source.cutoff is not None:
        np.testing.assert_array_equal(with_bonds(samples.graphs, source.cutoff).bonds, samples.graphs.bonds)


@every_source
def test_a_source_gives_the_same_on_many_threads_and_after_a_journey(source):
    whole = source.read(0, 7)
    again = pickle.loads(pickle.dumps(source))
    numbers = [5, 0, 3, 6, 1, 4, 2] * 2
    with ThreadPoolExecutor(4) as threads:
        for number, samples in zip(numbers, threads.map(lambda n: again.read(n, n + 1), numbers), strict=True):
            same(samples, part(whole, number, number + 1))


@pytest.mark.parametrize("name", [name for name in SOURCES if "arrays" not in name])
def test_the_derivatives_are_those_of_the_system(name):
    source = SOURCES[name]
    graphs, velocities, forces, energies = source.read(0, 7)
    by_positions, by_momenta = source.system.gradient(graphs)
    np.testing.assert_array_equal(forces, -by_positions)
    np.testing.assert_array_equal(velocities, by_momenta)
    np.testing.assert_array_equal(energies, source.system.energy(graphs))
    assert source.description["system"] == source.system.name and source.description["parameters"] == source.system.parameters


@pytest.mark.parametrize("kind", [GeneratedGraphs, SimulatedGraphs])
def test_states_differ_by_number_seed_and_stream_alone(kind):
    def positions(seed=3, stream="training points", count=4):
        short = {"burn_in": 2, "interval": 1, "states_per_run": 1} if kind is SimulatedGraphs else {}
        return kind(SPRINGS, LATTICE, count, seed, stream, **short).read(0, count).graphs.positions.reshape(count, -1)

    usual = positions()
    np.testing.assert_array_equal(positions(count=6)[:4], usual)
    for others in (positions(seed=4), positions(stream="test points"), usual[[1, 2, 3, 0]]):
        assert (others != usual).all()


def test_generated_states_fill_the_cube_about_rest():
    graphs = GeneratedGraphs(SPRINGS, LATTICE, 500, 0, displacement=0.2, momentum=3).read(0, 500).graphs
    displaced = graphs.positions.reshape(500, 6, 2) - LATTICE.positions
    moved = graphs.momenta.reshape(500, 6, 2) / np.sqrt(LATTICE.masses)[:, None]
    for values, limit in ((displaced, 0.2), (moved, 3)):
        assert (
            np.abs(values).max() <= limit * (1 + 1e-12)
            and values.max(axis=0).min() > 0.97 * limit
            and values.min(axis=0).max() < -0.97 * limit
        )
        np.testing.assert_allclose(values.std(axis=0), limit / math.sqrt(3), rtol=0.1)
    np.testing.assert_array_equal(graphs.masses, np.tile(LATTICE.masses, 500))
    np.testing.assert_array_equal(graphs.species, np.tile(LATTICE.species, 500))


def test_simulated_states_lie_on_a_path_of_stormer_verlet():
    source = SimulatedGraphs(SPRINGS, LATTICE, 6, 3, time_step=0.05, burn_in=7, interval=4, states_per_run=3)
    starts = replace(source, burn_in=0, states_per_run=1)
    for run in range(2):
        rest = starts.read(run, run + 1).graphs
        np.testing.assert_array_equal(rest.positions, LATTICE.positions)
        path = list(verlet(SPRINGS, rest, 0.05, 15))
        for number, step in enumerate((7, 11, 15)):
            np.testing.assert_array_equal(source.read(3 * run + number, 3 * run + number + 1).graphs.positions, path[step].positions)


def test_runs_begin_with_the_temperature_and_without_total_momentum():
    rest = populated(lattice([8, 8]), (0.2, 3))
    source = SimulatedGraphs(SPRINGS, rest, 50, 1, temperature=0.3, burn_in=0, states_per_run=1)
    momenta = source.read(0, 50).graphs.momenta.reshape(50, 64, 2)
    assert np.abs(momenta.sum(axis=1)).max() < 1e-13 * np.abs(momenta).sum(axis=1).min()
    temperatures = (momenta**2 / rest.masses[:, None]).mean(axis=(0, 1)) * 64 / 63  # two of the 128 motions are taken away
    np.testing.assert_allclose(temperatures, 0.3, rtol=0.05)
    light = rest.masses < 1
    for some in (light, ~light):  # each mass has its share
        np.testing.assert_allclose((momenta**2 / rest.masses[:, None])[:, some].mean(), 0.3, rtol=0.08)


def test_a_run_is_computed_once_for_all_of_its_states(monkeypatch):
    import hnn_hpc.graph_samples.simulated as module

    runs = []

    def counted(*arguments):
        runs.append(arguments)
        return verlet(*arguments)

    monkeypatch.setattr(module, "verlet", counted)
    source = SimulatedGraphs(SPRINGS, LATTICE, 12, 3, burn_in=1, interval=1, states_per_run=3)
    for number in range(12):
        source.read(number, number + 1)
    assert len(runs) == 4
    source.read(7, 12)  # the last two runs are kept
    assert len(runs) == 4
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: source.read(0, 3), range(8)))
    assert len(runs) == 5


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: GeneratedGraphs(SPRINGS, joined([LATTICE, LATTICE]), 5, 0), "rest holds 2 graphs; expected one"),
        (lambda: GeneratedGraphs(SPRINGS, LATTICE, 0, 0), "count = 0"),
        (lambda: GeneratedGraphs(SPRINGS, LATTICE, 5, -1), "seed = -1"),
        (
            lambda: GeneratedGraphs(SPRINGS, LATTICE, 5, 0, "validation"),
            "unknown random stream 'validation'; .* training points, test points",
        ),
        (lambda: GeneratedGraphs(SPRINGS, LATTICE, 5, 0, displacement=-0.1), "displacement = -0.1: expected a number of at least 0"),
        (lambda: GeneratedGraphs(SPRINGS, LATTICE, 5, 0, momentum="fast"), "momentum = 'fast'"),
        (lambda: SimulatedGraphs(SPRINGS, LATTICE, 5, 0, temperature=0), "temperature = 0: expected a positive number"),
        (lambda: SimulatedGraphs(SPRINGS, LATTICE, 5, 0, time_step=-0.1), "time_step = -0.1: expected a positive number"),
        (lambda: SimulatedGraphs(SPRINGS, LATTICE, 5, 0, burn_in=-1), "burn_in = -1"),
        (lambda: SimulatedGraphs(SPRINGS, LATTICE, 5, 0, interval=0), "interval = 0"),
        (lambda: SimulatedGraphs(SPRINGS, LATTICE, 5, 0, states_per_run=0), "states_per_run = 0"),
    ],
)
def test_what_no_source_is_is_one_clear_sentence(make, words):
    with pytest.raises(UserError, match=words):
        make()


def test_a_run_that_cannot_be_followed_is_named():
    source = SimulatedGraphs(make_particle_system("springs-linear"), LATTICE, 30, 0, time_step=3, states_per_run=10)
    with pytest.raises(UserError, match=r"the samples of springs-linear: run 2: stormer-verlet .* failed in step \d+ .* no longer finite"):
        source.read(20, 21)
