"""The bonds of a cutoff against all pairs and all images, one by one."""

import itertools
import math

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.graphs import bonds_within, check_graphs, fluid, joined, lattice, with_bonds

OPEN = np.inf


def one_by_one(positions, offsets, boxes, cutoff):
    """Return a dict of shifts by bond: every pair of a graph and every image within six periods."""
    found = {}
    for start, stop, box in zip(offsets[:-1], offsets[1:], boxes, strict=True):
        for i, j in itertools.combinations(range(start, stop), 2):
            apart = positions[j] - positions[i]
            choices = [[0.0] if math.isinf(L) else [L * n for n in range(-6, 7)] for L in box]
            for shift in itertools.product(*choices):
                if np.linalg.norm(apart + shift) < cutoff:
                    assert (i, j) not in found
                    found[i, j] = shift
    return found


@pytest.mark.parametrize(
    "box",
    [[OPEN], [3.0], [OPEN, OPEN], [3.0, 2.5], [3.0, OPEN], [OPEN, OPEN, OPEN], [2.5, 3.0, 2.6], [OPEN, 2.5, 3.0], [2.6, OPEN, OPEN]],
    ids=str,
)
@pytest.mark.parametrize("cutoff", [0.9, 1.2])
def test_bonds_are_the_pairs_found_one_by_one(box, cutoff, seed):
    generator, d = np.random.default_rng(seed), len(box)
    positions = generator.uniform(-1, 4, (44, d))  # some outside the box, on either side
    positions[5] += 3 * np.where(np.isinf(box), 0, box)
    offsets, boxes = np.array([0, 21, 22, 22, 44]), np.array([box, box, box, [OPEN] * d])
    bonds, shifts = bonds_within(positions, offsets, boxes, cutoff)
    expected = one_by_one(positions, offsets, boxes, cutoff)
    assert list(map(tuple, bonds.tolist())) == sorted(expected) and len(bonds) > 0
    if np.isinf(box).all():
        assert shifts is None
    else:
        np.testing.assert_array_equal(shifts, [expected[bond] for bond in sorted(expected)])


def test_the_bonds_of_many_graphs_are_those_of_each(seed):
    generator = np.random.default_rng(seed)
    parts = [fluid(count, 3, 0.7) for count in (20, 31, 27)]
    parts = [part.at(part.positions + generator.normal(size=part.positions.shape), part.momenta) for part in parts]
    together = with_bonds(joined(parts), 1.1)
    for number, part in enumerate(parts):
        alone, run = with_bonds(part, 1.1), together.run(number, number + 1)
        np.testing.assert_array_equal(run.bonds, alone.bonds)
        np.testing.assert_array_equal(run.shifts, alone.shifts)


def test_lengths_decide_and_the_cutoff_itself_is_too_long():
    line = lattice([10], 0.1)
    assert [len(with_bonds(line, cutoff).bonds) for cutoff in (0.1, 0.1000001)] == [
        int(np.sum(line.bond_lengths < 0.1)),  # 0.3 - 0.2 < 0.1 in floating point
        9,
    ]
    assert len(with_bonds(lattice([4, 4], periodic=True), 1).bonds) == 0
    assert len(with_bonds(lattice([4, 4], periodic=True), 1.01).bonds) == 32


def test_a_particle_a_hair_below_0_is_in_the_box():
    positions = np.array([[-1e-20], [0.5], [1.9]])
    bonds, shifts = bonds_within(positions, np.array([0, 3]), np.array([[2.0]]), 0.6)
    assert bonds.tolist() == [[0, 1], [0, 2]] and shifts.tolist() == [[0], [-2]]


def test_a_cutoff_of_infinity_makes_all_pairs_bonds():
    graphs = with_bonds(joined([lattice([3]), lattice([1]), lattice([4])]), math.inf)
    expected = [*itertools.combinations(range(3), 2), *itertools.combinations(range(4, 8), 2)]
    assert list(map(tuple, graphs.bonds.tolist())) == expected and graphs.shifts is None


def test_no_pairs_are_no_bonds():
    for graphs in (lattice([1]), fluid(1, 2, 1.0), lattice([5], 2)):
        assert with_bonds(graphs, 0.4).bonds.shape == (0, 2)
    assert with_bonds(fluid(1, 2, 1.0), 0.4).shifts.shape == (0, 2)


@pytest.mark.parametrize(
    ("cutoff", "words"),
    [
        (0, "cutoff = 0: expected a positive number"),
        (math.nan, "cutoff = nan"),
        ("far", "cutoff = 'far'"),
        (1.51, "above half the period of graph 1 along axis 0, 3, .* choose a smaller cutoff"),
        (math.inf, "cutoff = inf is above half the period of graph 1"),
    ],
)
def test_a_cutoff_that_cannot_be_used_is_one_clear_sentence(cutoff, words):
    graphs = joined([lattice([3, 3]), lattice([3, 3], periodic=True)])
    with pytest.raises(UserError, match=words):
        with_bonds(graphs, cutoff)


def test_half_a_period_is_not_too_long():
    assert len(with_bonds(lattice([3, 3], periodic=True), 1.5).bonds) == 36


def test_a_position_that_is_not_finite_is_named():
    graph = lattice([3, 3])
    graph.positions[4, 1] = math.nan
    with pytest.raises(UserError, match="position of particle 4, .*nan.*not finite"):
        bonds_within(graph.positions, graph.offsets, graph.boxes, 1.2)
    with pytest.raises(UserError, match="here: positions of particle 4 of graph 0 are"):
        check_graphs(with_bonds(graph, 1.2), "here")
