"""Some of the rows of another source, such as those kept for the test."""

from dataclasses import dataclass

from hnn_hpc.samples.derived import DerivedSamples


@dataclass(frozen=True)
class RowRange(DerivedSamples):
    """The rows [first, first + count) of another `SampleSource`, as a source of their own."""

    first: int
    count: int

    @property
    def location(self):
        return self.source.location + (f" (rows counted from its row {self.first})" if self.first else "")

    def read(self, start, stop):
        """Return the `Samples` of the rows [start, stop) of the range."""
        return self.source.read(self.first + start, self.first + stop)
