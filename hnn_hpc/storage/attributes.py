"""Attributes of HDF5 files, to and from plain Python values.

Text, numbers, booleans and their arrays are stored as they are, everything else as JSON text. Text has a fixed length: where a damaged
file has lost text of variable length, HDF5 searches for ever.
"""

import json

import h5py
import numpy as np

from hnn_hpc.json_text import json_text

JSON_STARTS = ("{", "[", '"')
INT64 = np.iinfo(np.int64)


def write_attributes(file, attributes):
    """Store a dictionary as attributes of the file's root; None means absent and is left out.

    Dictionaries, lists, arrays and paths nest freely; arrays and tuples come back as lists, paths as text, NaN in a dictionary as None.
    """
    for name, value in attributes.items():
        if value is not None:
            data, dtype = _stored(value)
            file.attrs.create(name, data, dtype=dtype)


def read_attributes(file):
    """Return every attribute of the file's root as a plain Python value, fit for JSON."""
    return {name: read_attribute(file, name) for name in file.attrs}


def read_attribute(file, name):
    """Return one attribute as a plain Python value, None where there is none, and a text that says why where it cannot be read."""
    if name not in file.attrs:
        return None
    try:
        value = _plain(file.attrs[name])
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        return f"unreadable: {error}"
    if isinstance(value, str) and value.startswith(JSON_STARTS):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):  # text of somebody else's file that only looks like ours
            return value
    return value


def _stored(value):
    """Return the data and the type that h5py gets for a value."""
    if isinstance(value, str):
        as_it_is = value and value.isprintable() and not value.startswith(JSON_STARTS)
    elif isinstance(value, int):
        as_it_is = INT64.min <= value <= INT64.max
    else:
        as_it_is = isinstance(value, (float, np.ndarray, np.generic)) and np.asarray(value).dtype.kind in "biuf"
    if as_it_is and not isinstance(value, str):
        return value, None
    # A path may hold bytes that are no text, which Python reads as lone surrogates: escaped here just as JSON escapes them.
    text = (value if as_it_is else json_text(value)).encode("utf-8", "backslashreplace")
    return text, h5py.string_dtype("utf-8", len(text))


def _plain(value):
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
