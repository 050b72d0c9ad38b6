"""What a rank holds: against `Graphs.neighbourhood`, and the plan of a program that runs alone."""

import numpy as np
import pytest
from particle_hamiltonians import lattice

from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.rollout.halo import local_part, plan_halo


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("reach", [0, 1, 2, 3])
def test_the_local_part_is_the_neighbourhood_of_the_owned_particles(seed, periodic, reach):
    graph = lattice(5, 6, periodic=periodic)
    owned = np.sort(np.random.default_rng(seed).choice(30, 4, replace=False))
    local, numbers = local_part(graph, np.arange(30), owned, reach)
    expected, expected_numbers, _ = graph.neighbourhood(owned, reach)
    np.testing.assert_array_equal(numbers, expected_numbers)
    for name in ("positions", "momenta", "masses", "species", "bonds", "offsets", "boxes"):
        np.testing.assert_array_equal(getattr(local, name), getattr(expected, name), err_msg=name)
    if periodic:
        np.testing.assert_array_equal(local.shifts, expected.shifts)
    else:
        assert local.shifts is None


def test_the_local_part_of_a_part_has_its_numbers_in_the_whole():
    chain = lattice(7, seed=1)
    part, numbers, _ = chain.neighbourhood(np.array([2]), 2)
    _, local_numbers = local_part(part, numbers, np.array([2]), 1)
    np.testing.assert_array_equal(local_numbers, chain.neighbourhood(np.array([2]), 1)[1])


def test_a_rank_without_particles_holds_none():
    local, numbers = local_part(lattice(3, 3), np.arange(9), np.empty(0, int), 2)
    assert len(numbers) == local.particles == len(local.bonds) == 0


def test_alone_a_rank_owns_everything_and_needs_no_ghost():
    graph = lattice(3, 4)
    plan = plan_halo(*local_part(graph, np.arange(12), np.arange(12), 1), np.zeros(12, int), SerialCommunicator())
    assert (plan.coming, plan.going, len(plan.sent)) == ([0], [0], 0)
    np.testing.assert_array_equal(plan.own_numbers, np.arange(12))
    np.testing.assert_array_equal(plan.exchanged(graph.positions, SerialCommunicator()), graph.positions)
