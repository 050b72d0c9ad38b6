"""The numbers of a table, read once and checked, on the disk instead of in memory."""

from typing import NamedTuple

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.progress import stage
from hnn_hpc.quantities import count
from hnn_hpc.samples.survey import coordinate_name


class CheckedRows(NamedTuple):
    """values (K, C): a memory map, the columns in the order of `FoundColumns`; lower, upper (D,): the limits of the coordinates."""

    values: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def read_checked(table, columns, stream, progress=None):
    """Return the `CheckedRows` of the columns (`FoundColumns`) of a table; their numbers go to the binary stream, which is empty.

    Raises `UserError`, with the place of a NaN or infinite number, or where a coordinate is constant or another one's copy.
    """
    numbers, dimension = [*columns.coordinates, *columns.velocities, *columns.energy, *columns.time], len(columns.coordinates)
    lower, upper, same, rows = np.full(dimension, np.inf), np.full(dimension, -np.inf), None, 0
    with stage(progress, "read", table.size) as on_read:
        for values in table.slices(numbers, *columns.trajectory, on_read=on_read):
            for row, column in np.argwhere(~np.isfinite(values))[:1]:
                where, found = f"{table.place(rows + row)}: {numbers[column].name}", values[row, column]
                raise UserError(f"{where} is {found}; expected a finite number: repair or remove it")
            points = values[:, :dimension]
            lower, upper = np.minimum(lower, points.min(axis=0)), np.maximum(upper, points.max(axis=0))
            same = _copies(points, same)
            stream.write(np.ascontiguousarray(values, "<f8"))
            rows += len(values)
    stream.flush()
    _refuse_constant(table, columns.coordinates, lower, upper, rows)
    for first, second in same[:1]:
        names = [f"{coordinate_name(place, dimension)} ({columns.coordinates[place].name})" for place in (first, second)]
        raise UserError(f"{names[0]} and {names[1]} of {table.location} are the same in every row; is one a copy of the other?")
    return CheckedRows(np.memmap(stream, "<f8", "r", shape=(rows, sum(map(len, columns)))), lower, upper)


def _copies(points, before):
    """Return the pairs of columns that are equal in these rows, of those in the list `before` or, where it is None, of all."""
    if before is None:
        before = np.argwhere(np.triu(points[0][:, None] == points[0], 1)).tolist()
    return [pair for pair in before if np.array_equal(points[:, pair[0]], points[:, pair[1]])]


def _refuse_constant(table, coordinates, lower, upper, rows):
    for place in np.flatnonzero(lower == upper)[:1]:
        raise UserError(
            f"the coordinate {coordinate_name(place, len(coordinates))} ({coordinates[place].name}) of {table.location} is constant, "
            f"{lower[place]:g} in {count(rows, 'row')}, so that H cannot be learned along it; leave out that degree of freedom or vary it"
        )
