"""Rollouts alone: against a plain loop of Störmer-Verlet, order, time reversal, what is conserved, records, errors."""

import math
from dataclasses import replace

import numpy as np
import pytest
from particle_hamiltonians import EmbeddedAtoms, Pairs, Springs, fluid, lattice, plain_verlet

from hnn_hpc import graphs
from hnn_hpc.errors import Interruption, UserError
from hnn_hpc.graphs import joined
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.particles import make_particle_system, verlet
from hnn_hpc.rollout import rollout

SERIAL = SerialCommunicator()
CASES = {
    "chain": (Springs(), lattice(9)),
    "lattice": (Springs(), lattice(4, 5)),
    "periodic lattice": (Springs(), lattice(3, 4, 5, periodic=True)),
    "pairs, open": (Pairs(), fluid(30, 2, False)),
    "pairs, periodic": (Pairs(), fluid(60, 3, True)),
    "pairs, one axis periodic": (Pairs(), fluid(50, 3, (False, True, False))),
    "embedded atoms, open": (EmbeddedAtoms(), fluid(40, 3, False)),
    "embedded atoms, periodic": (EmbeddedAtoms(), fluid(50, 2, True)),
}
every_case = pytest.mark.parametrize("case", CASES)
OPEN = [name for name in CASES if "periodic" not in name]


def run(hamiltonian, graph, time_step=0.02, steps=50, **more):
    return rollout(hamiltonian, graph, time_step, steps, SERIAL, **more)


@every_case
@pytest.mark.parametrize("skin", [0.0, 0.12])
def test_a_rollout_is_the_plain_loop(case, skin):
    hamiltonian, graph = CASES[case]
    expected, found = plain_verlet(hamiltonian, graph, 0.02, 50), run(hamiltonian, graph, skin=skin, every=5)
    for name in ("positions", "momenta"):
        np.testing.assert_allclose(getattr(found.end, name), getattr(expected[-1], name), rtol=0, atol=1e-13)
    energies = [hamiltonian.energy(state)[0] for state in expected[::5]]
    np.testing.assert_allclose(found.energies, energies, rtol=1e-14 * graph.particles)
    np.testing.assert_allclose(found.momenta, [state.momenta.sum(axis=0) for state in expected[::5]], atol=1e-13)


@pytest.mark.parametrize("name", ["lennard-jones", "embedded-atom"])
def test_known_systems_go_the_way_that_their_own_verlet_goes(seed, name):
    system, rest = make_particle_system(name), graphs.fluid(125, 3, 0.8)
    graph = rest.at(rest.positions, np.random.default_rng(seed).standard_normal(rest.positions.shape))
    expected = list(verlet(system, graph, 0.005, 40, every=20))
    found = run(system, graph, 0.005, 40, every=20)
    np.testing.assert_allclose(found.end.positions, expected[-1].positions, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.energies, [system.energy(state)[0] for state in expected], rtol=1e-12)


@every_case
def test_the_error_is_of_order_two(case):
    hamiltonian, graph = CASES[case]
    end = run(hamiltonian, graph, 1 / 1280, 640).end.positions
    coarse, fine = (np.linalg.norm(run(hamiltonian, graph, 0.5 / steps, steps).end.positions - end) for steps in (20, 40))
    assert math.log2(coarse / fine) == pytest.approx(2, abs=0.1)


@every_case
def test_steps_back_in_time_undo_steps_forward(case):
    hamiltonian, graph = CASES[case]
    there = run(hamiltonian, graph).end
    assert np.abs(there.positions - graph.positions).max() > 0.3
    back = run(hamiltonian, there, -0.02).end
    np.testing.assert_allclose(back.positions, graph.positions, atol=1e-12)
    np.testing.assert_allclose(back.momenta, graph.momenta, atol=1e-12)


