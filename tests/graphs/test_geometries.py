"""Graphs at rest: how many particles and bonds there are, and where."""

import math

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.graphs import GEOMETRIES, bonds_within, chain, check_graphs, fluid, lattice, populated, random_geometric, with_bonds
from hnn_hpc.graphs.geometries import LEAST_DISTANCE

EXAMPLES = [
    ("chain", {"count": 5}),
    ("chain", {"count": 5, "dimension": 3, "spacing": 0.5, "periodic": True}),
    ("lattice", {"sizes": [3, 4]}),
    ("lattice", {"sizes": [3, 2, 4], "spacing": 2, "periodic": True}),
    ("random-geometric", {"count": 30, "dimension": 2, "radius": 1.1, "seed": 3}),
    ("fluid", {"count": 20, "dimension": 3, "density": 0.8}),
]


@pytest.mark.parametrize(("name", "parameters"), EXAMPLES, ids=str)
def test_every_geometry_is_one_graph_of_like_particles_at_rest(name, parameters):
    graph = GEOMETRIES[name](**parameters)
    check_graphs(graph, name)
    assert graph.count == 1 and graph.particles == parameters.get("count", np.prod(parameters.get("sizes")))
    assert not graph.momenta.any() and not graph.species.any() and (graph.masses == 1).all()
    assert graph.bonds.tolist() == sorted(graph.bonds.tolist()) and (graph.bonds[:, 0] < graph.bonds[:, 1]).all()
    assert {name for name, _ in EXAMPLES} == set(GEOMETRIES)


