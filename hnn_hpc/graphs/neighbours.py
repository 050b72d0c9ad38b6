"""Which particles of a graph are near one another: the bonds of a cutoff, found by a tree of the positions."""

import math
from dataclasses import replace
from numbers import Real

import numpy as np
from scipy.spatial import cKDTree

from hnn_hpc.errors import UserError

# Of the cutoff and of the largest coordinate: by so much the tree's distances and the bonds' lengths may differ by round-off, at most.
ROUND_OFF = 1e-13


def with_bonds(graphs, cutoff):
    """Return the same graphs with the bonds of all pairs of a graph nearer than the cutoff; see `bonds_within`.

    Where a position is not finite there are none, and `check_graphs` tells of it.
    """
    if not np.isfinite(graphs.positions).all():
        return graphs.without_bonds()
    bonds, shifts = bonds_within(graphs.positions, graphs.offsets, graphs.boxes, cutoff)
    return replace(graphs, bonds=bonds, shifts=shifts)


def bonds_within(positions, offsets, boxes, cutoff):
    """Return (bonds (E, 2), shifts (E, d) or None): all pairs of a graph that are nearer than the cutoff, by the nearest image.

    Parameters: positions (P, d), in the box or out of it, offsets (K + 1,), boxes (K, d) with inf where open, cutoff (float, inf for all
    pairs). The first particle of a bond has the smaller number, and the bonds are sorted. The shifts are those of the positions as they
    are given; None where every box is open. A tree for each graph: time P log P + E; memory
    about twice that of the answer, (2 + d) E numbers.
    Raises UserError: a cutoff that is no positive number, or above half a period, where a pair could have more than one bond; a position
    that is not finite.
    """
    if not isinstance(cutoff, Real) or not cutoff > 0:
        raise UserError(f"cutoff = {cutoff!r}: expected a positive number, the length below which two particles have a bond")
    _check_boxes(boxes, cutoff)
    if not np.isfinite(positions).all():
        number = np.argmin(np.isfinite(positions).all(axis=1))
        raise UserError(f"no bonds can be found: the position of particle {number}, {positions[number]}, is not finite")

    found = [_bonds(positions[start:stop], box, cutoff) for start, stop, box in zip(offsets[:-1], offsets[1:], boxes, strict=True)]
    bonds = np.concatenate([np.empty((0, 2), dtype=np.int64), *(pairs + start for (pairs, _), start in zip(found, offsets, strict=False))])
    if not np.isfinite(boxes).any():
        return bonds, None
    return bonds, np.concatenate([shifts for _, shifts in found])


def _check_boxes(boxes, cutoff):
    """Raise UserError where a bond of the cutoff's length could go to two images of a particle."""
    narrow = np.argwhere(2 * cutoff > boxes)
    if len(narrow):
        graph, axis = narrow[0]
        raise UserError(
            f"cutoff = {cutoff:g} is above half the period of graph {graph} along axis {axis}, {boxes[graph, axis]:g}, so that a pair "
            "could have more than one bond; choose a smaller cutoff or a larger box"
        )


def _bonds(positions, box, cutoff):
    """Return (bonds (E, 2), shifts (E, d)) of one graph."""
    first, second = _candidates(positions, box, cutoff)
    squares, shifts = np.zeros(len(first)), np.zeros((len(first), len(box)))
    for axis, period in enumerate(box):
        places = np.ascontiguousarray(positions[:, axis])
        along = places[second] - places[first]
        if math.isfinite(period):
            shifts[:, axis] = -period * np.rint(along / period)
            along += shifts[:, axis]
        squares += along * along
    near = np.sqrt(squares) < cutoff
    bonds = np.stack([first, second], axis=1)
    return (bonds, shifts) if near.all() else (bonds[near], shifts[near])


def _candidates(positions, box, cutoff):
    """Return the pairs of one graph, two arrays, sorted: all that are nearer than the cutoff, and few others, for trees round off."""
    count = len(positions)
    if math.isinf(cutoff) or count < 2:
        return np.triu_indices(count, 1)
    periodic = np.isfinite(box)
    wrapped = np.where(periodic, positions % np.where(periodic, box, 1), positions)
    wrapped = np.where(periodic & (wrapped >= box), 0, wrapped)  # -1e-20 % 1 is 1
    tree = cKDTree(wrapped, boxsize=np.where(periodic, box, 0))
    pairs = tree.query_pairs(cutoff + ROUND_OFF * (cutoff + np.abs(positions).max()), output_type="ndarray")
    keys = pairs[:, 0] * count + pairs[:, 1]
    keys.sort()
    first = keys // count
    return first, keys - count * first
