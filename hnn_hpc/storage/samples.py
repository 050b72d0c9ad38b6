"""Sample files, read and written in slices: no rank ever holds more rows than it asked for."""

import math
import os
from contextlib import ExitStack
from functools import cached_property

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.samples import StepSamples
from hnn_hpc.samples.source import Samples
from hnn_hpc.samples.steps import MIDPOINT
from hnn_hpc.storage.atomic import written_beside
from hnn_hpc.storage.attributes import read_attribute
from hnn_hpc.storage.schema import check_phase_space, check_shape, checked_dataset, create_file, damage_reported, open_file

MOST_TRAJECTORIES, STATES_OF_EACH = 64, 64  # whose energies fix the constant of H
PROVENANCE = ("system", "parameters", "box", "seed", "units", "model", "method")


class SampleFile:
    """The samples of an HDF5 file as a `SampleSource`; trajectories count as their rows, one trajectory after the other.

    Opening reads and checks shapes and attributes only (`UserError`). Many processes may read one file and many threads may share one
    SampleFile. It can be pickled: the copy opens the file where it is first used.
    """

    step = None

    def __init__(self, path):
        self.location = os.path.abspath(os.fsdecode(path))  # absolute, for a copy that wakes up in another working directory
        points = self._datasets[0]
        self.count, self.dimension = math.prod(points.shape[:-1]), points.shape[-1]
        self.has_energies = len(self._datasets) == 3
        with damage_reported(self.location):
            self.reference = _read_reference(self._file, self.dimension)
            self.description = _read_description(self._file)

    def read(self, start, stop):
        """Return the rows [start, stop) as `Samples` of float64: points (B, D), velocities (B, D) and energies (B,) or None."""
        if not 0 <= start <= stop <= self.count:
            raise IndexError(f"rows {start} to {stop} of {self.location}, which has {self.count}")
        with damage_reported(self.location):
            trajectories = self._datasets[0].ndim == 3
            return Samples(*(_read_rows(dataset, start, stop, trajectories) for dataset in self._datasets))

    @cached_property
    def _file(self):
        return open_file(self.location, "samples")

    @cached_property
    def _datasets(self):
        """The datasets of the points, the velocities and, where there are any, the energies."""
        with damage_reported(self.location):
            return _checked_datasets(self._file)

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name not in ("_file", "_datasets")}