@pytest.mark.parametrize("sizes", [[7], [1], [4, 5], [1, 3], [5, 3, 4], [2, 1, 2]], ids=str)
def test_an_open_lattice_has_the_bonds_of_neighbours(sizes):
    graph = lattice(sizes, spacing=0.5)
    np.testing.assert_array_equal(graph.positions, [0.5 * np.array(place) for place in np.ndindex(*sizes)])
    np.testing.assert_array_equal(graph.bonds, with_bonds(graph, 0.6).bonds)
    assert len(graph.bonds) == sum(math.prod(sizes) // size * (size - 1) for size in sizes)
    assert graph.shifts is None and np.isinf(graph.boxes).all()


@pytest.mark.parametrize("periodic", [True, [True, False, True], [False, False, True]], ids=str)
def test_a_periodic_lattice_has_bonds_around(periodic):
    graph = lattice([3, 4, 5], 2.0, periodic)
    bonds, shifts = bonds_within(graph.positions, graph.offsets, graph.boxes, 2.1)
    np.testing.assert_array_equal(graph.bonds, bonds)
    np.testing.assert_array_equal(graph.shifts, shifts)
    np.testing.assert_array_equal(graph.boxes, [np.where(periodic, [6.0, 8.0, 10.0], np.inf)])


def test_two_particles_around_have_a_bond_to_either_side():
    graph = lattice([2, 2, 2], periodic=True)
    assert len(graph.bonds) == 24 and (graph.bond_lengths == 1).all()
    assert np.unique(np.column_stack([graph.bonds, graph.shifts]), axis=0).shape == (24, 5)
    assert np.unique(graph.bonds, axis=0).shape == (12, 2)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_chain_lies_along_the_first_axis(dimension, periodic):
    graph, line = chain(5, dimension, 0.5, periodic), lattice([5], 0.5, periodic)
    np.testing.assert_array_equal(graph.positions[:, :1], line.positions)
    assert graph.dimension == dimension and not graph.positions[:, 1:].any() and np.isinf(graph.boxes[:, 1:]).all()
    np.testing.assert_array_equal(graph.bonds, line.bonds)
    np.testing.assert_allclose(graph.bond_lengths, 0.5)
    assert len(graph.bonds) == 4 + periodic and graph.boxes[0, 0] == (2.5 if periodic else np.inf)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_points_at_random_fill_their_box_and_keep_their_distance(dimension, periodic, seed):
    graph, side = random_geometric(600, dimension, 1.3, seed, periodic), 600 ** (1 / dimension)
    near = with_bonds(graph, 1.3)
    np.testing.assert_array_equal(graph.bonds, near.bonds)
    assert graph.bond_lengths.min() >= LEAST_DISTANCE and (graph.shifts is not None) == periodic
    for along in graph.positions.T:
        counts = np.histogram(along, 4, (0, side))[0]
        assert counts.sum() == 600 and np.abs(counts - 150).max() < 60  # 6 standard deviations of 150 points drawn freely
    np.testing.assert_array_equal(random_geometric(600, dimension, 1.3, seed, periodic).positions, graph.positions)
    assert (random_geometric(600, dimension, 1.3, seed + 1, periodic).positions != graph.positions).all()


def test_a_radius_of_infinity_makes_all_pairs_bonds(seed):
    assert len(random_geometric(9, 3, math.inf, seed).bonds) == 36
    assert random_geometric(1, 3, math.inf, seed).bonds.shape == (0, 2)


@pytest.mark.parametrize(("count", "dimension", "sites"), [(27, 3, 3), (28, 3, 4), (9, 2, 3), (8, 2, 3), (5, 1, 5), (1, 3, 1), (64, 3, 4)])
def test_a_fluid_begins_on_a_lattice_that_fills_its_box(count, dimension, sites):
    graph = fluid(count, dimension, 0.8)
    side = (count / 0.8) ** (1 / dimension)
    np.testing.assert_allclose(graph.boxes, np.full((1, dimension), side))
    expected = list(np.ndindex(*[sites] * dimension))[:count]
    np.testing.assert_allclose(graph.positions, side / sites * np.array(expected))
    assert graph.bonds.shape == (0, 2) and graph.shifts is None


def test_particles_may_be_given_masses_and_species():
    graph = lattice([10, 10])
    other = populated(graph, masses=(0.5, 2), species=3, seed=1)
    assert other.species.tolist() == [number % 3 for number in range(100)]
    assert 0.5 <= other.masses.min() < 0.6 and 1.9 < other.masses.max() <= 2
    np.testing.assert_array_equal(populated(graph, masses=(0.5, 2), seed=1).masses, other.masses)
    assert (populated(graph, masses=(0.5, 2), seed=2).masses != other.masses).all()
    assert (populated(graph, 3).masses == 3).all() and (graph.masses == 1).all()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: chain(0), "count = 0: expected a whole number of at least 1"),
        (lambda: chain(3, 4), "dimension = 4"),
        (lambda: chain(3, spacing=0), "spacing = 0: expected a positive number"),
        (lambda: lattice([]), "expected 1 to 3 whole numbers"),
        (lambda: lattice([2] * 4), "expected 1 to 3 whole numbers"),
        (lambda: lattice(5), "expected 1 to 3 whole numbers"),
        (lambda: lattice([10**6] * 3), "1000000000 in all at most"),
        (lambda: lattice([2, 1.5]), "sizes = 1.5: expected a whole number"),
        (lambda: lattice([3, 1], periodic=True), "a periodic axis needs at least 2 particles, and axis 1 has 1"),
        (lambda: lattice([3, 4], periodic=[True] * 3), "periodic = .True, True, True.: expected true or false, or one for each of 2 axes"),
        (lambda: lattice([3, 4], periodic="no"), "periodic = 'no': expected true or false"),
        (lambda: random_geometric(5, 2, 0, 1), "radius = 0: expected a positive number"),
        (lambda: random_geometric(5, 2, 1, -1), "seed = -1"),
        (lambda: random_geometric(5, 2, 1.2, 1, periodic=True), "above half the period"),
        (lambda: random_geometric(5, 2, 1.2, 1, periodic="no"), "periodic = 'no': expected true or false"),
        (lambda: fluid(5, 2, -1), "density = -1: expected a positive number"),
        (lambda: fluid(5, 2, math.nan), "density = nan"),
        (lambda: populated(chain(3), masses=0), "masses = 0: expected a positive number"),
        (lambda: populated(chain(3), masses=(2, 1)), r"masses = \(2, 1\): expected .*low <= high"),
        (lambda: populated(chain(3), masses=(1, 2, 3)), r"masses = \(1, 2, 3\): expected a positive number, or a pair"),
        (lambda: populated(chain(3), species=0), "species = 0"),
        (lambda: populated(chain(3), species=10**30), "species = 10*: expected a whole number of at least 1 and at most 1000000000"),
    ],
)
def test_what_cannot_be_made_is_one_clear_sentence(make, words):
    with pytest.raises(UserError, match=words):
        make()
