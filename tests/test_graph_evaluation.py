"""Errors of a model of graphs against plain sums over particles and bonds, on one rank and on many."""

import math
from dataclasses import replace

import numpy as np
import pytest
from graph_networks import CUTOFF, coefficients_of, network, some_graphs
from thread_ranks import errors_on_ranks, on_ranks

from hnn_hpc import graph_evaluation
from hnn_hpc.errors import UserError
from hnn_hpc.graph_evaluation import evaluate_graphs
from hnn_hpc.graph_model import GraphModel
from hnn_hpc.graph_samples import ArrayGraphs, GraphSamples
from hnn_hpc.graphs import joined, with_bonds
from hnn_hpc.parallel.communicator import SerialCommunicator

SERIAL = SerialCommunicator()
ROUND_OFF = 1e-12  # of sums of some hundred numbers
RANGES = {
    "momenta": {0: (0.3, 1.5), 1: (0.2, 2.0)},
    "masses": {0: (0.6, 1.7), 1: (0.7, 1.4)},
    "lengths": {(0, 0): (0.7, 1.3), (0, 1): (0.6, 1.2), (1, 1): (0.5, 2.0)},
}


def model_of(seed, known=True, constants=None, **about):
    feature_map = network(seed, **about)
    if constants is None:
        constants = {name: 0.5 + number for number, name in enumerate(feature_map.constants)}
    return GraphModel(feature_map, coefficients_of(feature_map, seed), constants, known, RANGES, 2)


def samples_of(model, seed, copies=1, cutoff=None, noise=0.1, energies=True, graphs=None):
    """A source of graphs of 9, 1, 2 or more and 6 particles, so many of each, whose derivatives and energies are the model's, and noise."""
    generator = np.random.default_rng(seed)
    graphs = joined([some_graphs(2, seed + number) for number in range(copies)]) if graphs is None else graphs
    if cutoff is not None:
        graphs = with_bonds(replace(graphs, boxes=np.full_like(graphs.boxes, np.inf)), cutoff)
    along_q, along_p = model.gradient(graphs)
    velocities, forces = (values + noise * generator.normal(size=values.shape) for values in (along_p, -along_q))
    H = model.energy(graphs) + noise * generator.normal(size=graphs.count)
    return ArrayGraphs(GraphSamples(graphs, velocities, forces, H if energies else None), cutoff)


def norm(values):
    return math.sqrt(sum(value * value for value in np.ravel(values).tolist()))


def assert_equal(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=ROUND_OFF), name


# One rank


@pytest.mark.parametrize(
    "about, cutoff", [({}, None), ({"steps": 2}, None), ({"cutoff": CUTOFF}, CUTOFF), ({"cutoff": CUTOFF}, 1.5)], ids=str
)
def test_every_figure_is_that_of_a_plain_sum(about, cutoff, seed):
    model = model_of(seed, **about)
    source = samples_of(model, seed, cutoff=cutoff)
    graphs, velocities, forces, energies = source.samples
    along_q, along_p = model.gradient(graphs)
    differences, true = [*(along_q + forces), *(along_p - velocities)], [*forces, *velocities]
    bonds = bonds_outside = particles_outside = 0
    for bond, (i, j) in enumerate(graphs.bonds.tolist()):
        shift = 0 if graphs.shifts is None else graphs.shifts[bond]
        r = math.hypot(*(graphs.positions[j] - graphs.positions[i] + shift))
        least, largest = RANGES["lengths"][tuple(sorted(graphs.species[[i, j]].tolist()))]
        bonds += model.cutoff is None or r < model.cutoff
        bonds_outside += (model.cutoff is None or r < model.cutoff) and not least <= r <= largest
    for p, m, species in zip(graphs.momenta, graphs.masses, graphs.species.tolist(), strict=True):
        least, largest = RANGES["masses"][species]
        particles_outside += math.hypot(*p) > RANGES["momenta"][species][1] or not least <= m <= largest
    assert 0 < bonds_outside < bonds and 0 < particles_outside < graphs.particles
    expected = {
        "graphs": 4,
        "particles": graphs.particles,
        "bonds": bonds,
        "energy_error": norm(model.energy(graphs) - energies) / norm(energies),
        "gradient_error": norm(differences) / norm(true),
        "mse": norm(differences) ** 2 / (4 * graphs.particles),
        "outside": {"bonds": bonds_outside / bonds, "particles": particles_outside / graphs.particles},
    }
    found = evaluate_graphs(model, source, SERIAL)
    assert_equal(found.pop("outside"), expected.pop("outside"))
    assert_equal(found, expected)


