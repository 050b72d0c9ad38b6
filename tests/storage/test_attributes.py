"""Attributes come back as they went, whatever their size."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from hnn_hpc.storage.attributes import read_attributes
from hnn_hpc.storage.schema import HEADER, create_file

VALUES = {
    "text": "Hénon–Heiles",
    "empty text": "",
    "lines": "a\nb\tc\0d\\",
    "text like JSON": '{"a": 1',
    "text like a JSON text": '"quoted"',
    "text of 1 MB": "x" * 2**20,
    "true": True,
    "integer": -(2**63),
    "float": 0.1,
    "infinite": float("inf"),
    "integer beyond 64 bits": {"seed": 2**200},
    "nested": {"a": {"b": [1, 2.5, None, "c"]}, "d": {}},
    "list": [0.1, [1]],
    "path that is no text": "data-\udcff.h5",
    "dictionary of 1 MB": {str(key): key for key in range(2**16)},
}


def stored(attributes, path):
    with create_file(path, "samples", 2, attributes):
        pass
    with h5py.File(path) as file:
        found = read_attributes(file)
    json.dumps(found, allow_nan=True)
    return {name: value for name, value in found.items() if name not in HEADER}


@pytest.mark.parametrize("case", VALUES)
def test_round_trip(tmp_path, case):
    found = stored({"value": VALUES[case]}, tmp_path / "file.h5")
    assert found == {"value": VALUES[case]}
    assert type(found["value"]) is type(VALUES[case])


def test_arrays_come_back_as_lists_and_numpy_numbers_as_numbers(tmp_path):
    array = np.linspace(0, 1, 20_000)  # 160 kB, above the 64 KiB of HDF5's older formats
    attributes = {
        "array": array,
        "number": np.float64(0.1),
        "seed": np.uint64(2**64 - 1),
        "flag": np.bool_(True),
        "inner": {"a": array[:3]},
    }
    assert stored(attributes, tmp_path / "file.h5") == {
        "array": array.tolist(),
        "number": 0.1,
        "seed": 2**64 - 1,
        "flag": True,
        "inner": {"a": array[:3].tolist()},
    }


def test_paths_become_text_and_none_is_absent(tmp_path):
    assert stored({"path": Path("a/b"), "nothing": None}, tmp_path / "file.h5") == {"path": "a/b"}


def test_attributes_of_others(tmp_path):
    with h5py.File(tmp_path / "file.h5", "w") as file:
        file.attrs["variable"] = "text"
        file.attrs["fixed"] = np.bytes_("text")
        file.attrs["texts"] = ["a", "b"]
        file.attrs["almost JSON"] = "[1, 2"
        file.attrs["deep"] = "[" * 100_000
        file.attrs["nothing"] = h5py.Empty("f8")
        file.attrs["reference"] = file.ref
        file.attrs["pair"] = np.array((1, b"x"), dtype=[("a", int), ("b", "S1")])
        found = read_attributes(file)
    assert json.loads(json.dumps(found)) == found
    assert (found["variable"], found["fixed"], found["texts"], found["almost JSON"]) == ("text", "text", ["a", "b"], "[1, 2")
    assert (found["deep"], found["pair"]) == ("[" * 100_000, [1, "x"])
