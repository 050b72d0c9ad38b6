"""How long bonds may be, and when they are found anew."""

import numpy as np
import pytest
from particle_hamiltonians import all_bonds_within, fluid

from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.rollout.blocks import Blocks, list_length


@pytest.mark.parametrize(
    ("cutoff", "box", "expected"),
    [
        (2.0, [np.inf, np.inf], 2.5),
        (2.0, [np.inf, 6.0], 2.5),
        (2.0, [4.4, 6.0], 2.2),  # half the period leaves less room
        (2.0, [4.0, 6.0], 2.0),
        (2.0, [3.0, 6.0], 2.0),  # for the search of bonds to refuse
    ],
)
def test_bonds_are_longer_than_the_cutoff_by_the_skin_as_far_as_the_box_lets_them(cutoff, box, expected):
    assert list_length(cutoff, 0.25, np.array(box)) == pytest.approx(expected, rel=1e-15)


def blocks_of(graph, cutoff, skin):
    return Blocks(graph, 1, cutoff, skin, SerialCommunicator())


@pytest.mark.parametrize("skin", [0.0, 0.25])
def test_bonds_are_found_anew_once_a_particle_has_gone_half_the_skin(skin):
    blocks = blocks_of(fluid(20, 2, True), 1.6, skin)
    assert blocks.lists == 1
    blocks.positions[7, 0] += 0.99 * skin / 2 * 1.6
    blocks.refreshed()
    assert blocks.lists == 1
    blocks.positions[7, 0] += 0.02 * 1.6 * max(skin / 2, 1e-9)
    graphs = blocks.refreshed()
    assert blocks.lists == 2
    bonds, shifts = all_bonds_within(blocks.positions, np.array([0, 20]), graphs.boxes, 1.6 * (1 + skin))
    np.testing.assert_array_equal(graphs.bonds, bonds)
    np.testing.assert_array_equal(graphs.shifts, shifts)


def test_bonds_that_belong_to_the_graph_are_never_found_anew():
    blocks = blocks_of(fluid(20, 2, True), None, 0.1)
    blocks.positions += 100
    assert len(blocks.refreshed().bonds) == 0
    assert blocks.lists == 0


def test_the_whole_state_is_gathered_in_the_order_of_the_particles():
    graph = fluid(20, 2, True)
    positions, momenta = blocks_of(graph, 1.6, 0.1).gathered()
    np.testing.assert_array_equal(positions, graph.positions)
    np.testing.assert_array_equal(momenta, graph.momenta)
