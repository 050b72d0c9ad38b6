"""What must not change an energy: numbering, motions of space, whole periods, what lies beside it; and where it must not jump."""

from dataclasses import replace

import numpy as np
import pytest
from graph_networks import CUTOFF, EVERY_EDGE, EVERY_NODE, coefficients_of, network, some_graphs, stirred

from hnn_hpc.graphs import chain, fluid, joined, lattice, with_bonds

TOLERANCE = 1e-12  # of the sum of the sizes of all energies, which round-off is in proportion to

NETWORKS = {
    "pairs": {"edges": EVERY_EDGE, "nodes": EVERY_NODE},
    "messages": {"steps": 2, "edges": ("1/r", "m m")},
    "messages with a cutoff": {"steps": 2, "cutoff": CUTOFF},
}
every_network = pytest.mark.parametrize("about", NETWORKS.values(), ids=NETWORKS)
every_dimension = pytest.mark.parametrize("dimension", [1, 2, 3])


class Same:
    """Whether energies and gradients stay, once some graphs have changed."""

    def __init__(self, about, graphs, seed):
        self.feature_map = network(seed, **about)
        self.coefficients = coefficients_of(self.feature_map, seed)
        self.energies = self.feature_map.energies_of_particles(graphs, self.coefficients)
        self.gradient = self.feature_map.gradient(graphs, self.coefficients)

    def check(self, graphs, order=slice(None), motion=None):
        """Check that graphs whose particle n was particle order[n], and has been moved by the matrix, have the same of everything."""
        energies, gradient = (
            self.feature_map.energies_of_particles(graphs, self.coefficients),
            self.feature_map.gradient(graphs, self.coefficients),
        )
        np.testing.assert_allclose(energies, self.energies[order], rtol=0, atol=TOLERANCE * np.abs(self.energies).sum())
        for found, expected in zip(gradient, self.gradient, strict=True):
            expected = expected[order] if motion is None else expected[order] @ motion.T
            np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).sum())


@every_dimension
@every_network
def test_motions_of_space(about, dimension, seed):
    graphs, generator = some_graphs(dimension, seed), np.random.default_rng(seed)
    same = Same(about, graphs, seed)
    rotation, _ = np.linalg.qr(generator.normal(size=(dimension, dimension)))
    if np.linalg.det(rotation) < 0:
        rotation[:, 0] *= -1
    reflection = rotation @ np.diag([-1.0] + [1.0] * (dimension - 1))
    for motion, shift in ((np.eye(dimension), generator.normal(size=dimension)), (rotation, 0), (reflection, 0)):
        moved = graphs.at(graphs.positions @ motion.T + shift, graphs.momenta @ motion.T)
        same.check(replace(moved, shifts=graphs.shifts @ motion.T), motion=motion)


@every_dimension
@every_network
def test_another_numbering_of_particles_and_bonds(about, dimension, seed):
    graphs, generator = some_graphs(dimension, seed), np.random.default_rng(seed)
    order = np.concatenate(
        [start + generator.permutation(stop - start) for start, stop in zip(graphs.offsets, graphs.offsets[1:], strict=False)]
    )
    place, bonds = np.argsort(order), generator.permutation(len(graphs.bonds))
    turned = generator.random(len(bonds)) < 0.5
    ends, shifts = place[graphs.bonds[bonds]], graphs.shifts[bonds]
    ends[turned], shifts[turned] = ends[turned, ::-1], -shifts[turned]
    renumbered = replace(
        graphs.at(graphs.positions[order], graphs.momenta[order]),
        masses=graphs.masses[order],
        species=graphs.species[order],
        bonds=ends,
        shifts=shifts,
    )
    Same(about, graphs, seed).check(renumbered, order)


@every_dimension
@every_network
def test_an_exchange_of_like_particles(about, dimension, seed):
    """The two change places and momenta; what bonds there were to either are then bonds to the other."""
    graphs = some_graphs(dimension, seed)
    graphs.species[3], graphs.masses[3] = graphs.species[0], graphs.masses[0]
    feature_map = network(seed, **about)
    c = coefficients_of(feature_map, seed)
    order = np.arange(graphs.particles)
    order[[0, 3]] = 3, 0
    exchanged = replace(graphs.at(graphs.positions[order], graphs.momenta[order]), bonds=order[graphs.bonds])
    energies, before = (graphs.sums_of_particles(feature_map.energies_of_particles(each, c)) for each in (exchanged, graphs))
    np.testing.assert_allclose(energies, before, rtol=0, atol=TOLERANCE * np.abs(before).sum())


