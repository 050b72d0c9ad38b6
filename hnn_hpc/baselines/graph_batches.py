"""Samples of graphs as a network of invariants sees them when every weight of it is trained: numbers x of size 1, and sparse matrices.

    Ĥ = Σ_i T(z_i) + Σ_(i,j) V(z_ij),    T, V: z ↦ scale · N(x),  x = (z - mean) / deviation,

z_i being an invariant of a particle, |p|²/2m, z_ij one of a bond, its length r, and N a net for each species and each pair of species, a
layer. Over the training samples each x has mean 0 and deviation 1, and dN/dx is of size 1, which spares the optimizers what they do badly.
What they give to ∇Ĥ is linear in the slopes y = dN/dx, one for each particle or bond.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array

from hnn_hpc.errors import UserError
from hnn_hpc.graph_features import KINETIC, EdgeInvariants, NodeInvariants
from hnn_hpc.graphs import kinds_of


class Half(NamedTuple):
    """Half of ∇H, that along the momenta or that by the positions, and the layers that it is made of, one after the other."""

    inputs: list  # x (N_l,) of each layer
    to_rows: csr_array  # B (n, N): B y are the components of ∇Ĥ
    to_slopes: csr_array  # Bᵀ
    targets: np.ndarray  # (n,), the data's ∇H


class Batch(NamedTuple):
    """Some graphs: two `Half`; how many components ∇H has, 2 P d; and `rest`, the sum of squares of those that are no matter of Ĥ, the
    velocities across the momenta, which are 0 in the data of a system that has this kind of H."""

    halves: tuple
    components: int
    rest: float


class Standard(NamedTuple):
    """How z and the energy of a layer are brought to size 1 (see the module). key: a species, or a pair of species, the smaller first."""

    key: Any
    mean: float
    deviation: float
    scale: float


class Standardized:
    """The view of GraphSamples that those to train on (samples) decide.

    edge_invariant, node_invariant: z of bonds and of particles, by name; cutoff: the length from which on a bond counts as absent, or None.
    kinetic, pairs: the `Standard` of each species and of each pair of species that the samples have.

    Errors: `UserError` where there is no bond, or no such invariant.
    """

    def __init__(self, samples, edge_invariant="r", node_invariant=KINETIC, cutoff=None):
        self.edges, self.nodes, self.cutoff = EdgeInvariants((edge_invariant,)), NodeInvariants((node_invariant,)), cutoff
        graphs = samples.graphs
        kinds = np.unique(kinds_of(graphs, self._bonds(graphs)), axis=0)
        if not len(kinds):
            shorter = "" if cutoff is None else f" shorter than the cutoff, {cutoff:g}"
            raise UserError(f"the samples to train on have no bond{shorter}, so that nothing can be learned of V; give them some")
        self.kinetic = [self._standard(self._particles, species, samples) for species in np.unique(graphs.species).tolist()]
        self.pairs = [self._standard(self._bonds_of, tuple(kind), samples) for kind in kinds.tolist()]

    def batch(self, samples):
        """Return GraphSamples as a `Batch`."""
        graphs, velocities, forces, _ = samples
        units = _directions(graphs.momenta)
        along = np.einsum("pd,pd->p", units, velocities)
        rest = np.sum((velocities - along[:, None] * units) ** 2)
        return Batch((self._kinetic_half(graphs, along), self._pair_half(graphs, -forces)), 2 * forces.size, float(rest))

    def _kinetic_half(self, graphs, along):
        """Return the half that has a row for each particle, which is that of dH/dp along p."""
        layers = [self._particles(graphs, standard.key) for standard in self.kinetic]
        rows = np.concatenate([members for members, _, _ in layers])
        values = np.concatenate([_chained(slopes, standard) for (_, _, slopes), standard in zip(layers, self.kinetic, strict=True)])
        return _half(layers, self.kinetic, (values, rows, np.arange(len(rows))), along)

    def _pair_half(self, graphs, targets):
        """Return the half that has d rows for each particle, those of dH/dq."""
        layers = [self._bonds_of(graphs, standard.key) for standard in self.pairs]
        bonds = np.concatenate([members for members, _, _ in layers])
        values = np.concatenate([_chained(slopes, standard) for (_, _, slopes), standard in zip(layers, self.pairs, strict=True)])
        pulls = (values / graphs.bond_lengths[bonds])[:, None] * graphs.bond_vectors[bonds]
        d = graphs.dimension
        rows = graphs.bonds[bonds][:, :, None] * d + np.arange(d)  # (N, 2, d)
        columns = np.broadcast_to(np.arange(len(bonds))[:, None, None], rows.shape)
        entries = np.stack([-pulls, pulls], axis=1), rows, columns
        return _half(layers, self.pairs, [some.ravel() for some in entries], targets.ravel())

    def _particles(self, graphs, species):
        """Return (numbers of the particles of a species, z, dz/d|p|)."""
        members = np.flatnonzero(graphs.species == species)
        momenta, masses = graphs.momenta[members], graphs.masses[members]
        sizes = np.sqrt(np.einsum("pd,pd->p", momenta, momenta))
        return members, self.nodes.embed(momenta, masses)[:, 0], self.nodes.derivative(masses)[:, 0] * sizes

    def _bonds_of(self, graphs, kind):
        """Return (numbers of the bonds of a kind, z, dz/dr)."""
        bonds = self._bonds(graphs)
        members = bonds[(kinds_of(graphs, bonds) == kind).all(axis=1)]
        lengths = graphs.bond_lengths[members]
        return members, self.edges.embed(lengths, None)[:, 0], self.edges.derivative(lengths)[:, 0]

    def _bonds(self, graphs):
        return np.arange(len(graphs.bonds)) if self.cutoff is None else np.flatnonzero(graphs.bond_lengths < self.cutoff)

    def _standard(self, look_up, key, samples):
        _, z, slopes = look_up(samples.graphs, key)
        deviation = float(z.std()) or 1.0
        size = np.sqrt(np.mean(np.square(samples.velocities if look_up == self._particles else samples.forces)))
        return Standard(key, float(z.mean()), deviation, float(size * deviation / (np.sqrt(np.mean(np.square(slopes))) or 1.0)) or 1.0)


def _directions(momenta):
    """Return p / |p|, (P, d), 0 where p is."""
    sizes = np.sqrt(np.einsum("pd,pd->p", momenta, momenta))
    return momenta / np.where(sizes > 0, sizes, 1.0)[:, None]


def _chained(slopes, standard):
    """Return dĤ/d(|p| or r) / y, (N,), for slopes dz/d(|p| or r)."""
    return slopes * (standard.scale / standard.deviation)


def _half(layers, standards, entries, targets):
    values, rows, columns = entries
    inputs = [(z - standard.mean) / standard.deviation for (_, z, _), standard in zip(layers, standards, strict=True)]
    matrix = coo_array((values, (rows, columns)), shape=(len(targets), sum(map(len, inputs))))
    return Half(inputs, matrix.tocsr(), matrix.T.tocsr(), targets)
