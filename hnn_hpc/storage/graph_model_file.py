"""Files of trained models of graphs: the hidden layers and the coefficients, and as attributes everything else."""

import io

import h5py
import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.storage.atomic import written_beside
from hnn_hpc.storage.attributes import read_attribute, read_attributes
from hnn_hpc.storage.schema import GRAPH_HEADER, check_shape, checked_dataset, create_file, damage_reported, open_file

KIND = "graph-model"
ATTRIBUTES = {"network": dict, "constants": dict, "constants_known": bool, "ranges": dict, "dimension": int, "provenance": dict}


def save_graph_model_file(path, layers, coefficients, attributes, force=False):
    """Write a model of graphs beside `path` and rename it.

    Parameters: path, layers: pairs (weights (M_l, U_l), biases (M_l,)), coefficients (M,), attributes (dict): those of ATTRIBUTES,
    force (bool): replace a file. Errors: those of `written_beside`.
    """
    with written_beside(path, force) as temporary:
        image = io.BytesIO()  # a model fits in memory, and HDF5 does not survive a disk that fills up
        with create_file(image, KIND, None, attributes) as file:
            for number, (weights, biases) in enumerate(layers):
                file[_name(number, "weights")], file[_name(number, "biases")] = (
                    np.asarray(each, dtype="<f8") for each in (weights, biases)
                )
            file["coefficients"] = np.asarray(coefficients, dtype="<f8")
        temporary.write_bytes(image.getvalue())


def holds_graphs(path):
    """Return whether a file is a model of graphs; `UserError` where it cannot be opened at all."""
    with damage_reported(path), open_file(path) as file:
        return read_attribute(file, "kind") == KIND


def load_graph_model_file(path):
    """Return (layers, coefficients, attributes) as `save_graph_model_file` got them.

    Raises `UserError` for whatever `schema.open_file` refuses, and where something is missing, does not fit together or is not finite.
    """
    with damage_reported(path), open_file(path, KIND) as file:
        count = len(file["layers"]) if isinstance(file.get("layers"), h5py.Group) else 0
        layers = [_read_layer(file, number) for number in range(count)]
        coefficients = np.asarray(checked_dataset(file, "coefficients", ("M",))[()], dtype=np.float64)
        attributes = {name: value for name, value in read_attributes(file).items() if name not in GRAPH_HEADER}
    if not all(np.isfinite(array).all() for array in (*(array for layer in layers for array in layer), coefficients)):
        raise UserError(f"{path}: layers or coefficients hold NaN or infinity; expected finite numbers: train the model again")
    for name, kind in ATTRIBUTES.items():
        if not isinstance(attributes.get(name), kind):
            raise UserError(f"{path}: the attribute {name} is {attributes.get(name)!r}; expected a {kind.__name__}: train the model again")
    return layers, coefficients, attributes


def _read_layer(file, number):
    weights = checked_dataset(file, _name(number, "weights"), ("M", "U"))
    biases = checked_dataset(file, _name(number, "biases"), ("M",))
    check_shape(file, _name(number, "biases"), weights.shape[:1], f"one number a row of /{_name(number, 'weights')}")
    return np.asarray(weights[()], dtype=np.float64), np.asarray(biases[()], dtype=np.float64)


def _name(number, what):
    return f"layers/{number}/{what}"
