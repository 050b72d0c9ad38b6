"""The options of sparse features: what supports, separable and coordinates may be, and the sentence for each that they may not be."""

import numpy as np
import pytest

from hnn_hpc import FitOptions, UserError

ANGLES = {"angles": ["q1", "q2"], "differences": [["q1", "q2"]]}


@pytest.mark.parametrize("given", ["auto", "dense", [["q1"]], [["q1", "q2"], ["p1"]], (("p2",), ["q1"])], ids=str)
def test_supports_are_kept_as_tuples(given):
    options = FitOptions(supports=given)
    assert options.supports == (given if isinstance(given, str) else tuple(map(tuple, given)))
    assert hash(FitOptions(supports=given, separable=True).supports)


def test_supports_of_coordinates():
    """Sorted, each once, its coordinates too."""
    coordinates = FitOptions().coordinates_of(4)
    names = [["p1", "q2"], ["q1"], ["q2", "p1", "q2"], ["p2", "q1"]]
    assert FitOptions(supports=names).supports_of(coordinates) == [(0,), (0, 3), (1, 2)]
    for dense in ("auto", "dense"):
        assert FitOptions(supports=dense).supports_of(coordinates) == [(0, 1, 2, 3)]
        assert FitOptions(supports=dense, separable=True).supports_of(coordinates) == [(0, 1), (2, 3)]


def test_supports_of_derived_coordinates():
    table = ANGLES | {"distances": [[["p1"], ["p2"]]]}
    options = FitOptions(supports=[["q1-q2", "|p1 - p2|"], ["q1"]], coordinates=table)
    assert options.supports_of(options.coordinates_of(4)) == [(0,), (4, 5)]
    halves = FitOptions(coordinates=table, separable=True)
    assert halves.supports_of(halves.coordinates_of(4)) == [(0, 1, 4), (2, 3, 5)]


def test_separable_allows_what_is_of_one_kind():
    mixed = ANGLES | {"distances": [[["q3"], ["p1"]]]}
    options, free = FitOptions(separable=True, coordinates=mixed), FitOptions(coordinates=mixed)
    coordinates = options.coordinates_of(6)  # q1 q2 q3 p1 p2 p3 q1-q2 |q3 - p1|
    for units, allowed in (((0, 1, 6), True), ((3, 5), True), ((2, 3), False), ((7,), False), ((7, 0), False), ((6,), True)):
        assert options.allows(units, coordinates) == allowed and free.allows(units, coordinates)


def test_coordinates_are_kept_as_a_table_without_what_is_empty():
    assert FitOptions(coordinates={"angles": ["q1"], "differences": [], "distances": ()}).coordinates == {"angles": ["q1"]}
    assert FitOptions(coordinates={}).coordinates_of(2).is_plain and FitOptions(coordinates=None).coordinates == {}
    assert FitOptions(coordinates=ANGLES).coordinates_of(4).names == ("q1", "q2", "p1", "p2", "q1-q2")
    assert FitOptions(coordinates=ANGLES, bandwidth=[1, 2, 3, 4, 5]).coordinates_of(4).count == 8


def test_other_samplers_take_what_says_nothing():
    for supports in ("auto", "dense"):
        assert FitOptions(sampler="elm", supports=supports, separable=False, coordinates={}).coordinates_of(4).is_plain
    assert FitOptions(sampler="elm", bandwidth=[1, 2, 3]).coordinates_of(4).is_plain  # which it does not read


EXPECTED = r"expected 'auto', 'dense', or a list of lists of coordinates such as \[\[\"q1\", \"q2\"\], \[\"p1\"\]\]"


@pytest.mark.parametrize(
    "supports",
    [
        "sparse",
        "",
        "q1",
        None,
        True,
        3,
        [],
        ["q1"],
        ["q1", "p1"],
        [[]],
        [["q1"], []],
        [["q1"], "p1"],
        [[1]],
        [["q1", None]],
        {"q1": ["p1"]},
    ],
    ids=str,
)
def test_bad_supports_are_refused(supports):
    with pytest.raises(UserError, match=rf"^supports = .*: {EXPECTED}$"):
        FitOptions(supports=supports)


def test_an_array_for_supports_is_refused():
    with pytest.raises(UserError, match="supports = "):
        FitOptions(supports=np.array([["q1", "p1"]]))


@pytest.mark.parametrize("separable", [1, 0, None, "true", "auto", []])
def test_bad_separable_is_refused(separable):
    with pytest.raises(UserError, match=r"^separable = .*: expected true or false$"):
        FitOptions(separable=separable)


@pytest.mark.parametrize("coordinates", [True, [], "angles", ["angles"], {"angle": ["q1"]}, {"angles": [], "q1": 1}, 3], ids=str)
def test_bad_coordinates_are_refused(coordinates):
    with pytest.raises(UserError, match=r"^coordinates = .*: expected a table with nothing but angles, differences, distances$"):
        FitOptions(coordinates=coordinates)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"supports": [["q1", "q3"]]}, "supports: there is no coordinate 'q3'; the coordinates are: q1, q2, p1, p2"),
        ({"supports": [["q1-q2"]]}, "supports: there is no coordinate 'q1-q2'; the coordinates are: q1, q2, p1, p2"),
        ({"supports": [["q2-q1"]], "coordinates": ANGLES}, "no coordinate 'q2-q1'; the coordinates are: q1, q2, p1, p2, q1-q2"),
        (
            {"supports": [["q1"], ["q2", "p1"]], "separable": True},
            r"supports: \[q2, p1\] holds positions and momenta, but separable = true",
        ),
        ({"coordinates": {"angles": ["q3"]}}, "angles: unknown coordinate 'q3'; the coordinates are: q1, q2, p1, p2"),
        ({"coordinates": {"angles": "q1"}}, "angles: 'q1' where a list of names"),
        ({"coordinates": ANGLES, "bandwidth": [1, 2, 3, 4]}, r"bandwidth has 4 values, but there are 5 coordinates \(q1, .*, q1-q2\)"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value),
)
def test_what_does_not_suit_the_samples_is_refused(options, words):
    with pytest.raises(UserError, match=words) as caught:
        FitOptions(**options).coordinates_of(4)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sampler", ["elm", "swim", "gradient-swim"])
@pytest.mark.parametrize("name, value", [("separable", True), ("coordinates", ANGLES), ("supports", [["q1"]])])
def test_only_anchored_features_are_sparse(sampler, name, value):
    with pytest.raises(UserError, match=rf"^{name} is for the sampler 'anchored' alone, but the sampler is '{sampler}'; leave it out$"):
        FitOptions(sampler=sampler, **{name: value})
