"""Graphs on one to four ranks: the bits of one rank, the same checkpoints, the same errors, whatever graphs there are and however many."""

import hashlib
import shutil
from contextlib import nullcontext
from dataclasses import fields, replace

import numpy as np
import pytest

from hnn_hpc import FitOptions, UserError, fit_graphs
from hnn_hpc.errors import Interruption
from hnn_hpc.graph_evaluation import evaluate_graphs
from hnn_hpc.graph_options import GraphOptions
from hnn_hpc.graph_samples import ArrayGraphs, GeneratedGraphs, SimulatedGraphs, read_own, survey_graphs
from hnn_hpc.graph_training import fit_graph_source
from hnn_hpc.graphs import Graphs, chain, fluid, joined, lattice, populated
from hnn_hpc.operators import BondRows, KineticRows
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.particles import make_particle_system
from hnn_hpc.storage import Checkpoint, GraphFile, save_graph_file

SERIAL = SerialCommunicator()
MORSE, METAL = make_particle_system("springs-morse"), make_particle_system("embedded-atom")


def unlike_graphs():
    """Lattices of many sizes, 1950 particles in 153 graphs, in states of their own."""
    parts = []
    for seed, sizes in enumerate([(2, 1), (3, 3), (13, 14), (4, 5), (1, 1), (6, 2)]):
        count = {(13, 14): 3, (1, 1): 30}.get(sizes, 30)
        parts.append(GeneratedGraphs(MORSE, lattice(list(sizes)), count, seed, displacement=0.2).read(0, count))
    samples = [np.concatenate([part[column] for part in parts]) for column in (1, 2, 3)]
    return ArrayGraphs(parts[0].__class__(joined([part.graphs for part in parts]), *samples))


# Sources of 2 to 2000 particles: some of many graphs in several blocks, others with fewer graphs than there are ranks.
SOURCES = {
    "many small graphs": (GeneratedGraphs(MORSE, populated(lattice([4, 4], periodic=True), (0.5, 2), 2), 128, 1, displacement=0.2), {}),
    "graphs of many sizes": (unlike_graphs(), {}),
    "graphs of many sizes and messages": (unlike_graphs(), {"messages": 2, "message_steps": 2}),
    "one large graph": (GeneratedGraphs(MORSE, lattice([40, 40]), 1, 1, displacement=0.2), {}),
    "one large graph and messages": (GeneratedGraphs(METAL, lattice([36, 36], periodic=True), 1, 1), {"messages": 3}),
    "two graphs": (GeneratedGraphs(MORSE, lattice([9, 9, 9]), 2, 1, displacement=0.2), {"messages": 2}),
    "fewer graphs than ranks": (GeneratedGraphs(MORSE, chain(12), 3, 1, displacement=0.2), {}),
    "runs of a metal": (SimulatedGraphs(METAL, fluid(64, 2, 0.8), 8, 1, burn_in=30, interval=10, states_per_run=3), {"messages": 3}),
}
every_source = pytest.mark.parametrize(("source", "graph_options"), SOURCES.values(), ids=SOURCES)


def digest(arrays):
    told = hashlib.sha256()
    for array in arrays:
        told.update(np.ascontiguousarray(array).tobytes())
    return told.hexdigest()


def check_same(found, expected):
    """Check that two fits are the same bit for bit."""
    np.testing.assert_array_equal(found.model.coefficients, expected.model.coefficients)
    for ours, theirs in zip(found.model.feature_map.layers, expected.model.feature_map.layers, strict=True):
        np.testing.assert_array_equal(ours.weights, theirs.weights)
        np.testing.assert_array_equal(ours.biases, theirs.biases)
    for name in ("constants", "constants_known", "ranges", "dimension"):
        assert getattr(found.model, name) == getattr(expected.model, name)
    for name in ("solver", "backward_error", "relative_residual", "condition_estimate", "rank", "certified", "householder_rows"):
        assert getattr(found.solution, name) == getattr(expected.solution, name)
    assert found.record["bonds"] == expected.record["bonds"] and found.record["terms"] == expected.record["terms"]
    ours, theirs = ({name: value for name, value in fit.record["basis"].items() if name != "seconds"} for fit in (found, expected))
    assert ours == theirs


@every_source
def test_fits_are_bitwise_those_of_one_rank(communicator, source, graph_options):
    options, graph_options = FitOptions(features=18), GraphOptions(**graph_options)
    found, expected = (fit_graph_source(source, options, graph_options, ranks) for ranks in (communicator, SERIAL))
    check_same(found, expected)
    model = found.model
    assert len(set(communicator.all_gather(digest([model.coefficients, *model.constants.values()])))) == 1
    errors = evaluate_graphs(model, source, communicator)
    assert errors == evaluate_graphs(model, source, SERIAL) and errors["gradient_error"] < 0.5