class TrajectoryFile:
    """The states of the trajectories of an HDF5 file, for `samples.StepSamples`: T trajectories of N states of D coordinates.

    Velocities are not needed, and not read. Opening checks as `SampleFile` does; many processes and threads may read, and copies open the
    file for themselves.
    """

    def __init__(self, path):
        self.location = os.path.abspath(os.fsdecode(path))
        with damage_reported(self.location):
            self.trajectories, self.states, self.dimension = self._dataset.shape
            self.time_step = _read_time_step(self._file)
            if self.time_step is None:
                raise UserError(
                    f"{self.location} has /trajectories without /velocities, but no /time_step, the time from one state to the next, which "
                    "velocities are made with; add this number"
                )
            self.reference = _read_reference(self._file, self.dimension)
            self._has_energies = "energies" in self._file and bool(_checked_energies(self._file, self._dataset))
            self.description = _read_description(self._file)

    def some_energies(self):
        """Return some states (B, D) and their energies (B,), those that are finite, from all over the file; None where there are none."""
        if not self._has_energies:
            return None
        with damage_reported(self.location):
            chosen = np.unique(np.linspace(0, self.trajectories - 1, MOST_TRAJECTORIES, dtype=int))
            steps = slice(None, None, max(1, self.states // STATES_OF_EACH))
            states = np.concatenate([self._dataset[one, steps] for one in chosen]).astype(np.float64)
            energies = np.concatenate([self._file["energies"][one, steps] for one in chosen]).astype(np.float64)
        finite = np.isfinite(energies) & np.isfinite(states).all(axis=1)
        return (states[finite], energies[finite]) if finite.any() else None

    def read_states(self, start, stop):
        """Return the states [start, stop) of the T N, one trajectory after the other, (stop - start, D) float64."""
        with damage_reported(self.location):
            return _read_rows(self._dataset, start, stop, True)

    @cached_property
    def _file(self):
        return open_file(self.location, "samples")

    @cached_property
    def _dataset(self):
        with damage_reported(self.location):
            return _checked_positions(self._file)

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name not in ("_file", "_dataset")}


def open_samples(path, rule=None, stride=1):
    """Return the `SampleSource` of a file: `StepSamples` of trajectories without velocities, or where a rule is given; else a `SampleFile`.

    rule: a key of `samples.steps.ORDERS`, None for the midpoint; stride: see `StepSamples`.
    """
    with damage_reported(path), open_file(path, "samples") as file:
        without_velocities = "trajectories" in file and "velocities" not in file
        if stride != 1 and not (without_velocities or rule):
            raise UserError(f"{file.filename} has velocities, so stride = {stride} has no use; leave it out, or give a rule")
        if rule and "trajectories" not in file:
            raise UserError(f"{file.filename} has no /trajectories, of which rule = {rule!r} could make velocities; leave the rule out")
    return StepSamples(TrajectoryFile(path), rule or MIDPOINT, stride) if without_velocities or rule else SampleFile(path)


class SampleFileWriter:
    """Write a sample file piece by piece: `with SampleFileWriter(path, (K, D)) as file: file.write(start, samples)`.

    Parameters: path, shape ((K, D) of points or (T, N, D) of trajectories), energies (bool): whether there are any, velocities (bool):
    likewise, and of trajectories with a time step alone they may be missing; time_step (float or None): of trajectories, attributes
    (dict): those of PROVENANCE, reference_point, reference_energy, and any other, force (bool).
    The file gets its name when the block ends with every row written; `written_beside` tells the rest, and the errors.
    """

    def __init__(self, path, shape, *, energies=True, velocities=True, time_step=None, attributes=None, force=False):
        self._path, self._force, self._shape = path, force, tuple(shape)
        if not velocities and (len(self._shape) == 2 or time_step is None):
            raise ValueError(f"samples without velocities must be trajectories with a time step; got shape {self._shape}, {time_step}")
        self._time_step, self._attributes = time_step, attributes or {}
        self._count = self._unwritten = math.prod(self._shape[:-1])
        row_shape = self._shape[-1:]
        self._parts = {"points" if len(self._shape) == 2 else "trajectories": "points"}  # the field of `Samples` that a dataset holds
        self._parts |= {name: name for name, has in (("velocities", velocities), ("energies", energies)) if has}
        self._row_shapes = {name: () if name == "energies" else row_shape for name in self._parts}

    def __enter__(self):
        size = sum(8 * self._count * math.prod(row) for row in self._row_shapes.values())
        with ExitStack() as stack:
            temporary = stack.enter_context(written_beside(self._path, self._force, size))
            self._offsets = self._lay_out(temporary)
            self._stream = stack.enter_context(open(temporary, "r+b"))
            stack.push(self._refuse_incomplete)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def write(self, start, samples):
        """Write `Samples` as the rows [start, start + B), the inverse of `SampleFile.read`; every row once, in any order."""
        rows = len(samples.points)
        for name, row_shape in self._row_shapes.items():
            values = np.asarray(getattr(samples, self._parts[name]), dtype="<f8", order="C")
            if values.shape != (rows, *row_shape) or not 0 <= start <= self._count - rows:
                raise ValueError(f"{name} of shape {values.shape} from row {start} on do not fit a file of shape {self._shape}")
            self._stream.seek(self._offsets[name] + 8 * start * math.prod(row_shape))
            self._stream.write(values)
        self._unwritten -= rows

    def write_trajectories(self, first, trajectories, velocities=None, energies=None):
        """Write the trajectories [first, first + B): arrays (B, N, D), (B, N, D) and (B, N), None for what the file does not hold."""
        if trajectories.shape[1:] != self._shape[1:] or (velocities is not None and velocities.shape != trajectories.shape):
            raise ValueError(f"trajectories of shape {trajectories.shape} do not fit a file of shape {self._shape}")
        rows = Samples(*(None if part is None else part.reshape(-1, *part.shape[2:]) for part in (trajectories, velocities, energies)))
        self.write(first * self._shape[1], rows)

    def _lay_out(self, temporary):
        """Let HDF5 lay out the whole file and return where each dataset begins. The rows are then written without HDF5, which leaves the
        interpreter to crash at its exit when the disk fills up during a write."""
        with create_file(temporary, "samples", self._shape[-1], self._attributes) as file:
            if self._time_step is not None:
                file["time_step"] = float(self._time_step)
            for name, row_shape in self._row_shapes.items():
                dataset = file.create_dataset(name, self._shape[:-1] + row_shape, dtype="<f8")
                dataset[(-1,) * dataset.ndim] = 0.0  # HDF5 allocates a contiguous dataset, all of it, at the first write
            return {name: file[name].id.get_offset() for name in self._row_shapes}

    def _refuse_incomplete(self, error_type, *_):
        if error_type is None and self._unwritten:
            raise ValueError(f"{self._unwritten} rows of {self._path} were not written")


def _checked_datasets(file):
    points = _checked_positions(file)
    layout = ("T", "N", "D") if points.ndim == 3 else ("K", "D")
    datasets = [points, checked_dataset(file, "velocities", layout)]
    check_shape(file, "velocities", points.shape, f"that of {points.name}")
    if "energies" in file:
        datasets.append(_checked_energies(file, points))
    _read_time_step(file)
    return datasets


def _checked_positions(file):
    """Return the dataset of the points (K, D) or trajectories (T, N, D)."""
    path = file.filename
    if "points" in file and "trajectories" in file:
        raise UserError(f"{path} has both /points and /trajectories; expected one of them: remove the other")
    name, layout = ("trajectories", ("T", "N", "D")) if "trajectories" in file else ("points", ("K", "D"))
    points = checked_dataset(file, name, layout)
    check_phase_space(file, name)
    if not points.size:
        raise UserError(f"{path}: /{name} has shape {points.shape}, no sample at all; expected at least one")
    return points


def _checked_energies(file, points):
    energies = checked_dataset(file, "energies", ("T", "N") if points.ndim == 3 else ("K",))
    check_shape(file, "energies", points.shape[:-1], f"one energy a point of {points.name}")
    return energies


def _read_time_step(file):
    """Return the time from one state of a trajectory to the next, or None."""
    if "time_step" not in file:
        return None
    time_step = float(checked_dataset(file, "time_step", ())[()])
    if not 0 < time_step < math.inf:
        raise UserError(f"{file.filename}: /time_step is {time_step}; expected a positive number")
    return time_step


def _read_description(file):
    said = {name: read_attribute(file, name) for name in PROVENANCE}
    return {"file": os.path.abspath(file.filename)} | {name: value for name, value in said.items() if value is not None}


def _read_reference(file, dimension):
    said = read_attribute(file, "reference_point"), read_attribute(file, "reference_energy")
    if said == (None, None):
        return None
    try:
        x0, energy = (np.array(value, dtype=np.float64) for value in said)
    except (TypeError, ValueError):
        x0, energy = np.empty(0), np.empty(0)
    if x0.shape != (dimension,) or energy.shape != () or not (np.isfinite(x0).all() and np.isfinite(energy)):
        raise UserError(
            f"{file.filename}: expected the attributes reference_point ({dimension} finite numbers) and reference_energy (one); "
            f"got {said[0]!r} and {said[1]!r}: correct or remove both"
        )
    return x0, float(energy)


def _read_rows(dataset, start, stop, trajectories):
    """Rows [start, stop) of a (K, ...) dataset, or of a (T, N, ...) one as if it were (T N, ...). Those lie in up to three slices: the end
    of one trajectory, whole trajectories, and the beginning of one."""
    rows = np.empty((stop - start, *dataset.shape[1 + trajectories :]))
    if not trajectories:
        dataset.read_direct(rows, np.s_[start:stop])
        return rows
    steps, row = dataset.shape[1], start
    while row < stop:
        first, step = divmod(row, steps)
        whole = (stop - row) // steps if step == 0 else 0
        length = whole * steps or min(steps - step, stop - row)
        slices, shape = (np.s_[first : first + whole], (whole, steps)) if whole else (np.s_[first, step : step + length], (length,))
        dataset.read_direct(rows[row - start : row - start + length].reshape(*shape, *rows.shape[1:]), slices)
        row += length
    return rows
