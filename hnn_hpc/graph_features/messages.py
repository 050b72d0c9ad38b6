"""Message passing: what a particle hears of its neighbours, and many-body energies of that.

Each of L steps sends a message of C channels along every bond, in both directions, and adds up what arrives:

    h¹_i = Σ_j f(r_ij) σ(A¹ z_ij + a¹),    hˡ_i = Σ_j f(r_ij) σ(Aˡ z_ij + Bˡ hˡ⁻¹_j + aˡ),

z_ij being the invariants of the bond, which are the same in both directions, and f(r) = (1 - (r/r_c)²)² a switch that lets bonds end
smoothly at a cutoff (1 where there is none). The many-body energy of a particle is a sum of sampled features of all that it has heard,

    F(h) = Σ_m c_m [σ(w_m·h + b_m) - σ(b_m)],    h = [h¹ … hᴸ],

so that F = 0 for a particle alone. A, B, a, w and b are sampled and stay; c is solved for.
"""

import math
from dataclasses import dataclass

import numpy as np

from hnn_hpc.features import FeatureMap
from hnn_hpc.graph_features.invariants import EdgeInvariants
from hnn_hpc.graph_features.terms import mass_products
from hnn_hpc.graphs import kinds_of

TENSOR_VALUES = 2**22  # of a tensor (bonds, channels, features) in one piece


@dataclass(frozen=True, eq=False)
class MessagePassing:
    """L steps of C channels.

    invariants  z (EdgeInvariants)
    layers      for each step a dictionary {kind: FeatureMap}: [A B] (C, U), or (C, U + C) after the first step, a and σ; a kind is a pair
                of species, and bonds of others send nothing
    cutoff      r_c, or None
    """

    invariants: EdgeInvariants
    layers: tuple
    cutoff: float | None = None

    @property
    def steps(self):
        """L."""
        return len(self.layers)

    @property
    def channels(self):
        """C."""
        return next(iter(self.layers[0].values())).count

    def heard(self, graphs):
        """Return the `Heard` of all particles of the graphs."""
        return Heard(self, graphs)


class Heard:
    """The messages in a state of some graphs, their sums and the derivatives of these.

    sums: [h¹ … hᴸ] (P, L C).
    """

    def __init__(self, passing, graphs):
        self._passing, self._graphs, self._steps = passing, graphs, []
        bonds = np.arange(len(graphs.bonds))
        lengths = graphs.bond_lengths
        self._z = passing.invariants.embed(lengths, mass_products(graphs, bonds))
        self._slopes = passing.invariants.derivative(lengths)
        self._switch, self._switch_slope = _switch(lengths, passing.cutoff)
        kinds = kinds_of(graphs, bonds)
        sums = []
        for step, layers in enumerate(passing.layers):
            members = [(layer, np.flatnonzero((kinds == kind).all(axis=1))) for kind, layer in layers.items()]
            directions = [self._sent(members, sums[-1] if sums else None, sender) for sender in ((1, 0) if step else (None,))]
            self._steps.append(directions if step else directions * 2)
            sums.append(self._arrived([values for values, _, _ in self._steps[-1]]))
        self.sums = np.concatenate(sums, axis=1)

    def _sent(self, members, heard_before, sender):
        """Return (messages (E, C), their derivatives by r (E, C), and by what the sender has heard: f σ' (E, C) with the layers)."""
        C, E = self._passing.channels, len(self._z)
        values, slopes, pushes = np.zeros((E, C)), np.zeros((E, C)), np.zeros((E, C))
        for layer, bonds in members:
            z = self._z[bonds]
            if heard_before is not None:
                z = np.column_stack([z, heard_before[self._graphs.bonds[bonds, sender]]])
            raw, derivative = layer.values(z), layer.derivative(z, np.empty((len(z), C)))
            f, f_slope = self._switch[bonds, None], self._switch_slope[bonds, None]
            values[bonds] = f * raw
            along = self._slopes[bonds] @ layer.weights[:, : self._slopes.shape[1]].T
            slopes[bonds] = f * derivative * along + f_slope * raw
            pushes[bonds] = f * derivative
        return values, slopes, (pushes, members)

    def _arrived(self, messages):
        """Return the sums (P, C) of messages to the first and to the second ends of the bonds."""
        return self._gathered(messages[0], 0) + self._gathered(messages[1], 1)

    def _gathered(self, values, end):
        """Return for each particle the sum of `values` (E, …) over the bonds that have it at this end, (P, …)."""
        flat = values.reshape(len(values), math.prod(values.shape[1:]))  # -1 would not do where there is no bond
        gathered = np.empty((self._graphs.particles, flat.shape[1]))
        ends = self._graphs.bonds[:, end]
        for column in range(flat.shape[1]):
            gathered[:, column] = np.bincount(ends, flat[:, column], self._graphs.particles)
        return gathered.reshape(-1, *values.shape[1:])

    def tension(self, slopes):
        """Return Σ_i dF_i/dr of each bond, (E,), for the slopes dF/d[h¹ … hᴸ] (P, L C)."""
        return self.tensions(slopes[:, :, None], slice(None))[:, 0]

    def tensions(self, slopes, bonds):
        """Return the same of several F at once, of the `bonds` alone: (B, m) for slopes (P, L C, m)."""
        C, (first, second) = self._passing.channels, self._graphs.bonds[bonds].T
        by_step = [slopes[:, step * C : (step + 1) * C] for step in range(self._passing.steps)]
        total = np.zeros((len(first), slopes.shape[2]))
        passed_on = 0.0
        for step in reversed(range(self._passing.steps)):
            by_sum = by_step[step] + passed_on
            (_, to_first, _), (_, to_second, _) = self._steps[step]
            for sent, end in ((to_first, first), (to_second, second)):
                total += np.matmul(sent[bonds, None, :], by_sum[end])[:, 0]
            if step:
                passed_on = self._passed_on(step, by_sum)
        return total

    def _passed_on(self, step, by_sum):
        """Return the slopes by the sums of the step before, (P, C, m), for those by the sums of this one."""
        total = 0.0
        for receiver, (_, _, (pushes, members)) in enumerate(self._steps[step]):
            arriving = np.zeros((len(self._z), *by_sum.shape[1:]))
            for layer, bonds in members:
                B = layer.weights[:, self._z.shape[1] :]
                at_receiver = by_sum[self._graphs.bonds[bonds, receiver]]
                arriving[bonds] = np.einsum("ec,ecm,cd->edm", pushes[bonds], at_receiver, B, optimize=True)
            total = total + self._gathered(arriving, 1 - receiver)
        return total


