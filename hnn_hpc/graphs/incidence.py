"""Which bonds meet at which particle."""

import numpy as np

CLOSE = 64  # places for each number, which are gone through in less time than a sort takes


class Incidence:
    """The bonds at each particle, in their order; a bond that joins a particle with its own image counts twice.

    Parameters: bonds (E, 2), particles: P. Memory: 2 E + P numbers.
    """

    def __init__(self, bonds, particles):
        ends = bonds.ravel()
        self._halves = np.argsort(ends, kind="stable")  # 2 b for the first end of bond b, 2 b + 1 for the second
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(ends, minlength=particles))])

    def entries_of(self, chosen):
        """Return (counts, bonds, ends): how many bonds each of the `chosen` particles (C,) has; these, one particle after the other; and at
        which end of each, 0 or 1, the particle is."""
        starts, counts = self._starts[chosen], self._starts[np.asarray(chosen) + 1] - self._starts[chosen]
        stops = np.cumsum(counts)
        halves = self._halves[np.arange(stops[-1] if len(stops) else 0) + np.repeat(starts - stops + counts, counts)]
        return counts, halves // 2, halves % 2

    def bonds_of(self, chosen):
        """Return the bonds that any of the `chosen` particles has, sorted, each once."""
        return distinct(self.entries_of(chosen)[1])

    def neighbours(self, chosen, bonds):
        """Return the particles at the ends of the bonds (E, 2) of the `chosen` ones, in no order, repeated as it comes."""
        return bonds[self.entries_of(chosen)[1]].ravel()


def distinct(numbers):
    """Return the different ones of some whole numbers (N,), sorted: as `np.unique`, but without sorting where they lie close together."""
    if not len(numbers):
        return numbers
    least, largest = numbers.min(), numbers.max()
    if largest - least > CLOSE * len(numbers):
        return np.unique(numbers)
    there = np.zeros(largest - least + 1, bool)
    there[numbers - least] = True
    return np.flatnonzero(there) + least
