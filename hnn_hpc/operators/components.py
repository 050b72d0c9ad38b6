"""Features that touch no coordinate in common make A block-diagonal: smaller problems, to be solved one by one.

Row (k, d) of A is 0 for a feature that does not depend on x_d. So A falls apart into the connected components of the graph whose nodes are
features and coordinates and whose edges say which depends on which: for H = T(p) + V(q) into two, for a sum of functions of one coordinate
each into D. The least squares of A are those of its blocks, exactly, and each costs what its own size does.
"""

from typing import NamedTuple

import numpy as np

from hnn_hpc.connected import connected


class Component(NamedTuple):
    """A block of A: the numbers of its features (M_b,) and of its coordinates of x (r,), both sorted."""

    features: np.ndarray
    rows_of: np.ndarray


def components_of(weights, coordinates):
    """Return the `Component`s of the features with weights W (M, E) in `Coordinates`, in the order of their first coordinates.

    Coordinates that no feature touches, where H is constant as far as the features go, are rows of zeros; they belong to the first one.
    """
    touched = _touched(weights, coordinates)
    unlike, kinds = np.unique(touched, axis=0, return_inverse=True)
    kinds = kinds.ravel()
    found = []
    for some in connected([np.flatnonzero(row) for row in unlike]):
        rows_of = np.flatnonzero(unlike[some].any(axis=0))
        if len(rows_of):
            found.append(Component(np.flatnonzero(np.isin(kinds, some)), rows_of))
    if not found:
        return [Component(np.arange(len(weights)), np.arange(coordinates.dimension))]
    found.sort(key=lambda component: component.rows_of[0])
    nowhere, untouched = np.flatnonzero(~touched.any(axis=1)), np.flatnonzero(~touched.any(axis=0))
    return [Component(np.union1d(found[0].features, nowhere), np.union1d(found[0].rows_of, untouched)), *found[1:]]


def _touched(weights, coordinates):
    """Return which coordinates of x each feature depends on, (M, D)."""
    if coordinates.is_plain:
        return weights != 0
    touched = np.zeros((len(weights), coordinates.dimension), bool)
    for column, x in zip(coordinates.entry_columns, coordinates.entry_coordinates, strict=True):
        touched[:, x] |= weights[:, column] != 0
    return touched
