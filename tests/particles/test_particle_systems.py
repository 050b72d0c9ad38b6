"""Every system of particles against energies computed by hand, central differences, the symmetries of space, and Newton's third law."""

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from particle_states import SYSTEMS, bonded, open_graph, some_graphs

from hnn_hpc.errors import UserError
from hnn_hpc.graphs import chain, joined, lattice, with_bonds
from hnn_hpc.particles import PARTICLE_SYSTEMS, make_particle_system

every_system = pytest.mark.parametrize("system", SYSTEMS, ids=str)
every_dimension = pytest.mark.parametrize("dimension", [1, 2, 3])


def pair(length):
    """Two particles of masses 2 and 3 so far apart, along an oblique line, with the momenta (2, 0) and (0, 3)."""
    graph = lattice([2, 1])
    positions = np.array([[5, -1], [5 + 0.6 * length, -1 + 0.8 * length]])
    graph.masses[:] = 2, 3
    return with_bonds(graph.at(positions, np.array([[2.0, 0], [0, 3.0]])), math.inf)


@pytest.mark.parametrize(
    ("name", "parameters", "length", "potential"),
    [
        ("springs-linear", {}, 3, 2),
        ("springs-linear", {"stiffness": 4, "length": 2}, 1, 2),
        ("springs-anharmonic", {}, 3, 2 + 0.25 * 8 / 3 + 0.1 * 4),
        ("springs-anharmonic", {"stiffness": 2, "length": 2, "alpha": 1, "beta": 3}, 1, 2 * (1 / 2 - 1 / 3 + 3 / 4)),
        ("springs-morse", {}, 1 + math.log(2), 0.25),
        ("springs-morse", {"depth": 3, "rate": 2, "length": 2}, 1, 3 * (1 - math.exp(2)) ** 2),
        ("lennard-jones", {}, 1, 4 / 2.5**6 - 4 / 2.5**12),
        ("lennard-jones", {"epsilon": 2, "sigma": 2, "cutoff": 4}, 2 * 2 ** (1 / 6), -2 + 8 / 64 - 8 / 4096),
        ("lennard-jones", {}, 2.5, 0),
        ("lennard-jones", {}, 3, 0),
        ("gravity", {"softening": 0}, 4, -1.5),
        ("gravity", {"constant": 2, "softening": 3}, 4, -12 / 5),
        ("embedded-atom", {"binding": 2, "repulsion": 64, "cutoff": 2}, 1, 64 / 64 - 2 * 2 * 0.25),
        ("embedded-atom", {}, 2, 0),
        ("embedded-atom", {}, 5, 0),
    ],
)
def test_the_energy_of_a_pair_is_the_one_computed_by_hand(name, parameters, length, potential):
    energy = make_particle_system(name, parameters).energy(pair(length))
    assert energy == pytest.approx([2**2 / 4 + 3**2 / 6 + potential], rel=1e-14, abs=1e-14)


def test_an_atom_is_embedded_in_all_of_its_neighbours():
    metal = make_particle_system("embedded-atom", {"binding": 3, "repulsion": 0, "cutoff": 2})
    ring = with_bonds(chain(3), 1.9)  # densities 1/16, 2/16, 1/16
    assert metal.energy(ring) == pytest.approx([-3 * (0.25 + math.sqrt(2) / 4 + 0.25)])


@every_dimension
@every_system
def test_the_gradient_agrees_with_central_differences(system, dimension, seed):
    graphs, step = some_graphs(system, dimension, seed), 1e-5
    by_positions, by_momenta = np.empty((2, *graphs.positions.shape))
    for place in np.ndindex(graphs.positions.shape):
        nudge = np.zeros(graphs.positions.shape)
        nudge[place] = step
        up, down = (system.energy(graphs.at(graphs.positions + sign * nudge, graphs.momenta)).sum() for sign in (1, -1))
        by_positions[place] = (up - down) / (2 * step)
        up, down = (system.energy(graphs.at(graphs.positions, graphs.momenta + sign * nudge)).sum() for sign in (1, -1))
        by_momenta[place] = (up - down) / (2 * step)
    gradient, scale = system.gradient(graphs), np.abs(system.energies_of_particles(graphs)).sum()
    tolerance = 1e-15 * scale / step + 1e-6 * np.abs(gradient[0]).max()  # round-off of the sum, and h² f‴/6 of the steep repulsion
    np.testing.assert_allclose(gradient[0], by_positions, rtol=0, atol=tolerance)
    np.testing.assert_allclose(gradient[1], by_momenta, rtol=0, atol=tolerance)


