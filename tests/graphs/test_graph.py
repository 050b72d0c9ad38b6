"""Graphs side by side: sums, runs, neighbourhoods and the pull-back, each against a loop over single particles and bonds."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from hnn_hpc.graphs import chain, copies, fluid, joined, kinds_of, lattice, random_geometric, with_bonds

ARRAYS = ("positions", "momenta", "masses", "species", "bonds", "shifts", "offsets", "boxes")


@pytest.fixture
def graphs(seed):
    """Four graphs of unlike sizes, one without bonds and one with two bonds between the same pair, all in states of their own."""
    parts = [lattice([3, 4]), chain(1, 2), lattice([2, 3], periodic=True), random_geometric(20, 2, 1.3, seed)]
    return stirred(joined(parts), seed)


def stirred(graphs, seed):
    generator = np.random.default_rng(seed)
    return graphs.at(graphs.positions + generator.uniform(-0.2, 0.2, graphs.positions.shape), generator.normal(size=graphs.positions.shape))


def same(one, other):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_vectors_and_lengths_are_those_of_each_bond(graphs):
    vectors = [graphs.positions[j] - graphs.positions[i] + shift for (i, j), shift in zip(graphs.bonds, graphs.shifts, strict=True)]
    np.testing.assert_array_equal(graphs.bond_vectors, vectors)
    np.testing.assert_allclose(graphs.bond_lengths, [math.hypot(*vector) for vector in vectors], rtol=1e-15)


def test_sums_are_those_of_each_graph(graphs, seed):
    generator = np.random.default_rng(seed)
    ofparticles, ofbonds = generator.normal(size=graphs.particles), generator.normal(size=len(graphs.bonds))
    graph_of_bond = [next(k for k in range(4) if i < graphs.offsets[k + 1]) for i, _ in graphs.bonds]
    assert graphs.count == 4 and graphs.bond_offsets.tolist() == [sum(k < n for k in graph_of_bond) for n in range(5)]
    for k, (start, stop) in enumerate(zip(graphs.offsets[:-1], graphs.offsets[1:], strict=True)):
        assert graphs.sums_of_particles(ofparticles)[k] == pytest.approx(math.fsum(ofparticles[start:stop]), rel=1e-13)
        bonds = [value for value, owner in zip(ofbonds, graph_of_bond, strict=True) if owner == k]
        assert graphs.sums_of_bonds(ofbonds)[k] == pytest.approx(math.fsum(bonds), rel=1e-13)


def test_the_pull_back_is_the_gradient_of_a_weighted_sum_of_lengths(graphs, seed):
    tensions, step = np.random.default_rng(seed).normal(size=len(graphs.bonds)), 1e-5
    differences = np.empty_like(graphs.positions)
    for place in np.ndindex(differences.shape):
        nudge = np.zeros_like(graphs.positions)
        nudge[place] = step
        up, down = (graphs.at(graphs.positions + sign * nudge, graphs.momenta).bond_lengths for sign in (1, -1))
        differences[place] = tensions @ (up - down) / (2 * step)
    np.testing.assert_allclose(graphs.pull_back(tensions), differences, atol=1e-8)


def test_runs_put_side_by_side_are_the_whole(graphs):
    same(joined([graphs.run(0, 1), graphs.run(1, 1), graphs.run(1, 3), graphs.run(3, 4)]), graphs)
    same(graphs.run(0, 4), graphs)
    same(graphs.run(1, 4).run(1, 3), graphs.run(2, 4))


def test_parts_put_side_by_side_come_back_as_runs(seed):
    parts = [
        stirred(lattice([3, 4]), seed),
        stirred(with_bonds(fluid(10, 2, 1.0), 1.2), seed),
        stirred(random_geometric(9, 2, 1, seed), seed),
    ]
    whole = joined(parts)
    for number in (0, 2):
        assert parts[number].shifts is None and not whole.run(number, number + 1).shifts.any()
    same(whole.run(1, 2), parts[1])
    assert joined([parts[0], parts[2]]).shifts is None


def test_copies_are_the_graph_put_beside_itself():
    for graph in (lattice([3, 2], periodic=True), chain(4), chain(1)):
        same(copies(graph, 3), joined([graph] * 3))
        assert copies(graph, 0).count == 0 and copies(graph, 0).bonds.shape == (0, 2)


def test_the_incidence_tells_the_bonds_of_each_particle(graphs):
    pairs = graphs.bonds.tolist()
    for chosen in ([], [3], [12], range(graphs.particles), [5, 2, 5]):
        chosen = np.array(chosen, dtype=int)
        expected = [[(e, end) for e, bond in enumerate(pairs) for end in (0, 1) if bond[end] == particle] for particle in chosen]
        counts, numbers, ends = graphs.incidence.entries_of(chosen)
        assert counts.tolist() == list(map(len, expected))
        assert list(zip(numbers.tolist(), ends.tolist(), strict=True)) == [entry for entries in expected for entry in entries]
        bonds = [e for entries in expected for e, _ in entries]
        assert graphs.incidence.bonds_of(chosen).tolist() == sorted(set(bonds))
        assert sorted(graphs.incidence.neighbours(chosen, graphs.bonds).tolist()) == sorted(end for e in bonds for end in pairs[e])


def test_the_incidence_counts_a_bond_to_an_image_of_the_particle_itself_twice():
    ring = replace(chain(1), bonds=np.array([[0, 0]]), shifts=np.array([[2.0]]), boxes=np.array([[2.0]]))
    counts, numbers, ends = ring.incidence.entries_of(np.array([0]))
    assert (counts.tolist(), numbers.tolist(), ends.tolist()) == ([2], [0, 0], [0, 1])


def test_the_kind_of_a_bond_is_that_of_its_ends_whichever_is_first():
    graph = replace(lattice([4]), species=np.array([2, 0, 1, 1]))
    assert kinds_of(graph, np.array([2, 0, 1])).tolist() == [[1, 1], [0, 2], [0, 1]]


def test_another_state_takes_the_incidence_over(graphs):
    assert "incidence" not in graphs.at(graphs.positions, graphs.momenta).__dict__
    incidence = graphs.incidence
    moved = graphs.at(2 * graphs.positions, graphs.momenta)
    first, second = moved.positions[moved.bonds.T]
    assert moved.incidence is incidence
    np.testing.assert_array_equal(moved.bond_vectors, second - first + moved.shifts)


@pytest.mark.parametrize("hops", range(4))
@pytest.mark.parametrize("chosen", [[], [0], [12], [7, 15], [14, 33, 38], range(39)], ids=str)
def test_a_neighbourhood_is_what_a_search_finds(graphs, chosen, hops):
    pairs = graphs.bonds.tolist()
    inside = set(chosen)
    for _ in range(hops):
        inside |= {end for bond in pairs if inside & set(bond) for end in bond}
    numbers = sorted(inside)
    bonds = [e for e, bond in enumerate(pairs) if set(bond) <= inside]

    part, found, found_bonds = graphs.neighbourhood(np.array(chosen, dtype=int), hops)
    assert found.tolist() == numbers and found_bonds.tolist() == bonds
    for name in ("positions", "momenta", "masses", "species"):
        np.testing.assert_array_equal(getattr(part, name), getattr(graphs, name)[numbers])
    assert part.bonds.tolist() == [[numbers.index(end) for end in pairs[e]] for e in bonds]
    np.testing.assert_array_equal(part.bond_vectors, graphs.bond_vectors[bonds])
    sizes = np.array([sum(start <= number < stop for number in numbers) for start, stop in pairwise(graphs.offsets)])
    assert np.diff(part.offsets).tolist() == sizes[sizes > 0].tolist() and part.offsets[0] == 0
    np.testing.assert_array_equal(part.boxes, graphs.boxes[sizes > 0])


def test_a_neighbourhood_of_graphs_without_shifts_has_none():
    part, numbers, _ = lattice([5]).neighbourhood(np.array([4]), 1)
    assert part.shifts is None and numbers.tolist() == [3, 4] and part.bonds.tolist() == [[0, 1]]
