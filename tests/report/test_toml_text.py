"""The text of a job file, read again by tomllib."""

import tomllib

from hnn_hpc.report.toml_text import toml_text


def test_a_job_is_read_back_as_it_was():
    tables = {
        "data": {"system": "henon-heiles", "alpha": 1.0, "box": [[-5.0, 5.0], [1e-300, 2]], "samples": 20_000},
        "features": {"separable": False, "supports": [["q1", "q2"], ["p1"]], "bandwidth": "auto", "big": 1e30},
        "output": {"directory": 'a"b\\c\n<script>\x7f é', "is": True},
    }
    text = toml_text(tables | {"coordinates": {}})
    assert tomllib.loads(text) == tables and "[coordinates]" not in text


def test_what_is_not_given_is_left_out():
    assert tomllib.loads(toml_text({"data": {"a": None, "b": 1}})) == {"data": {"b": 1}}
