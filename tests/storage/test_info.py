"""`describe` tells what is in a file, also where it cannot be used."""

import json

import h5py
import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.storage import SampleFileWriter, describe, save_model_file


def test_samples(tmp_path, samples):
    path = tmp_path / "samples.h5"
    with SampleFileWriter(path, (12, 5, 4), time_step=0.5, attributes={"system": "pendulum", "parameters": {"frequency": 2}}) as file:
        file.write(0, samples)
    found = describe(path)
    assert found == json.loads(json.dumps(found))
    assert found == {
        "file": str(path),
        "bytes": path.stat().st_size,
        "kind": "samples",
        "format_version": 1,
        "datasets": {
            "trajectories": {"shape": [12, 5, 4], "type": "float64"},
            "velocities": {"shape": [12, 5, 4], "type": "float64"},
            "energies": {"shape": [12, 5], "type": "float64"},
            "time_step": {"shape": [], "type": "float64"},
        },
        "attributes": {"system": "pendulum", "parameters": {"frequency": 2}},
        "samples": 60,
        "dof": 2,
        "energies": True,
    }


def test_trajectories_without_velocities(tmp_path, samples):
    path = tmp_path / "samples.h5"
    with SampleFileWriter(path, (12, 5, 4), velocities=False, energies=False, time_step=0.5) as file:
        file.write(0, samples)
    found = describe(path)
    assert found["kind"] == "samples" and set(found["datasets"]) == {"trajectories", "time_step"}
    assert found["datasets"]["trajectories"] == {"shape": [12, 5, 4], "type": "float64"}


def test_model(tmp_path):
    arrays = {"weights": np.ones((7, 4)), "biases": np.ones(7), "coefficients": np.ones(7), "constant": 0.0}
    attributes = {"activation": "tanh", "constant_known": False, "domain": np.zeros((4, 2)), "provenance": {"seed": 1}}
    save_model_file(tmp_path / "model.h5", arrays, attributes)
    found = describe(tmp_path / "model.h5")
    assert (found["kind"], found["features"], found["dof"]) == ("model", 7, 2)
    assert found["attributes"] == attributes | {"domain": [[0.0, 0.0]] * 4}
    assert found["datasets"]["weights"] == {"shape": [7, 4], "type": "float64"}


def test_foreign_samples(tmp_path):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["points"] = file["velocities"] = np.zeros((5, 2), "f4")
    found = describe(tmp_path / "foreign.h5")
    assert (found["kind"], found["format_version"], found["samples"], found["energies"]) == ("samples", None, 5, False)
    assert found["datasets"]["points"] == {"shape": [5, 2], "type": "float32"}


def test_samples_that_cannot_be_used(tmp_path):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["points"] = np.zeros((5, 3))
    found = describe(tmp_path / "foreign.h5")
    assert found["kind"] == "samples" and "3 columns" in found["problem"] and "samples" not in found


def test_anything_else(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["group/inner/counts"] = np.zeros(3, "i4")
        file["group/empty"] = h5py.Empty("f8")
        file.attrs["by"] = "somebody"
    found = describe(tmp_path / "other.h5")
    assert (found["kind"], found["format_version"], found["attributes"]) == (None, None, {"by": "somebody"})
    assert found["datasets"] == {
        "group/inner/counts": {"shape": [3], "type": "int32"},
        "group/empty": {"shape": None, "type": "float64"},
    }
    assert "problem" not in found


def test_what_cannot_be_opened(tmp_path):
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(UserError, match=r"text\.h5 is not an HDF5 file"):
        describe(tmp_path / "text.h5")
