"""The invariants of particles and bonds by hand, and their derivatives by central differences."""

import numpy as np
import pytest
from graph_networks import EVERY_EDGE, EVERY_NODE, STEP, edge_invariants, node_invariants

from hnn_hpc.errors import UserError
from hnn_hpc.graph_features import EDGE_INVARIANTS, NODE_INVARIANTS, EdgeInvariants, NodeInvariants

# Central differences of r^-1 at r = 0.5 with step 1e-5: h² f‴/6 = 1.6e-9.
TOLERANCE = 1e-8


def test_the_names_are_those_that_the_tests_know():
    assert set(EVERY_EDGE) == set(EDGE_INVARIANTS) and set(EVERY_NODE) == set(NODE_INVARIANTS)


@pytest.mark.parametrize("names", [*((name,) for name in EVERY_EDGE if name != "m m"), ("m m", "r^2"), EVERY_EDGE], ids=str)
def test_invariants_of_bonds(names):
    lengths, products, invariants = np.array([0.5, 1.0, 3.0]), np.array([2.0, 0.25, 7.0]), EdgeInvariants(names)
    expected = [edge_invariants(names, r, product) for r, product in zip(lengths, products, strict=True)]
    np.testing.assert_allclose(invariants.embed(lengths, products), expected, rtol=1e-15)
    up, down = (invariants.embed(lengths + step, products) for step in (STEP, -STEP))
    np.testing.assert_allclose(invariants.derivative(lengths), (up - down) / (2 * STEP), atol=TOLERANCE)


@pytest.mark.parametrize("names", [("p^2/2m",), ("p^2",), ("m", "p^2"), EVERY_NODE], ids=str)
def test_invariants_of_particles(names):
    momenta, masses, invariants = (
        np.array([[0.3, -1.2, 2.0], [0.1, 0.0, 0.0], [0.0, 0.0, 0.0]]),
        np.array([2.0, 0.5, 3.0]),
        NodeInvariants(names),
    )
    expected = [node_invariants(names, p, mass) for p, mass in zip(momenta, masses, strict=True)]
    np.testing.assert_allclose(invariants.embed(momenta, masses), expected, rtol=1e-15)
    for axis in range(3):
        nudge = STEP * np.eye(3)[axis]
        slopes = (invariants.embed(momenta + nudge, masses) - invariants.embed(momenta - nudge, masses)) / (2 * STEP)
        np.testing.assert_allclose(invariants.derivative(masses) * momenta[:, axis, None], slopes, atol=TOLERANCE)


@pytest.mark.parametrize(
    "kind, names, words",
    [
        (EdgeInvariants, ("r", "1/r^6"), r"unknown edge invariant '1/r\^6'; the edge invariants are: r, 1/r, r\^2, m m"),
        (EdgeInvariants, ("m m",), r"the invariants of bonds are \['m m'\]; expected one of r, 1/r, r\^2 at least"),
        (EdgeInvariants, (), r"the invariants of bonds are \[\]"),
        (NodeInvariants, ("v",), r"unknown node invariant 'v'; the node invariants are: p\^2/2m, p\^2, m"),
        (NodeInvariants, ("m",), r"the invariants of particles are \['m'\]; expected p\^2/2m or p\^2 among them"),
        (NodeInvariants, (), r"the invariants of particles are \[\]"),
    ],
)
def test_what_no_invariants_are_is_told(kind, names, words):
    with pytest.raises(UserError, match=words):
        kind(names)
