"""The rows of ∇H of graphs of particles: one "sample" is one particle, so that graphs of all sizes make rows of one kind.

H = T(p) + V(q) falls apart. Features of bonds and messages give d rows a particle, those of its position,

    A[(i, α), m] = Σ_(bonds e at i) ± u_e,α dφ_m/dr_e,    f = -dp/dt,

with u_e the unit vector of the bond: a sparse matrix of 2 d entries a bond times the dense dφ/dr. Kinetic features give d rows too, but
they are all multiples of p: its direction turns them into one row, exactly, A[i, m] = dφ_m/d|p|, f = (p/|p|)·dq/dt.
"""

import numpy as np
from scipy.sparse import csr_array

from hnn_hpc.graphs import distinct


class ParticleRows:
    """What both operators share: particles [first, first + P) of all, in memory, `graph_samples.OwnGraphs`, and where the rows begin.

    Whole graphs are in memory, so that each particle whose rows are asked for has its neighbours there.
    """

    def __init__(self, own, particles, columns, rows_per_sample):
        self.samples, self.columns, self.rows_per_sample = particles, columns, rows_per_sample
        self._graphs, self._velocities, self._forces, _ = own.samples
        self._first = own.first

    def dense_rows(self, start, stop, places=slice(None)):
        """Return [A | f] of the run, or of the particles at some places of it, (B r, M + 1), column-major."""
        chosen = self._chosen(start, stop)[places]
        transposed = np.empty((self.columns + 1, len(chosen) * self.rows_per_sample))
        to_rows, derivatives = self._factors(chosen)
        transposed[:-1] = derivatives if to_rows is None else (to_rows @ derivatives.T).T
        transposed[-1] = self._targets(chosen).ravel()
        return transposed.T

    def multiply(self, start, stop, vector):
        """Return the run's rows of A v, (B, r)."""
        to_rows, derivatives = self._factors(self._chosen(start, stop))
        return self._multiplied(to_rows, derivatives, vector)

    def multiply_transposed(self, start, stop, rows):
        """Return the run's share of Aᵀ r, (M,), for its rows (B, r)."""
        to_rows, derivatives = self._factors(self._chosen(start, stop))
        return self._multiplied_transposed(to_rows, derivatives, rows)

    def residual(self, start, stop, vector, rows=None):
        """Return r = f - A v of the run, (B, r), its share of Aᵀ r, (M,), and f; `rows` (B, r) take the place of f where given."""
        chosen = self._chosen(start, stop)
        to_rows, derivatives = self._factors(chosen)
        f = self._targets(chosen) if rows is None else rows
        r = f - self._multiplied(to_rows, derivatives, vector)
        return r, self._multiplied_transposed(to_rows, derivatives, r), f

    def _multiplied(self, to_rows, derivatives, vector):
        along = vector @ derivatives
        return (along if to_rows is None else to_rows @ along).reshape(-1, self.rows_per_sample)

    def _multiplied_transposed(self, to_rows, derivatives, rows):
        return derivatives @ (rows.ravel() if to_rows is None else to_rows.T @ rows.ravel())

    def _chosen(self, start, stop):
        return np.arange(start - self._first, stop - self._first)


class KineticRows(ParticleRows):
    """A and f of a KineticTerm; rows of particles of other species are 0."""

    def __init__(self, term, own, particles):
        super().__init__(own, particles, term.layer.count, 1)
        self._term = term

    def _factors(self, chosen):
        derivatives, (members, places) = np.zeros((self.columns, len(chosen))), self._members(chosen)
        derivatives[:, places] = self._term.derivatives(self._graphs, members)
        return None, derivatives

    def _targets(self, chosen):
        targets, (members, places) = np.zeros((len(chosen), 1)), self._members(chosen)
        momenta = self._graphs.momenta[members]
        sizes = np.sqrt(np.einsum("pd,pd->p", momenta, momenta))
        moving = sizes > 0
        along = np.einsum("pd,pd->p", momenta, self._velocities[members])
        targets[places[moving], 0] = along[moving] / sizes[moving]
        return targets

    def _members(self, chosen):
        places = np.flatnonzero(self._graphs.species[chosen] == self._term.species)
        return chosen[places], places


class BondPlaces:
    """Where the bonds of some particles are: all that the rows of `BondRows` have of the graphs besides the features.

    near: Graphs, the `chosen` particles with what lies within `reach` bonds; bonds: the numbers there of the bonds that they have, (e,);
    to_rows: ± u, which makes rows of what is known of these bonds, sparse, (B d, e).
    """

    def __init__(self, graphs, chosen, reach):
        d = graphs.dimension
        self.near, numbers, _ = graphs.neighbourhood(chosen, reach)
        counts, at, ends = self.near.incidence.entries_of(np.searchsorted(numbers, chosen))
        self.bonds = distinct(at)
        columns = np.searchsorted(self.bonds, at)
        units = self.near.bond_vectors[at] / self.near.bond_lengths[at, None] * (2 * ends - 1)[:, None]
        rows = np.arange(len(chosen)).repeat(counts)[:, None] * d + np.arange(d)
        shape = len(chosen) * d, len(self.bonds)
        self.to_rows = csr_array((units.ravel(), (rows.ravel(), columns.repeat(d))), shape=shape)


class BondRows(ParticleRows):
    """A and f of the pair and many-body terms of a GraphFeatureMap."""

    def __init__(self, feature_map, own, particles):
        columns = sum(term.layer.count for term in (*feature_map.pairs, *feature_map.many_body))
        super().__init__(own, particles, columns, own.samples.graphs.dimension)
        self._feature_map = feature_map

    def _factors(self, chosen):
        places = BondPlaces(self._graphs, chosen, self._feature_map.reach)
        return places.to_rows, self._feature_map.bond_derivatives(places.near, places.bonds)

    def _targets(self, chosen):
        return -self._forces[chosen]
