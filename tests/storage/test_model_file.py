"""Model files: what is saved is loaded, and whatever is no whole model is refused."""

import h5py
import numpy as np
import pytest
from file_changes import attribute, put

from hnn_hpc.errors import OutputError, UserError
from hnn_hpc.storage import describe, load_model_file, save_model_file

PROVENANCE = {"job": {"features": {"count": 7}}, "seed": 2**100, "certificate": {"relative_residual": 1e-12, "stop_reason": "converged"}}
DOMAIN = [[-1.0, 2.0], [0.1, 0.1], [-1e300, 5e-324], [0.0, 1.0]]
ATTRIBUTES = {"activation": "tanh", "constant_known": True, "domain": DOMAIN, "provenance": PROVENANCE, "note": "any other"}


@pytest.fixture
def arrays(seed):
    random = np.random.default_rng(seed)
    shapes = {"weights": (7, 4), "biases": 7, "coefficients": 7}
    return {name: random.normal(size=shape) for name, shape in shapes.items()} | {"constant": 0.1}


def test_round_trip(tmp_path, arrays):
    path = tmp_path / "model.h5"
    save_model_file(path, arrays, ATTRIBUTES | {"domain": np.array(DOMAIN)})
    loaded, attributes = load_model_file(path)
    assert loaded.keys() == arrays.keys() and attributes == ATTRIBUTES
    for name, expected in arrays.items():
        np.testing.assert_array_equal(loaded[name], expected)
    assert type(loaded["constant"]) is float
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_model_gives_the_same_bytes(tmp_path, arrays):
    for name in ("a.h5", "b.h5"):
        save_model_file(tmp_path / name, arrays, ATTRIBUTES)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_layout_and_header(tmp_path, arrays):
    save_model_file(tmp_path / "model.h5", arrays, ATTRIBUTES)
    with h5py.File(tmp_path / "model.h5") as file:
        assert {name: dataset.shape for name, dataset in file.items()} == {
            "weights": (7, 4),
            "biases": (7,),
            "coefficients": (7,),
            "constant": (),
        }
        assert file.attrs["format_version"] == 1 and file.attrs["dof"] == 2
        assert (file.attrs["kind"], file.attrs["ordering"]) == (b"model", b"q1..qn,p1..pn")


def test_existing_file(tmp_path, arrays):
    path = tmp_path / "model.h5"
    save_model_file(path, arrays, ATTRIBUTES)
    with pytest.raises(UserError, match="exists; pass --force"):
        save_model_file(path, arrays, ATTRIBUTES)
    save_model_file(path, arrays | {"constant": 0.2}, ATTRIBUTES, force=True)
    assert load_model_file(path)[0]["constant"] == 0.2


def test_a_failure_leaves_the_old_file(tmp_path, arrays):
    path = tmp_path / "model.h5"
    save_model_file(path, arrays, ATTRIBUTES)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save_model_file(path, arrays, ATTRIBUTES | {"unfit for JSON": {"a": object()}}, force=True)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_full_disk(tmp_path, arrays, full_disk):
    error = pytest.raises(OutputError, match=r"model\.h5: File too large; nothing was written")
    with error, full_disk() as limit_to:
        limit_to(1000)
        save_model_file(tmp_path / "model.h5", arrays, ATTRIBUTES)
    assert list(tmp_path.iterdir()) == []


def test_large_provenance(tmp_path, arrays):
    large = ATTRIBUTES | {"provenance": {"job": "x" * 2**20, "seconds": list(range(2**16))}}
    save_model_file(tmp_path / "model.h5", arrays, large)
    assert load_model_file(tmp_path / "model.h5")[1] == large


