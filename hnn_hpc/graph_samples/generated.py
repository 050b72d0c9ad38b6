"""States of a known system at random about its rest, computed when they are read: nothing is stored, and any run can be had on any rank."""

from dataclasses import dataclass

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.graph_samples.states import SystemGraphs
from hnn_hpc.random_streams import random_stream
from hnn_hpc.values import finite_number


@dataclass(frozen=True, eq=False)
class GeneratedGraphs(SystemGraphs):
    """States whose particles are displaced from rest and moved, each on its own (a `GraphSource`).

    Each coordinate of a displacement is uniform in [-displacement, displacement], each of a momentum in [-momentum, momentum] sqrt(m). The
    same (seed, stream, number of the graph) gives the same state everywhere.
    """

    stream: str = "training points"
    displacement: float = 0.1
    momentum: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        for name in ("displacement", "momentum"):
            if finite_number(getattr(self, name), name) < 0:
                raise UserError(f"{name} = {getattr(self, name)}: expected a number of at least 0")

    @property
    def description(self):
        return super().description | {"displacement": self.displacement, "momentum": self.momentum}

    def states(self, start, stop):
        drawn = np.empty((stop - start, 2, self.rest.particles, self.dimension))
        for number in range(start, stop):
            drawn[number - start] = random_stream(self.seed, self.stream, number).uniform(-1, 1, drawn.shape[1:])
        momenta = self.momentum * np.sqrt(self.rest.masses)[:, None]
        return self.rest.positions + self.displacement * drawn[:, 0], momenta * drawn[:, 1]
