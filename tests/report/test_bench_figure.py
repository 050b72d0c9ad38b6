"""The picture of a benchmark shows everybody who has a time, on the problems that differ in K alone or in M alone."""

from xml.etree import ElementTree

import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.report.bench_figure import draw_comparison, longest_series


def problem(samples, features, **runs):
    same = {"system": "henon-heiles", "parameters": {}, "sampler": "gradient-swim", "variation": "none", "noise": 0.0, "dimension": 4}
    return {**same, "samples": samples, "features": features, "runs": runs}


def run(seconds, note=None):
    spread = seconds and {"median": seconds, "lowest": 0.9 * seconds, "highest": 1.2 * seconds}
    return {"seconds": spread, "peak_memory_bytes": spread and dict.fromkeys(spread, 2e8), "note": note}


PROBLEMS = [
    problem(1000, 50, peer=run(1.0), ours=run(0.1), absent=run(None)),
    problem(8000, 50, peer=run(9.0, "stopped"), ours=run(0.5), absent=run(None)),
    problem(1000, 90, peer=run(2.0), ours=run(0.2, "capped"), absent=run(None, "not drawn")),
    problem(20, 10, peer=run(2.0), ours=run(0.2, "not drawn")),
]


def texts(path):
    return [element.text for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def test_the_series_are_those_that_differ_in_one_size_alone():
    sizes = {swept: [(one["samples"], one["features"]) for one in longest_series(PROBLEMS, swept)] for swept in ("samples", "features")}
    assert sizes == {"samples": [(1000, 50), (8000, 50)], "features": [(1000, 50), (1000, 90)]}


def test_the_picture_names_axes_and_everybody_who_has_a_time_and_what_is_to_be_said_of_them(tmp_path):
    paths = tmp_path / "one.svg", tmp_path / "two.svg"
    for path in paths:
        draw_comparison(path, PROBLEMS, ["peer"])
    shown = texts(paths[0])
    assert {"peer (partly stopped)", "ours (partly capped)", "samples K", "features M", "time of the solve (s)"} <= set(shown)
    assert {"henon-heiles, D = 4, M = 50", "henon-heiles, D = 4, K = 1 000", "8 000", "peak memory (MB)"} <= set(shown)
    assert not [text for text in shown if "absent" in text or "not drawn" in text]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_single_problem_can_be_drawn_and_is_not_drawn_over(tmp_path):
    draw_comparison(tmp_path / "one.png", PROBLEMS[:1], ["peer"])
    assert (tmp_path / "one.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(UserError, match="--force"):
        draw_comparison(tmp_path / "one.png", PROBLEMS[:1], ["peer"])
    draw_comparison(tmp_path / "one.png", PROBLEMS[:1], ["peer"], force=True)


def test_a_problem_without_any_time_can_be_drawn(tmp_path):
    draw_comparison(tmp_path / "none.png", [problem(1000, 50, absent=run(None))], [])
    assert (tmp_path / "none.png").exists()
