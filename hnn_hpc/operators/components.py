"""Features that touch no coordinate in common make A block-diagonal: smaller problems, to be solved one by one.

Row (k, d) of A is 0 for a feature that does not depend on x_d. So A falls apart into the connected components of the graph whose nodes are
features and coordinates and whose edges say which depends on which: for H = T(p) + V(q) into two, for a sum of functions of one coordinate
each into D. The least squares of A are those of its blocks, exactly, and each costs what its own size does.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components


class Component(NamedTuple):
    """A block of A: the numbers of its features (M_b,) and of its coordinates of x (r,), both sorted."""

    features: np.ndarray
    rows_of: np.ndarray


def components_of(weights, coordinates):
    """Return the `Component`s of the features with weights W (M, E) in `Coordinates`, in the order of their first coordinates.

    Coordinates that no feature touches, where H is constant as far as the features go, are rows of zeros; they belong to the first one.
    """
    D = coordinates.dimension
    dependence = csr_array(
        (np.ones(len(coordinates.entry_columns), bool), (coordinates.entry_columns, coordinates.entry_coordinates)),
        shape=(coordinates.count, D),
    )
    touches = csr_array(weights != 0).astype(np.int64) @ dependence.astype(np.int64)  # (M, D)
    M = len(weights)
    rows, columns = touches.nonzero()
    graph = csr_array((np.ones(len(rows), bool), (rows, M + columns)), shape=(M + D, M + D))
    _, labels = connected_components(graph, directed=False)
    touched = np.zeros(D, bool)
    touched[columns] = True
    found = []
    for label in dict.fromkeys(labels[M:][touched].tolist()):
        found.append(Component(np.flatnonzero(labels[:M] == label), np.flatnonzero(labels[M:] == label)))
    if not found:
        return [Component(np.arange(M), np.arange(D))]
    features = np.union1d(found[0].features, np.flatnonzero(~np.isin(labels[:M], labels[M:][touched])))  # those of weights 0
    return [Component(features, np.union1d(found[0].rows_of, np.flatnonzero(~touched))), *found[1:]]