def test_the_model_itself_has_no_error(seed):
    model = model_of(seed)
    found = evaluate_graphs(model, samples_of(model, seed, noise=0), SERIAL)
    assert (found["energy_error"], found["gradient_error"], found["mse"]) == (0, 0, 0)


def test_forces_of_the_wrong_sign_are_twice_as_wrong_as_none(seed):
    model = model_of(seed)
    source = samples_of(model, seed, noise=0)
    wrong = ArrayGraphs(source.samples._replace(velocities=-source.samples.velocities, forces=-source.samples.forces))
    assert evaluate_graphs(model, wrong, SERIAL)["gradient_error"] == pytest.approx(2, rel=ROUND_OFF)


@pytest.mark.parametrize("about", [{}, {"steps": 1}], ids=["bonds", "bonds and particles"])
def test_constants_that_nobody_knows_do_not_count(about, seed):
    known, unknown = model_of(seed, **about), model_of(seed, known=False, constants={}, **about)
    source = samples_of(known, seed, copies=4)
    graphs, _, _, energies = source.samples
    sizes = np.array([_size(known.feature_map.constants, graphs.run(k, k + 1)) for k in range(graphs.count)])
    e, H = unknown.energy(graphs) - energies, energies
    left = [values - sizes @ np.linalg.pinv(sizes) @ values for values in (e, H)]
    found = evaluate_graphs(unknown, source, SERIAL)
    assert found["energy_error"] == pytest.approx(norm(left[0]) / norm(left[1]), rel=1e-9)
    moved = ArrayGraphs(source.samples._replace(energies=energies + sizes @ np.arange(1.0, 1 + sizes.shape[1])))
    assert evaluate_graphs(unknown, moved, SERIAL)["energy_error"] == pytest.approx(found["energy_error"], rel=1e-9)
    assert evaluate_graphs(known, moved, SERIAL)["energy_error"] > 3 * evaluate_graphs(known, source, SERIAL)["energy_error"]


def _size(names, graph):
    """How many bonds of each kind, and then particles of each species, a graph has, by the names of constants."""
    kinds = [tuple(sorted(graph.species[bond].tolist())) for bond in graph.bonds]
    counts = {f"bond {a}-{b}": kinds.count((a, b)) for a, b in kinds}
    counts |= {f"particle {species}": int((graph.species == species).sum()) for species in (0, 1)}
    return [counts.get(name, 0) for name in names]


def test_energies_that_constants_alone_can_make_tell_nothing(seed):
    model = model_of(seed, known=False, constants={})
    source = samples_of(model, seed)  # four graphs, one of them without bonds, and three constants
    assert evaluate_graphs(model, source, SERIAL)["energy_error"] > 0
    graphs = source.samples.graphs.run(2, 4)
    few = samples_of(model, seed, graphs=graphs)
    assert evaluate_graphs(model, few, SERIAL)["energy_error"] is None
    assert evaluate_graphs(model_of(seed), few, SERIAL)["energy_error"] > 0


def test_graphs_without_energies_have_no_energy_error(seed):
    model = model_of(seed)
    found, expected = (evaluate_graphs(model, samples_of(model, seed, energies=told), SERIAL) for told in (False, True))
    assert found == expected | {"energy_error": None} and expected["energy_error"] > 0


# Many ranks


@pytest.fixture
def many(seed, monkeypatch):
    """A model, and a source of graphs in some 30 blocks."""
    monkeypatch.setattr(graph_evaluation, "LEAST", 10)
    model = model_of(seed, steps=1, features=37)
    return model, samples_of(model, seed, copies=19)