@dataclass(frozen=True, eq=False)
class ManyBodyTerm:
    """F of each particle of one species (see the module).

    species (int); messages (MessagePassing); layer (FeatureMap): W (M, L C), b and σ.
    """

    species: int
    messages: MessagePassing
    layer: FeatureMap

    @property
    def name(self):
        return f"many-body {self.species}"

    @property
    def constant(self):
        """The name of the constant of a particle, which no gradient tells."""
        return f"particle {self.species}"

    def members(self, graphs):
        """Return the numbers of the particles that have this term."""
        return np.flatnonzero(graphs.species == self.species)

    def energy(self, heard, members, coefficients):
        """Return F of the particles `members`, (B,), for coefficients c (M,)."""
        alone = self.layer.energy(np.zeros((1, heard.sums.shape[1])), coefficients)
        return self.layer.energy(heard.sums[members], coefficients) - alone

    def slopes(self, heard, members, coefficients):
        """Return dF/d[h¹ … hᴸ] of the particles `members`, (B, L C)."""
        return self.layer.energy_gradient(heard.sums[members], coefficients)

    def derivatives(self, heard, members, particles, bonds):
        """Return Σ_i dφ_m,i/dr of the `bonds`, (M, B), i running over the particles `members` of so many `particles`."""
        W, S = self.layer.weights, self.layer.derivative(heard.sums[members], np.empty((len(members), self.layer.count)))
        derivatives = np.empty((self.layer.count, len(bonds)))
        at_once = max(1, TENSOR_VALUES // max(1, max(particles, len(bonds)) * W.shape[1]))
        for start in range(0, self.layer.count, at_once):
            piece = slice(start, start + at_once)
            slopes = np.zeros((particles, W.shape[1], len(W[piece])))
            slopes[members] = S[:, None, piece] * W[piece].T
            derivatives[piece] = heard.tensions(slopes, bonds).T
        return derivatives


def reach_of(steps):
    """Return how many bonds away a particle may act on another's force: 1 without messages, and with them twice their steps.

    A particle's many-body energy hears of positions as many bonds away as there are steps, and moves what is as far on the other side.
    """
    return max(1, 2 * steps)


def _switch(lengths, cutoff):
    """Return f(r) and f'(r), each (E,)."""
    if cutoff is None:
        return np.ones_like(lengths), np.zeros_like(lengths)
    inside = np.clip(1 - (lengths / cutoff) ** 2, 0.0, None)
    return inside**2, -4 * lengths / cutoff**2 * inside
