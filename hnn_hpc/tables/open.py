"""Which reader a file needs."""

import os

from hnn_hpc.errors import UserError
from hnn_hpc.tables.arrays import ArrayTable
from hnn_hpc.tables.text import TextTable

EXPECTED = "expected a table of numbers: text such as .csv, or .npz or .npy of numpy"


def open_table(path, coordinates=()):
    """Return the table of a file, an `ArrayTable` for paths that end in .npz or .npy, else a `TextTable`.

    coordinates: the names that will be asked for first; where these are arrays, they decide whether the rows are trajectories.
    Raises `UserError`: missing, not a file, unreadable, or not what its name says.
    """
    path = os.fsdecode(path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise UserError(f"{path} is {'a directory' if os.path.isdir(path) else 'not a regular file'}; {EXPECTED}")
    try:
        open(path, "rb").close()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; {EXPECTED}") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise UserError(f"cannot read {path!r}: {getattr(error, 'strerror', error)}; {EXPECTED}, readable") from error
    return ArrayTable(path, coordinates) if path.lower().endswith((".npz", ".npy")) else TextTable(path)
