"""What this program's HDF5 files have in common: their header, opening them, and checking a dataset, all with clear errors."""

import os
from contextlib import contextmanager
from itertools import islice

import h5py

from hnn_hpc.errors import UserError
from hnn_hpc.storage.attributes import read_attribute, write_attributes

FORMAT_VERSION = 1
ORDERING = "q1..qn,p1..pn"
KINDS = {
    "samples": "samples (`hnn-hpc generate` writes them)",
    "model": "a model (`hnn-hpc fit` writes it)",
    "graphs": "graphs of particles (`hnn-hpc generate` writes them)",
    "graph-model": "a model of graphs (`hnn-hpc fit` writes it)",
    "prediction": "predictions (`hnn-hpc predict` writes them)",
    "checkpoint": "a part of a checkpoint (`hnn-hpc fit` writes it while it runs)",
}
GRAPH_HEADER = ("format_version", "kind")
HEADER = (*GRAPH_HEADER, "dof", "ordering")


def open_file(path, kind=None):
    """Open an HDF5 file for reading and return it as `h5py.File`.

    Parameters: path (text or Path), kind (a key of KINDS, or None for any): what the file has to be. A file without the attributes
    `format_version` and `kind` is somebody else's and passes for samples or graphs, never for anything else.
    Raises `UserError`: missing, not a file, unreadable, not HDF5, truncated or damaged, of another kind or of a newer format version.
    """
    path = os.fsdecode(path)
    expected = f"expected an HDF5 file with {KINDS[kind]}" if kind else "expected an HDF5 file"
    if os.path.exists(path) and not os.path.isfile(path):
        raise UserError(f"{path} is {'a directory' if os.path.isdir(path) else 'not a regular file'}; {expected}")
    try:
        open(path, "rb").close()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; {expected}") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise UserError(f"cannot read {path!r}: {getattr(error, 'strerror', error)}; {expected}, readable") from error
    if not h5py.is_hdf5(path):
        raise UserError(f"{path} is not an HDF5 file ({os.path.getsize(path)} bytes); {expected}")
    with damage_reported(path):
        file = _open_locked_or_not(path)
        _check_header(file, kind, expected)
    return file


@contextmanager
def damage_reported(path):
    """Turn what h5py raises over a broken file into a `UserError` that carries HDF5's own reason."""
    try:
        yield
    except (OSError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is truncated or damaged; copy or write it again. HDF5 says: {reason}") from error


def create_file(target, kind, dimension, attributes):
    """Create an HDF5 file with the attributes that all kinds carry and those of the dictionary `attributes`; return it as `h5py.File`.

    Parameters: target (path or binary stream), kind (a key of KINDS), dimension: D of phase space, None for graphs. The format is that of
    HDF5 1.8, the first with checksums over its structure and without a limit of 64 KiB an attribute.
    """
    file = h5py.File(target, "w", libver=("v108", "v108"), locking=False)  # nobody else knows it yet
    header = {"format_version": FORMAT_VERSION, "kind": kind}
    if dimension is not None:
        header |= {"dof": dimension // 2, "ordering": ORDERING}
    write_attributes(file, attributes | header)
    return file


def checked_dataset(file, name, layout):
    """Return the dataset `name` of real numbers in as many dimensions as `layout`, such as ("K", "D"), has letters.

    Raises `UserError` where it is missing, a group, not numbers or of another number of dimensions.
    """
    expected = f"expected /{name} of shape ({', '.join(layout)})"
    if name not in file:
        raise UserError(f"{file.filename} has no dataset /{name}; {expected}, but the file holds {_contents(file)}")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise UserError(f"{file.filename}: /{name} is a group, not a dataset; {expected}")
    if dataset.shape is None or len(dataset.shape) != len(layout):
        raise UserError(f"{file.filename}: /{name} has shape {dataset.shape}; {expected}")
    if type_name(dataset) is None or dataset.dtype.kind not in "fiu":
        raise UserError(f"{file.filename}: /{name} is of type {type_name(dataset)}; {expected}, integers or floating-point numbers")
    return dataset


def check_shape(file, name, shape, reason):
    """Raise `UserError` unless the dataset `name` has this shape; `reason` says where the shape comes from."""
    if file[name].shape != shape:
        raise UserError(f"{file.filename}: /{name} has shape {file[name].shape}; expected {shape}, {reason}")


def check_phase_space(file, name):
    """Raise `UserError` unless the columns of dataset `name` are q1..qn, p1..pn, as far as the file tells."""
    columns, dof = file[name].shape[-1], read_attribute(file, "dof")
    if columns < 2 or columns % 2:
        raise UserError(f"{file.filename}: /{name} has {columns} columns; expected an even number, q1..qn and then p1..pn")
    check_ordering(file)
    if dof is not None and dof != columns // 2:
        raise UserError(f"{file.filename}: the attribute dof is {dof!r}; expected {columns // 2}, half the columns of /{name}")


def check_ordering(file):
    """Raise `UserError` where the file says that its coordinates come in another order than q1..qn, p1..pn."""
    ordering = read_attribute(file, "ordering")
    if ordering is not None and str(ordering).replace(" ", "") != ORDERING:
        raise UserError(f"{file.filename}: the attribute ordering is {ordering!r}; expected {ORDERING!r}: reorder the columns")


def type_name(dataset):
    """Return the name of the dataset's numpy type, or None where numpy has no such type."""
    try:
        return str(dataset.dtype)
    except TypeError:
        return None


def _contents(file):
    names = [f"/{name}" for name in islice(file, 9)]
    return ", ".join(names[:8] + ["..."] * (len(names) > 8)) or "nothing"


def _open_locked_or_not(path):
    """Lock where the file system can, so that a file still being written is noticed; those of some clusters cannot lock."""
    try:
        return h5py.File(path, "r", locking="best-effort")
    except BlockingIOError as error:
        raise UserError(f"{path} is being written by another program; wait until that has closed it") from error
    except OSError:
        return h5py.File(path, "r", locking=False)


def _check_header(file, kind, expected):
    found, version = read_attribute(file, "kind"), read_attribute(file, "format_version")
    if found is None or version is None:
        if kind not in (None, "samples", "graphs"):
            raise UserError(f"{file.filename} is not a {kind} file of this program; {expected}")
        return
    if kind is not None and found != kind:
        raise UserError(f"{file.filename} holds {KINDS.get(str(found), repr(found))}; {expected}")
    if not isinstance(version, int) or version < 1:
        raise UserError(f"{file.filename} has format version {version!r}; expected a whole number, at most {FORMAT_VERSION}")
    if version > FORMAT_VERSION:
        raise UserError(
            f"{file.filename} has format version {version}, and this program reads versions up to {FORMAT_VERSION}; "
            "install a newer hnn-hpc or write the file with this one"
        )
