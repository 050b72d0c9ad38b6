"""A graph over ranks: each has the state of the particles it owns, and gets the positions of the ghosts beside them."""

from dataclasses import replace

import numpy as np

from hnn_hpc.graphs import Graphs, bonds_within
from hnn_hpc.rollout.halo import local_part, plan_halo
from hnn_hpc.rollout.partition import near_block, owners, wrapped

SLACK = 1e-9  # of the length of the longest pair, for the round-off of wrapped positions


class Blocks:
    """One graph in blocks of space, one a rank.

    Where the Hamiltonian has a cutoff, bonds are the pairs nearer than that and a skin. Once a particle of any rank has moved by more than
    half of the skin, pairs nearer than the cutoff may be missing among them: then `refreshed` parts the graph anew, particles going
    to other ranks, and finds the bonds anew, each rank those near its own block.

    positions, momenta  (O, d): those of the rank's own particles, by their numbers; the caller's to change
    particles           `Graphs` of these particles without any bonds, in no particular state
    plan                the `HaloPlan`, which changes with the bonds
    lists               how often bonds were found; 0 without a cutoff

    Parameters, the same on all ranks: graph (`Graphs`, K = 1); reach: of how many bonds away the rank needs the ghosts; cutoff (None or
    a length); skin: a part of the cutoff. Collective, as all methods.
    """

    def __init__(self, graph, reach, cutoff, skin, communicator):
        self.lists = 0
        self._graph, self._reach, self.communicator = graph, reach, communicator
        self._list_length = None if cutoff is None else list_length(cutoff, skin, graph.boxes[0])
        self._leeway = None if cutoff is None else (self._list_length - cutoff) / 2
        self._distribute(graph.positions, graph.momenta)

    def refreshed(self):
        """Return the local `Graphs` of L particles with all their positions as they are now, and with momenta of 0.

        Errors, on all ranks: `UserError` where the bonds cannot be found.
        """
        if self._leeway is not None and self._has_moved_too_far():
            state = self.gathered()
            self.plan = None  # its bonds may take most of the memory
            self._distribute(*state)
        return self.plan.graphs.at(self.plan.exchanged(self.positions, self.communicator), self._at_rest)

    def gathered(self):
        """Return positions and momenta, (P, d) each, of the whole graph on every rank: one Allgatherv."""
        counts = np.bincount(self._owner, minlength=self.communicator.size).tolist()
        rows = self.communicator.all_gather_rows(np.hstack([self.positions, self.momenta]), counts)
        state = np.empty_like(rows)
        state[np.argsort(self._owner, kind="stable")] = rows
        return state[:, : self._dimension].copy(), state[:, self._dimension :].copy()

    @property
    def _dimension(self):
        return self._graph.dimension

    def _has_moved_too_far(self):
        squares = np.zeros(len(self.positions))
        for along in (self.positions - self._listed).T:  # many times as fast as a sum over rows of a few numbers
            squares += along * along
        return max(self.communicator.all_gather(squares.max(initial=0))) > self._leeway**2

    def _distribute(self, positions, momenta):
        """Part the graph in the state given, (P, d) each, and get the rank's own part of it."""
        communicator = self.communicator
        with communicator.together():
            inside = wrapped(positions, self._graph.boxes[0])
            self._owner = owners(inside, communicator.size)
            owned = np.flatnonzero(self._owner == communicator.rank)
            part, numbers = self._with_bonds(positions, inside, owned)
            local = local_part(part, numbers, owned, self._reach)
        self.plan = plan_halo(*local, self._owner, communicator)
        self.positions, self.momenta = positions[owned].astype(float, copy=False), momenta[owned].astype(float, copy=False)
        self._listed = self.positions.copy()
        self._at_rest = np.zeros(self.plan.graphs.positions.shape)
        self.particles = self._without_bonds(owned)

    def _without_bonds(self, owned):
        graph, bonds, offsets = self._graph, np.empty((0, 2), int), np.array([0, len(owned)])
        return Graphs(self.positions, self.momenta, graph.masses[owned], graph.species[owned], bonds, None, offsets, graph.boxes)

    def _with_bonds(self, positions, inside, owned):
        """Return (part, numbers): `Graphs` with all the bonds within reach of the owned particles, and their numbers in the whole graph."""
        graph = self._graph
        if self._list_length is None:
            return replace(graph, positions=positions), np.arange(graph.particles)
        self.lists += 1
        length, boxes = self._list_length, graph.boxes
        numbers = near_block(inside, owned, boxes[0], self._reach * length * (1 + SLACK)) if len(owned) else owned
        near, offsets = positions[numbers], np.array([0, len(numbers)])
        bonds, shifts = bonds_within(near, offsets, boxes, length)
        return Graphs(near, np.zeros_like(near), graph.masses[numbers], graph.species[numbers], bonds, shifts, offsets, boxes), numbers


def list_length(cutoff, skin, box):
    """Return up to which length pairs are bonds: the cutoff and a skin, which is narrower where half the period of a box (d,) is shorter.

    A cutoff that is longer than that is left as it is, for the search of bonds to refuse.
    """
    return max(cutoff, min((1 + skin) * cutoff, box.min() / 2))