@pytest.mark.parametrize("cutoff", [None, CUTOFF])
@pytest.mark.parametrize("steps", [0, 2])
def test_whole_periods(steps, cutoff, seed):
    graphs, generator = with_bonds(stirred(fluid(27, 3, 0.9), seed), CUTOFF), np.random.default_rng(seed)
    same = Same({"steps": steps, "cutoff": cutoff}, graphs, seed)
    images = generator.integers(-3, 4, graphs.positions.shape) * graphs.boxes
    first, second = graphs.bonds.T
    moved = replace(graphs, positions=graphs.positions + images, shifts=graphs.shifts + images[first] - images[second])
    same.check(moved)
    same.check(with_bonds(moved, CUTOFF))


@every_network
def test_energies_of_parts_add_up(about, seed):
    """Whether they are graphs of their own or parts of one makes no difference."""
    graphs = some_graphs(2, seed)
    feature_map = network(seed, **about)
    c = coefficients_of(feature_map, seed)
    alone = [feature_map.energies_of_particles(graphs.run(k, k + 1), c) for k in range(graphs.count)]
    scale = np.abs(np.concatenate(alone)).sum()
    whole = feature_map.energies_of_particles(graphs, c)
    np.testing.assert_allclose(whole, np.concatenate(alone), rtol=0, atol=1e-15 * scale)
    np.testing.assert_allclose(graphs.sums_of_particles(whole), [part.sum() for part in alone], rtol=0, atol=1e-15 * scale)
    one = replace(graphs, offsets=np.array([0, graphs.particles]), boxes=graphs.boxes[:1])
    np.testing.assert_array_equal(feature_map.energies_of_particles(one, c), whole)
    np.testing.assert_array_equal(feature_map.gradient(one, c)[0], feature_map.gradient(graphs, c)[0])


@pytest.mark.parametrize("edges", [("r",), ("1/r", "m m")])
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_energies_are_continuous_where_a_neighbour_leaves(steps, edges, seed):
    """And the energies of messages are smooth there: f and f′ vanish at the cutoff, so that only pairs pull there at last."""
    feature_map, step = network(seed, steps, CUTOFF, edges), 1e-7
    c = coefficients_of(feature_map, seed)
    graph = stirred(chain(4, 2), seed)

    def at(distance):
        positions = graph.positions.copy()
        positions[3] = positions[2] + [0, distance]
        return graph.at(positions, graph.momenta)

    def energy(graphs):
        return feature_map.energies_of_particles(graphs, c).sum()

    def many_body_pull(graphs):
        pairs = sum(term.layer.count for term in (*feature_map.kinetic, *feature_map.pairs))
        return feature_map.gradient(graphs, np.where(np.arange(feature_map.count) < pairs, 0, c))[0][3]

    last = int(np.flatnonzero((graph.bonds == [2, 3]).all(axis=1))[0])
    gone = replace(at(CUTOFF), bonds=np.delete(graph.bonds, last, axis=0))
    inside, edge, beyond = (energy(at(CUTOFF + change)) for change in (-step, 0, step))
    pull = np.linalg.norm(feature_map.gradient(at(CUTOFF - step), c)[0][3])
    assert edge == beyond == pytest.approx(energy(gone), rel=1e-14)
    assert pull > 0.01 and abs(inside - edge) == pytest.approx(pull * step, rel=1e-3)
    assert np.abs(many_body_pull(at(CUTOFF - step))).max() < 1e-4 and not many_body_pull(at(CUTOFF)).any()


@every_network
def test_bonds_beyond_the_cutoff_count_as_absent(about, seed):
    """As those of a skin are: to the last bit, for pairs and messages of neighbours, near and far, in any order."""
    if "cutoff" not in about:
        about = about | {"cutoff": CUTOFF}
    exact = with_bonds(stirred(lattice([4, 4]), seed), CUTOFF)
    more, feature_map = with_bonds(exact, 1.3 * CUTOFF), network(seed, **about)
    assert len(more.bonds) > 1.2 * len(exact.bonds)
    c = coefficients_of(feature_map, seed)
    scale = np.abs(feature_map.energies_of_particles(exact, c)).sum()
    for found, expected in (
        (feature_map.energies_of_particles(more, c), feature_map.energies_of_particles(exact, c)),
        *zip(feature_map.gradient(more, c), feature_map.gradient(exact, c), strict=True),
    ):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15 * scale)


def test_two_graphs_more_do_not_change_a_third(seed):
    feature_map, graphs = network(seed, steps=1), some_graphs(3, seed)
    c = coefficients_of(feature_map, seed)
    twice = feature_map.energies_of_particles(joined([graphs, graphs]), c)
    np.testing.assert_allclose(twice[: graphs.particles], twice[graphs.particles :], rtol=0, atol=1e-15 * np.abs(twice).sum())