@every_dimension
@every_system
def test_hamiltons_equations_and_sums_of_particles(system, dimension, seed):
    graphs = some_graphs(system, dimension, seed)
    by_positions, by_momenta = system.gradient(graphs)
    np.testing.assert_array_equal(system.forces(graphs), -by_positions)
    np.testing.assert_array_equal(system.velocities(graphs), by_momenta)
    np.testing.assert_array_equal(by_momenta, graphs.momenta / graphs.masses[:, None])
    sums = [energies.sum() for energies in np.split(system.energies_of_particles(graphs), graphs.offsets[1:-1])]
    np.testing.assert_allclose(system.energy(graphs), sums, rtol=1e-12)


@every_dimension
@every_system
def test_forces_sum_to_nothing_and_turn_nothing(system, dimension, seed):
    graph = open_graph(system, dimension, seed)
    forces = system.forces(graph)
    assert np.abs(forces).max() > 0.1
    assert np.abs(forces.sum(axis=0)).max() < 1e-14 * np.abs(forces).sum()
    torques = np.einsum("ia,ib->ab", graph.positions, forces)
    assert np.abs(torques - torques.T).max() < 1e-14 * np.abs(graph.positions).max() * np.abs(forces).sum()


@every_dimension
@every_system
def test_no_motion_of_space_and_no_other_numbering_changes_the_energy(system, dimension, seed):
    graph, generator = open_graph(system, dimension, seed), np.random.default_rng(seed)
    energy, forces = system.energy(graph)[0], system.forces(graph)
    scale = np.abs(system.energies_of_particles(graph)).sum()

    rotation, _ = np.linalg.qr(generator.normal(size=(dimension, dimension)))
    reflection = rotation @ np.diag([-1.0] + [1.0] * (dimension - 1))
    for motion, shift in ((np.eye(dimension), generator.normal(size=dimension)), (rotation, 0), (reflection, 0)):
        moved = graph.at(graph.positions @ motion.T + shift, graph.momenta @ motion.T)
        assert abs(system.energy(moved)[0] - energy) < 1e-12 * scale
        np.testing.assert_allclose(system.forces(moved), forces @ motion.T, rtol=0, atol=1e-12 * np.abs(forces).max())

    order, bond_order = generator.permutation(graph.particles), generator.permutation(len(graph.bonds))
    place = np.argsort(order)
    renumbered = replace(
        graph.at(graph.positions[order], graph.momenta[order]),
        masses=graph.masses[order],
        species=graph.species[order],
        bonds=place[graph.bonds[bond_order]][:, ::-1],
    )
    assert abs(system.energy(renumbered)[0] - energy) < 1e-12 * scale
    np.testing.assert_allclose(system.forces(renumbered), forces[order], rtol=0, atol=1e-12 * np.abs(forces).max())


@every_system
def test_a_graph_has_the_bits_alone_that_it_has_beside_others(system, seed):
    graphs = some_graphs(system, 3, seed)
    for number in range(graphs.count):
        alone, particles = graphs.run(number, number + 1), slice(*graphs.offsets[number : number + 2])
        np.testing.assert_array_equal(system.energy(alone), system.energy(graphs)[number : number + 1])
        for ours, theirs in zip(system.gradient(alone), system.gradient(graphs), strict=True):
            np.testing.assert_array_equal(ours, theirs[particles])


@pytest.mark.parametrize("system", [system for system in SYSTEMS if system.name != "gravity"], ids=str)
def test_whole_periods_change_nothing(system, seed):
    graph = some_graphs(system, 2, seed).run(2, 3)
    periods = np.random.default_rng(seed).integers(-3, 4, graph.positions.shape) * graph.boxes
    first, second = graph.bonds.T
    moved = replace(graph, positions=graph.positions + periods, shifts=graph.shifts + periods[first] - periods[second])
    moved = bonded(system, moved)
    np.testing.assert_allclose(system.energy(moved), system.energy(graph), rtol=1e-12)
    np.testing.assert_allclose(system.forces(moved), system.forces(graph), rtol=0, atol=1e-12 * np.abs(system.forces(graph)).max())


