"""What is in an HDF5 file, ours or anybody's: for people who look before they compute."""

import os

import h5py

from hnn_hpc.errors import UserError
from hnn_hpc.parallel.checkpoint import ALL_BLOCKS
from hnn_hpc.parallel.layout import leaves_of
from hnn_hpc.storage.attributes import read_attribute, read_attributes
from hnn_hpc.storage.checkpoint_file import check_checkpoint_file
from hnn_hpc.storage.graph_file import GraphFile
from hnn_hpc.storage.graph_model_file import load_graph_model_file
from hnn_hpc.storage.model_file import load_model_file
from hnn_hpc.storage.samples import open_samples
from hnn_hpc.storage.schema import HEADER, damage_reported, open_file, type_name
from hnn_hpc.storage.solve_checkpoint import name_of, node_of


def describe(path):
    """Return a dictionary, fit for JSON, of what the file holds.

    file, bytes, kind ("samples", "model", "checkpoint", what the file calls itself, or None), format_version (None in files of others),
    datasets (name -> shape and type) and attributes. Samples add samples (of trajectories without velocities: pairs of states), dof and
    energies; a model adds features and dof; graphs and a model of them add their own sizes; a file of a checkpoint adds part and blocks,
    the first and last that it holds. Where the file cannot be used as its kind, `problem` says why.
    Raises `UserError` only where the file cannot be opened at all.
    """
    with damage_reported(path), open_file(path) as file:
        guess = "samples" if "points" in file or "trajectories" in file else "graphs" if "positions" in file else None
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
            return found | _samples(open_samples(path))
        if found["kind"] == "model":
            return found | _model(*load_model_file(path))
        if found["kind"] == "graphs":
            return found | _graphs(GraphFile(path, needs_derivatives=False))
        if found["kind"] == "graph-model":
            return found | _graph_model(*load_graph_model_file(path))
        if found["kind"] == "checkpoint":
            return found | _checkpoint(check_checkpoint_file(path))
    except UserError as error:
        return found | {"problem": str(error)}
    return found


def _samples(source):
    return {"samples": source.count, "dof": source.dimension // 2, "energies": source.has_energies}


def _model(arrays, attributes):
    return {"features": len(arrays["weights"]), "dof": len(attributes["domain"]) // 2}


def _graphs(source):
    return {"graphs": source.count, "particles": int(source.offsets[-1]), "dimension": source.dimension, "energies": source.has_energies}


def _graph_model(layers, coefficients, attributes):
    return {"features": len(coefficients), "layers": len(layers), "dimension": attributes["dimension"]}


def _checkpoint(attributes):
    part, blocks = attributes["part"], attributes["problem"]["blocks"]
    if not node_of(part) and name_of(part) not in ALL_BLOCKS:
        return {"part": part, "blocks": f"none of 0 to {blocks - 1}"}
    covered = leaves_of(node_of(part), blocks) if node_of(part) else range(blocks)
    return {"part": part, "blocks": f"{covered[0]} to {covered[-1]} of 0 to {blocks - 1}"}


def _datasets(file):
    found = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = {"shape": None if item.shape is None else list(item.shape), "type": type_name(item)}

    file.visititems(note)
    return found
