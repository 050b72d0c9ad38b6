"""Samples of a known system, computed when they are read: nothing is stored, and any slice can be had on any rank."""

from dataclasses import dataclass

import numpy as np

from hnn_hpc.random_streams import random_stream
from hnn_hpc.samples.source import Samples
from hnn_hpc.systems import HamiltonianSystem

# Points come in global chunks, each from a random stream of its own, so that a slice costs its own length and not K.
CHUNK = 4096


@dataclass(frozen=True)
class SystemSamples:
    """`count` points uniform in the system's box, with dx/dt = J grad H and H (a `SampleSource`).

    `stream` names the random stream: "training points" or "test points"; the same (seed, stream) gives the same points everywhere.
    """

    system: HamiltonianSystem
    count: int
    seed: int
    stream: str = "training points"
    has_energies = True
    step = None

    @property
    def dimension(self):
        return self.system.dimension

    @property
    def location(self):
        return f"the samples of {self.system.name}"

    @property
    def reference(self):
        x0 = self.system.reference_point
        return x0, float(self.system.energy(x0))

    @property
    def description(self):
        return {"system": self.system.name, "parameters": self.system.parameters, "box": self.system.box.tolist(), "seed": self.seed}

    def read(self, start, stop):
        """Return the `Samples` of the global rows [start, stop)."""
        chunks = [self._chunk_of_points(chunk) for chunk in range(start // CHUNK, -(-stop // CHUNK))]
        first = start // CHUNK * CHUNK
        points = np.concatenate(chunks)[start - first : stop - first] if chunks else np.empty((0, self.dimension))
        return Samples(points, self.system.vector_field(points), self.system.energy(points))

    def _chunk_of_points(self, chunk):
        lower, upper = self.system.box.T
        unit_points = random_stream(self.seed, self.stream, chunk).random((CHUNK, self.dimension))
        return lower + (upper - lower) * unit_points
