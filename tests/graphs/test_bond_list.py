"""Bonds that last while particles move: never one too few, and found anew when a particle has gone too far, not before."""

import math

import numpy as np
import pytest

from hnn_hpc.graphs import BondList, fluid, joined, lattice, with_bonds

CUTOFF, SKIN = 1.3, 0.2


def pairs_nearer(graphs, length):
    near = graphs.bond_lengths < length
    return np.column_stack([graphs.bonds, np.zeros_like(graphs.bond_vectors) if graphs.shifts is None else graphs.shifts])[near].tolist()


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_no_pair_is_ever_missed(dimension, seed):
    generator = np.random.default_rng(seed)
    graphs = joined([fluid(40, dimension, 0.8), lattice([5] * dimension)])
    bonds, positions = BondList(graphs, CUTOFF, SKIN), graphs.positions
    for _ in range(60):
        positions = positions + generator.normal(scale=0.03, size=positions.shape)
        ours, exact = bonds.at(positions, graphs.momenta), with_bonds(graphs.at(positions, graphs.momenta), CUTOFF)
        np.testing.assert_array_equal(ours.positions, positions)
        assert pairs_nearer(ours, CUTOFF) == pairs_nearer(exact, math.inf)
    assert 5 < bonds.found < 50


def test_bonds_are_found_anew_once_a_particle_has_moved_more_than_half_the_skin():
    graph = fluid(27, 3, 0.8)
    bonds, moved = BondList(graph, 1.2, 0.25), np.zeros_like(graph.positions)
    for distance, found in ((0.1499, 1), (-0.1499, 1), (0.1501, 2), (0.29, 2), (0.31, 3)):
        moved[5] = distance / 5 * np.array([3, 0, 4])
        bonds.at(graph.positions + moved, graph.momenta)
        assert bonds.found == found


def test_a_narrow_box_leaves_no_room_for_a_skin():
    graph = fluid(8, 3, 1.0)  # a box of 2
    bonds = BondList(graph, 1.0)
    state = bonds.at(graph.positions + 1e-9 * np.arange(24).reshape(8, 3), graph.momenta)
    assert bonds.found == 2 and (state.bond_lengths < 1).all()
    assert BondList(graph, 0.95, 0.2).at(graph.positions, graph.momenta).bond_lengths.max(initial=0) < 1


def test_bonds_that_are_given_and_all_pairs_stay():
    graph = lattice([3, 3])
    far = 100 * graph.positions
    given, all_pairs = BondList(graph, None), BondList(graph, math.inf)
    np.testing.assert_array_equal(given.at(far, graph.momenta).bonds, graph.bonds)
    assert len(all_pairs.at(far, graph.momenta).bonds) == 36 and (given.found, all_pairs.found) == (0, 1)