@every_case
def test_the_momentum_and_where_all_is_open_the_angular_momentum_are_kept_to_round_off(case):
    hamiltonian, graph = CASES[case]
    found = run(hamiltonian, graph)
    assert np.ptp(found.momenta, axis=0).max() < 1e-13 * np.abs(graph.momenta).sum()
    if case in OPEN:
        assert np.ptp(found.angular_momenta, axis=0).max(initial=0) < 1e-13 * np.abs(graph.momenta).sum() * np.abs(graph.positions).max()


@every_case
def test_the_energy_error_does_not_grow(case):
    hamiltonian, graph = CASES[case]
    energies = run(hamiltonian, graph, 0.05, 600).energies
    errors = np.abs(energies - energies[0])
    kinetic = (graph.momenta**2 / (2 * graph.masses[:, None])).sum()
    assert errors[400:].max() < 2 * errors[:200].max() < 0.05 * kinetic


def test_angular_momenta_are_the_components_of_q_cross_p():
    graph = CASES["embedded atoms, open"][1]
    x, y, z = np.cross(graph.positions, graph.momenta).sum(axis=0)
    np.testing.assert_allclose(run(EmbeddedAtoms(), graph, steps=0).angular_momenta, [[z, -y, x]], rtol=1e-12)
    flat = CASES["lattice"][1]
    (qx, qy), (px, py) = flat.positions.T, flat.momenta.T
    np.testing.assert_allclose(run(Springs(), flat, steps=0).angular_momenta, [[(qx * py - qy * px).sum()]], rtol=1e-12)
    assert run(*CASES["chain"], steps=3).angular_momenta.shape == (4, 0)


def test_every_so_many_steps_are_recorded_and_the_start_is_the_first():
    hamiltonian, graph = CASES["pairs, periodic"]
    each, fourth = run(hamiltonian, graph, 0.1, 10), run(hamiltonian, graph, 0.1, 10, every=4)
    np.testing.assert_array_equal(each.times, 0.1 * np.arange(11))
    np.testing.assert_array_equal(fourth.times, each.times[[0, 4, 8]])
    np.testing.assert_array_equal(fourth.energies, each.energies[[0, 4, 8]])
    np.testing.assert_array_equal(fourth.momenta, each.momenta[[0, 4, 8]])
    np.testing.assert_array_equal(fourth.end.momenta, each.end.momenta)


def test_no_steps_leave_the_graph_as_it_is():
    hamiltonian, graph = CASES["embedded atoms, periodic"]
    found = run(hamiltonian, graph, steps=0)
    np.testing.assert_array_equal(found.end.positions, graph.positions)
    np.testing.assert_array_equal(found.end.momenta, graph.momenta)
    assert found.times.tolist() == [0]


def test_a_rollout_leaves_the_graph_it_is_given_as_it_was():
    for hamiltonian, graph in CASES.values():
        before = graph.positions.copy(), graph.momenta.copy()
        run(hamiltonian, graph, steps=3)
        np.testing.assert_array_equal(graph.positions, before[0])
        np.testing.assert_array_equal(graph.momenta, before[1])


def test_a_skin_spares_most_searches_of_bonds_and_changes_nothing():
    hamiltonian, graph = CASES["pairs, periodic"]
    always, seldom = run(hamiltonian, graph, skin=0), run(hamiltonian, graph, skin=0.2)
    assert always.lists == 51
    assert 2 <= seldom.lists <= 20
    np.testing.assert_allclose(seldom.end.positions, always.end.positions, atol=1e-13)


def test_a_box_that_is_hardly_wider_than_two_cutoffs_is_used_to_its_half():
    graph = fluid(16, 2, True)
    hamiltonian = Pairs(1.98)
    found, expected = run(hamiltonian, graph), plain_verlet(hamiltonian, graph, 0.02, 50)[-1]
    np.testing.assert_allclose(found.end.positions, expected.positions, atol=1e-13)