BAD_MODELS = {
    "no weights": (put("weights", None), "no dataset /weights"),
    "flat weights": (put("weights", np.ones(7)), "/weights has shape (7,); expected /weights of shape (M, E)"),
    "odd weights": (put("weights", np.ones((7, 3))), "/weights has 3 columns"),
    "no features": (put("weights", np.ones((0, 4))), "no feature at all"),
    "weights in words": (put("weights", np.full((7, 4), b"1")), "/weights is of type |S1"),
    "no biases": (put("biases", None), "no dataset /biases"),
    "too few biases": (put("biases", np.ones(6)), "/biases has shape (6,); expected (7,), M = 7 features of D = 4 coordinates"),
    "too many coefficients": (put("coefficients", np.ones(8)), "/coefficients has shape (8,); expected (7,)"),
    "several constants": (put("constant", np.ones(1)), "/constant has shape (1,); expected /constant of shape ()"),
    "no constant": (put("constant", None), "no dataset /constant"),
    "no domain": (attribute("domain", None), "the attribute domain is None; expected a list"),
    "domain of two": (attribute("domain", np.ones((2, 2))), "the attribute domain is [[1.0, 1.0], [1.0, 1.0]]; expected 4 pairs"),
    "domain on its side": (attribute("domain", np.ones((2, 4))), "expected 4 pairs of finite numbers"),
    "domain upside down": (attribute("domain", np.tile([1.0, -1.0], (4, 1))), "the lower and then the upper limit"),
    "domain without end": (attribute("domain", np.tile([1.0, np.inf], (4, 1))), "expected 4 pairs of finite numbers"),
    "ragged domain": (attribute("domain", "[[0, 1], [0, 1], [0, 1], [0]]"), "expected 4 pairs of finite numbers"),
    "domain in words": (attribute("domain", '["a", "b"]'), "expected 4 pairs of finite numbers"),
    "NaN": (put("coefficients", np.array([0.0] * 5 + [np.nan, 1.0])), "/coefficients holds NaN or infinity in row 5"),
    "infinite constant": (put("constant", np.inf), "/constant holds NaN or infinity; expected finite numbers"),
    "no activation": (attribute("activation", None), "the attribute activation is None; expected a str"),
    "activation as a number": (attribute("activation", 3), "the attribute activation is 3"),
    "no provenance": (attribute("provenance", None), "the attribute provenance is None; expected a dict"),
    "constant half known": (attribute("constant_known", 0.5), "the attribute constant_known is 0.5; expected a bool"),
    "ordering": (attribute("ordering", "p1..pn,q1..qn"), "the attribute ordering is 'p1..pn,q1..qn'"),
    "dof": (attribute("dof", 1), "the attribute dof is 1; expected 2"),
    "newer": (attribute("format_version", 2), "format version 2, and this program reads versions up to 1"),
    "samples": (attribute("kind", "samples"), "holds samples (`hnn-hpc generate` writes them); expected an HDF5 file with a model"),
    "no kind": (attribute("kind", None), "is not a model file of this program; expected an HDF5 file with a model"),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_bad_models(tmp_path, arrays, case):
    change, words = BAD_MODELS[case]
    path = tmp_path / "bad.h5"
    save_model_file(path, arrays, ATTRIBUTES)
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(UserError) as caught:
        load_model_file(path)
    message = str(caught.value)
    assert words in message and str(path) in message and "\n" not in message


TABLE = {"angles": ["q1"], "differences": [["p1", "p2"]], "distances": []}  # z = (cos q1, sin q1, q2, p1, p2, p1 - p2)


@pytest.fixture
def derived(arrays):
    return arrays | {"weights": np.ones((7, 6))}


def test_derived_coordinates(tmp_path, derived):
    save_model_file(tmp_path / "model.h5", derived, ATTRIBUTES | {"coordinates": TABLE})
    loaded, attributes = load_model_file(tmp_path / "model.h5")
    assert loaded["weights"].shape == (7, 6) and attributes == ATTRIBUTES | {"coordinates": TABLE}
    with h5py.File(tmp_path / "model.h5") as file:
        assert file.attrs["dof"] == 2
    found = describe(tmp_path / "model.h5")
    assert (found["features"], found["dof"], found["attributes"]["coordinates"]) == (7, 2, TABLE) and "problem" not in found


def test_plain_coordinates_are_no_attribute(tmp_path, arrays):
    save_model_file(tmp_path / "model.h5", arrays, ATTRIBUTES | {"coordinates": None})
    with h5py.File(tmp_path / "model.h5") as file:
        assert "coordinates" not in file.attrs
    assert load_model_file(tmp_path / "model.h5")[1] == ATTRIBUTES


BAD_COORDINATES = {
    "a text": (attribute("coordinates", "angles"), "coordinates = 'angles': expected a table of angles, differences, distances"),
    "a number": (attribute("coordinates", 3), "coordinates = 3: expected a table"),
    "broken JSON": (attribute("coordinates", '{"angles": ["q1"'), "expected a table"),
    "unknown key": (attribute("coordinates", '{"angels": ["q1"]}'), "coordinates holds 'angels'"),
    "unknown name": (attribute("coordinates", '{"angles": ["q3"]}'), "unknown coordinate 'q3'; the coordinates are: q1, q2, p1, p2"),
    "fewer columns": (attribute("coordinates", '{"angles": ["q1"]}'), "/weights has 6 columns; expected E = 5 columns, derived from D = 4"),
    "plain after all": (attribute("coordinates", "{}"), "/weights has 6 columns; expected D = 4 coordinates"),
    "none": (attribute("coordinates", None), "the attribute dof is 2; expected 3, half the columns of /weights"),
    "no dof": (attribute("dof", None), "dof = None: expected a whole number"),
    "too large a dof": (attribute("dof", 10**12), "dof = 1000000000000: expected a whole number of at least 1 and at most 3"),
    "another dof": (attribute("dof", 1), "unknown coordinate 'p2'; the coordinates are: q1, p1"),
    "another domain": (attribute("domain", np.tile([0.0, 1.0], (6, 1))), "expected 4 pairs of finite numbers"),
    "ordering": (attribute("ordering", "p1..pn,q1..qn"), "the attribute ordering is 'p1..pn,q1..qn'"),
    "weights": (put("weights", np.ones((7, 4))), "/weights has 4 columns; expected E = 6 columns, derived from D = 4 coordinates"),
    "biases": (put("biases", np.ones(6)), "expected (7,), M = 7 features of E = 6 columns, derived from D = 4 coordinates"),
}


@pytest.mark.parametrize("case", BAD_COORDINATES)
def test_bad_coordinates(tmp_path, derived, case):
    change, words = BAD_COORDINATES[case]
    path = tmp_path / "bad.h5"
    save_model_file(path, derived, ATTRIBUTES | {"coordinates": TABLE})
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(UserError) as caught:
        load_model_file(path)
    message = str(caught.value)
    assert words in message and str(path) in message and "\n" not in message
    assert words in describe(path)["problem"]


def test_truncated_at_any_length(tmp_path, arrays):
    save_model_file(tmp_path / "model.h5", arrays, ATTRIBUTES)
    whole = (tmp_path / "model.h5").read_bytes()
    for length in range(0, len(whole), 61):
        path = tmp_path / f"cut_at_{length}.h5"
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=f"{path} is (truncated or damaged|not an HDF5 file)"):
            load_model_file(path)
