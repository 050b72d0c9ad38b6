"""The terms of H that belong to single particles and single bonds, each a sum of sampled features of invariants."""

from dataclasses import dataclass, replace

import numpy as np

from hnn_hpc.features import FeatureMap
from hnn_hpc.features.feature_map import CACHED_VALUES
from hnn_hpc.graph_features.invariants import EdgeInvariants, NodeInvariants
from hnn_hpc.graphs import kinds_of


@dataclass(frozen=True, eq=False)
class KineticTerm:
    """T(z) = Σ_m c_m [σ(w_m·z + b_m) - σ(w_m·z₀ + b_m)] of each particle of one species, z₀ being z at p = 0, so that T = 0 there.

    species (int); invariants (NodeInvariants): z; layer (FeatureMap): W (M, U), b and σ.
    """

    species: int
    invariants: NodeInvariants
    layer: FeatureMap

    @property
    def name(self):
        return f"kinetic {self.species}"

    def members(self, graphs):
        """Return the numbers of the particles that have this term."""
        return np.flatnonzero(graphs.species == self.species)

    def energy(self, graphs, members, coefficients):
        """Return T of the particles `members`, (B,), for coefficients c (M,)."""
        energies = self.layer.energy(self.invariants.embed(graphs.momenta[members], graphs.masses[members]), coefficients)
        masses, places = np.unique(graphs.masses[members], return_inverse=True)
        at_rest = self.layer.energy(self.invariants.embed(np.zeros((len(masses), graphs.dimension)), masses), coefficients)
        return energies - at_rest[places]

    def gradient(self, graphs, members, coefficients):
        """Return dT/dp of the particles `members`, (B, d)."""
        momenta, masses = graphs.momenta[members], graphs.masses[members]
        gradient, moving = np.zeros_like(momenta), np.flatnonzero(momenta.any(axis=1))  # dT/dp = 0 at p = 0, and many may be at rest
        momenta, masses = momenta[moving], masses[moving]
        slopes = self.layer.energy_gradient(self.invariants.embed(momenta, masses), coefficients)
        gradient[moving] = np.einsum("bu,bu->b", slopes, self.invariants.derivative(masses))[:, None] * momenta
        return gradient

    def derivatives(self, graphs, members):
        """Return dφ_m/d|p| of the particles `members`, (M, B): along p, the only direction in which features of |p| change."""
        momenta, masses = graphs.momenta[members], graphs.masses[members]
        sizes = np.sqrt(np.einsum("pd,pd->p", momenta, momenta))
        return chained(self.layer, self.invariants.embed(momenta, masses), self.invariants.derivative(masses) * sizes[:, None])


@dataclass(frozen=True, eq=False)
class PairTerm:
    """V(z) = Σ_m c_m [σ(w_m·z + b_m) - σ(w_m·z_c + b_m)] of each bond between two species, z_c being z at the cutoff.

    So V = 0 there and beyond; without a cutoff nothing is subtracted.

    kind (s, t): the species, s <= t; invariants (EdgeInvariants): z; layer (FeatureMap): W (M, U), b and σ; cutoff: a length, or None.
    """

    kind: tuple
    invariants: EdgeInvariants
    layer: FeatureMap
    cutoff: float | None = None

    @property
    def name(self):
        return f"pair {self.kind[0]}-{self.kind[1]}"

    @property
    def constant(self):
        """The name of the constant of a bond, which no gradient tells."""
        return f"bond {self.kind[0]}-{self.kind[1]}"

    def members(self, graphs, bonds):
        """Return the places in `bonds`, an array of numbers of bonds, of those that have this term."""
        there = (kinds_of(graphs, bonds) == self.kind).all(axis=1)
        if self.cutoff is not None:
            there &= graphs.bond_lengths[bonds] < self.cutoff
        return np.flatnonzero(there)

    def energy(self, graphs, bonds, coefficients):
        """Return V of the `bonds`, (B,), for coefficients c (M,)."""
        products = mass_products(graphs, bonds)
        energies = self.layer.energy(self.invariants.embed(graphs.bond_lengths[bonds], products), coefficients)
        if self.cutoff is None:
            return energies
        products, places = np.unique(products, return_inverse=True)
        at_cutoff = self.layer.energy(self.invariants.embed(np.full(len(products), self.cutoff), products), coefficients)
        return energies - at_cutoff[places]

    def tension(self, graphs, bonds, coefficients):
        """Return dV/dr of the `bonds`, (B,)."""
        lengths = graphs.bond_lengths[bonds]
        slopes = self.layer.energy_gradient(self.invariants.embed(lengths, mass_products(graphs, bonds)), coefficients)
        return np.einsum("bu,bu->b", slopes, self.invariants.derivative(lengths))

    def derivatives(self, graphs, bonds):
        """Return dφ_m/dr of the `bonds`, (M, B)."""
        lengths = graphs.bond_lengths[bonds]
        return chained(self.layer, self.invariants.embed(lengths, mass_products(graphs, bonds)), self.invariants.derivative(lengths))


def chained(layer, z, slopes):
    """Return Σ_u σ'(W z + b) W_u s_u, (M, B): the derivatives of the features of z (B, U) along s = dz/dr (B, U)."""
    derivatives = np.empty((layer.count, len(z)))
    at_once = max(1, CACHED_VALUES // max(1, len(z)))
    for start in range(0, layer.count, at_once):  # some features at a time, so that all passes over them meet in the core's cache
        piece = slice(start, start + at_once)
        part = replace(layer, weights=layer.weights[piece], biases=layer.biases[piece])
        part.derivative_transposed(z, derivatives[piece])
        derivatives[piece] *= part.weights @ slopes.T
    return derivatives


def mass_products(graphs, bonds):
    """Return the product of the masses at the ends of the `bonds`, (B,)."""
    return graphs.masses[graphs.bonds[bonds]].prod(axis=1)
