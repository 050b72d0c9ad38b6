"""The picture of what interacts: every unit, every pair once, larger supports told from pairs, in small deterministic files."""

import re
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.features import make_coordinates, plain_coordinates
from hnn_hpc.report.interaction_figure import InteractionGraph, circle, draw_interactions, interaction_graph

LARGEST_SVG = 130_000  # bytes
DOUBLE_PENDULUM = make_coordinates(4, ["q1", "q2"], [["q1", "q2"]])
BASIS = {
    "bandwidths": {"q1": 0.125, "q2": 0.5, "p1": 0.25, "p2": 0.015625, "q1-q2": 1.0},
    "supports": [["q1"], ["q2"], ["p1", "p2", "q1-q2"]],
    "searched": ["bandwidth", "supports"],
}


def model(basis=BASIS, coordinates=DOUBLE_PENDULUM):
    return SimpleNamespace(provenance={"basis": basis}, feature_map=SimpleNamespace(coordinates=coordinates), dimension=4)


def chain(dof):
    """The graph of a chain of particles."""
    supports = [(unit, unit + 1) for unit in range(dof - 1)] + [(unit,) for unit in range(dof, 2 * dof)]
    return InteractionGraph(plain_coordinates(2 * dof), tuple(supports), (0.125,) * dof + (0.5,) * dof, True)


def elements(svg, kind):
    return list(ElementTree.parse(svg).iter(f"{{http://www.w3.org/2000/svg}}{kind}"))


def texts(svg):
    return [element.text for element in elements(svg, "text")]


def curves(svg):
    """How many curves between two units are drawn, those around a shade too."""
    return sum(element.get("d", "").count("Q") for element in elements(svg, "path"))


def test_the_graph_is_what_the_report_of_a_basis_tells():
    graph = interaction_graph(model())
    assert graph.supports == ((0,), (1,), (2, 3, 4)) and graph.bandwidths == (0.125, 0.5, 0.25, 0.015625, 1.0) and graph.is_found
    assert graph.pairs == [(2, 3), (2, 4), (3, 4)]
    assert graph.kinds == ["position", "position", "momentum", "momentum", "derived"]
    plain = {**BASIS, "supports": [["p2", "q1"]], "searched": ["bandwidth"]}  # a model of x itself may name no coordinates
    graph = interaction_graph(model(plain, None))
    assert graph.supports == ((0, 3),) and graph.coordinates.names == ("q1", "q2", "p1", "p2") and not graph.is_found


@pytest.mark.parametrize(
    "basis",
    [
        None,
        "auto",
        {},
        {**BASIS, "supports": [["q3"]]},
        {**BASIS, "supports": None},
        {**BASIS, "supports": [[["q1"]]]},
        {**BASIS, "searched": None},
        {**BASIS, "bandwidths": {"q1": 1}},
        {**BASIS, "bandwidths": {**BASIS["bandwidths"], "q1": "wide"}},
        {**BASIS, "bandwidths": {**BASIS["bandwidths"], "q1": -1}},
    ],
    ids=str,
)
def test_a_model_that_tells_of_no_basis_has_no_graph(basis):
    assert interaction_graph(model(basis)) is None
    assert interaction_graph(SimpleNamespace(provenance={}, feature_map=model().feature_map, dimension=4)) is None


