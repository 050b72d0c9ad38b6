"""Some of the rows of another source, such as those kept for the test."""

from dataclasses import dataclass

from hnn_hpc.samples.source import SampleSource


@dataclass(frozen=True)
class RowRange:
    """The rows [first, first + count) of another `SampleSource`, as a source of their own."""

    source: SampleSource
    first: int
    count: int

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
        return self.source.location + (f" (rows counted from its row {self.first})" if self.first else "")

    def read(self, start, stop):
        """Return the `Samples` of the rows [start, stop) of the range."""
        return self.source.read(self.first + start, self.first + stop)
