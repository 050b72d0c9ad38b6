"""What is told of a rollout: times, energies, momenta, and the state at the end."""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from hnn_hpc.graphs import Graphs


class Rollout(NamedTuple):
    """N records along a rollout of P particles in d dimensions, and its end; the same on every rank.

    times            (N,): of the records, from 0
    energies         (N,): H of the whole graph
    momenta          (N, d): their sum, which an open or periodic graph keeps
    angular_momenta  (N, d (d - 1) / 2): the sums of q_a p_b - q_b p_a for the axes a < b, in the order 01, 02, 12; positions count as they
                     are, so it is kept where nothing is periodic
    end              the graph in its last state, its particles in their order; the bonds are those it was given with
    lists            how often bonds were found, 0 where they belong to the graph
    """

    times: np.ndarray
    energies: np.ndarray
    momenta: np.ndarray
    angular_momenta: np.ndarray
    end: Graphs
    lists: int

    @classmethod
    def of(cls, times, records, end, lists):
        """Return the rollout whose records are rows of numbers as `record` tells them, summed over the ranks."""
        energies, momenta, angular_momenta = np.split(records, [1, 1 + end.dimension], axis=1)
        return cls(times, energies[:, 0], momenta, angular_momenta, end, lists)


def record(energy, blocks):
    """Return the energy of a rank's own particles, as given, and the sums of their momenta and angular momenta as one array."""
    q, p = blocks.positions.T, blocks.momenta.T
    # Each sum by itself, which numpy then takes in pairs: more exact than a running sum.
    angular = [(q[a] * p[b] - q[b] * p[a]).sum() for a, b in combinations(range(len(q)), 2)]
    return np.array([energy, *(one.sum() for one in p), *angular])