@pytest.mark.parametrize("system", [system for system in SYSTEMS if system.cutoff], ids=str)
def test_bonds_beyond_the_cutoff_count_as_absent(system, seed):
    exact = open_graph(system, 3, seed)
    more = with_bonds(exact, 1.3 * system.cutoff)
    assert len(more.bonds) > len(exact.bonds)
    np.testing.assert_array_equal(system.energy(more), system.energy(exact))
    for ours, theirs in zip(system.gradient(more), system.gradient(exact), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@every_system
def test_a_force_reaches_as_many_bonds_as_it_says(system):
    line = chain(7) if system.cutoff is None else with_bonds(chain(7, spacing=0.6 * system.cutoff), system.cutoff)
    moved = line.at(line.positions + 0.1 * np.eye(7, 1), line.momenta)  # of particle 0
    changed = np.flatnonzero(system.forces(moved) - system.forces(line))
    assert len(line.bonds) == 6 and changed.max() == system.reach


@every_system
def test_energies_of_particles_can_be_had_from_their_neighbourhood(system, seed):
    graph = open_graph(system, 2, seed)
    for chosen in (np.arange(4), np.array([2, 11, 23])):
        part, numbers, _ = graph.neighbourhood(chosen, system.reach)
        owned = np.searchsorted(numbers, chosen)
        np.testing.assert_allclose(system.energies_of_particles(part)[owned], system.energies_of_particles(graph)[chosen], rtol=1e-13)
        np.testing.assert_allclose(system.forces(part)[owned], system.forces(graph)[chosen], rtol=0, atol=1e-12)


@every_system
def test_particles_without_bonds_are_free(system):
    graph = joined([chain(1, 2), lattice([3, 3])])
    free = replace(graph, bonds=graph.bonds[:0])
    assert not system.forces(free).any() and not system.energy(free).any()
    none = free.run(0, 0)
    assert system.energy(none).shape == (0,) and system.forces(none).shape == (0, 2)


def test_a_bond_of_atoms_comes_and_goes_softly():
    metal = make_particle_system("embedded-atom")
    for gap in (1e-3, 1e-6):
        force = np.linalg.norm(metal.forces(pair(2 - gap))[0])
        assert force == pytest.approx(gap, rel=1e-6)  # 2 A (1 - (1 - gap/2))²/c² differentiated: no jump at the cutoff
    assert np.isfinite(metal.forces(pair(2 - 1e-15))).all() and not metal.forces(pair(2 + 1e-12)).any()


def test_springs_at_rest_have_no_energy_and_small_stretches_keep_their_digits():
    for name in ("springs-linear", "springs-anharmonic", "springs-morse"):
        system = make_particle_system(name, {"length": 0})
        stretch = system.pull(np.array([0, 1e-12]))
        assert system.law(np.zeros(1)) == 0 and stretch[0] == 0
        assert stretch[1] == pytest.approx((2 if name == "springs-morse" else 1) * 1e-12, rel=1e-10, abs=0)


@every_system
def test_a_system_survives_pickling_and_equals_its_rebuilt_self(system):
    again = make_particle_system(system.name, system.parameters)
    assert pickle.loads(pickle.dumps(system)) == system == again and hash(again) == hash(system)
    first, *_ = system.parameters
    assert again != make_particle_system(system.name, system.parameters | {first: 17})


def test_what_a_system_tells_of_itself():
    assert {name: make_particle_system(name).reach for name in PARTICLE_SYSTEMS} == {
        "springs-linear": 1,
        "springs-anharmonic": 1,
        "springs-morse": 1,
        "lennard-jones": 1,
        "gravity": 1,
        "embedded-atom": 2,
    }
    cutoffs = [make_particle_system(name).cutoff for name in PARTICLE_SYSTEMS]
    assert cutoffs == [None, None, None, 2.5, None, 2.0]
    assert make_particle_system("lennard-jones", {"cutoff": 3}).parameters == {"epsilon": 1.0, "sigma": 1.0, "cutoff": 3.0}


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("spring", {}, "unknown particle system 'spring'; the particle systems are: springs-linear, springs-anharmonic"),
        ("gravity", {"G": 1}, "gravity has no parameter 'G'; its parameters are: constant, softening"),
        ("springs-linear", {"cutoff": 1}, "its parameters are: stiffness, length"),
        ("springs-linear", {"stiffness": "high"}, "springs-linear: stiffness = 'high': expected a finite number"),
        ("springs-morse", {"rate": math.inf}, "springs-morse: rate = inf"),
        ("lennard-jones", {"cutoff": 0}, "lennard-jones: cutoff = 0: expected a positive number"),
        ("lennard-jones", {"sigma": -1}, "sigma = -1: expected a positive number"),
        ("embedded-atom", {"cutoff": -2}, "cutoff = -2: expected a positive number"),
        ("gravity", {"softening": -0.1}, "softening = -0.1: expected a number of at least 0"),
    ],
)
def test_what_cannot_be_a_system_is_one_clear_sentence(name, parameters, words):
    with pytest.raises(UserError, match=words):
        make_particle_system(name, parameters)
