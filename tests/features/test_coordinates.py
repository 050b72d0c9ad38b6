"""Derived coordinates against a loop over one point and one unit, their Jacobian against central differences, and what they refuse."""

import json
import math
import pickle

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.features import coordinates_from_dict, make_coordinates, plain_coordinates

# Of numbers of order 1, and sums of a few products of them.
ROUNDING = 1e-14
# Central differences with step 1e-5: truncation 1e-10 times a third derivative, which 1/r² of near points makes large; rounding 1e-11.
DIFFERENCE_STEP, DIFFERENCE_TOLERANCE = 1e-5, 1e-7

CASES = {
    "plain": make_coordinates(4),
    "angle": make_coordinates(2, ["q1"]),
    "angles out of order": make_coordinates(6, ["p1", "q3", "q1"]),
    "difference": make_coordinates(4, [], [["p2", "q1"]]),
    "double pendulum": make_coordinates(4, ["q1", "q2"], [["q1", "q2"]]),
    "differences of both kinds": make_coordinates(8, ["q2", "q4", "p1"], [["q1", "q3"], ["q4", "q2"], ["p4", "q1"], ["p1", "q2"]]),
    "distance on a line": make_coordinates(4, [], [], [[["q1"], ["q2"]]]),
    "distances in space": make_coordinates(
        18, [], [], [[["q1", "q2", "q3"], ["q7", "q8", "q9"]], [["q4", "q5", "q6"], ["q1", "q2", "q3"]]]
    ),
    "everything": make_coordinates(
        6, ["q2", "p1"], [["q1", "q3"], ["p1", "q2"]], [[["q1"], ["p3"]], [["q3", "p2"], ["p3", "q1"]], [["p2"], ["q3"]]]
    ),
}
every_case = pytest.mark.parametrize("coordinates", CASES.values(), ids=CASES)


