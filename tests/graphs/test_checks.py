"""What no graphs are: each mistake is one clear sentence that names the place of it."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.graphs import chain, check_graphs, fluid, joined, lattice, with_bonds


def graphs():
    """A lattice of 6 particles with 7 bonds, a particle alone, and a periodic chain of 4 with 4 bonds."""
    return joined([lattice([2, 3]), chain(1, 2), chain(4, 2, periodic=True)])


def changed(name, place, value):
    array = getattr(graphs(), name).copy()
    array[place] = value
    return {name: array}


def test_graphs_that_are_some_pass():
    for passing in (
        graphs(),
        lattice([5]),
        chain(1),
        lattice([2, 2, 2], periodic=True),
        fluid(10, 3, 0.8),
        joined([lattice([3]), chain(3, spacing=1e-14)]),
        replace(graphs(), positions=graphs().positions.astype(np.float32), species=np.arange(11, dtype=np.uint8)),
        replace(chain(1), bonds=np.array([[0, 0]]), shifts=np.array([[2.0]]), boxes=np.array([[2.0]])),  # to its own image
    ):
        check_graphs(passing, "here")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"positions": np.zeros(11)}, "here: positions must be an array of real numbers of shape (P, d); got shape (11,), dtype float64"),
        ({"positions": np.zeros((11, 2), complex)}, "positions must be an array of real numbers"),
        ({"momenta": [[0.0, 0.0]] * 11}, "momenta must be an array of real numbers of shape (P, d); got shape (11, 2), dtype list"),
        ({"momenta": np.zeros((11, 3))}, "momenta has the shape (11, 3), which does not fit the arrays before it, with P = 11, d = 2"),
        ({"momenta": np.zeros((10, 2))}, "momenta has the shape (10, 2)"),
        ({"masses": np.ones(10)}, "masses has the shape (10,)"),
        ({"species": np.zeros(11)}, "species must be an array of whole numbers of shape (P,); got shape (11,), dtype float64"),
        ({"species": np.zeros(12, int)}, "species has the shape (12,)"),
        ({"bonds": np.zeros((5, 3), int)}, "bonds has the shape (5, 3)"),
        ({"bonds": np.zeros((5, 2))}, "bonds must be an array of whole numbers of shape (E, 2)"),
        ({"shifts": np.zeros((5, 2))}, "shifts has the shape (5, 2), which does not fit the arrays before it, with P = 11, d = 2, E = 11"),
        ({"offsets": np.array([[0, 11]])}, "offsets must be an array of whole numbers of shape (K + 1,); got shape (1, 2)"),
        ({"boxes": np.ones((2, 2))}, "boxes has the shape (2, 2)"),
        ({"offsets": np.array([0]), "boxes": np.zeros((0, 2))}, "here has 0 graphs in 2 dimensions"),
        ({"offsets": np.array([], int)}, "offsets must be an array of whole numbers of shape (K + 1,); got shape (0,)"),
        ({"offsets": np.array([0, 6, 7, 10])}, "here: offsets go from 0 to 10; expected from 0 to the 11 particles"),
        ({"offsets": np.array([1, 6, 7, 11])}, "offsets go from 1 to 11"),
        ({"offsets": np.array([0, 7, 7, 11])}, "here: graph 1 has no particles"),
        ({"offsets": np.array([0, 7, 6, 11], np.uint8)}, "graph 1 has no particles"),
        (changed("positions", (8, 1), math.nan), "here: positions of particle 1 of graph 2 are [ 1. nan]; expected finite numbers"),
        (changed("positions", (6, 0), math.inf), "positions of particle 0 of graph 1"),
        (changed("positions", (6, 0), 1e200), "positions of particle 0 of graph 1"),
        (changed("momenta", (3, 0), -math.inf), "here: momenta of particle 3 of graph 0 are [-inf   0.]"),
        (changed("masses", 10, 0), "here: masses of particle 3 of graph 2 are 0.0; expected a positive number"),
        (changed("masses", 10, -1), "masses of particle 3 of graph 2 are -1.0"),
        (changed("masses", 10, math.nan), "masses of particle 3 of graph 2 are nan"),
        (changed("masses", 10, math.inf), "masses of particle 3 of graph 2 are inf"),
        (changed("species", 7, -1), "here: species of particle 0 of graph 2 are -1; expected a whole number of at least 0"),
        (changed("boxes", (2, 0), 0), "here: graph 2 has the period 0.0 along axis 0; expected a positive number, or inf"),
        (changed("boxes", (1, 1), math.nan), "graph 1 has the period nan along axis 1"),
        (changed("bonds", (9, 1), 11), "here: bond 9 of all, of graph 2, joins the particles [8, 11] of all; there are 11, counted from 0"),
        (changed("bonds", (0, 0), -1), "here: bond 0 of all, of graph 0, joins the particles [-1, 1] of all"),
        (changed("bonds", 4, 2**62), "here: bond 4 of all joins the particles [4611686018427387904, 4611686018427387904] of all"),
        (
            changed("bonds", (7, 0), 6),
            "here: bond 7 of all joins particle 0 of graph 1 and particle 1 of graph 2; expected two of one graph",
        ),
        (
            changed("bonds", slice(None), graphs().bonds[::-1]),
            "here: bond 4 of all is of graph 0 and comes after one of graph 2; expected the",
        ),
        (changed("bonds", 9, 9), "here: bond 2 of graph 2 joins particle 2 of graph 2 to itself"),
        (changed("shifts", (8, 0), -2), "here: the shift of bond 1 of graph 2 is [-2.0, 0.0]; expected whole periods of [4.0, inf]"),
        (changed("shifts", (8, 1), 4), "the shift of bond 1 of graph 2 is [-4.0, 4.0]"),
        (changed("shifts", (0, 1), math.nan), "the shift of bond 0 of graph 0"),
        (changed("shifts", (8, 0), math.nan), "the shift of bond 1 of graph 2"),
        (changed("shifts", (8, 0), math.inf), "the shift of bond 1 of graph 2"),
        (changed("positions", 8, [2, 1e-13]), "here: the particles 1 and 2 of graph 2 are on top of one another, 1e-13 apart"),
        (changed("positions", 8, [2, 0]), "here: the particles 1 and 2 of graph 2 are on top of one another, 0 apart, and have a bond"),
        (changed("positions", 10, [4, 0]), "the particles 0 and 3 of graph 2 are on top of one another"),
    ],
)
def test_what_no_graphs_are_is_one_clear_sentence(changes, words):
    with pytest.raises(UserError, match=re.escape(words)):
        check_graphs(replace(graphs(), **changes), "here")


def test_a_pair_on_top_of_one_another_without_a_bond_is_none_of_its_business():
    graph = lattice([4])
    graph.positions[3] = graph.positions[1]
    check_graphs(graph, "here")
    with pytest.raises(UserError, match="the particles 1 and 3 of graph 0 are on top"):
        check_graphs(with_bonds(graph, 1.5), "here")


def test_a_self_bond_needs_a_shift():
    graph = replace(chain(3), bonds=np.array([[1, 1]]))
    with pytest.raises(UserError, match="bond 0 of graph 0 joins particle 1 of graph 0 to itself"):
        check_graphs(graph, "here")
