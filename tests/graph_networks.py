"""Graphs of many kinds, networks of graphs with random layers, and their energies and gradients written as plain loops."""

import math
from dataclasses import replace

import numpy as np

from hnn_hpc.features import ACTIVATIONS, FeatureMap
from hnn_hpc.graph_features import EdgeInvariants, GraphFeatureMap, KineticTerm, ManyBodyTerm, MessagePassing, NodeInvariants, PairTerm
from hnn_hpc.graphs import chain, joined, lattice, populated, random_geometric

KINDS = ((0, 0), (0, 1), (1, 1))
CUTOFF = 1.3
STEP = 1e-5  # of central differences: h² f‴/6 and the round-off of a sum of some ten divided by h are both some 1e-10
EVERY_EDGE, EVERY_NODE = ("r", "1/r", "r^2", "m m"), ("p^2/2m", "p^2", "m")


def some_graphs(dimension, seed):
    """Four graphs of two species and unlike masses in states of their own: an open one, a particle alone, a periodic one with two bonds
    between the same pair, a chain of 6; where the box is periodic a bond joins a particle to its own image."""
    parts = [random_geometric(9, dimension, 1.6, seed), chain(1, dimension), ring(dimension), chain(6, dimension)]
    return stirred(joined(parts), seed)


def ring(dimension):
    """A periodic graph of particles two apart along the first axis, with a bond of the last one to its own image."""
    graph = lattice([2] + [2] * (dimension - 1), periodic=[True] + [False] * (dimension - 1))
    shift = np.zeros((1, dimension))
    shift[0, 0] = 2.0
    last = graph.particles - 1
    return replace(graph, bonds=np.concatenate([graph.bonds, [[last, last]]]), shifts=np.concatenate([graph.shifts, shift]))


def stirred(graphs, seed, displacement=0.15):
    """The same graphs displaced and moved, with masses and species of their own."""
    generator, shape = np.random.default_rng(seed), graphs.positions.shape
    graphs = populated(graphs, (0.5, 2), 2, seed)
    graphs = replace(graphs, species=generator.integers(0, 2, graphs.particles))
    return graphs.at(graphs.positions + generator.uniform(-displacement, displacement, shape), generator.normal(size=shape))


def network(seed, steps=0, cutoff=None, edges=("r",), nodes=("p^2/2m",), activation="tanh", features=5, channels=3, kinds=KINDS):
    """A `GraphFeatureMap` with random layers for two species; terms have unlike numbers of features."""
    generator, count = np.random.default_rng(seed), iter(range(features, features + 100))

    def layer(inputs, outputs=None):
        outputs = outputs or next(count)
        return FeatureMap(generator.normal(size=(outputs, inputs)), generator.normal(size=outputs), ACTIVATIONS[activation])

    nodes, edges = NodeInvariants(nodes), EdgeInvariants(edges)
    kinetic = tuple(KineticTerm(species, nodes, layer(len(nodes.names))) for species in (0, 1))
    pairs = tuple(PairTerm(kind, edges, layer(len(edges.names)), cutoff) for kind in kinds)
    if not steps:
        return GraphFeatureMap(kinetic, pairs)
    inputs = [len(edges.names) + (channels if step else 0) for step in range(steps)]
    messages = MessagePassing(edges, tuple({kind: layer(size, channels) for kind in kinds} for size in inputs), cutoff)
    return GraphFeatureMap(kinetic, pairs, tuple(ManyBodyTerm(species, messages, layer(channels * steps)) for species in (0, 1)))


def coefficients_of(feature_map, seed):
    return np.random.default_rng(seed).normal(size=feature_map.count)


# The plain forms


def feature(layer, number, z):
    """σ(w·z + b) of one feature of tanh at one point."""
    return math.tanh(sum(w * value for w, value in zip(layer.weights[number], z, strict=True)) + layer.biases[number])