def z_of_one_point(coordinates, x):
    """z by the definition, one unit after the other."""
    names = [f"q{i + 1}" for i in range(len(x) // 2)] + [f"p{i + 1}" for i in range(len(x) // 2)]
    value = dict(zip(names, x, strict=True))
    z = []
    for name in names:
        z += [math.cos(value[name]), math.sin(value[name])] if name in coordinates.angles else [value[name]]
    for a, b in coordinates.differences:
        step = value[a] - value[b]
        z += [math.cos(step), math.sin(step)] if a in coordinates.angles else [step]
    for a, b in coordinates.distances:
        z.append(math.dist([value[name] for name in a], [value[name] for name in b]))
    return z


def dense_jacobian(coordinates, x):
    """J (B, E, D), zeros and all."""
    J = np.zeros((len(x), coordinates.count, coordinates.dimension))
    J[:, coordinates.entry_columns, coordinates.entry_coordinates] = coordinates.jacobian(x)
    return J


@pytest.fixture
def rng(seed):
    return np.random.default_rng(seed)


@every_case
def test_z_is_that_of_a_loop(coordinates, rng):
    x = rng.uniform(-4, 4, (7, coordinates.dimension))
    z = coordinates.embed(x)
    assert z.shape == (7, coordinates.count)
    for found, point in zip(z, x, strict=True):
        np.testing.assert_allclose(found, z_of_one_point(coordinates, point), rtol=0, atol=ROUNDING)


@every_case
def test_jacobian_is_the_slope_of_z(coordinates, rng):
    x = rng.uniform(-4, 4, (7, coordinates.dimension))
    steps = DIFFERENCE_STEP * np.eye(coordinates.dimension)
    slopes = np.stack([(coordinates.embed(x + step) - coordinates.embed(x - step)) / (2 * DIFFERENCE_STEP) for step in steps], axis=-1)
    np.testing.assert_allclose(dense_jacobian(coordinates, x), slopes, rtol=0, atol=DIFFERENCE_TOLERANCE)


@every_case
def test_products_are_those_of_the_dense_jacobian_and_transposes(coordinates, rng):
    x, r = rng.uniform(-4, 4, (2, 7, coordinates.dimension))
    g, J = rng.standard_normal((7, coordinates.count)), dense_jacobian(coordinates, x)
    pulled_back, pushed_forward = coordinates.pull_back(x, g), coordinates.push_forward(x, r)
    np.testing.assert_allclose(pulled_back, np.einsum("bed,be->bd", J, g), rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(pushed_forward, np.einsum("bed,bd->be", J, r), rtol=0, atol=ROUNDING)
    left, right = np.vdot(pushed_forward, g), np.vdot(r, pulled_back)
    assert left == pytest.approx(right, abs=100 * ROUNDING), f"<Jr, g> = {left!r}, <r, Jtg> = {right!r}"


@every_case
def test_entries_are_sorted_by_coordinate_and_none_comes_twice(coordinates):
    entries = list(zip(coordinates.entry_coordinates.tolist(), coordinates.entry_columns.tolist(), strict=True))
    assert entries == sorted(set(entries))
    assert set(coordinates.entry_columns.tolist()) == set(range(coordinates.count))
    for d in range(coordinates.dimension):
        assert [entry for entry in entries if entry[0] == d] == entries[coordinates.entries_of(d)] != []


@every_case
def test_units_touch_the_coordinates_that_their_columns_change_with(coordinates, rng):
    assert len(coordinates.names) == len(coordinates.columns) == len(coordinates.touched)
    assert [column for columns in coordinates.columns for column in columns] == list(range(coordinates.count))
    x = rng.uniform(-4, 4, (1, coordinates.dimension))
    J = dense_jacobian(coordinates, x)[0]
    for unit, (columns, touched) in enumerate(zip(coordinates.columns, coordinates.touched, strict=True)):
        assert touched == tuple(np.flatnonzero(np.abs(J[list(columns)]).sum(axis=0)))
        assert coordinates.columns_of([unit]).tolist() == list(columns)
        assert set(coordinates.units_of_columns[list(columns)]) == {unit}
        assert set(coordinates.on_circle[list(columns)]) == {len(columns) == 2}


def test_units_come_in_order_and_have_names():
    coordinates = CASES["everything"]
    assert coordinates.names == ("q1", "q2", "q3", "p1", "p2", "p3", "q1-q3", "p1-q2", "|q1 - p3|", "|q3,p2 - p3,q1|", "|p2 - q3|")
    assert coordinates.columns == ((0,), (1, 2), (3,), (4, 5), (6,), (7,), (8,), (9, 10), (11,), (12,), (13,))
    assert coordinates.touched[6:] == ((0, 2), (1, 3), (0, 5), (0, 2, 4, 5), (2, 4))
    assert coordinates.columns_of([7, 0]).tolist() == [9, 10, 0]
    assert (coordinates.dimension, coordinates.count, coordinates.is_plain) == (6, 14, False)


def test_plain_coordinates_are_x_itself():
    coordinates, x, g = plain_coordinates(4), np.ones((3, 4)), np.ones((3, 4))
    assert coordinates.is_plain and coordinates.count == 4 and coordinates.names == ("q1", "q2", "p1", "p2")
    assert coordinates.embed(x) is x and coordinates.pull_back(x, g) is g and coordinates.push_forward(x, g) is g


def test_coinciding_points_have_a_distance_of_zero_and_a_jacobian_of_zero():
    coordinates = CASES["distances in space"]
    x = np.arange(18.0)[None]
    x[:, 6:9] = x[:, :3]
    J = dense_jacobian(coordinates, x)[0]
    assert coordinates.embed(x)[0, 18] == 0 and not J[18].any()
    assert np.linalg.norm(J[19]) == pytest.approx(np.sqrt(2), rel=ROUNDING)


def test_angles_have_no_seam(rng):
    coordinates = CASES["double pendulum"]
    x = rng.uniform(-1, 1, (5, 4))
    turned = x + np.array([2 * np.pi, -4 * np.pi, 0, 0])
    np.testing.assert_allclose(coordinates.embed(turned), coordinates.embed(x), rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(coordinates.jacobian(turned), coordinates.jacobian(x), rtol=0, atol=ROUNDING)


@every_case
@pytest.mark.parametrize("leading", [(), (0,), (2, 3)])
def test_any_leading_axes(coordinates, leading, rng):
    x = rng.uniform(-4, 4, (*leading, coordinates.dimension))
    z = coordinates.embed(x.tolist() if leading != (0,) else x)
    assert z.shape == (*leading, coordinates.count)
    np.testing.assert_array_equal(z.reshape(-1, coordinates.count), coordinates.embed(x.reshape(-1, coordinates.dimension)))
    flat = x.reshape(-1, coordinates.dimension)
    assert coordinates.jacobian(flat).shape == (len(flat), len(coordinates.entry_columns))
    assert coordinates.pull_back(flat, np.zeros((len(flat), coordinates.count))).shape == flat.shape
    assert coordinates.push_forward(flat, flat).shape == (len(flat), coordinates.count)


@every_case
def test_equal_by_their_names_and_fit_for_files_and_pickles(coordinates):
    coordinates.embed(np.zeros(coordinates.dimension))  # caches what it needs
    for copy in (
        pickle.loads(pickle.dumps(coordinates)),
        coordinates_from_dict(coordinates.dimension, json.loads(json.dumps(coordinates.as_dict()))),
    ):
        assert copy == coordinates and hash(copy) == hash(coordinates)
        np.testing.assert_array_equal(copy.embed(np.ones(coordinates.dimension)), coordinates.embed(np.ones(coordinates.dimension)))
    assert all(coordinates != other for other in CASES.values() if other is not coordinates)


def test_the_order_of_angles_is_that_of_the_coordinates():
    assert make_coordinates(6, ["p1", "q3"]) == make_coordinates(6, ("q3", "p1"))
    assert coordinates_from_dict(4, {}) == plain_coordinates(4)


NAMES = "the coordinates are: q1, q2, p1, p2"
BAD = {
    "dimension in words": (("4",), "dimension = '4': expected a whole number of at least 2"),
    "odd dimension": ((5,), "dimension = 5: expected an even number"),
    "no dimension": ((0,), "dimension = 0: expected a whole number of at least 2"),
    "angles as text": ((4, "q1"), "angles: 'q1' where a list of names"),
    "angles as a number": ((4, 1), "angles: 1 where a list of names"),
    "a number for an angle": ((4, [1]), "angles: 1 where a name is expected"),
    "a list for an angle": ((4, [["q1"]]), "angles: ['q1'] where a name is expected"),
    "unknown angle": ((4, ["q3"]), f"angles: unknown coordinate 'q3'; {NAMES}"),
    "angle twice": ((4, ["q1", "q2", "q1"]), "angles: q1 comes twice"),
    "differences as text": ((4, [], "q1"), "differences: 'q1' where a list of pairs"),
    "one difference without its list": ((4, [], ["q1", "q2"]), "differences: 'q1' where a list of pairs"),
    "difference of three": ((4, [], [["q1", "q2", "p1"]]), "differences: ['q1', 'q2', 'p1'] has 3 names"),
    "difference of none": ((4, [], [[]]), "differences: [] has 0 names"),
    "unknown difference": ((4, [], [["q1", "x"]]), f"differences: unknown coordinate 'x'; {NAMES}"),
    "difference with itself": ((4, [], [["q1", "q1"]]), "differences: q1 comes twice"),
    "difference of two kinds": ((4, ["q2"], [["q1", "q2"]]), "differences: of ['q1', 'q2'] only q2 is an angle; expected both or neither"),
    "difference twice": ((4, [], [["q1", "q2"], ["q2", "q1"]]), "differences: ['q2', 'q1'] comes twice"),
    "distances as a table": ((4, [], [], {}), "distances: {} where a list of pairs of points"),
    "distance of one point": ((4, [], [], [[["q1"]]]), "distances: [['q1']] are points of [1] coordinates"),
    "distance of names": ((4, [], [], [["q1", "q2"]]), "distances: 'q1' where a list of pairs of points"),
    "distance of unequal points": ((4, [], [], [[["q1"], ["q2", "p1"]]]), "are points of [1, 2] coordinates"),
    "distance of no coordinates": ((4, [], [], [[[], []]]), "are points of [0, 0] coordinates"),
    "unknown distance": ((4, [], [], [[["q1"], ["q9"]]]), f"distances: unknown coordinate 'q9'; {NAMES}"),
    "distance from itself": ((4, [], [], [[["q1"], ["q1"]]]), "distances: q1 comes twice"),
    "distance of an angle": ((4, ["p1"], [], [[["q1"], ["p1"]]]), "distances: p1 is an angle"),
    "distance twice": ((4, [], [], [[["q1"], ["q2"]], [["q2"], ["q1"]]]), "distances: [['q2'], ['q1']] comes twice"),
    "unknown in many dimensions": ((64, ["q33"]), "the coordinates are: q1, ..., q32, p1, ..., p32"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_names_are_refused(case):
    arguments, words = BAD[case]
    with pytest.raises(UserError) as caught:
        make_coordinates(*arguments)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("table, words", [
    ([], "coordinates = []: expected a table of angles, differences, distances"),
    ("none", "coordinates = 'none': expected a table"),
    ({"angle": ["q1"]}, "coordinates holds 'angle': expected nothing but angles, differences, distances"),
    ({"angles": ["q7"]}, f"angles: unknown coordinate 'q7'; {NAMES}"),
])  # fmt: skip
def test_bad_tables_are_refused(table, words):
    with pytest.raises(UserError) as caught:
        coordinates_from_dict(4, table)
    assert words in str(caught.value)
