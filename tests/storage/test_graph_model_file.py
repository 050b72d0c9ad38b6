"""Files of models of graphs: a model comes back bit for bit, and whatever is no whole model is refused."""

import json

import h5py
import numpy as np
import pytest
from file_changes import attribute, put
from graph_networks import CUTOFF, EVERY_EDGE, EVERY_NODE, KINDS, network, some_graphs

from hnn_hpc.errors import OutputError, UserError
from hnn_hpc.graph_model import GraphModel, load_graph_model
from hnn_hpc.storage import describe, holds_graphs, load_graph_model_file, save_graph_model_file

PROVENANCE = {"options": {"features": 5, "ridge": None}, "seed": 2**100, "certificate": {"relative_residual": 1e-12}}
NETWORKS = {
    "pairs": {"edges": EVERY_EDGE, "nodes": EVERY_NODE},
    "a cutoff and a kind left out": {"cutoff": CUTOFF, "kinds": KINDS[:2], "activation": "sine"},
    "messages": {"steps": 3},
    "messages with a cutoff": {"steps": 1, "cutoff": CUTOFF},
}
RANGES = {
    "momenta": {0: (0.0, 0.1 + 0.2), 1: (1e-300, 7.0)},
    "masses": {0: (1 / 3, 2.0), 1: (1.0, 1.0)},
    "lengths": {(0, 0): (0.1, 1.7), (0, 1): (0.3, 1 / 3), (1, 1): (1.0, 1.0)},
}


def model_of(about, seed, **others):
    feature_map = network(seed, **about)
    c = np.random.default_rng(seed).normal(size=feature_map.count)
    constants = {name: 0.1 * number - 1 / 3 for number, name in enumerate(feature_map.constants)}
    return GraphModel(feature_map, c, constants, True, RANGES, 2, PROVENANCE, **others)


@pytest.fixture
def model(seed):
    return model_of({"steps": 2, "edges": ("r", "m m")}, seed)


@pytest.fixture
def path(tmp_path, model):
    model.save(tmp_path / "model.h5")
    return tmp_path / "model.h5"


