"""Which of several sets hang together, directly or by others."""

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components


def connected(sets):
    """Return the lists of the numbers of those sets (arrays of numbers >= 0) that hang together by their elements, in order.

    An empty set is with no other.
    """
    sizes = [len(some) for some in sets]
    if not sum(sizes):
        return [[number] for number in range(len(sets))]
    elements = np.concatenate(sets).astype(np.int64)
    owners, size = np.repeat(np.arange(len(sets)), sizes), len(sets) + elements.max() + 1
    graph = csr_array((np.ones(len(owners), bool), (owners, len(sets) + elements)), shape=(size, size))
    labels = connected_components(graph, directed=False)[1][: len(sets)]
    return [np.flatnonzero(labels == label).tolist() for label in dict.fromkeys(labels.tolist())]
