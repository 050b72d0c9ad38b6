"""States of one graph of a known system, as a source of samples."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from hnn_hpc.errors import UserError, look_up
from hnn_hpc.graph_samples.source import GraphSamples
from hnn_hpc.graphs import Graphs, copies, with_bonds
from hnn_hpc.particles import ParticleSystem
from hnn_hpc.random_streams import STREAMS
from hnn_hpc.values import MOST_SAMPLES, whole_number


@dataclass(frozen=True, eq=False)
class SystemGraphs(ABC):
    """`count` states of the one graph `rest` of a known system, with their derivatives and energies (a `GraphSource`).

    A subclass draws the states; `stream` names its random streams, as for `random_stream`. A graph of a system with a cutoff gets the bonds
    of its state.
    """

    system: ParticleSystem
    rest: Graphs
    count: int
    seed: int
    stream: str
    has_energies = True

    def __post_init__(self):
        if self.rest.count != 1:
            raise UserError(f"rest holds {self.rest.count} graphs; expected one, of which the samples are states")
        whole_number(self.count, "count", at_least=1, at_most=MOST_SAMPLES)
        whole_number(self.seed, "seed", at_least=0)
        look_up(STREAMS, self.stream, "random stream")

    @abstractmethod
    def states(self, start, stop):
        """Return the positions and momenta of the states [start, stop), (stop - start, P, d) each."""

    @property
    def offsets(self):
        return self.rest.particles * np.arange(self.count + 1)

    @property
    def dimension(self):
        return self.rest.dimension

    @property
    def cutoff(self):
        return self.system.cutoff

    @property
    def location(self):
        return f"the samples of {self.system.name}"

    @property
    def description(self):
        return {"system": self.system.name, "parameters": self.system.parameters, "particles": self.rest.particles, "seed": self.seed}

    def read(self, start, stop):
        """Return the `GraphSamples` of the graphs [start, stop)."""
        positions, momenta = (values.reshape(-1, self.dimension) for values in self.states(start, stop))
        graphs = copies(self.rest, stop - start).at(positions, momenta)
        if self.cutoff is not None:
            graphs = with_bonds(graphs, self.cutoff)
        return GraphSamples(graphs, self.system.velocities(graphs), self.system.forces(graphs), self.system.energy(graphs))