@pytest.mark.parametrize("about", NETWORKS.values(), ids=NETWORKS)
def test_a_model_comes_back_bit_for_bit(tmp_path, about, seed):
    model, graphs = model_of(about, seed), some_graphs(2, seed)
    if len(model.feature_map.pairs) < 3:
        graphs.species[:] = np.arange(graphs.particles) == 0  # without bonds 1-1
    model.save(tmp_path / "model.h5")
    loaded = load_graph_model(tmp_path / "model.h5")
    for name in ("constants", "constants_known", "ranges", "dimension", "provenance", "cutoff", "reach"):
        assert getattr(loaded, name) == getattr(model, name), name
    assert type(loaded.constants_known) is bool and type(loaded.dimension) is int
    np.testing.assert_array_equal(loaded.coefficients, model.coefficients)
    for ours, theirs in zip(loaded.feature_map.layers, model.feature_map.layers, strict=True):
        np.testing.assert_array_equal(ours.weights, theirs.weights)
        np.testing.assert_array_equal(ours.biases, theirs.biases)
    np.testing.assert_array_equal(loaded.energies_of_particles(graphs), model.energies_of_particles(graphs))
    for ours, theirs in zip(loaded.gradient(graphs), model.gradient(graphs), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(loaded.outside(graphs), model.outside(graphs), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    loaded.save(tmp_path / "again.h5")
    assert load_graph_model_file(tmp_path / "again.h5")[2] == load_graph_model_file(tmp_path / "model.h5")[2]


def test_a_model_without_constants(tmp_path, seed):
    feature_map = network(seed, cutoff=CUTOFF)
    GraphModel(feature_map, np.ones(feature_map.count), {}, False, RANGES, 3).save(tmp_path / "model.h5")
    loaded = load_graph_model(tmp_path / "model.h5")
    assert (loaded.constants, loaded.constants_known, loaded.provenance, loaded.dimension) == ({}, False, {}, 3)


def test_layout_and_header(path, model):
    with h5py.File(path) as file:
        assert (file.attrs["format_version"], file.attrs["kind"]) == (1, b"graph-model") and "dof" not in file.attrs
        assert set(file) == {"layers", "coefficients"} and len(file["layers"]) == len(model.feature_map.layers) == 2 + 3 + 2 + 2 * 3
        for number, layer in enumerate(model.feature_map.layers):
            assert file[f"layers/{number}/weights"].shape == layer.weights.shape and file[f"layers/{number}/biases"].dtype == "<f8"


def test_what_is_in_a_file_is_told(path, model):
    found = describe(path)
    assert (found["kind"], found["features"], found["layers"], found["dimension"]) == ("graph-model", model.feature_map.count, 13, 2)
    assert holds_graphs(path)


def test_other_files_hold_no_model_of_graphs(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["coefficients"] = np.ones(3)
    assert not holds_graphs(tmp_path / "other.h5")
    with pytest.raises(UserError, match="other.h5 is not a graph-model file of this program"):
        load_graph_model(tmp_path / "other.h5")
    with pytest.raises(UserError, match="none.h5 does not exist"):
        holds_graphs(tmp_path / "none.h5")


def test_existing_files_and_full_disks(path, model, full_disk):
    with pytest.raises(UserError, match="exists; pass --force"):
        model.save(path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"model\.h5: File too large; nothing was written"), full_disk() as limit_to:
        limit_to(1000)
        model.save(path, force=True)
    with pytest.raises(TypeError):
        GraphModel(model.feature_map, model.coefficients, {}, False, RANGES, 2, {"unfit for JSON": object()}).save(path, force=True)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]
    model.coefficients[0] = 7
    model.save(path, force=True)
    assert load_graph_model(path).coefficients[0] == 7


def test_files_of_plain_values(tmp_path):
    """The file knows nothing of networks: any layers, any number of them, in their order."""
    layers = [(np.full((number, 2), float(number)), np.arange(float(number))) for number in range(1, 13)]
    attributes = {"network": {"a": [1, None]}, "constants": {}, "constants_known": False, "ranges": {}, "dimension": 1, "provenance": {}}
    save_graph_model_file(tmp_path / "model.h5", layers, np.arange(3.0), attributes)
    found, coefficients, told = load_graph_model_file(tmp_path / "model.h5")
    assert told == attributes and coefficients.tolist() == [0, 1, 2]
    for (weights, biases), (expected, others) in zip(found, layers, strict=True):
        np.testing.assert_array_equal(weights, expected)
        np.testing.assert_array_equal(biases, others)


NOT_FINITE = "layers or coefficients hold NaN or infinity; expected finite numbers: train the model again"
BAD_MODELS = {
    "no coefficients": (put("coefficients", None), "has no dataset /coefficients; expected /coefficients of shape (M)"),
    "coefficients in columns": (put("coefficients", np.ones((3, 1))), "/coefficients has shape (3, 1)"),
    "coefficients in words": (put("coefficients", np.full(3, b"1")), "/coefficients is of type |S1"),
    "one coefficient": (put("coefficients", np.ones(1)), "1 coefficients for "),
    "coefficients that are NaN": (put("coefficients", np.full(3, np.nan)), NOT_FINITE),
    "infinite weights": (put("layers/3/weights", np.full((8, 2), np.inf)), NOT_FINITE),
    "infinite biases": (put("layers/0/biases", np.full(5, np.inf)), NOT_FINITE),
    "no layers": (put("layers", None), "what it says of its network cannot be used"),
    "layers that are a dataset": (put("layers", np.ones(3)), "what it says of its network cannot be used"),
    "layers that are a number": (put("layers", 1.0), "what it says of its network cannot be used"),
    "a layer less": (put("layers/12", None), "what it says of its network cannot be used"),
    "a layer in the middle less": (put("layers/5", None), "has no dataset /layers/5/weights"),
    "no weights": (put("layers/2/weights", None), "has no dataset /layers/2/weights; expected /layers/2/weights of shape (M, U)"),
    "no biases": (put("layers/2/biases", None), "has no dataset /layers/2/biases"),
    "flat weights": (put("layers/0/weights", np.ones(5)), "/layers/0/weights has shape (5,); expected /layers/0/weights of shape (M, U)"),
    "more biases": (
        put("layers/0/biases", np.ones(6)),
        "/layers/0/biases has shape (6,); expected (5,), one number a row of /layers/0/weights",
    ),
    "wide weights": (put("layers/2/weights", np.ones((7, 3))), "what it says of its network cannot be used"),
    "no network": (attribute("network", None), "the attribute network is None; expected a dict"),
    "a network of nothing": (attribute("network", "{}"), "what it says of its network cannot be used (KeyError('activation'))"),
    "a network in words": (attribute("network", "large"), "the attribute network is 'large'; expected a dict: train the model again"),
    "no constants": (attribute("constants", None), "the attribute constants is None; expected a dict"),
    "known, more or less": (attribute("constants_known", 0.5), "the attribute constants_known is 0.5; expected a bool"),
    "no ranges": (attribute("ranges", None), "the attribute ranges is None; expected a dict"),
    "ranges of nothing": (attribute("ranges", "{}"), "what it says of its network cannot be used (KeyError('momenta'))"),
    "ranges of one limit": (
        attribute("ranges", '{"momenta": [[0, 1]], "lengths": []}'),
        "what it says of its network cannot be used (ValueError",
    ),
    "ranges of numbers": (attribute("ranges", '{"momenta": 3, "lengths": []}'), "what it says of its network cannot be used (TypeError"),
    "half a dimension": (attribute("dimension", 1.5), "the attribute dimension is 1.5; expected a int"),
    "no provenance": (attribute("provenance", None), "the attribute provenance is None; expected a dict"),
    "newer": (attribute("format_version", 2), "format version 2, and this program reads versions up to 1"),
    "graphs": (
        attribute("kind", "graphs"),
        "holds graphs of particles (`hnn-hpc generate` writes them); expected an HDF5 file with a model of graphs",
    ),
    "a model of samples": (
        attribute("kind", "model"),
        "holds a model (`hnn-hpc fit` writes it); expected an HDF5 file with a model of graphs",
    ),
    "no kind": (attribute("kind", None), "is not a graph-model file of this program"),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_bad_models(path, case):
    change, words = BAD_MODELS[case]
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(UserError) as caught:
        load_graph_model(path)
    message = str(caught.value)
    assert words in message and str(path) in message and "\n" not in message


@pytest.mark.parametrize("name, value", [("activation", "step"), ("edge_invariants", ["v"]), ("node_invariants", [])])
def test_a_network_of_unknown_names(path, model, name, value):
    with h5py.File(path, "a") as file:
        told = describe(path)["attributes"]["network"] | {name: value}
        del file.attrs["network"]
        file.attrs["network"] = json.dumps(told)
    with pytest.raises(UserError) as caught:
        load_graph_model(path)
    assert str(path) in str(caught.value) and "train the model again" in str(caught.value)


def test_truncated_at_any_length(path):
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 401), len(whole) - 1]:
        cut = path.with_name(f"cut_at_{length}.h5")
        cut.write_bytes(whole[:length])
        with pytest.raises(UserError, match=f"{cut} is (truncated or damaged|not an HDF5 file)"):
            load_graph_model(cut)