@pytest.mark.parametrize("ranks", [2, 3, 7, 60])
def test_ranks_find_the_figures_of_one_to_the_last_bit(many, ranks):
    model, source = many
    expected = evaluate_graphs(model, source, SERIAL)
    assert expected["graphs"] == 76 and all(value for value in expected["outside"].values())
    for found in on_ranks(ranks, lambda communicator: evaluate_graphs(model, source, communicator)):
        assert found == expected


def test_blocks_hold_every_graph_once_and_few_particles(many, monkeypatch):
    model, source = many
    read = []

    class Watched(ArrayGraphs):
        def read(self, start, stop):
            read.append((start, stop))
            return super().read(start, stop)

    watched = Watched(source.samples)
    offsets, largest = source.offsets, 9
    assert offsets[-1] == 380
    for least, most, blocks in ((10, 2**17, 38), (2048, 2**17, 1), (2048, 60, 7), (1, 2**17, 64), (1, 4, 95)):
        monkeypatch.setattr(graph_evaluation, "LEAST", least)
        monkeypatch.setattr(graph_evaluation, "MOST", most)
        read.clear()
        evaluate_graphs(model, watched, SERIAL)
        assert [graph for start, stop in read for graph in range(start, stop)] == list(range(76))
        assert blocks / 2 < len(read) <= blocks  # in some no graph begins
        assert max(offsets[stop] - offsets[start] for start, stop in read) < 1 + 380 / blocks + largest


def test_progress_is_told_of_every_block(many):
    told = []

    class Progress:
        def start(self, stage, total):
            told.append((stage, total))

        def advance(self, n=1):
            told.append(n)

        def finish(self):
            told.append("end")

    evaluate_graphs(*many, SERIAL, Progress())
    stage, total = told[0]
    assert stage == "evaluate" and told[1:] == [1] * total + ["end"] and total > 10


# What cannot be used


@pytest.mark.parametrize(
    "of_model, of_data, words",
    [
        (None, CUTOFF, "the bonds of the model are given with a graph, but those of the arrays are all pairs below a cutoff"),
        (CUTOFF, None, "the bonds of the model are all pairs below a cutoff, but those of the arrays are given with a graph"),
        (
            CUTOFF,
            1.2,
            "the bonds of the arrays are the pairs nearer than its cutoff, 1.2, but the model needs all those nearer than 1.3",
        ),
    ],
)
def test_bonds_of_another_kind_are_refused(of_model, of_data, words, seed):
    source = samples_of(model_of(seed, cutoff=of_data), seed, cutoff=of_data)
    with pytest.raises(UserError) as failure:
        evaluate_graphs(model_of(seed, cutoff=of_model), source, SERIAL)
    assert words in str(failure.value)


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_sample_that_cannot_be_used_is_named_on_every_rank(many, ranks):
    model, source = many
    forces = source.samples.forces.copy()
    graphs = source.samples.graphs
    forces[graphs.offsets[72] + 1] = np.nan
    bad = ArrayGraphs(source.samples._replace(forces=forces))
    for message in errors_on_ranks(ranks, lambda communicator: evaluate_graphs(model, bad, communicator), Exception):
        assert (
            "counted from graph 72: forces dp/dt of particle 1 of graph 0 are [nan, nan]" in message
            and "expected finite numbers" in message
        )


def test_a_species_that_was_not_learned_is_named(seed):
    model = model_of(seed)
    source = samples_of(model, seed)
    source.samples.graphs.species[0] = 2
    with pytest.raises(UserError, match="particles of species 2 were not in the training data"):
        evaluate_graphs(model, source, SERIAL)


def test_ranks_that_look_at_different_graphs_are_told_so(many):
    model, source = many

    def work(communicator):
        graphs, *others = source.samples
        fewer = GraphSamples(graphs.run(0, 75), *(values[: graphs.offsets[75]] for values in others[:2]), others[2][:75])
        return evaluate_graphs(model, ArrayGraphs(fewer) if communicator.rank else source, communicator)

    for message in errors_on_ranks(2, work, UserError):
        assert "the graphs of the evaluation" in message