def node_invariants(names, momentum, mass):
    square = sum(value * value for value in momentum)
    return [{"p^2/2m": square / (2 * mass), "p^2": square, "m": mass}[name] for name in names]


def edge_invariants(names, length, mass_product):
    return [{"r": length, "1/r": 1 / length, "r^2": length**2, "m m": mass_product}[name] for name in names]


def bonds_of(graphs):
    """Yield (bond, i, j, r, kind) of each bond."""
    for bond, (i, j) in enumerate(graphs.bonds.tolist()):
        shift = 0 if graphs.shifts is None else graphs.shifts[bond]
        vector = graphs.positions[j] - graphs.positions[i] + shift
        yield bond, i, j, math.hypot(*vector), tuple(sorted((int(graphs.species[i]), int(graphs.species[j]))))


def plain_heard(passing, graphs):
    """[h¹ … hᴸ] of each particle, (P, L C), a message at a time."""
    C, before, heard = passing.channels, None, []
    for layers in passing.layers:
        sums = np.zeros((graphs.particles, C))
        for _, i, j, r, kind in bonds_of(graphs):
            if kind not in layers:
                continue
            switch = 1 if passing.cutoff is None else max(0, 1 - (r / passing.cutoff) ** 2) ** 2
            z = edge_invariants(passing.invariants.names, r, graphs.masses[i] * graphs.masses[j])
            for receiver, sender in ((i, j), (j, i)):
                told = z if before is None else [*z, *before[sender]]
                for channel in range(C):
                    sums[receiver, channel] += switch * feature(layers[kind], channel, told)
        heard.append(sums)
        before = sums
    return np.concatenate(heard, axis=1)


def plain_energies(feature_map, coefficients, graphs):
    """The part of H that each particle has, (P,), a feature of a particle or a bond at a time."""
    energies, c = np.zeros(graphs.particles), iter(coefficients.tolist())
    for term in feature_map.kinetic:
        for number in range(term.layer.count):
            c_m = next(c)
            for i in np.flatnonzero(graphs.species == term.species):
                z, z0 = (node_invariants(term.invariants.names, p, graphs.masses[i]) for p in (graphs.momenta[i], [0.0]))
                energies[i] += c_m * (feature(term.layer, number, z) - feature(term.layer, number, z0))
    for term in feature_map.pairs:
        for number in range(term.layer.count):
            c_m = next(c)
            for _, i, j, r, kind in bonds_of(graphs):
                if kind == term.kind and (term.cutoff is None or r < term.cutoff):
                    product = graphs.masses[i] * graphs.masses[j]
                    energy = feature(term.layer, number, edge_invariants(term.invariants.names, r, product))
                    if term.cutoff is not None:
                        energy -= feature(term.layer, number, edge_invariants(term.invariants.names, term.cutoff, product))
                    energies[i] += c_m * energy / 2
                    energies[j] += c_m * energy / 2
    for term in feature_map.many_body:
        heard = plain_heard(term.messages, graphs)
        for number in range(term.layer.count):
            c_m = next(c)
            for i in np.flatnonzero(graphs.species == term.species):
                energies[i] += c_m * (feature(term.layer, number, heard[i]) - feature(term.layer, number, 0 * heard[i]))
    return energies


def central_differences(energy, graphs):
    """(∂/∂q, ∂/∂p) of energy(graphs), a number or an array (K,): (P, d) each, or (P, d, K)."""
    gradients = []
    for positions_move in (True, False):
        rows = []
        for place in np.ndindex(graphs.positions.shape):
            nudge = np.zeros(graphs.positions.shape)
            nudge[place] = STEP
            ends = []
            for sign in (1, -1):
                q, p = (sign * nudge, 0) if positions_move else (0, sign * nudge)
                ends.append(np.asarray(energy(graphs.at(graphs.positions + q, graphs.momenta + p))))
            rows.append((ends[0] - ends[1]) / (2 * STEP))
        gradients.append(np.array(rows).reshape(*graphs.positions.shape, *rows[0].shape))
    return gradients
