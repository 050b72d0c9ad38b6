"""A network as plain values and arrays, and back through JSON: the same bits; what is no such thing is told."""

import json

import numpy as np
import pytest
from graph_networks import CUTOFF, EVERY_EDGE, EVERY_NODE, KINDS, coefficients_of, network, some_graphs

from hnn_hpc.errors import UserError
from hnn_hpc.graph_features import described, graph_feature_map_from

NETWORKS = [
    {},
    {"edges": EVERY_EDGE, "nodes": EVERY_NODE, "activation": "sine"},
    {"cutoff": CUTOFF, "kinds": KINDS[:2]},
    {"steps": 1, "activation": "softplus"},
    {"steps": 3, "cutoff": CUTOFF, "kinds": KINDS[1:]},
]


def layers_of(feature_map):
    return [(layer.weights.copy(), layer.biases.copy()) for layer in feature_map.layers]


@pytest.mark.parametrize("about", NETWORKS, ids=str)
def test_a_network_comes_back_bit_for_bit(about, seed):
    feature_map, graphs = network(seed, **about), some_graphs(2, seed)
    told = described(feature_map)
    again = graph_feature_map_from(layers_of(feature_map), json.loads(json.dumps(told)))
    assert described(again) == told
    for name in ("count", "cutoff", "reach", "constants"):
        assert getattr(again, name) == getattr(feature_map, name)
    assert [term.name for term in again.terms] == [term.name for term in feature_map.terms]
    c = coefficients_of(feature_map, seed)
    np.testing.assert_array_equal(again.energies_of_particles(graphs, c), feature_map.energies_of_particles(graphs, c))
    for found, expected in zip(again.gradient(graphs, c), feature_map.gradient(graphs, c), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_number_of_layers_is_that_of_terms_and_of_messages(seed):
    assert len(network(seed).layers) == 5
    assert len(network(seed, steps=3, kinds=KINDS[:2]).layers) == 2 + 2 + 2 + 3 * 2


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("activation", "step", "unknown activation 'step'; the activations are: tanh"),
        ("node_invariants", ["v"], "unknown node invariant 'v'"),
        ("edge_invariants", ["m m"], "expected one of r, 1/r"),
    ],
)
def test_names_of_nothing_are_told(name, value, words, seed):
    feature_map = network(seed, steps=1)
    with pytest.raises(UserError, match=words):
        graph_feature_map_from(layers_of(feature_map), described(feature_map) | {name: value})


@pytest.mark.parametrize(
    "change", [{"kinetic": None}, {"pairs": [0, 1]}, {"many_body": 3}, {"messages": [[[0]]] * 9}, {"messages": []}], ids=str
)
def test_what_is_no_description_is_one_of_three_errors(change, seed):
    feature_map = network(seed, steps=1)
    with pytest.raises((TypeError, ValueError)):
        graph_feature_map_from(layers_of(feature_map), described(feature_map) | change)


@pytest.mark.parametrize(
    "name", ["activation", "node_invariants", "edge_invariants", "cutoff", "kinetic", "pairs", "many_body", "messages"]
)
def test_a_description_without_something(name, seed):
    feature_map = network(seed, steps=1)
    told = described(feature_map)
    del told[name]
    with pytest.raises(KeyError, match=name):
        graph_feature_map_from(layers_of(feature_map), told)


@pytest.mark.parametrize(
    "change",
    [
        lambda layers: layers[:-1],
        lambda layers: [*layers, layers[-1]],
        lambda layers: [],
        lambda layers: layers[::-1],
        lambda layers: [(layers[0][0].repeat(2, axis=1), layers[0][1]), *layers[1:]],
        lambda layers: [*layers[:-1], tuple(each[:-1] for each in layers[-1])],
    ],
    ids=["too few", "too many", "none", "in another order", "too wide", "a channel less"],
)
@pytest.mark.parametrize("steps", [1, 2])
def test_other_layers_than_are_described_are_noticed(change, steps, seed):
    feature_map = network(seed, steps, edges=("r", "m m"))
    with pytest.raises(ValueError, match="layers of"):
        graph_feature_map_from(change(layers_of(feature_map)), described(feature_map))
