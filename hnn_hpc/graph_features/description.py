"""A graph network as plain values and arrays, and back: what its file holds."""

import math

from hnn_hpc.errors import look_up
from hnn_hpc.features import ACTIVATIONS, FeatureMap
from hnn_hpc.graph_features.graph_feature_map import GraphFeatureMap
from hnn_hpc.graph_features.invariants import EdgeInvariants, NodeInvariants
from hnn_hpc.graph_features.messages import ManyBodyTerm, MessagePassing
from hnn_hpc.graph_features.terms import KineticTerm, PairTerm


def described(feature_map):
    """Return what a `GraphFeatureMap` is besides its `layers`, a dictionary fit for JSON; the inverse of `graph_feature_map_from`."""
    first, messages = feature_map.pairs[0], feature_map.many_body[0].messages if feature_map.many_body else None
    return {
        "activation": first.layer.activation.name,
        "node_invariants": list(feature_map.kinetic[0].invariants.names),
        "edge_invariants": list(first.invariants.names),
        "cutoff": first.cutoff,
        "kinetic": [term.species for term in feature_map.kinetic],
        "pairs": [list(term.kind) for term in feature_map.pairs],
        "many_body": [term.species for term in feature_map.many_body],
        "messages": [[list(kind) for kind in step] for step in messages.layers] if messages else [],
    }


def graph_feature_map_from(layers, told):
    """Return the `GraphFeatureMap` with these layers, pairs (weights, biases), that `described` told so of.

    Errors: `UserError` for unknown names; KeyError, TypeError or ValueError where it is no such dictionary, or one of other layers.
    """
    activation = look_up(ACTIVATIONS, told["activation"], "activation")
    nodes, edges, cutoff = NodeInvariants(tuple(told["node_invariants"])), EdgeInvariants(tuple(told["edge_invariants"])), told["cutoff"]
    _check_kinds(told, cutoff)
    _check_layers(layers, told, len(nodes.names), len(edges.names))
    maps = iter([FeatureMap(weights, biases, activation) for weights, biases in layers])
    kinetic = tuple(KineticTerm(species, nodes, next(maps)) for species in told["kinetic"])
    pairs = tuple(PairTerm(tuple(kind), edges, next(maps), cutoff) for kind in told["pairs"])
    own = [(species, next(maps)) for species in told["many_body"]]
    messages = MessagePassing(edges, tuple({tuple(kind): next(maps) for kind in step} for step in told["messages"]), cutoff)
    return GraphFeatureMap(kinetic, pairs, tuple(ManyBodyTerm(species, messages, layer) for species, layer in own))


def _check_kinds(told, cutoff):
    """Raise ValueError unless kinds are pairs of species, those of messages among those of pairs, and the cutoff is a length or None."""
    pairs = [tuple(kind) for kind in told["pairs"]]
    species = [number for kind in pairs for number in kind] + told["kinetic"] + told["many_body"]
    if not all(len(kind) == 2 for kind in pairs) or not all(type(number) is int and number >= 0 for number in species):
        raise ValueError("species are whole numbers, and kinds of bonds pairs of them")
    if not all(tuple(kind) in pairs for step in told["messages"] for kind in step):
        raise ValueError("messages go along bonds of kinds that there are not")
    if cutoff is not None and not (type(cutoff) in (int, float) and 0 < cutoff < math.inf):
        raise ValueError(f"the cutoff is {cutoff!r}, no length")


def _check_layers(layers, told, of_nodes, of_edges):
    """Raise ValueError unless the layers take as many numbers, and those of messages give as many, as what is told of them says."""
    steps = [len(step) for step in told["messages"]]
    channels = len(layers[-1][0]) if steps and layers else 0
    inputs = [of_nodes] * len(told["kinetic"]) + [of_edges] * len(told["pairs"]) + [channels * len(steps)] * len(told["many_body"])
    inputs += [of_edges + (channels if number else 0) for number, kinds in enumerate(steps) for _ in range(kinds)]
    found, heard = [weights.shape[1] for weights, _ in layers], layers[len(layers) - sum(steps) :]
    if found != inputs or bool(steps) != bool(told["many_body"]) or any(len(weights) != channels for weights, _ in heard):
        raise ValueError(f"layers of {found} numbers, where {inputs} are expected")
