"""Where states of graphs come from, with their derivatives: anything that can be read in runs of graphs."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from hnn_hpc.graphs import Graphs, with_bonds


class GraphSamples(NamedTuple):
    """Graphs in memory with the derivatives of their states; `energies` is None where the source knows none."""

    graphs: Graphs
    velocities: np.ndarray  # (P, d), dq/dt
    forces: np.ndarray  # (P, d), dp/dt
    energies: np.ndarray | None = None  # (K,)


class GraphSource(Protocol):
    """K graphs that any rank reads run by run, so that its memory does not grow with K.

    Reading is deterministic, needs no communicator and may happen on several threads at once.
    """

    count: int  # K, at least 1
    offsets: np.ndarray  # (K + 1,): the particles of graph k are offsets[k] to offsets[k + 1]
    dimension: int  # d, of space
    has_energies: bool
    cutoff: float | None  # the length below which every pair has a bond; None where bonds are part of the graph
    description: dict  # where the samples come from, fit for JSON: ends up in the provenance of a model
    location: str  # names the source in error messages

    def read(self, start: int, stop: int) -> GraphSamples:
        """Return the graphs start..stop (0 <= start <= stop <= K) as they are; whoever uses them checks them."""
        ...


@dataclass(frozen=True)
class ArrayGraphs:
    """Samples that a program holds in memory (a `GraphSource`). With a cutoff the bonds are found anew when they are read."""

    samples: GraphSamples
    cutoff: float | None = None
    location = "the arrays"

    @property
    def count(self):
        return self.samples.graphs.count

    @property
    def offsets(self):
        return self.samples.graphs.offsets

    @property
    def dimension(self):
        return self.samples.graphs.dimension

    @property
    def has_energies(self):
        return self.samples.energies is not None

    @property
    def description(self):
        return {"source": "arrays"}

    def read(self, start, stop):
        """Return the `GraphSamples` of the graphs [start, stop)."""
        graphs, velocities, forces, energies = self.samples
        particles = slice(graphs.offsets[start], graphs.offsets[stop])
        run = graphs.run(start, stop)
        if self.cutoff is not None:
            run = with_bonds(run, self.cutoff)
        return GraphSamples(run, velocities[particles], forces[particles], None if energies is None else energies[start:stop])
