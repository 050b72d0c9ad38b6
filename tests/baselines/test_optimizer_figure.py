"""The picture of many optimizers names every line beside its end, and ours at each width; the same file every time."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from hnn_hpc.baselines.optimizers import OPTIMIZERS
from hnn_hpc.errors import UserError
from hnn_hpc.report.optimizer_figure import COLOURS, DASHES, LABEL_HEIGHT, MARKERS, OURS, _apart, _best_so_far, draw_optimizers

TIMES = [0.0, *(2.0**power / 1000 for power in range(15))]
CURVES = {name: [(seconds, 1 / (1 + 1000 * seconds) ** (1 + index / 8)) for seconds in TIMES] for index, name in enumerate(OPTIMIZERS)}
FITS = [(0.1, 1e-3, 2), (None, None, 4), (0.11, 1e-10, 8), (0.15, 1e-24, 64)]
LARGEST_SVG = 90_000  # bytes


def texts(path):
    return [element.text for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def test_every_line_and_fit_is_named_in_the_same_small_file(tmp_path):
    paths = tmp_path / "one.svg", tmp_path / "two.svg"
    for path in paths:
        draw_optimizers(path, CURVES, FITS, title="a lattice")
    shown = texts(paths[0])
    assert {*OPTIMIZERS, "ours, by width M", "a lattice", "seconds of training", "2", "8", "64"} <= set(shown) and "4" not in shown
    assert all(shown.count(name) == 1 for name in OPTIMIZERS)
    assert paths[0].read_bytes() == paths[1].read_bytes() and paths[0].stat().st_size < LARGEST_SVG


def test_names_are_in_the_order_of_the_errors_whatever_that_of_the_curves(tmp_path):
    draw_optimizers(tmp_path / "one.svg", dict(reversed(CURVES.items())), FITS, title="a lattice")
    shown = [text for text in texts(tmp_path / "one.svg") if text in OPTIMIZERS]
    assert shown == list(reversed(OPTIMIZERS))  # from the bottom, where the last of OPTIMIZERS has the lowest error


def test_no_two_lines_look_alike_without_colour():
    assert len(set(MARKERS)) == len(MARKERS) >= len(OPTIMIZERS)
    looks = {(MARKERS[index], DASHES[index % len(DASHES)]) for index in range(len(OPTIMIZERS))}
    assert len(looks) == len(OPTIMIZERS) and OURS not in COLOURS and "o" not in MARKERS


def test_what_ran_for_no_time_or_could_not_be_fitted_is_left_out(tmp_path):
    draw_optimizers(tmp_path / "one.svg", {"SGD": [(0.0, 1.0)], "Adam": CURVES["Adam"]}, [(None, None, 2)], title="a lattice")
    shown = texts(tmp_path / "one.svg")
    assert "Adam" in shown and not {"SGD", "ours, by width M"} & set(shown)


def test_a_line_is_the_lowest_error_so_far_up_to_its_end():
    points = [(0.0, 9.0), (1.0, 5.0), (2.0, 7.0), (3.0, 4.0), (4.0, 6.0), (5.0, 4.5)]
    assert _best_so_far(points) == [(1.0, 5.0), (3.0, 4.0), (5.0, 4.0)]
    assert _best_so_far(points[:4]) == [(1.0, 5.0), (3.0, 4.0)]
    assert _best_so_far([(0.0, 9.0)]) == []


CROWDED = [[0.5] * 5, [0.0, 0.01, 0.02, 0.9, 0.9], [0.2, 0.5, 0.8], [0.97, 0.98, 1.0], [0.3 + 0.01 * place for place in range(15)]]


@pytest.mark.parametrize("heights", CROWDED)
def test_names_keep_apart_and_inside(heights):
    places = _apart(heights)
    assert len(places) == len(heights) and places[0] >= -1e-12 and places[-1] <= 1 + 1e-12
    assert all(two - one >= LABEL_HEIGHT - 1e-12 for one, two in pairwise(places))
    if all(two - one >= LABEL_HEIGHT for one, two in pairwise(heights)):
        assert places == heights


def test_an_earlier_picture_is_not_drawn_over_unasked(tmp_path):
    path = tmp_path / "one.png"
    draw_optimizers(path, CURVES, FITS, title="a lattice")
    assert path.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(UserError, match="--force"):
        draw_optimizers(path, CURVES, FITS, title="a lattice")
    draw_optimizers(path, CURVES, FITS, title="a lattice", force=True)
