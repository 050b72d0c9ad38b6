"""Störmer-Verlet for graphs: order, time reversal, what is conserved, a plain loop as its oracle, bonds that come and go, errors."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from particle_states import bonded, open_graph, stirred

from hnn_hpc.errors import UserError
from hnn_hpc.graphs import chain, fluid, joined, lattice, with_bonds
from hnn_hpc.particles import PARTICLE_SYSTEMS, make_particle_system, verlet

every_name = pytest.mark.parametrize("name", PARTICLE_SYSTEMS)


def plain(system, graphs, h, steps):
    """Every state, by three gradients a step and the bonds found anew for each."""
    q, p, states = graphs.positions, graphs.momenta, [graphs]
    for _ in range(steps):
        p = p - h / 2 * system.gradient(bonded(system, graphs.at(q, p)))[0]
        q = q + h * system.gradient(bonded(system, graphs.at(q, p)))[1]
        p = p - h / 2 * system.gradient(bonded(system, graphs.at(q, p)))[0]
        states.append(graphs.at(q, p))
    return states


def start_of(name, seed):
    system = make_particle_system(name)
    return system, bonded(system, stirred(lattice([3, 3]), seed, 0.05))


@every_name
def test_the_states_are_those_of_a_plain_loop(name, seed):
    system, graph = start_of(name, seed)
    for state, expected in zip(verlet(system, graph, 0.02, 40), plain(system, graph, 0.02, 40), strict=True):
        np.testing.assert_allclose(state.positions, expected.positions, rtol=0, atol=1e-12)
        np.testing.assert_allclose(state.momenta, expected.momenta, rtol=0, atol=1e-12)


@every_name
def test_the_measured_order_is_two(name, seed):
    system, graph = start_of(name, seed)
    if name == "lennard-jones":  # no pair of these crosses the cutoff, where its force jumps
        system = make_particle_system(name, {"cutoff": 5})
        graph = bonded(system, graph)
    *_, end = verlet(system, graph, 0.4 / 1600, 1600)
    errors = []
    for steps in (50, 100):
        *_, coarse = verlet(system, graph, 0.4 / steps, steps)
        errors.append(np.hypot(np.linalg.norm(coarse.positions - end.positions), np.linalg.norm(coarse.momenta - end.momenta)))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.1)


@every_name
def test_steps_back_in_time_undo_steps_forward(name, seed):
    system, graph = start_of(name, seed)
    *_, there = verlet(system, graph, 0.02, 50)
    *_, back = verlet(system, there, -0.02, 50)
    assert np.abs(there.positions - graph.positions).max() > 0.1
    np.testing.assert_allclose(back.positions, graph.positions, rtol=0, atol=1e-11)
    np.testing.assert_allclose(back.momenta, graph.momenta, rtol=0, atol=1e-11)


@every_name
def test_momentum_and_angular_momentum_are_conserved_to_round_off(name, seed):
    system = make_particle_system(name)
    graph = open_graph(system, 3, seed)
    *_, end = verlet(system, graph, 0.005, 100)
    scale = np.abs(graph.momenta).sum()
    assert np.abs(end.momenta - graph.momenta).max() > 0.1
    np.testing.assert_allclose(end.momenta.sum(axis=0), graph.momenta.sum(axis=0), rtol=0, atol=1e-13 * scale)
    before, after = (np.cross(state.positions, state.momenta).sum(axis=0) for state in (graph, end))
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("name", ["springs-anharmonic", "embedded-atom"])
def test_the_energy_error_does_not_grow(name, seed):
    system, graph = start_of(name, seed)
    energies = np.array([system.energy(state)[0] for state in verlet(system, graph, 0.05, 1200)])
    errors = np.abs(energies - energies[0])
    assert errors[900:].max() < 1.5 * errors[:300].max() and 0 < errors.max() < 5e-3 * energies[0]


def test_the_states_do_not_depend_on_how_many_are_asked_for(seed):
    system, graph = start_of("springs-morse", seed)
    path = list(verlet(system, graph, 0.05, 10))
    assert len(path) == 11
    for every, numbers in ((4, [0, 4, 8]), (10, [0, 10]), (11, [0])):
        some = list(verlet(system, graph, 0.05, 10, every))
        assert len(some) == len(numbers)
        for state, number in zip(some, numbers, strict=True):
            np.testing.assert_array_equal(state.positions, path[number].positions)
            np.testing.assert_array_equal(state.momenta, path[number].momenta)
    (only,) = verlet(system, graph, 0.05, 0)
    np.testing.assert_array_equal(only.momenta, graph.momenta)


def test_graphs_side_by_side_move_as_each_alone(seed):
    system = make_particle_system("springs-linear")
    parts = [stirred(lattice(sizes, periodic=True), seed) for sizes in ([2, 3], [4, 4], [3, 2])]
    *_, together = verlet(system, joined(parts), 0.05, 20)
    for number, part in enumerate(parts):
        *_, alone = verlet(system, part, 0.05, 20)
        run = together.run(number, number + 1)
        np.testing.assert_array_equal(run.positions, alone.positions)
        np.testing.assert_array_equal(run.momenta, alone.momenta)


@pytest.mark.parametrize("skin", [0, 0.12, 0.5])
def test_a_fluid_moves_the_same_whatever_the_skin(skin, seed):
    system = make_particle_system("lennard-jones", {"cutoff": 1.6})
    graph = stirred(fluid(64, 3, 0.8), seed, 0.05)
    *_, expected = plain(system, graph, 0.005, 100)
    *_, end = verlet(system, graph, 0.005, 100, 100, skin)
    assert np.abs(end.positions - graph.positions).max() > 0.5
    # Round-off alone: of the sums, whose order is that of the bonds, and which the fluid makes grow.
    np.testing.assert_allclose(end.positions, expected.positions, rtol=0, atol=1e-10)
    exact = with_bonds(end, 1.6)
    assert set(map(tuple, exact.bonds.tolist())) <= set(map(tuple, end.bonds.tolist()))


@dataclass
class Counted:
    """A Hamiltonian that counts its gradients, of graphs with bonds and of those without."""

    system: object
    bonded = free = 0

    @property
    def cutoff(self):
        return self.system.cutoff

    def gradient(self, graphs):
        self.bonded, self.free = self.bonded + (len(graphs.bonds) > 0), self.free + (len(graphs.bonds) == 0)
        return self.system.gradient(graphs)


def test_a_step_takes_one_gradient_of_positions(seed):
    system, graph = start_of("springs-linear", seed)
    counted = Counted(system)
    list(verlet(counted, graph, 0.05, 10, 3))
    assert (counted.bonded, counted.free) == (10 + 2, 10 + 1)  # one more at the start, and one of each to see that H is separable


def test_the_start_is_left_as_it_was(seed):
    system, graph = start_of("springs-linear", seed)
    positions, momenta = graph.positions.copy(), graph.momenta.copy()
    list(verlet(system, graph, 0.05, 5))
    np.testing.assert_array_equal(graph.positions, positions)
    np.testing.assert_array_equal(graph.momenta, momenta)


class Tangled:
    """H = Σ_i |p_i|²/2m_i (1 + number of bonds): not separable."""

    cutoff = None

    def gradient(self, graphs):
        return np.zeros_like(graphs.positions), (1 + len(graphs.bonds)) * graphs.momenta


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"time_step": 0}, "time_step = 0"),
        ({"time_step": math.nan}, "time_step = nan"),
        ({"steps": -1}, "steps = -1"),
        ({"every": 0}, "every = 0"),
        ({"skin": -0.1}, "skin = -0.1: expected a part of the cutoff"),
        ({"skin": "thick"}, "skin = 'thick'"),
        ({"hamiltonian": Tangled()}, "stormer-verlet needs a separable Hamiltonian"),
        (
            {"hamiltonian": make_particle_system("lennard-jones"), "graphs": fluid(8, 3, 1)},
            "cutoff = 2.5 is above half the period",
        ),
    ],
)
def test_what_cannot_be_followed_is_one_clear_sentence_at_once(changes, words, seed):
    system, graph = start_of("springs-linear", seed)
    usable = {"hamiltonian": system, "graphs": graph, "time_step": 0.1, "steps": 2}
    with pytest.raises(UserError, match=words):
        verlet(**(usable | changes))


def test_a_particle_that_escapes_is_named_with_step_and_time():
    system = make_particle_system("springs-anharmonic", {"alpha": 0, "beta": -1})
    quiet, torn = lattice([2, 2]), chain(5, 2)
    torn.positions[4, 0] += 3
    states = verlet(system, joined([quiet, quiet, torn]), 0.1, 500)
    words = r"stormer-verlet with time_step = 0.1 failed in step \d+ \(t = \d.*\): particle \d of graph 2 is no longer finite; reduce"
    with pytest.raises(UserError, match=words):
        list(states)
