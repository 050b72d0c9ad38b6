"""The picture of error against width: what is in it, and that neither colour nor luck is needed to read it."""

from xml.etree import ElementTree

import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.report.width_figure import _styles, draw_errors
from hnn_hpc.reproduction import COLUMNS


def row(case, features, method, error=None, published=None):
    errors = error and {"mean": error, "min": 0.5 * error, "max": 3 * error}
    return {
        "case": case,
        "title": f"the case {case}",
        "features": features,
        "method": method,
        "energy_error": errors,
        "published": published and {"energy_error": published},
    }


ROWS = [
    row("a", 100, "elm", 1e-3),
    row("a", 2000, "hnn-adam", published=1e-3),
    row("a", 2000, "elm", 1e-6, 1e-5),
    row("a", 2000, "swim"),
    row("b", 50, "anchored", 1e-9),
    row("c", 50, "swim"),
]


def test_the_picture_names_cases_widths_and_everybody_who_has_a_figure(tmp_path):
    paths = tmp_path / "one.svg", tmp_path / "two.svg"
    for path in paths:
        draw_errors(path, ROWS, COLUMNS)
    shown = {element.text for element in ElementTree.parse(paths[0]).iter("{http://www.w3.org/2000/svg}text")}
    assert {"the case a", "the case b", "the case c", "100", "2 000", "features M", "relative error of H"} <= shown
    assert {"ELM", "ELM, published", "HNN, Adam, published", "auto"} <= shown
    assert not {"SWIM", "SWIM, published", "HNN, Adam", "auto, published"} & shown
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_markers_and_lines_tell_all_methods_apart():
    styles = _styles(COLUMNS)
    for kind in ("marker", "linestyle", "color"):
        ours = [style[kind] for method, style in styles.items() if method != "hnn-adam"]  # which has no line
        assert len(set(ours)) == len(ours), kind
    assert styles["hnn-adam"]["marker"] not in [style["marker"] for method, style in styles.items() if method != "hnn-adam"]


def test_it_is_not_drawn_over_unasked(tmp_path):
    draw_errors(tmp_path / "one.png", ROWS[:1], COLUMNS)
    assert (tmp_path / "one.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(UserError, match="--force"):
        draw_errors(tmp_path / "one.png", ROWS[:1], COLUMNS)
    draw_errors(tmp_path / "one.png", ROWS[:1], COLUMNS, force=True)
