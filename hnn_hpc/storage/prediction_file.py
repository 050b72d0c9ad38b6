"""Files of predictions: arrays under their names, and the summary as an attribute."""

import io

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.storage.atomic import written_beside
from hnn_hpc.storage.attributes import read_attributes
from hnn_hpc.storage.schema import HEADER, create_file, damage_reported, open_file


def save_prediction_file(path, arrays, attributes, force=False):
    """Write a file of predictions beside `path` and rename it.

    Parameters: path, arrays (dict of arrays of numbers; "starts" (T, D) among them), attributes (dict), force (bool): replace a file.
    Errors: those of `written_beside`.
    """
    with written_beside(path, force) as temporary:
        image = io.BytesIO()  # it fits in memory, and HDF5 does not survive a disk that fills up
        with create_file(image, "prediction", arrays["starts"].shape[-1], attributes) as file:
            for name, values in arrays.items():
                file[name] = np.asarray(values, dtype="<f8")
        temporary.write_bytes(image.getvalue())


def load_prediction_file(path):
    """Return (arrays, attributes) as `save_prediction_file` got them. `UserError` for any other file."""
    with damage_reported(path), open_file(path, "prediction") as file:
        arrays = {name: np.asarray(file[name][()], dtype=np.float64) for name in file}
        attributes = {name: value for name, value in read_attributes(file).items() if name not in HEADER}
    if "starts" not in arrays:
        raise UserError(f"{path} has no dataset /starts; predict again")
    return arrays, attributes
