"""Model files: the arrays of a trained model and, as attributes, everything else."""

import io
import reprlib

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.features import coordinates_from_dict, plain_coordinates
from hnn_hpc.storage.atomic import written_beside
from hnn_hpc.storage.attributes import read_attribute, read_attributes
from hnn_hpc.storage.schema import (
    HEADER,
    check_ordering,
    check_phase_space,
    check_shape,
    checked_dataset,
    create_file,
    damage_reported,
    open_file,
)
from hnn_hpc.values import whole_number

LAYOUTS = {"weights": ("M", "E"), "biases": ("M",), "coefficients": ("M",), "constant": ()}
ATTRIBUTES = {"activation": str, "constant_known": bool, "domain": list, "provenance": dict}
DAMPING = "damping"  # a dataset (n,) that only models with dissipation have
COORDINATES = "coordinates"  # an attribute that only models in derived coordinates have


def save_model_file(path, arrays, attributes, force=False):
    """Write a model file beside `path` and rename it.

    Parameters: path, arrays (dict): weights (M, E), biases (M,), coefficients (M,), constant (float), DAMPING (n,) or None, attributes
    (dict): those of ATTRIBUTES, domain as an array (D, 2), COORDINATES as `Coordinates.as_dict` tells them where E columns of W are not the
    D coordinates themselves, and any other that `write_attributes` takes, force (bool): replace a file.
    Errors: those of `written_beside`.
    """
    with written_beside(path, force) as temporary:
        image = io.BytesIO()  # a model fits in memory, and HDF5 does not survive a disk that fills up
        with create_file(image, "model", len(attributes["domain"]), attributes) as file:
            for name in LAYOUTS:
                file[name] = np.asarray(arrays[name], dtype="<f8")
            if arrays.get(DAMPING) is not None:
                file[DAMPING] = np.asarray(arrays[DAMPING], dtype="<f8")
        temporary.write_bytes(image.getvalue())


def load_model_file(path):
    """Return (arrays, attributes) as `save_model_file` got them: float64 arrays, the constant a float, lists for arrays in the attributes.

    Raises `UserError` for whatever `schema.open_file` refuses, and where something is missing, does not fit together or is not finite.
    """
    with damage_reported(path), open_file(path, "model") as file:
        sizes = dict(zip("ME", checked_dataset(file, "weights", LAYOUTS["weights"]).shape, strict=True))
        coordinates = _checked_coordinates(path, file, sizes["E"])
        if not sizes["M"]:
            raise UserError(f"{path}: /weights has shape {file['weights'].shape}, no feature at all; expected at least one")
        for name, layout in LAYOUTS.items():
            checked_dataset(file, name, layout)
            check_shape(file, name, tuple(sizes[letter] for letter in layout), f"M = {sizes['M']} features of {_told(coordinates)}")
        arrays = {name: np.asarray(file[name][()], dtype=np.float64) for name in LAYOUTS}
        if DAMPING in file:
            checked_dataset(file, DAMPING, ("n",))
            check_shape(file, DAMPING, (coordinates.dimension // 2,), "one number a momentum")
            arrays[DAMPING] = np.asarray(file[DAMPING][()], dtype=np.float64)
        attributes = {name: value for name, value in read_attributes(file).items() if name not in HEADER}
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            where = f" in row {np.argwhere(~np.isfinite(values))[0][0]}" if values.ndim else ""
            raise UserError(f"{path}: /{name} holds NaN or infinity{where}; expected finite numbers: train the model again")
    for name, kind in ATTRIBUTES.items():
        if not isinstance(attributes.get(name), kind):
            raise UserError(f"{path}: the attribute {name} is {attributes.get(name)!r}; expected a {kind.__name__}: train the model again")
    _check_domain(path, attributes["domain"], coordinates.dimension)
    return arrays | {"constant": float(arrays["constant"])}, attributes


def _checked_coordinates(path, file, columns):
    """Return the `Coordinates` of the features, from the attribute or else plain, for weights of so many columns."""
    table = read_attribute(file, COORDINATES)
    if table is None:
        check_phase_space(file, "weights")
        return plain_coordinates(columns)
    check_ordering(file)
    try:
        dof = whole_number(read_attribute(file, "dof"), "dof", 1, columns // 2)  # each coordinate has a column at least
        coordinates = coordinates_from_dict(2 * dof, table)
    except UserError as error:
        raise UserError(f"{path}: the attributes dof and {COORDINATES} cannot be used: {error}: train the model again") from None
    if coordinates.count != columns:
        raise UserError(f"{path}: /weights has {columns} columns; expected {_told(coordinates)}: train the model again")
    return coordinates


def _told(coordinates):
    E, D = coordinates.count, coordinates.dimension
    return f"D = {D} coordinates" if coordinates.is_plain else f"E = {E} columns, derived from D = {D} coordinates"


def _check_domain(path, domain, dimension):
    try:
        limits = np.array(domain, dtype=np.float64)
    except (TypeError, ValueError):
        limits = np.empty(0)
    if limits.shape != (dimension, 2) or not np.isfinite(limits).all() or (limits[:, 0] > limits[:, 1]).any():
        raise UserError(
            f"{path}: the attribute domain is {reprlib.repr(domain)}; expected {dimension} pairs of finite numbers, the lower and then the "
            "upper limit of each coordinate: train the model again"
        )
