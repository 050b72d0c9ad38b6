"""Rollouts on this run's ranks and on parts of them, against one rank that works alone; failures end on all ranks."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
from particle_hamiltonians import EmbeddedAtoms, Pairs, Springs, all_bonds_within, fluid, lattice

from hnn_hpc import graphs
from hnn_hpc.cli.interruption import interruptions_raised
from hnn_hpc.errors import HnnError, Interruption, UserError
from hnn_hpc.parallel.communicator import MPICommunicator, SerialCommunicator
from hnn_hpc.particles import make_particle_system
from hnn_hpc.rollout import rollout
from hnn_hpc.rollout.blocks import Blocks

SERIAL = SerialCommunicator()


def at_density(count, density, speed):
    """Particles at the places of a cubic lattice that fills a periodic box, with random momenta."""
    rest = graphs.fluid(count, 3, density)
    return rest.at(rest.positions, speed * np.random.default_rng(5).standard_normal(rest.positions.shape))


def many_periods_away(graph):
    """The same graph, each particle in another image of the box."""
    periods = np.random.default_rng(6).integers(-9, 10, graph.positions.shape)
    return graph.at(graph.positions + periods * graph.boxes[0], graph.momenta)


CASES = {
    "chain": (Springs(), lattice(11)),
    "lattice": (Springs(), lattice(6, 7)),
    "periodic lattice": (Springs(), lattice(3, 4, 5, periodic=True)),
    "pairs, open": (Pairs(), fluid(60, 2, False)),
    "pairs, periodic": (Pairs(), fluid(200, 3, True)),
    "pairs, out of the box": (Pairs(), many_periods_away(fluid(200, 3, True))),
    "pairs, one axis periodic": (Pairs(), fluid(50, 3, (False, True, False))),
    "embedded atoms, open": (EmbeddedAtoms(), fluid(90, 2, False)),
    "embedded atoms, periodic": (EmbeddedAtoms(), fluid(120, 2, True)),
    "embedded atoms of springs": (EmbeddedAtoms(3.0), lattice(5, 5, 5)),
    "lennard-jones": (make_particle_system("lennard-jones"), at_density(216, 0.8, 1.0)),
    "embedded atoms, as known": (make_particle_system("embedded-atom"), at_density(150, 0.9, 0.5)),
    "two particles": (Springs(), lattice(2)),
    "one particle": (Pairs(), fluid(1, 3, False)),
    "three particles": (EmbeddedAtoms(), fluid(3, 2, False)),
}
every_case = pytest.mark.parametrize("case", CASES)


def run(case, communicator, time_step=0.01, steps=50, **more):
    return rollout(*CASES[case], time_step, steps, communicator, **more)


def assert_same(found, expected):
    """The two rollouts agree to 1e-12 of the largest number of a kind."""
    for name in ("times", "energies", "momenta", "angular_momenta"):
        values = getattr(expected, name)
        tolerance = 1e-12 * np.abs(values).max(initial=1)
        np.testing.assert_allclose(getattr(found, name), values, rtol=0, atol=tolerance, err_msg=name)
    for name in ("positions", "momenta"):
        values = getattr(expected.end, name)
        np.testing.assert_allclose(getattr(found.end, name), values, rtol=0, atol=1e-12 * np.abs(values).max(), err_msg=name)
    assert found.lists == expected.lists


@every_case
def test_a_rollout_does_not_depend_on_the_ranks(communicator, case):
    assert_same(run(case, communicator, every=7), run(case, SERIAL, every=7))


def test_the_rollout_is_the_same_on_every_rank_to_the_last_bit(communicator):
    found = run("pairs, periodic", communicator)
    told = communicator.all_gather([found.energies.tobytes(), found.momenta.tobytes(), found.end.positions.tobytes()])
    assert all(one == told[0] for one in told)


def test_parts_of_the_ranks_can_follow_rollouts_of_their_own(communicator):
    comm = communicator.of_mpi4py.Split(communicator.rank % 2, -communicator.rank)
    case = ("embedded atoms, periodic", "lattice")[communicator.rank % 2]
    found = run(case, MPICommunicator(comm))
    comm.Free()
    assert_same(found, run(case, SERIAL))


def test_steps_back_in_time_undo_steps_forward(communicator):
    hamiltonian, graph = CASES["pairs, periodic"]
    there = run("pairs, periodic", communicator).end
    back = rollout(hamiltonian, there, -0.01, 50, communicator).end
    np.testing.assert_allclose(back.positions, graph.positions, atol=1e-12)


def test_particles_go_to_other_ranks_where_there_is_a_cutoff(communicator):
    _, graph = CASES["pairs, periodic"]
    blocks = Blocks(graph, 1, 1.6, 0.12, communicator)
    before = blocks.plan.own_numbers
    blocks.positions += np.random.default_rng(communicator.rank).uniform(0, 4, blocks.positions.shape)
    state = blocks.gathered()
    blocks.refreshed()
    after = blocks.plan.own_numbers
    moved = communicator.all_gather(len(np.setdiff1d(after, before)))
    assert sorted(np.concatenate(communicator.all_gather(after)).tolist()) == list(range(graph.particles))
    assert (sum(moved) > 0) == (communicator.size > 1)
    np.testing.assert_array_equal(blocks.positions, state[0][after])
    np.testing.assert_array_equal(blocks.momenta, state[1][after])


@every_case
def test_each_rank_holds_all_bonds_of_its_particles_and_gets_the_positions_of_its_ghosts(communicator, case):
    hamiltonian, graph = CASES[case]
    blocks = Blocks(graph, hamiltonian.reach, hamiltonian.cutoff, 0.12, communicator)
    whole = graph
    if hamiltonian.cutoff:
        bonds, shifts = all_bonds_within(graph.positions, graph.offsets, graph.boxes, blocks._list_length)
        whole = replace(graph, bonds=bonds, shifts=shifts)
    local, numbers, _ = whole.neighbourhood(blocks.plan.own_numbers, hamiltonian.reach)
    np.testing.assert_array_equal(blocks.plan.numbers, numbers)
    np.testing.assert_array_equal(blocks.plan.graphs.bonds, local.bonds)
    blocks.positions += 1e-4 * (1 + blocks.plan.own_numbers[:, None])  # less than half the skin
    refreshed = blocks.refreshed()
    np.testing.assert_array_equal(refreshed.positions, (graph.positions + 1e-4 * (1 + np.arange(graph.particles)[:, None]))[numbers])


def test_a_rank_that_owns_nothing_asks_nothing_of_the_hamiltonian(communicator):
    asked = []

    class Asked(Springs):
        def gradient(self, graphs):
            asked.append(graphs.particles)
            return super().gradient(graphs)

    rollout(Asked(), lattice(2), 0.02, 3, communicator)
    ranks_that_asked = sum(communicator.all_gather(bool(asked)))
    assert ranks_that_asked == min(communicator.size, 2)
    assert 0 not in asked


def test_a_reach_that_is_too_short_shows(communicator):
    short = EmbeddedAtoms()
    short.reach = 1
    _, graph = CASES["embedded atoms, periodic"]
    found = rollout(short, graph, 0.01, 50, communicator).end
    error = np.abs(found.positions - run("embedded atoms, periodic", SERIAL).end.positions).max()
    assert (error > 1e-6) == (communicator.size > 1)


def test_a_particle_lost_on_one_rank_is_named_on_all(communicator):
    _, graph = CASES["lattice"]
    momenta = graph.momenta.copy()
    momenta[3] = 1e200
    with pytest.raises(UserError, match=r"failed in step 2 \(t = 0.2\): particle \d+ is no longer finite") as failure:
        rollout(Springs(), replace(graph, momenta=momenta), 0.1, 5, communicator)
    assert len({*communicator.all_gather(str(failure.value))}) == 1


class FailingOnTheLastRank(Springs):
    """Calls `failure` in the fifth gradient on the last rank."""

    def __init__(self, failure, communicator):
        self.failure, self.is_failing, self.left = failure, communicator.rank == communicator.size - 1, 5

    def gradient(self, graphs):
        self.left -= self.is_failing
        if self.left == 0:
            self.failure()
        return super().gradient(graphs)


def out_of_memory():
    raise MemoryError("only here")


def test_a_failure_of_one_rank_is_that_of_all(communicator):
    failing = FailingOnTheLastRank(out_of_memory, communicator)
    with pytest.raises(MemoryError if failing.is_failing else HnnError, match="only here"):
        rollout(failing, CASES["lattice"][1], 0.1, 5, communicator)


def test_a_signal_that_one_rank_gets_ends_the_rollout_on_all(communicator):
    failing = FailingOnTheLastRank(lambda: os.kill(os.getpid(), signal.SIGTERM), communicator)
    with interruptions_raised(), pytest.raises(Interruption):
        rollout(failing, CASES["lattice"][1], 0.1, 5, communicator)


@pytest.mark.parametrize("name", ["positions", "momenta", "masses"])
def test_ranks_that_pass_different_graphs_are_told_so(communicator, name):
    _, graph = CASES["lattice"]
    other = replace(graph, **{name: getattr(graph, name) + 1e-15 * communicator.rank + communicator.rank})
    if communicator.size == 1:
        assert_same(rollout(Springs(), other, 0.02, 2, communicator), rollout(Springs(), graph, 0.02, 2, SERIAL))
        return
    with pytest.raises(UserError, match="every rank must pass the same; the graph of a rollout"):
        rollout(Springs(), other, 0.02, 2, communicator)


def test_a_mistake_of_one_rank_is_that_of_all(communicator):
    is_wrong = communicator.rank == communicator.size - 1
    with pytest.raises(UserError, match="every = 0"):
        rollout(Springs(), CASES["lattice"][1], 0.02, 2, communicator, every=0 if is_wrong else 1)


def test_rows_of_whole_numbers_go_where_they_are_sent(communicator):
    rank, size = communicator.rank, communicator.size
    going = [(rank + other) % 3 for other in range(size)]
    rows = np.array([[rank, other] for other in range(size) for _ in range(going[other])], dtype=np.int64).reshape(-1, 2)
    coming = [(rank + other) % 3 for other in range(size)]
    expected = [[other, rank] for other in range(size) for _ in range(coming[other])]
    for known in (None, coming):
        received = communicator.exchange_rows(rows, going, known)
        assert received.dtype == np.int64
        assert received.tolist() == expected


def test_rows_of_all_ranks_are_gathered_in_their_order(communicator):
    counts = [(2 * rank) % 3 for rank in range(communicator.size)]
    rows = np.full((counts[communicator.rank], 2), communicator.rank + 0.5)
    expected = np.repeat(np.arange(communicator.size) + 0.5, counts)[:, None] * np.ones(2)
    np.testing.assert_array_equal(communicator.all_gather_rows(rows, counts), expected)
