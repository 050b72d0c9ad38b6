"""What is in an HDF5 file, ours or anybody's: for people who look before they compute."""

import os

import h5py

from hnn_hpc.errors import UserError
from hnn_hpc.storage.attributes import read_attribute, read_attributes
from hnn_hpc.storage.model_file import load_model_file
from hnn_hpc.storage.samples import SampleFile
from hnn_hpc.storage.schema import HEADER, damage_reported, open_file, type_name


def describe(path):
    """Return a dictionary, fit for JSON, of what the file holds.

    file, bytes, kind ("samples", "model", what the file calls itself, or None), format_version (None in files of others), datasets (name
    -> shape and type) and attributes. Samples add samples, dof and energies; a model adds features and dof. Where the file cannot be used
    as its kind, `problem` says why. Raises `UserError` only where the file cannot be opened at all.
    """
    with damage_reported(path), open_file(path) as file:
        guess = "samples" if "points" in file or "trajectories" in file else None
        found = {
            "file": os.fsdecode(path),
            "bytes": os.path.getsize(path),
            "kind": read_attribute(file, "kind") or guess,
            "format_version": read_attribute(file, "format_version"),
            "datasets": _datasets(file),
            "attributes": {name: value for name, value in read_attributes(file).items() if name not in HEADER},
        }
    try:
        if found["kind"] == "samples":
            return found | _samples(SampleFile(path))
        if found["kind"] == "model":
            return found | _model(load_model_file(path)[0])
    except UserError as error:
        return found | {"problem": str(error)}
    return found


def _samples(source):
    return {"samples": source.count, "dof": source.dimension // 2, "energies": source.has_energies}


def _model(arrays):
    features, dimension = arrays["weights"].shape
    return {"features": features, "dof": dimension // 2}


def _datasets(file):
    found = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = {"shape": None if item.shape is None else list(item.shape), "type": type_name(item)}

    file.visititems(note)
    return found