def test_bonds_of_the_graph_do_not_count_where_there_is_a_cutoff():
    hamiltonian, graph = CASES["pairs, open"]
    bonds = np.array([[0, 29], [1, 17]])
    found = run(hamiltonian, replace(graph, bonds=bonds))
    np.testing.assert_array_equal(found.end.positions, run(hamiltonian, graph).end.positions)
    np.testing.assert_array_equal(found.end.bonds, bonds)


class Counted(Springs):
    """Counts gradients of bonds."""

    def __init__(self):
        self.gradients = 0

    def gradient(self, graphs):
        self.gradients += len(graphs.bonds) > 0
        return super().gradient(graphs)


def test_a_step_takes_one_gradient():
    few, many = Counted(), Counted()
    run(few, CASES["lattice"][1], steps=5)
    run(many, CASES["lattice"][1], steps=25)
    assert many.gradients - few.gradients == 20


class Progress:
    def __init__(self):
        self.told = []

    def start(self, name, total):
        self.told.append((name, total))

    def advance(self, n=1):
        self.told.append(n)

    def finish(self):
        self.told.append("done")


def test_progress_is_told_of_each_step():
    progress = Progress()
    run(*CASES["chain"], steps=3, progress=progress)
    assert progress.told == [("rollout", 3), 1, 1, 1, "done"]


def with_one_momentum(graph, value):
    momenta = graph.momenta.copy()
    momenta[3] = value
    return replace(graph, momenta=momenta)


@pytest.mark.parametrize("steps", [2, 10])
def test_a_particle_that_is_lost_is_named_with_step_and_time(steps):
    graph = with_one_momentum(CASES["lattice"][1], 1e200)
    with pytest.raises(UserError, match=r"with time_step = 0.1 failed in step 2 \(t = 0.2\): particle \d+ is no longer finite; reduce"):
        run(Springs(), graph, 0.1, steps)


def test_momenta_that_are_lost_in_the_last_step_are_found():
    graph = with_one_momentum(CASES["lattice"][1], 1e200)
    with pytest.raises(UserError, match=r"failed in step 1 \(t = 0.1\): particle \d+ is no longer finite"):
        run(Springs(), graph, 0.1, 1)


class Interrupted(Springs):
    def gradient(self, graphs):
        raise Interruption


def test_an_interruption_ends_a_rollout():
    with pytest.raises(Interruption):
        run(Interrupted(), CASES["lattice"][1])


class NotSeparable(Springs):
    def gradient(self, graphs):
        dH_dq, dH_dp = super().gradient(graphs)
        return dH_dq, dH_dp * (1 + np.bincount(graphs.bonds.ravel(), minlength=graphs.particles))[:, None]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"time_step": 0}, "time_step = 0"),
        ({"time_step": math.nan}, "time_step = nan"),
        ({"steps": -1}, "steps = -1"),
        ({"steps": 2.5}, "steps = 2.5"),
        ({"every": 0}, "every = 0: expected a whole number of at least 1"),
        ({"skin": -0.1}, "skin = -0.1: expected a part of the cutoff, 0 or more"),
        ({"skin": math.inf}, "skin = inf: expected a finite number"),
        ({"graph": joined([CASES["chain"][1], CASES["chain"][1]])}, "a rollout follows one graph; got 2"),
        ({"graph": with_one_momentum(CASES["chain"][1], math.nan)}, "the momenta of .* finite numbers; those of particle 3 are not"),
        ({"hamiltonian": Pairs(2.1), "graph": fluid(16, 2, True)}, "cutoff = 2.1 is above half the period"),
        ({"hamiltonian": NotSeparable()}, "needs a separable Hamiltonian"),
    ],
)
def test_what_cannot_be_followed_is_one_clear_sentence(arguments, words):
    usable = {"hamiltonian": Springs(), "graph": CASES["chain"][1], "time_step": 0.1, "steps": 2}
    with pytest.raises(UserError, match=words):
        run(**(usable | arguments))
