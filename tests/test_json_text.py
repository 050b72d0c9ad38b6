"""Results as JSON."""

import json
from pathlib import Path

import numpy as np

from hnn_hpc.json_text import json_text


def test_numbers_that_json_has_not_become_null_and_the_rest_plain():
    value = {
        "a": np.float64("nan"),
        "b": (float("inf"), np.int64(3), np.bool_(True)),
        "c": np.array([[1.0, -np.inf]]),
        5: Path("x"),
        "d": None,
    }
    assert json.loads(json_text(value)) == {"a": None, "b": [None, 3, True], "c": [[1.0, None]], "5": "x", "d": None}


def test_one_line_and_exact():
    value = {"text": "two\nlines, α", "number": 0.1 + 0.2}
    assert "\n" not in json_text(value)
    assert json.loads(json_text(value)) == value
