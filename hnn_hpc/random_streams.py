"""Random numbers that do not depend on who draws them.

Every generator is keyed by (seed, stream, index), never by a rank, so any number of ranks, threads or dask workers draws the same
numbers. Philox is counter-based: two keys never share a sequence.
"""

import numpy as np

NAMES = ("training points", "test points", "trajectory starts", "pool", "features", "checks", "pivots", "sketch", "basis", "geometries")
STREAMS = {name: key for key, name in enumerate(NAMES)}


def random_stream(seed, stream, index=0):
    """Return the `numpy.random.Generator` of one stream.

    Parameters: seed (int, at least 0), stream (a key of STREAMS), index (int): the global block, or 0 where there is only one.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(STREAMS[stream], index))))
