"""Arrays of numpy as a table: those of an .npz file by their names, or the one of an .npy file.

An array (K,) is a column, an array (K, C) is C columns, and so is (T, N, C), whose rows are T trajectories of N states; beside it (T, N) is
one column, and times may be (N,) too. Where there is one array alone, its columns have numbers from 1 on, or the names of its fields.
"""

import math
import zipfile
import zlib

import numpy as np
from numpy.lib import format as npy

from hnn_hpc.errors import UserError
from hnn_hpc.quantities import count
from hnn_hpc.tables.columns import Column, Labels, look_up_column

SLICE_BYTES = 4 * 2**20
ALONE = "array"  # the name of that of an .npy file
DAMAGE = (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error)  # what numpy raises over a file that is none of its own


class ArrayTable:
    """A table in an .npz or .npy file (see the module). Opening reads the headers of the arrays; `size` is the number of rows.

    An .npy file stays on the disk and is read slice by slice; those arrays of an .npz file that are asked for are held in memory.
    """

    def __init__(self, path, coordinates=()):
        self.location, self._loaded = path, {}
        try:
            self._types = _types(path)
        except DAMAGE as error:
            raise self._damaged(error) from None
        if not self._types:
            raise UserError(f"{path} holds no arrays; expected arrays of numbers")
        shapes = {name: shape for name, (shape, _) in self._types.items()}
        leading = [shapes[name] for name in coordinates if name in shapes] or [*shapes.values()]
        self.trajectory_shape = next((shape[:2] for shape in leading if len(shape) == 3), None)
        self.size = math.prod(self.trajectory_shape) if self.trajectory_shape else max((shape[0] for shape in leading if shape), default=0)
        self.form = "numpy, " + ", ".join(f"{name} {shape}" for name, shape in shapes.items())

    def find(self, names):
        """Return the list of all `Column`s of these arrays, or, where there is one array alone, of those of its columns."""
        return [column for name in names for column in self._columns(name)]

    def find_time(self, name):
        """Return the list of the `Column`s of an array of times, which may be the same for all trajectories."""
        if self.trajectory_shape and name in self._types and self._types[name][0] == self.trajectory_shape[1:]:
            return [Column(name, np.broadcast_to(self._array(name), self.trajectory_shape).reshape(-1))]
        return self.find([name])

    def slices(self, columns, label=None, on_read=lambda size: None):
        """Yield arrays (B, C) of the columns; with `label`, a `Column` of any values, the number of its value is one more column.

        `on_read` is told the rows of every slice. UserError where the columns differ in length or are not real numbers.
        """
        labels, every = Labels(), [*columns, *filter(None, [label])]
        rows = len(every[0].key)
        self._check(columns, every, rows)
        step = max(1, SLICE_BYTES // (8 * len(every)))
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            values = [column.key[start:stop].astype(np.float64) for column in columns]
            if label is not None:
                values.append(labels.numbers(label.key[start:stop].tolist()))
            yield np.column_stack(values)
            on_read(stop - start)

    def place(self, row):
        """Return the index of a row, or those of its trajectory and state, and the name of the file."""
        if self.trajectory_shape:
            trajectory, state = divmod(row, self.trajectory_shape[1])
            return f"trajectory {trajectory}, state {state} (from 0 on) of {self.location}"
        return f"row {row} (from 0 on) of {self.location}"

    def _columns(self, name):
        shape = self._types[name][0] if name in self._types else ()
        alone = next(iter(self._types)) if len(self._types) == 1 else None
        if name not in self._types and alone is not None and len(self._types[alone][0]) > 1:
            every = self._columns(alone)
            if not (name.isdecimal() and 1 <= int(name) <= len(every)):
                raise UserError(f"{self.location} has no column {name!r}; the columns of its one array are named 1 to {len(every)}")
            return [every[int(name) - 1]]
        look_up_column(name, [*self._types], self.location, "array")
        axes = 2 if self.trajectory_shape else 1  # of the rows
        if len(shape) not in (axes, axes + 1) or shape[:axes] != (self.trajectory_shape or shape[:1]):
            raise UserError(f"{name} of {self.location} has shape {shape}; expected {_expected(self.trajectory_shape)}")
        width = math.prod(shape[axes:])
        columns = self._array(name).reshape(math.prod(shape[:axes]), width)
        names = [name] if len(shape) == axes else [f"column {number} of {name}" for number in range(1, width + 1)]
        return [Column(*pair) for pair in zip(names, columns.T, strict=True)]

    def _check(self, columns, every, rows):
        for column in columns:
            if column.key.dtype.kind not in "fiu":
                raise UserError(
                    f"{column.name} of {self.location} is of type {column.key.dtype}; expected integers or floating-point numbers"
                )
        for column in every:
            if len(column.key) != rows:
                raise UserError(
                    f"{column.name} of {self.location} has {count(len(column.key), 'row')}; expected {rows}, as {every[0].name} has"
                )
        if not rows:
            raise UserError(f"{every[0].name} of {self.location} has no rows; expected at least one")
        for column in every[len(columns) :]:
            for row in np.flatnonzero(column.key != column.key)[:1]:
                raise UserError(f"{self.place(row)}: {column.name} is {column.key[row]}; expected the name of a trajectory")

    def _array(self, name):
        if name not in self._loaded:
            try:
                file = np.load(self.location, mmap_mode="r", allow_pickle=False)
                if isinstance(file, np.ndarray):
                    self._loaded[name] = file if file.dtype.names is None else file[name]
                else:
                    with file:
                        self._loaded[name] = file[name]
            except DAMAGE as error:
                raise self._damaged(error) from None
        return self._loaded[name]

    def _damaged(self, error):
        return UserError(f"{self.location} is not a file that numpy.savez or numpy.save wrote, or damaged: {error}")


def _expected(trajectory_shape):
    if trajectory_shape is None:
        return "(K,), (K, C) or (T, N, C)"
    return "({0}, {1}) or ({0}, {1}, C), as the trajectories in the file".format(*trajectory_shape)


def _types(path):
    """Return {name: (shape, dtype)} of the arrays of a file, or of the fields of an .npy file's one structured array, by headers alone."""
    with open(path, "rb") as stream:
        if stream.read(2) != b"PK":
            stream.seek(0)
            shape, dtype = _header(stream)
            return {ALONE: (shape, dtype)} if dtype.names is None else {name: (shape, dtype[name]) for name in dtype.names}
    found = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            with archive.open(member) as stream:
                found[member.removesuffix(".npy")] = _header(stream)
    return found


def _header(stream):
    version = npy.read_magic(stream)
    shape, _, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(stream)
    return shape, dtype
