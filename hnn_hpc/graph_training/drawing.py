"""The hidden features of a graph network, drawn from a pool of particles and bonds."""

from dataclasses import dataclass, replace

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.features import ACTIVATIONS, SAMPLERS, FeatureMap, Pool, anchored_parameters
from hnn_hpc.graph_features import (
    MASS,
    MASS_PRODUCT,
    EdgeInvariants,
    GraphFeatureMap,
    KineticTerm,
    ManyBodyTerm,
    MessagePassing,
    NodeInvariants,
    PairTerm,
    mass_products,
)
from hnn_hpc.graphs import kinds_of
from hnn_hpc.random_streams import random_stream

MESSAGE_BANDWIDTH = 0.5  # messages need to differ from each other, not to resolve anything
SAME = 1e-12  # the width of an invariant, relative to its size, at which it counts as constant


@dataclass(frozen=True)
class Recipe:
    """What features are drawn with.

    sampler, activation; features: of each term; edge_invariants, node_invariants: tuples of names; channels, steps: of messages, 0 for
    none; kinetic, pairs, many_body: the bandwidths of anchored features
    """

    sampler: str
    activation: str
    features: int
    edge_invariants: tuple
    node_invariants: tuple
    channels: int
    steps: int
    kinetic: float
    pairs: float
    many_body: float


def draw_terms(pool, recipe, cutoff, seed, first=None):
    """Return the `GraphFeatureMap` that a `Recipe` draws from a `GraphPool`, the same wherever the pool is.

    first: (GraphFeatureMap, coefficients) of an earlier fit to the pool with features at the same places, which tells the slopes of the
    terms that the sampler "gradient-swim" looks at.
    """
    return _Drawing(pool, recipe, cutoff, seed, first).feature_map()


