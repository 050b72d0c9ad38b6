"""All features of a graph network side by side, and the energy, gradient and rows that they make."""

from dataclasses import dataclass

import numpy as np

from hnn_hpc.graph_features.messages import reach_of


@dataclass(frozen=True, eq=False)
class GraphFeatureMap:
    """The features of graphs: those of `kinetic` terms (KineticTerm), of `pairs` (PairTerm) and of `many_body` terms (ManyBodyTerm), each a
    tuple, in this order; all many-body terms hear the same messages.
    """

    kinetic: tuple
    pairs: tuple
    many_body: tuple = ()

    @property
    def terms(self):
        """All terms, in the order of their features."""
        return (*self.kinetic, *self.pairs, *self.many_body)

    @property
    def count(self):
        """M, how many features."""
        return sum(term.layer.count for term in self.terms)

    def slices(self):
        """Return for each term which of the M features are its own."""
        ends = np.cumsum([term.layer.count for term in self.terms])
        return [slice(end - term.layer.count, end) for term, end in zip(self.terms, ends.tolist(), strict=True)]

    @property
    def cutoff(self):
        """The length from which on a bond counts as absent, or None."""
        return self.pairs[0].cutoff if self.pairs else None

    @property
    def reach(self):
        """How many bonds away a particle may act on another's force."""
        return reach_of(len(self._message_layers))

    @property
    def layers(self):
        """All hidden layers, those of the messages last."""
        return [term.layer for term in self.terms] + [layer for step in self._message_layers for layer in step.values()]

    @property
    def constants(self):
        """The names of the constants of H that no gradient tells: a bond's where there is no cutoff, a particle's with messages."""
        return [term.constant for term in (*(self.pairs if self.cutoff is None else ()), *self.many_body)]

    def shares(self, graphs):
        """Return {name of a constant: how many times each particle has it, (P,)}: that of a bond half at each end."""
        shares, bonds = {}, np.arange(len(graphs.bonds))
        for term in self.pairs if self.cutoff is None else ():
            ends = graphs.bonds[term.members(graphs, bonds)].ravel()
            shares[term.constant] = np.bincount(ends, minlength=graphs.particles) / 2
        for term in self.many_body:
            shares[term.constant] = (graphs.species == term.species).astype(float)
        return shares

    def sizes(self, graphs):
        """Return how many times each graph has each of the `constants`, (K, constants)."""
        columns = [graphs.sums_of_particles(shares) for shares in self.shares(graphs).values()]
        return np.stack(columns, axis=1) if columns else np.empty((graphs.count, 0))

    def energies_of_particles(self, graphs, coefficients):
        """Return the part of H that each particle has, (P,), without constants: that of a bond half at each end; coefficients (M,)."""
        energies, halves = np.zeros(graphs.particles), np.zeros(len(graphs.bonds))
        bonds, heard = np.arange(len(graphs.bonds)), self._heard(graphs)
        kinetic, pairs, many_body = self._with_coefficients(coefficients)
        for term, c in kinetic:
            members = term.members(graphs)
            energies[members] += term.energy(graphs, members, c)
        for term, c in pairs:
            members = term.members(graphs, bonds)
            halves[members] += term.energy(graphs, members, c) / 2
        for term, c in many_body:
            members = term.members(graphs)
            energies[members] += term.energy(heard, members, c)
        for end in graphs.bonds.T:
            energies += np.bincount(end, halves, graphs.particles)
        return energies

    def gradient(self, graphs, coefficients):
        """Return (dH/dq, dH/dp), each (P, d)."""
        along_p, tensions = np.zeros_like(graphs.momenta), np.zeros(len(graphs.bonds))
        bonds = np.arange(len(graphs.bonds))
        kinetic, pairs, many_body = self._with_coefficients(coefficients)
        for term, c in kinetic:
            members = term.members(graphs)
            along_p[members] += term.gradient(graphs, members, c)
        for term, c in pairs:
            members = term.members(graphs, bonds)
            tensions[members] += term.tension(graphs, members, c)
        if many_body:
            heard = self._heard(graphs)
            slopes = np.zeros_like(heard.sums)
            for term, c in many_body:
                members = term.members(graphs)
                slopes[members] += term.slopes(heard, members, c)
            tensions += heard.tension(slopes)
        return graphs.pull_back(tensions), along_p

    def bond_derivatives(self, graphs, bonds):
        """Return dφ_m/dr of the `bonds`, an array of their numbers, for the features of pairs and many-body terms: (M', B).

        Where some of the graphs is missing it is right for bonds of particles that are `reach` bonds away from there.
        """
        pieces = [self._pair_derivatives(term, graphs, bonds) for term in self.pairs]
        heard = self._heard(graphs)
        pieces += [term.derivatives(heard, term.members(graphs), graphs.particles, bonds) for term in self.many_body]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    @staticmethod
    def _pair_derivatives(term, graphs, bonds):
        """Return dφ_m/dr of the `bonds` for the features of one term, (M_t, B): 0 for bonds that do not have it."""
        places = term.members(graphs, bonds)
        if len(places) == len(bonds):
            return term.derivatives(graphs, bonds)
        derivatives = np.zeros((term.layer.count, len(bonds)))
        derivatives[:, places] = term.derivatives(graphs, bonds[places])
        return derivatives

    def _with_coefficients(self, coefficients):
        """Return lists of pairs (term, its coefficients): of the kinetic terms, of the pairs, of the many-body terms."""
        pairs = [(term, coefficients[columns]) for term, columns in zip(self.terms, self.slices(), strict=True)]
        first, second = len(self.kinetic), len(self.kinetic) + len(self.pairs)
        return pairs[:first], pairs[first:second], pairs[second:]

    @property
    def _message_layers(self):
        return self.many_body[0].messages.layers if self.many_body else ()

    def _heard(self, graphs):
        return self.many_body[0].messages.heard(graphs) if self.many_body else None
