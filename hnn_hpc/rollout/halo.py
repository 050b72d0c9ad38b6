"""The particles that a rank owns, the ghosts it needs beside them, and the exchange of ghosts."""

from dataclasses import dataclass

import numpy as np

from hnn_hpc.graphs import Graphs


@dataclass(frozen=True, eq=False)
class HaloPlan:
    """What one rank holds of a graph: O particles of its own, G ghosts, which other ranks own, L = O + G in all.

    graphs   the local `Graphs` of the L particles, in the order of their numbers in the whole graph, with the bonds between them in the
             order that they have there: so the sums at an owned particle are those of the whole graph, bit for bit
    numbers  (L,), sorted, of these particles in the whole graph
    owned    (O,): the places of the rank's own among the L
    order    (L,): where each of the L is among the rank's own and after them the ghosts, by the ranks they come from
    coming   how many come from each rank
    sent     (S,): the places among the O of what other ranks need, by the ranks they go to
    going    how many go to each rank
    """

    graphs: Graphs
    numbers: np.ndarray
    owned: np.ndarray
    order: np.ndarray
    coming: list
    sent: np.ndarray
    going: list

    @property
    def own_numbers(self):
        """(O,), sorted: the numbers in the whole graph of the rank's own particles."""
        return self.numbers[self.owned]

    def exchanged(self, rows, communicator):
        """Return the rows (L, w) of all particles, given those of the rank's own (O, w), float64. Collective: one Alltoallv."""
        received = communicator.exchange_rows(rows.take(self.sent, axis=0), self.going, self.coming)
        return np.concatenate([rows, received]).take(self.order, axis=0)  # several times as fast as assignments by number


def local_part(graph, numbers, owned, reach):
    """Return (graphs, numbers): the owned particles and what lies within `reach` bonds of them; does not communicate.

    Parameters: graph (`Graphs`, K = 1), the whole or a part of it, with its `numbers` in the whole, sorted; owned (O,): numbers in the
    whole. The answer is that of `Graphs.neighbourhood`, which sorts what it meets; where half of a graph is met, passes over all bonds are
    some ten times as fast.
    """
    first, second = graph.bonds.T
    inside = np.zeros(graph.particles, bool)
    inside[np.searchsorted(numbers, owned)] = True
    for _ in range(reach):
        is_met = inside[first] | inside[second]
        inside[first[is_met]] = True
        inside[second[is_met]] = True
    kept, places = np.flatnonzero(inside), np.cumsum(inside) - 1
    bonds = np.flatnonzero(inside[first] & inside[second])
    local = Graphs(
        graph.positions[kept],
        graph.momenta[kept],
        graph.masses[kept],
        graph.species[kept],
        np.column_stack([places[first[bonds]], places[second[bonds]]]),
        None if graph.shifts is None else graph.shifts[bonds],
        np.array([0, len(kept)]),
        graph.boxes,
    )
    return local, numbers[kept]


def plan_halo(graphs, numbers, owner, communicator):
    """Return this rank's `HaloPlan`. Collective: the ranks tell each other which ghosts they need.

    Parameters: graphs and numbers (L,) as `local_part` gives them; owner (P,): the rank that owns each particle of the whole graph, the
    same on all ranks.
    """
    size, rank = communicator.size, communicator.rank
    owner_of_local = owner[numbers]
    owned = np.flatnonzero(owner_of_local == rank)
    others = np.flatnonzero(owner_of_local != rank)
    ghosts = others[np.argsort(owner_of_local[others], kind="stable")]
    coming = np.bincount(owner_of_local[ghosts], minlength=size).tolist()
    going = [counts[rank] for counts in communicator.all_gather(coming)]
    wanted = communicator.exchange_rows(numbers[ghosts][:, None], coming, going)[:, 0]
    order = np.empty(len(numbers), int)
    order[np.concatenate([owned, ghosts])] = np.arange(len(numbers))
    return HaloPlan(graphs, numbers, owned, order, coming, np.searchsorted(numbers[owned], wanted), going)
