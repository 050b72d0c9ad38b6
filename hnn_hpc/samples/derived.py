"""Samples that are made of another source, and say of themselves what that says."""

from dataclasses import dataclass

from hnn_hpc.samples.source import SampleSource


@dataclass(frozen=True)
class DerivedSamples:
    """All of a `SampleSource` but `count` and `read`."""

    source: SampleSource

    @property
    def dimension(self):
        return self.source.dimension

    @property
    def has_energies(self):
        return self.source.has_energies

    @property
    def step(self):
        return self.source.step

    @property
    def reference(self):
        return self.source.reference

    @property
    def description(self):
        return self.source.description

    @property
    def location(self):
        return self.source.location
