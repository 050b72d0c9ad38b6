"""The options of graph networks: what they say, and that each mistake is named with its option."""

import pytest
from graph_fits import fitted, springs

from hnn_hpc import FitOptions, UserError
from hnn_hpc.graph_options import MOST_CHANNELS, MOST_STEPS, SAMPLERS, GraphOptions, check_options


def test_defaults_and_lists():
    options = GraphOptions()
    assert (options.edge_invariants, options.node_invariants, options.messages, options.message_steps) == ("auto", ("p^2/2m",), 0, 1)
    assert GraphOptions(edge_invariants=["r", "m m"], node_invariants=["p^2", "m"]) == GraphOptions(("r", "m m"), ("p^2", "m"))
    assert GraphOptions(messages=MOST_CHANNELS, message_steps=MOST_STEPS).reach == 2 * MOST_STEPS
    assert GraphOptions(message_steps=5).reach == 1  # of no messages


@pytest.mark.parametrize(
    "option, value, words",
    [
        ("edge_invariants", "r", r"edge_invariants = 'r': expected a list of names such as \['r'\] or auto"),
        ("edge_invariants", [], r"edge_invariants = \[\]: expected a list of names"),
        ("edge_invariants", None, r"edge_invariants = None: expected a list of names"),
        ("edge_invariants", ["r", 1], r"edge_invariants = \['r', 1\]: expected a list of names"),
        ("edge_invariants", ["r", "r"], r"edge_invariants = \['r', 'r'\]: a name comes twice"),
        ("edge_invariants", ["R"], r"unknown edge invariant 'R'; the edge invariants are: r, 1/r, r\^2, m m"),
        ("edge_invariants", ["m m"], r"the invariants of bonds are \['m m'\]"),
        ("node_invariants", "auto", r"node_invariants = 'auto': expected a list of names"),
        ("node_invariants", ["p"], r"unknown node invariant 'p'; the node invariants are: p\^2/2m, p\^2, m"),
        ("node_invariants", ["m"], r"the invariants of particles are \['m'\]"),
        ("messages", -1, r"messages = -1: expected a whole number"),
        ("messages", 65, r"messages = 65: expected a whole number of at least 0 and at most 64"),
        ("messages", True, r"messages = True"),
        ("messages", 2.5, r"messages = 2.5"),
        ("message_steps", 0, r"message_steps = 0: expected a whole number of at least 1 and at most 8"),
        ("message_steps", 9, r"message_steps = 9"),
    ],
)
def test_bad_graph_options_are_named(option, value, words):
    with pytest.raises(UserError, match=words):
        GraphOptions(**{option: value})


@pytest.mark.parametrize(
    "option, value, words",
    [
        (
            "supports",
            [["q1"], ["p1"]],
            "supports is not for graphs, whose features depend on invariants of particles and bonds; leave it out",
        ),
        ("supports", "dense", "supports is not for graphs"),
        ("separable", True, "separable is not for graphs"),
        ("coordinates", {"angles": ["q1"]}, "coordinates is not for graphs"),
        ("rule", "midpoint", "rule is not for graphs"),
        ("stride", 2, "stride is not for graphs"),
        ("corrections", 0, "corrections is not for graphs"),
        ("dissipation", True, "dissipation is not for graphs"),
        ("sampler", "swim", f"the sampler 'swim' is not for graphs; use one of {', '.join(SAMPLERS)}"),
        ("sampler", "approximate-swim", "the sampler 'approximate-swim' is not for graphs"),
        ("solver", "gram", "the solver 'gram' is not for graphs; use one of auto, tsqr"),
        ("solver", "khatri-rao-qr", "the solver 'khatri-rao-qr' is not for graphs"),
        ("bandwidth", [1.0, 2.0], r"bandwidth = \[1.0, 2.0\]: graphs take one number, or 'auto'"),
    ],
)
def test_options_of_other_fits_are_refused(option, value, words):
    options = FitOptions(**{option: value})
    with pytest.raises(UserError, match=words):
        check_options(options)
    with pytest.raises(UserError, match=words):
        fitted(springs(), **{option: value})


def test_options_that_graphs_share_are_taken():
    for options in (
        {},
        {"solver": "tsqr", "bandwidth": 2},
        {"ridge": "gcv", "rcond": 1e-10},
        {"block_bytes": "1MB", "memory_per_rank": "1GB"},
    ):
        assert check_options(FitOptions(**options)) is None


def test_the_solver_is_tsqr_whether_it_is_named_or_not():
    named, auto = (fitted(springs(), features=16, solver=solver) for solver in ("tsqr", "auto"))
    assert named.solution.solver == auto.solution.solver == "tsqr"
    assert (named.model.coefficients == auto.model.coefficients).all()
