"""Which rank owns which particles: pure arithmetic, no MPI."""

import numpy as np


def wrapped(positions, box):
    """Return positions (P, d) moved by whole periods of the box (d,), inf where it is open, into [0, period]."""
    inside = positions.copy()
    for axis in np.flatnonzero(np.isfinite(box)):
        inside[:, axis] %= box[axis]
    return inside


def owners(positions, ranks):
    """Return the rank that owns each particle, (P,), by recursive coordinate bisection of the positions (P, d), finite numbers.

    The particles are cut in two by a plane across the axis along which they reach farthest, then each part likewise, until there are as
    many parts as ranks, of sizes that differ by one at most. Particles in the plane itself, as in a lattice, go by their other coordinates
    and at last by their numbers, so that the answer is the same on every machine. Time: P log2(ranks).
    """
    owner = np.empty(len(positions), int)

    def bisect(numbers, first, last):
        if last - first == 1:
            owner[numbers] = first
            return
        middle = (first + last) // 2
        start, cut = (len(positions) * rank // ranks for rank in (first, middle))
        is_left = _first_along(positions[numbers], cut - start)
        bisect(numbers[is_left], first, middle)
        bisect(numbers[~is_left], middle, last)

    bisect(np.arange(len(positions)), 0, ranks)
    return owner


def _first_along(positions, count):
    """Return which particles, a bool (N,), are the `count` first ones along the longest axis, in equal places along the others in turn."""
    chosen = np.zeros(len(positions), bool)
    if count == 0:
        return chosen
    longest = np.argmax(np.ptp(positions, axis=0))
    candidates = np.arange(len(positions))
    for axis in (longest, *np.delete(np.arange(positions.shape[1]), longest)):
        places = positions[candidates, axis]
        cut = np.partition(places, count - 1)[count - 1]
        before = candidates[places < cut]
        chosen[before] = True
        candidates, count = candidates[places == cut], count - len(before)
    chosen[candidates[:count]] = True
    return chosen


def near_block(positions, owned, box, distance):
    """Return the numbers, sorted, of the particles no farther from a block than `distance` along each axis.

    Parameters: positions (P, d), `wrapped`; owned (O,), at least one: the numbers of the particles whose bounding box is the block;
    box (d,): periods, inf where open.
    """
    low, high = positions[owned].min(axis=0), positions[owned].max(axis=0)
    away = np.abs(positions - (low + high) / 2)
    away = np.minimum(away, box - away)
    return np.flatnonzero((away <= (high - low) / 2 + distance).all(axis=1))
