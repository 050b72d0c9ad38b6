"""Rows in chunks of any sizes, held by somebody else: which of them a block is made of, and the rows of a block where it is computed."""

import threading
from bisect import bisect_left, bisect_right
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

_here = threading.local()


@dataclass(frozen=True)
class RowChunks:
    """Rows that lie in chunks one after the other; `sizes`: how many each has, 0 too."""

    sizes: tuple

    @cached_property
    def edges(self):
        """The first row of each chunk, and the end."""
        return list(accumulate(self.sizes, initial=0))

    @property
    def rows(self):
        """How many there are."""
        return self.edges[-1]

    def chunk_of(self, row):
        """Return the number of the chunk that a row lies in."""
        return bisect_right(self.edges, row) - 1

    def parts(self, start, stop):
        """Return the list of (chunk, first, last) that the rows [start, stop) are made of: rows [first, last) of the chunk, never none."""
        if start == stop:
            return []
        chunks = range(self.chunk_of(start), bisect_left(self.edges, stop))
        spans = [(chunk, max(start, self.edges[chunk]), min(stop, self.edges[chunk + 1])) for chunk in chunks]
        return [(chunk, first - self.edges[chunk], last - self.edges[chunk]) for chunk, first, last in spans if first < last]


@contextmanager
def at_hand(first, columns):
    """A context of this thread in which `rows_at_hand` gives rows of `columns`, arrays whose first rows have the global number `first`."""
    _here.first, _here.columns = first, columns
    try:
        yield
    finally:
        del _here.first, _here.columns


def rows_at_hand(start, stop):
    """Return the list of the rows [start, stop) of each column."""
    first, columns = _here.first, _here.columns
    assert all(first <= start <= stop <= first + len(column) for column in columns)
    return [column[start - first : stop - first] for column in columns]