@pytest.mark.parametrize("sampler", ["gradient-swim", "uniform-swim", "elm"])
def test_every_sampler_draws_alike_on_all_ranks(communicator, sampler):
    source, graph_options = SOURCES["many small graphs"][0], GraphOptions(messages=2)
    options = FitOptions(features=12, sampler=sampler, block_bytes="30KB", ridge="gcv")
    check_same(*(fit_graph_source(source, options, graph_options, ranks) for ranks in (communicator, SERIAL)))


@pytest.mark.parametrize("seed", [8, 9, 10])
def test_constants_have_the_bits_of_one_rank_too(communicator, seed):
    """Energies that are computed together with others have other last bits: seed 9 showed it on any number of ranks."""
    source = GeneratedGraphs(MORSE, lattice([5, 3], periodic=True), 50, seed, displacement=0.2)
    options, graph_options = FitOptions(features=13, bandwidth=0.5, seed=seed), GraphOptions(["1/r"])
    found, expected = (fit_graph_source(source, options, graph_options, ranks) for ranks in (communicator, SERIAL))
    check_same(found, expected)


@every_source
@pytest.mark.parametrize("blocks", [1, 7])
def test_the_pool_is_that_of_one_rank(communicator, source, graph_options, blocks):
    layout = RowLayout(int(source.offsets[-1]), blocks)
    found, expected = (survey_graphs(read_own(source, layout, ranks), source, ranks, 2, 1) for ranks in (communicator, SERIAL))
    for name in ("momenta", "masses", "lengths", "bonds", "checksum"):
        assert getattr(found, name) == getattr(expected, name)
    np.testing.assert_array_equal(found.chosen, expected.chosen)
    for ours, theirs in zip(found.own.samples[1:3], expected.own.samples[1:3], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for field in fields(Graphs):
        np.testing.assert_array_equal(getattr(found.own.samples.graphs, field.name), getattr(expected.own.samples.graphs, field.name))


def test_files_and_arrays_are_read_by_all_ranks(communicator, shared_tmp_path):
    source = SOURCES["graphs of many sizes"][0]
    with communicator.together():
        if communicator.is_root:
            save_graph_file(shared_tmp_path / "graphs.h5", source.samples)
    expected = fit_graphs(source.samples, features=18)
    for samples in (source.samples, shared_tmp_path / "graphs.h5"):
        check_same(fit_graphs(samples, features=18, comm=communicator), expected)
    assert GraphFile(shared_tmp_path / "graphs.h5").count == 153


# Errors


def broken(source, name, place, value):
    samples = source.read(0, source.count)
    array = getattr(samples.graphs if hasattr(samples.graphs, name) else samples, name).copy()
    array[place] = value
    if hasattr(samples.graphs, name):
        return ArrayGraphs(samples._replace(graphs=replace(samples.graphs, **{name: array})))
    return ArrayGraphs(samples._replace(**{name: array}))


@pytest.mark.parametrize(
    ("name", "place", "value", "words"),
    [
        ("forces", (2040, 0), np.nan, "forces dp/dt of particle 8 of graph"),
        ("velocities", (3, 1), np.inf, "velocities dq/dt of particle 3 of graph 0 are"),
        ("positions", (1030, 0), np.nan, "positions of particle 6 of graph"),
        ("masses", 0, -1.0, "masses of particle 0 of graph 0 are -1.0; expected a positive number"),
        ("energies", 127, np.nan, "the energy of graph"),
    ],
)
def test_a_bad_number_on_one_rank_ends_the_fit_on_all(communicator, name, place, value, words):
    source = broken(SOURCES["many small graphs"][0], name, place, value)
    with pytest.raises(UserError) as caught:
        fit_graph_source(source, FitOptions(features=12), GraphOptions(), communicator)
    assert words in str(caught.value) and str(caught.value).startswith("the arrays")
    assert len(set(communicator.all_gather(str(caught.value)))) == 1


def test_ranks_that_ask_for_different_fits_are_told(communicator):
    source = SOURCES["fewer graphs than ranks"][0]
    if communicator.size == 1:
        return
    with pytest.raises(UserError, match="every rank must pass the same; the graphs and options of the fit on rank 1"):
        fit_graph_source(source, FitOptions(features=3 + communicator.rank), GraphOptions(), communicator)


def test_without_bonds_all_ranks_say_so(communicator):
    with pytest.raises(UserError, match="has no bond, so that nothing can be learned"):
        fit_graph_source(GeneratedGraphs(MORSE, chain(1), 9, 1), FitOptions(features=2), GraphOptions(), communicator)


# Checkpoints

BLOCKS = 8
SOURCE = SOURCES["many small graphs"][0]
WANTED, MESSAGES = FitOptions(features=14, bandwidth=0.5), GraphOptions(["r"], messages=2)
PROBLEMS = [f"component-{number}-tsqr" for number in range(3)]  # the kinetic energy of each of two species, and the bonds


class Signals:
    """Interruptions that a test notes."""

    def __init__(self):
        self.noted = False

    def deferred(self):
        return nullcontext()


def interrupt(folder, communicator, monkeypatch, kind, work, call, ranks=None):
    """Begin a fit that those `ranks` (default: all) are told to end in the given call of kind.work; returns its checkpoint.

    The first look at a block, which nothing is saved of, does not count.
    """
    signals, calls, plain = Signals(), [], getattr(kind, work)

    def count(self, start, stop, *others):
        if work == "residual" or len(others[0]) > (stop - start) / 2:
            calls.append(start)
        if len(calls) == call and communicator.rank in (range(communicator.size) if ranks is None else ranks):
            signals.noted = True
        return plain(self, start, stop, *others)

    checkpoint = Checkpoint(folder / "checkpoint", seconds=1e-9, interruptions=signals)
    with monkeypatch.context() as patch, pytest.raises(Interruption):
        patch.setattr(kind, work, count)
        fit_graph_source(SOURCE, WANTED, MESSAGES, communicator, checkpoint=checkpoint)
    return checkpoint


def resume(folder, communicator, options=WANTED, graph_options=MESSAGES, source=SOURCE):
    checkpoint = Checkpoint(folder / "checkpoint", resume=True)
    return fit_graph_source(source, options, graph_options, communicator, checkpoint=checkpoint)


@pytest.mark.parametrize(("kind", "problem"), [(KineticRows, 0), (BondRows, 2)], ids=["kinetic", "bonds"])
@pytest.mark.parametrize("work", ["dense_rows", "residual"])
def test_an_interrupted_fit_goes_on_to_the_same_bits(communicator, shared_tmp_path, monkeypatch, kind, problem, work):
    """On as many ranks as before and on one; while rows are factored, and while the answer is checked."""
    expected = fit_graph_source(SOURCE, WANTED, MESSAGES, SERIAL)
    assert SOURCE.offsets[-1] == 2048  # blocks of 256
    checkpoint = interrupt(shared_tmp_path, communicator, monkeypatch, kind, work, 2)
    communicator.barrier()
    with communicator.together():
        names = {name.split(".")[0] for name in checkpoint.files}
        assert PROBLEMS[problem] in names and names <= set(PROBLEMS[: problem + 1])
        if communicator.is_root:
            shutil.copytree(shared_tmp_path / "checkpoint", shared_tmp_path / "alone/checkpoint")
            check_same(resume(shared_tmp_path / "alone", SERIAL), expected)
    if kind is BondRows:
        monkeypatch.setattr(KineticRows, "dense_rows", lambda *_: pytest.fail("factored again"))
    found = resume(shared_tmp_path, communicator)
    check_same(found, expected)
    assert found.record["resumed"] and 0 < found.record["blocks_taken_over"] <= 3 * BLOCKS


def test_interrupted_on_one_rank_and_resumed_here(communicator, shared_tmp_path, monkeypatch):
    with communicator.together():
        if communicator.is_root:
            interrupt(shared_tmp_path, SERIAL, monkeypatch, BondRows, "dense_rows", 5)
    check_same(resume(shared_tmp_path, communicator), fit_graph_source(SOURCE, WANTED, MESSAGES, SERIAL))


def test_told_to_one_rank_it_holds_for_all(communicator, shared_tmp_path, monkeypatch):
    interrupt(shared_tmp_path, communicator, monkeypatch, BondRows, "dense_rows", 1, [communicator.size - 1])
    check_same(resume(shared_tmp_path, communicator), fit_graph_source(SOURCE, WANTED, MESSAGES, SERIAL))


def test_another_fit_is_refused_on_all(communicator, shared_tmp_path, monkeypatch):
    """Also one whose samples differ by one bond or mass alone."""
    interrupt(shared_tmp_path, communicator, monkeypatch, BondRows, "dense_rows", 2)
    samples = SOURCE.read(0, SOURCE.count)
    with pytest.raises(UserError, match="features 14 there and 15 here"):
        resume(shared_tmp_path, communicator, replace(WANTED, features=15))
    with pytest.raises(UserError, match="hidden layers "):
        resume(shared_tmp_path, communicator, replace(WANTED, seed=1))
    turned, heavier = samples.graphs.bonds.copy(), samples.graphs.masses.copy()
    turned[-1], heavier[2047] = turned[-1, ::-1], 1.001 * heavier[2047]
    for change in ({"bonds": turned}, {"masses": heavier}):
        other = ArrayGraphs(samples._replace(graphs=replace(samples.graphs, **change)))
        with pytest.raises(UserError, match="checksum of the graphs|hidden layers"):
            resume(shared_tmp_path, communicator, source=other)
    with pytest.raises(UserError, match="pass --resume"):
        fit_graph_source(SOURCE, WANTED, MESSAGES, communicator, checkpoint=Checkpoint(shared_tmp_path / "checkpoint"))
