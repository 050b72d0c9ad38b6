"""Terms of particles, bonds and messages against the plain formulas, a feature of a bond at a time, and their gradients."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from graph_networks import (
    CUTOFF,
    EVERY_EDGE,
    EVERY_NODE,
    KINDS,
    central_differences,
    coefficients_of,
    network,
    plain_energies,
    plain_heard,
    some_graphs,
    stirred,
)

from hnn_hpc.features import ACTIVATIONS
from hnn_hpc.graph_features import messages
from hnn_hpc.graphs import chain, lattice

# Sums of some hundred products of numbers of order 1; and central differences of such sums.
TOLERANCE, DIFFERENCE_TOLERANCE = 1e-12, 1e-7

NETWORKS = {
    "pairs": {},
    "every invariant": {"edges": EVERY_EDGE, "nodes": EVERY_NODE},
    "pairs with a cutoff": {"cutoff": CUTOFF, "edges": ("1/r", "m m")},
    "a kind left out": {"kinds": KINDS[:2]},
    "one step": {"steps": 1},
    "one step with a cutoff": {"steps": 1, "cutoff": CUTOFF, "edges": ("r", "m m")},
    "two steps": {"steps": 2, "edges": ("1/r", "r")},
    "two steps with a cutoff": {"steps": 2, "cutoff": CUTOFF},
    "three steps and a kind left out": {"steps": 3, "kinds": KINDS[::2], "channels": 2},
    "three steps with a cutoff": {"steps": 3, "cutoff": CUTOFF, "edges": EVERY_EDGE, "nodes": EVERY_NODE},
}
every_network = pytest.mark.parametrize("about", NETWORKS.values(), ids=NETWORKS)


@pytest.fixture(params=[1, 2, 3], ids="{}D".format)
def graphs(request, seed):
    found = some_graphs(request.param, seed)
    assert (np.abs(found.bond_lengths - CUTOFF) > 1e-3).all()  # no central difference steps across the cutoff
    assert (found.bond_lengths < CUTOFF).any() and (found.bond_lengths > CUTOFF).any()
    return found


@every_network
def test_energies_are_the_plain_sums(graphs, about, seed):
    feature_map = network(seed, **about)
    c = coefficients_of(feature_map, seed)
    energies = feature_map.energies_of_particles(graphs, c)
    np.testing.assert_allclose(energies, plain_energies(feature_map, c, graphs), rtol=0, atol=TOLERANCE)


@every_network
def test_the_gradient_agrees_with_central_differences(graphs, about, seed):
    feature_map = network(seed, **about)
    c = coefficients_of(feature_map, seed)
    expected = central_differences(lambda moved: feature_map.energies_of_particles(moved, c).sum(), graphs)
    for found, differences in zip(feature_map.gradient(graphs, c), expected, strict=True):
        assert np.abs(differences).max() > 0.1
        np.testing.assert_allclose(found, differences, rtol=0, atol=DIFFERENCE_TOLERANCE)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_has_its_own_slope(activation, seed):
    graphs, feature_map = some_graphs(2, seed), network(seed, steps=2, activation=activation)
    c = coefficients_of(feature_map, seed)
    expected = central_differences(lambda moved: feature_map.energies_of_particles(moved, c).sum(), graphs)
    for found, differences in zip(feature_map.gradient(graphs, c), expected, strict=True):
        np.testing.assert_allclose(found, differences, rtol=0, atol=10 * DIFFERENCE_TOLERANCE)


@every_network
def test_derivatives_by_bonds_are_the_gradient_of_each_feature(graphs, about, seed):
    """Σ_e dφ_m/dr_e dr_e/dq is the gradient of the m-th feature alone, and with coefficients the tensions are those of the whole."""
    feature_map = network(seed, **about)
    derivatives = feature_map.bond_derivatives(graphs, np.arange(len(graphs.bonds)))
    kinetic = sum(term.layer.count for term in feature_map.kinetic)
    assert derivatives.shape == (feature_map.count - kinetic, len(graphs.bonds))
    for number, row in enumerate(derivatives):
        alone = np.zeros(feature_map.count)
        alone[kinetic + number] = 1
        np.testing.assert_allclose(graphs.pull_back(row), feature_map.gradient(graphs, alone)[0], rtol=0, atol=TOLERANCE)
    c = coefficients_of(feature_map, seed)
    np.testing.assert_allclose(graphs.pull_back(c[kinetic:] @ derivatives), feature_map.gradient(graphs, c)[0], rtol=0, atol=TOLERANCE)


@every_network
def test_derivatives_of_some_bonds_are_those_of_all(graphs, about, seed, monkeypatch):
    feature_map = network(seed, **about)
    whole = feature_map.bond_derivatives(graphs, np.arange(len(graphs.bonds)))
    monkeypatch.setattr(messages, "TENSOR_VALUES", 1)  # one feature at a time
    for some in ([], [4], [7, 2, 3], range(0, len(graphs.bonds), 2)):
        some = np.array(some, dtype=int)
        np.testing.assert_allclose(feature_map.bond_derivatives(graphs, some), whole[:, some], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("cutoff", [None, CUTOFF])
def test_what_a_particle_hears_is_the_plain_sum(graphs, steps, cutoff, seed):
    passing = network(seed, steps, cutoff, EVERY_EDGE).many_body[0].messages
    assert (passing.steps, passing.channels) == (steps, 3)
    heard = passing.heard(graphs).sums
    np.testing.assert_allclose(heard, plain_heard(passing, graphs), rtol=0, atol=TOLERANCE)
    assert not heard[9].any()  # it is alone


def test_features_of_one_particle_or_bond_are_in_one_term_each(seed):
    feature_map, graphs = network(seed, steps=2), some_graphs(2, seed)
    bonds = np.arange(len(graphs.bonds))
    assert sorted(np.concatenate([term.members(graphs) for term in feature_map.kinetic]).tolist()) == list(range(graphs.particles))
    assert sorted(np.concatenate([term.members(graphs, bonds) for term in feature_map.pairs]).tolist()) == bonds.tolist()
    assert feature_map.pairs[1].members(graphs, bonds[:0]).tolist() == []
    names = ["kinetic 0", "kinetic 1", "pair 0-0", "pair 0-1", "pair 1-1", "many-body 0", "many-body 1"]
    assert [term.name for term in feature_map.terms] == names
    slices = feature_map.slices()
    assert [numbers.stop - numbers.start for numbers in slices] == [term.layer.count for term in feature_map.terms]
    assert slices[0].start == 0 and slices[-1].stop == feature_map.count
    assert all(one.stop == other.start for one, other in pairwise(slices))


def test_constants_are_counted_by_bonds_and_particles(seed):
    graphs = some_graphs(2, seed)
    kinds = [tuple(sorted(graphs.species[bond])) for bond in graphs.bonds]
    graph_of = [int(np.searchsorted(graphs.offsets, i, "right")) - 1 for i in range(graphs.particles)]

    def counts(of, value, owners):
        return [sum(owner == k and each == value for each, owner in zip(of, owners, strict=True)) for k in range(graphs.count)]

    of_bonds = {f"bond {s}-{t}": counts(kinds, (s, t), [graph_of[i] for i, _ in graphs.bonds]) for s, t in KINDS}
    of_particles = {f"particle {s}": counts(graphs.species.tolist(), s, graph_of) for s in (0, 1)}
    for about, expected in (
        ({}, of_bonds),
        ({"steps": 1}, of_bonds | of_particles),
        ({"cutoff": CUTOFF}, {}),
        ({"cutoff": CUTOFF, "steps": 1}, of_particles),
    ):
        feature_map = network(seed, **about)
        assert feature_map.constants == list(expected) == list(feature_map.shares(graphs))
        np.testing.assert_array_equal(feature_map.sizes(graphs), np.array(list(expected.values())).reshape(len(expected), graphs.count).T)
        for name, shares in feature_map.shares(graphs).items():
            assert shares.shape == (graphs.particles,) and shares.sum() == sum(expected[name])


def test_at_rest_there_is_no_kinetic_energy_and_no_velocity(seed):
    feature_map, graph = network(seed, nodes=EVERY_NODE), stirred(lattice([3, 3]), seed)
    c = coefficients_of(feature_map, seed)
    c[sum(term.layer.count for term in feature_map.kinetic) :] = 0
    still = graph.at(graph.positions, np.zeros_like(graph.momenta))
    assert not feature_map.energies_of_particles(still, c).any() and not feature_map.gradient(still, c)[1].any()
    assert feature_map.energies_of_particles(graph, c).all()


def test_a_particle_alone_has_no_many_body_energy(seed):
    feature_map, alone = network(seed, steps=2), replace(chain(1, 2), momenta=np.array([[0.3, 0.4]]))
    c = coefficients_of(feature_map, seed)
    c[: sum(term.layer.count for term in feature_map.kinetic)] = 0
    assert feature_map.energies_of_particles(alone, c).tolist() == [0]
    assert not feature_map.gradient(alone, c)[0].any()
    assert feature_map.bond_derivatives(alone, np.arange(0)).shape == (feature_map.count - 11, 0)