@pytest.mark.parametrize("coordinates", [DOUBLE_PENDULUM, *map(plain_coordinates, (2, 4, 32, 128))], ids=lambda some: len(some.names))
def test_positions_are_on_top_from_the_left_and_momenta_beneath_them(coordinates):
    places, n = circle(coordinates), coordinates.dimension // 2
    q, p, derived = places[:n], places[n : 2 * n], places[2 * n :]
    np.testing.assert_allclose(np.linalg.norm(places, axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(p, q * [1, -1], atol=1e-14)
    assert (q[:, 1] > 0).all() and (np.diff(q[:, 0]) > 0).all() and (derived[:, 0] > q[:, 0].max(initial=-1)).all()


def test_larger_supports_are_shaded_and_listed(tmp_path):
    paths = tmp_path / "one.svg", tmp_path / "two.svg"
    for path in paths:
        draw_interactions(path, interaction_graph(model()))
    shown = texts(paths[0])
    assert {"interacting pairs of coordinates: 3 of 10, found", "position", "momentum", "derived", "p1, p2, q1-q2"} <= set(shown)
    assert {"q1", "q2", "p1", "p2", "q1-q2", "0.125", "0.5", "0.0156", "bandwidth 0.0156", "bandwidth 1"} <= set(shown)
    assert curves(paths[0]) == 3 + 3 and len(elements(paths[0], "pattern")) == 1  # the lines, the shade's outline and its hatching
    assert paths[0].read_bytes() == paths[1].read_bytes()
    three_pairs = InteractionGraph(DOUBLE_PENDULUM, ((2, 3), (2, 4), (3, 4)), (1.0,) * 5, False)
    draw_interactions(tmp_path / "pairs.svg", three_pairs)
    shown = texts(tmp_path / "pairs.svg")
    assert {"interacting pairs of coordinates: 3 of 10, given", "position, in no feature", "bandwidth 1"} <= set(shown)
    assert "position" not in shown and curves(tmp_path / "pairs.svg") == 3 and not elements(tmp_path / "pairs.svg", "pattern")


@pytest.mark.parametrize("dof", [1, 2, 8, 9, 24, 32, 64, 100])
def test_any_number_of_units_has_all_its_lines_and_readable_names(dof, tmp_path):
    path = tmp_path / "chain.svg"
    draw_interactions(path, chain(dof))
    names = [element for element in elements(path, "text") if re.match(r"[qp]\d", element.text)]
    sizes = [float(re.search(r"(?:font-size|font): ([\d.]+)px", element.get("style"))[1]) for element in names]
    assert curves(path) == dof - 1 and path.stat().st_size < LARGEST_SVG
    assert min(2 * dof, 48) <= len(names) <= 96 and min(sizes) >= 5.5
    positions, momenta = ([element.text.split()[0][1:] for element in names if element.text[0] == letter] for letter in "qp")
    assert positions == momenta and positions[0] == "1"


def test_features_of_all_coordinates_are_one_shade_without_thousands_of_lines(tmp_path):
    dense = InteractionGraph(plain_coordinates(128), (tuple(range(128)),), (1.0,) * 128, False)
    path = tmp_path / "dense.svg"
    draw_interactions(path, dense)
    assert {"interacting pairs of coordinates: 8128 of 8128, given", "q1, q2, q3, q4, q5 and 123 more"} <= set(texts(path))
    assert curves(path) == 128 and path.stat().st_size < LARGEST_SVG


def test_many_larger_supports_are_listed_in_part(tmp_path):
    triples = tuple(tuple(sorted((unit, (unit + 1) % 20, (unit + 2) % 20))) for unit in range(20))
    draw_interactions(tmp_path / "triples.svg", InteractionGraph(plain_coordinates(20), triples, (1.0,) * 20, True))
    shown = texts(tmp_path / "triples.svg")
    assert "q1, q2, q3" in shown and "and 14 more of three and more" in shown
    assert curves(tmp_path / "triples.svg") == 20 * 3 + 40


@pytest.mark.parametrize(("suffix", "first"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_other_formats_are_the_same_every_time_and_not_drawn_over(suffix, first, tmp_path):
    paths = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
    for path in paths:
        draw_interactions(path, chain(3))
    assert paths[0].read_bytes()[:4] == first and paths[0].read_bytes() == paths[1].read_bytes()
    with pytest.raises(UserError, match="--force"):
        draw_interactions(paths[0], chain(4))
    draw_interactions(paths[0], chain(4), force=True)
    assert paths[0].read_bytes() != paths[1].read_bytes()
