"""Small graphs for the tests of the baseline on graphs."""

import numpy as np

from hnn_hpc.graph_samples import GeneratedGraphs, GraphSamples
from hnn_hpc.graphs import lattice, populated
from hnn_hpc.particles import LinearSprings

STATE = {"displacement": 0.2, "momentum": 1.0}


def springs(count, stream="training points"):
    """A square of springs in so many states (a GraphSource)."""
    return GeneratedGraphs(LinearSprings(), lattice([2, 2]), count, 1, stream=stream, **STATE)


def mixed(seed):
    """GraphSamples of two species and masses of all sizes in a box with one periodic axis, with derivatives that belong to no energy."""
    rest = populated(lattice([3, 2, 2], periodic=(True, False, False)), masses=(0.5, 2), species=2, seed=seed)
    samples = GeneratedGraphs(LinearSprings(), rest, 5, seed, **STATE).read(0, 5)
    rng = np.random.default_rng(seed)
    return GraphSamples(samples.graphs, *rng.normal(size=(2, *samples.forces.shape)))