class _Drawing:
    def __init__(self, pool, recipe, cutoff, seed, first):
        self._pool, self._recipe, self._cutoff = pool, recipe, cutoff
        self._rng = random_stream(seed, "features")
        self._graphs = pool.own.samples.graphs
        self._bonds = self._graphs.incidence.bonds_of(pool.chosen)
        self._masses_vary = any(least < largest for least, largest in pool.masses.values())
        self._slopes = iter(()) if first is None else iter(_layers_with_coefficients(*first))

    def feature_map(self):
        recipe, graphs = self._recipe, self._graphs
        nodes, edges = NodeInvariants(recipe.node_invariants), EdgeInvariants(recipe.edge_invariants)
        kinetic = []
        for species in self._pool.momenta:
            members = self._members_of(species)
            z = nodes.embed(graphs.momenta[members], graphs.masses[members])
            layer = self._layer(z, recipe.features, recipe.kinetic, f"the kinetic energy of species {species}", recipe.node_invariants)
            kinetic.append(KineticTerm(species, nodes, layer))
        pairs = []
        for kind in self._pool.lengths:
            z = self._of_kind(edges, kind)
            layer = self._layer(z, recipe.features, recipe.pairs, f"the bonds between species {kind[0]} and {kind[1]}", edges.names)
            pairs.append(PairTerm(kind, edges, layer, self._cutoff))
        return GraphFeatureMap(tuple(kinetic), tuple(pairs), self._many_body(edges) if recipe.channels else ())

    def _many_body(self, edges):
        recipe, graphs, layers = self._recipe, self._graphs, []
        for step in range(recipe.steps):
            heard = MessagePassing(edges, tuple(layers), self._cutoff).heard(graphs).sums[:, -recipe.channels :] if step else None
            layers.append({kind: self._messages(edges, kind, heard) for kind in self._pool.lengths})
        messages = MessagePassing(edges, tuple(layers), self._cutoff)
        sums, terms = messages.heard(graphs).sums, []
        for species in self._pool.momenta:
            members = self._members_of(species)
            if _is_constant(sums[members]).all():
                continue  # it has no bonds, and so hears nothing
            bandwidth = recipe.many_body / np.sqrt(sums.shape[1])
            terms.append(ManyBodyTerm(species, messages, self._layer(sums[members], recipe.features, bandwidth)))
        return tuple(terms)

    def _messages(self, edges, kind, heard):
        """Return the layer of messages along the bonds of a kind, which the pool's senders have heard so much before, None at first."""
        bonds = self._bonds_of(kind)
        z = self._embed(edges, bonds)
        if heard is not None:
            z = np.column_stack([z, heard[self._graphs.bonds[bonds, 0]]])
        bandwidth = MESSAGE_BANDWIDTH * np.where(np.arange(z.shape[1]) < len(edges.names), 1.0, 1 / np.sqrt(self._recipe.channels))
        return _drawn(replace(self._recipe, sampler="anchored"), z, self._recipe.channels, bandwidth, self._rng)

    def _layer(self, z, features, bandwidth, what=None, names=()):
        """Return a layer of features of points z (P, U), such as bonds' invariants; what and names: of these, for a message."""
        if what:
            for name, values, constant in zip(names, z.T, _is_constant(z), strict=True):
                if constant and not (self._masses_vary and name in (MASS, MASS_PRODUCT)):
                    way = "leave it out" if name in (MASS, MASS_PRODUCT) else "give samples in which it varies"
                    size = f"{np.abs(values).max():g} for {what} in all samples ({len(values)} looked at)"
                    raise UserError(f"{name} is {size}, so that H cannot be learned along it; {way}")
        slopes = next(self._slopes, None)
        gradients = None if slopes is None else slopes[0].energy_gradient(z, slopes[1])
        return _drawn(self._recipe, z, features, bandwidth, self._rng, gradients)

    def _of_kind(self, edges, kind):
        return self._embed(edges, self._bonds_of(kind))

    def _bonds_of(self, kind):
        bonds = self._bonds
        if self._cutoff is not None:
            bonds = bonds[self._graphs.bond_lengths[bonds] < self._cutoff]
        bonds = bonds[(kinds_of(self._graphs, bonds) == kind).all(axis=1)]
        _check_any(bonds, f"bonds between species {kind[0]} and {kind[1]}", f"{len(self._bonds)} bonds")
        return bonds

    def _members_of(self, species):
        members = self._pool.chosen[self._graphs.species[self._pool.chosen] == species]
        _check_any(members, f"particles of species {species}", f"{len(self._pool.chosen)} particles")
        return members

    def _embed(self, edges, bonds):
        return edges.embed(self._graphs.bond_lengths[bonds], mass_products(self._graphs, bonds))


def _drawn(recipe, z, features, bandwidth, rng, gradients=None):
    """Return the `FeatureMap` of points z (P, U) that the recipe's sampler draws."""
    lower, upper, activation = z.min(axis=0), z.max(axis=0), ACTIVATIONS[recipe.activation]
    if recipe.sampler == "anchored":
        half_widths = np.where(_is_constant(z), np.inf, (upper - lower) / 2)  # weights are 0 along what is the same everywhere
        return FeatureMap(*anchored_parameters(z, half_widths, bandwidth, features, rng), activation)
    pool = Pool(z, np.zeros_like(z) if gradients is None else gradients, None, lower, upper)
    layer = SAMPLERS[recipe.sampler].draw(pool, features, rng, activation=activation)
    return FeatureMap(layer.weights, layer.biases, activation)


def _is_constant(z):
    """Return which columns of z (P, U) are the same in all rows, up to round-off, (U,)."""
    return np.ptp(z, axis=0) <= SAME * np.abs(z).max(axis=0)


def _check_any(found, what, among):
    """Raise UserError where nothing was found."""
    if not len(found):
        raise UserError(f"{what} are so rare that none is among {among} of the pool, which features are drawn from; give more of them")


def _layers_with_coefficients(feature_map, coefficients):
    return [(term.layer, coefficients[columns]) for term, columns in zip(feature_map.terms, feature_map.slices(), strict=True)]
