"""How far a particle acts: no force depends on anything beyond the reach, and so derivatives need no more than a neighbourhood of it."""

import numpy as np
import pytest
from graph_networks import CUTOFF, coefficients_of, network, some_graphs, stirred

from hnn_hpc.graph_options import GraphOptions
from hnn_hpc.graphs import chain

TOLERANCE = 1e-12  # sums of some hundred products of numbers of order 1


@pytest.mark.parametrize("steps, reach", [(0, 1), (1, 2), (2, 4), (3, 6)])
def test_a_particle_acts_as_far_as_the_reach_and_no_farther(steps, reach, seed):
    """What particle i hears of i + L moves i - L too."""
    graph, feature_map = stirred(chain(9), seed), network(seed, steps)
    c = coefficients_of(feature_map, seed)
    positions = graph.positions.copy()
    positions[0] -= 0.3
    change = np.abs(feature_map.gradient(graph.at(positions, graph.momenta), c)[0] - feature_map.gradient(graph, c)[0]).ravel()
    assert (change[: reach + 1] > 1e-7).all() and change[reach + 1 :].max() < 1e-15
    assert feature_map.reach == reach == GraphOptions(messages=3 if steps else 0, message_steps=max(1, steps)).reach


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("cutoff", [None, CUTOFF])
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
@pytest.mark.parametrize("chosen", [[0], [3, 5], [11, 15], [12]], ids=str)
def test_derivatives_need_no_more_than_a_neighbourhood(dimension, cutoff, steps, chosen, seed):
    feature_map, graphs = network(seed, steps, cutoff), some_graphs(dimension, seed)
    whole = feature_map.bond_derivatives(graphs, np.arange(len(graphs.bonds)))
    near, numbers, bonds = graphs.neighbourhood(np.array(chosen), feature_map.reach)
    own = near.incidence.bonds_of(np.searchsorted(numbers, chosen))
    assert len(own)
    np.testing.assert_allclose(feature_map.bond_derivatives(near, own), whole[:, bonds[own]], rtol=0, atol=TOLERANCE)
