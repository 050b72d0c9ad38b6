"""From a table in a file to a sample file, and what was written.

The table is read once; memory holds a slice of it, and of trajectories some 40 bytes a row. Its numbers wait in a nameless file on the disk
of the output until it is known how many trajectories there are.
"""

import os
from dataclasses import asdict
from typing import NamedTuple

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.importing.checked_rows import read_checked
from hnn_hpc.importing.pieces import piece_begins, piece_length, states_left_out, time_step, trajectory_rows
from hnn_hpc.importing.wanted import find_columns
from hnn_hpc.progress import stage
from hnn_hpc.samples import Samples
from hnn_hpc.samples.survey import coordinate_name
from hnn_hpc.storage import SampleFileWriter, check_writable, scratch_file
from hnn_hpc.tables import open_table
from hnn_hpc.version import __version__

SLICE_BYTES = 4 * 2**20


class _Pieces(NamedTuple):
    """Pieces of trajectories: the rows of a table in order, the place in it where each piece begins, and the states of a piece."""

    order: np.ndarray
    begins: np.ndarray
    states: int

    def rows(self, start, stop):
        """Return which rows of the table are the states [start, stop) of all pieces, one piece after the other."""
        piece, state = np.divmod(np.arange(start, stop), self.states)
        return self.order[self.begins[piece] + state]


def import_samples(path, output, wanted, force=False, progress=None):
    """Write the sample file `output` of the table in the file `path` and return what it holds, as a dictionary fit for JSON.

    With times (`Wanted`), or where the table's rows are trajectories already, it holds /trajectories: pieces of equal length, see `pieces`;
    else /points. Trajectories need no velocities; their pieces then share the state at which they meet, for it is steps that count.
    force (bool): replace an existing file. Raises `UserError` for whatever cannot be used, and then writes nothing; `OutputError` where
    the disk fills up.
    """
    check_writable(output, force)
    table = open_table(path, wanted.coordinates)
    if os.path.exists(output) and os.path.samefile(path, output):
        raise UserError(f"--output {output} is the table itself; give the sample file another name")
    columns = find_columns(table, wanted)
    dimension = len(columns.coordinates)
    names = [coordinate_name(place, dimension) for place in range(dimension)]
    with scratch_file(output) as stream:
        checked = read_checked(table, columns, stream, progress)
        pieces, size = _pieces(table, columns, wanted, checked.values)
        shape = (len(checked.values), dimension) if pieces is None else (len(pieces.begins), pieces.states, dimension)
        attributes = {"imported": {"file": path, "hnn_hpc": __version__} | {key: said for key, said in asdict(wanted).items() if said}}
        how = {"energies": bool(columns.energy), "velocities": bool(columns.velocities), "attributes": attributes, "force": force}
        with SampleFileWriter(output, shape, time_step=size.get("time_step"), **how) as file:
            _write(file, checked.values, columns, pieces, int(np.prod(shape[:-1])), progress)
    limits = zip(checked.lower.tolist(), checked.upper.tolist(), strict=True)
    return {
        "file": output,
        "source": path,
        "form": table.form,
        "rows": len(checked.values),
        "dof": dimension // 2,
        **size,
        "velocities": bool(columns.velocities),
        "energies": bool(columns.energy),
        "columns": {name: column.name for name, column in zip(names, columns.coordinates, strict=True)},
        "ranges": {name: list(pair) for name, pair in zip(names, limits, strict=True)},
    }


def _pieces(table, columns, wanted, values):
    """Return the `_Pieces` of the rows `values` (K, C), or None where they are points, and their sizes for people."""
    if not (table.trajectory_shape or columns.time or wanted.time_step is not None):
        return None, {"samples": len(values)}
    times = labels = None
    if columns.time:
        times = np.array(values[:, sum(map(len, columns[:3]))])
    if columns.trajectory:
        labels = values[:, -1].astype(np.int64)
    elif table.trajectory_shape:
        labels = np.repeat(np.arange(table.trajectory_shape[0]), table.trajectory_shape[1])
    order, edges = trajectory_rows(len(values), times, labels)
    shared = 0 if columns.velocities else 1
    states = piece_length(np.diff(edges), shared)
    step, deviation = wanted.time_step, None
    if times is not None:
        step, deviation = time_step(times, order, edges, table.place, wanted.time_tolerance)
    begins = piece_begins(edges, states, shared)
    return _Pieces(order, begins, states), {
        "trajectories_found": len(edges) - 1,
        "trajectories": len(begins),
        "states": states,
        "states_left_out": states_left_out(edges, states, shared),
        "time_step": step,
        "time_step_deviation": deviation,
    }


def _write(file, values, columns, pieces, count, progress):
    step, dimension = max(1, SLICE_BYTES // (8 * values.shape[1])), len(columns.coordinates)
    with stage(progress, "write", count) as on_write:
        for start in range(0, count, step):
            stop = min(start + step, count)
            rows = values[start:stop] if pieces is None else values[pieces.rows(start, stop)]
            points, rest = np.split(rows[:, : sum(map(len, columns[:3]))], [dimension], axis=1)
            velocities = rest[:, :dimension] if columns.velocities else None
            file.write(start, Samples(points, velocities, rest[:, -1] if columns.energy else None))
            on_write(stop - start)
