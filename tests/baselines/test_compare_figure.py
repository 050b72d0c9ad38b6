"""The picture of time to accuracy shows both ways of training, and the same file every time."""

from xml.etree import ElementTree

import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.report.compare_figure import draw_time_to_accuracy

CURVE = [(0.0, 1.0), (0.1, 0.9), (1.0, 0.2), (9.0, 0.05), (10.0, 0.06)]
FITS = [(0.01, 1.0, 2), (0.0101, 0.9, 4), (None, None, 8), (0.02, 1e-2, 16), (0.05, 1e-12, 32)]
LABELS = {"quantity": "H", "title": "a pendulum"}
LARGEST_SVG = 60_000  # bytes


def texts(path):
    return [element.text for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def test_both_curves_are_drawn_and_named_in_the_same_small_file(tmp_path):
    paths = tmp_path / "one.svg", tmp_path / "two.svg"
    for path in paths:
        draw_time_to_accuracy(path, CURVE, (9.0, 0.05), FITS, **LABELS)
    shown = texts(paths[0])
    assert {"ours, by features M", "Adam, as it trains", "Adam's best", "a pendulum"} <= set(shown)
    assert {"seconds of training", "relative error of H on test samples"} <= set(shown)
    assert {"4", "16", "32"} <= set(shown) and not {"2", "8"} & set(shown)  # 2 lies on 4, and 8 was not fitted
    assert paths[0].read_bytes() == paths[1].read_bytes() and paths[0].stat().st_size < LARGEST_SVG


def test_an_adam_that_never_got_better_and_no_fit_can_be_drawn(tmp_path):
    draw_time_to_accuracy(tmp_path / "few.svg", CURVE[:2], CURVE[0], [(None, None, 2)], **LABELS)
    assert "Adam, as it trains" in texts(tmp_path / "few.svg")


def test_an_earlier_picture_is_not_drawn_over_unasked(tmp_path):
    path = tmp_path / "one.png"
    draw_time_to_accuracy(path, CURVE, CURVE[3], FITS, **LABELS)
    assert path.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(UserError, match="--force"):
        draw_time_to_accuracy(path, CURVE, CURVE[3], FITS, **LABELS)
    draw_time_to_accuracy(path, CURVE, CURVE[3], FITS, **LABELS, force=True)
