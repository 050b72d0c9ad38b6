"""Files of graphs: HDF5 with the particles and bonds of all graphs one after the other; see the package's docstring for the layout."""

import io
import os
from functools import cached_property

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.graph_samples import GraphSamples
from hnn_hpc.graphs import Graphs, with_bonds
from hnn_hpc.storage.atomic import written_beside
from hnn_hpc.storage.attributes import read_attribute
from hnn_hpc.storage.schema import GRAPH_HEADER, check_shape, checked_dataset, create_file, damage_reported, open_file
from hnn_hpc.values import finite_number

KIND = "graphs"
OF_PARTICLES = {"positions": ("P", "d"), "momenta": ("P", "d"), "masses": ("P",), "species": ("P",)}
DERIVATIVES = ("velocities", "forces")
CUTOFF = "cutoff"
LARGEST_WHOLE = 2.0**53  # up to which floating-point numbers are exact


class GraphFile:
    """The graphs of a file (a `graph_samples.GraphSource`).

    needs_derivatives: whether velocities and forces must be there, as for a fit; else they are zeros where they are missing, such as of a
    state that a rollout begins with. Errors: `UserError` for whatever does not fit together; what is in the arrays is left to
    `graphs.check_graphs`.
    """

    def __init__(self, path, needs_derivatives=True):
        self.location = os.path.abspath(os.fsdecode(path))  # absolute, for a copy that wakes up in another working directory
        with damage_reported(path), open_file(path, KIND) as file:
            positions = checked_dataset(file, "positions", OF_PARTICLES["positions"])
            P, d = positions.shape
            if not P or not d:
                raise UserError(f"{path}: /positions has shape {(P, d)}; expected at least one particle, in one dimension or more")
            for name, layout in OF_PARTICLES.items():
                if name in file or name == "momenta":
                    checked_dataset(file, name, layout)
                    check_shape(file, name, (P, d)[: len(layout)], f"that of {P} particles in {d} dimensions")
            self.has_derivatives = all(name in file for name in DERIVATIVES)
            if needs_derivatives or any(name in file for name in DERIVATIVES):
                for name in DERIVATIVES:
                    checked_dataset(file, name, ("P", "d"))
                    check_shape(file, name, (P, d), "that of /positions")
            self.dimension, self.offsets = d, _offsets(file, "particle_offsets", P, "particles")
            self.count = len(self.offsets) - 1
            self._bond_offsets = np.zeros(self.count + 1, dtype=np.int64)
            if "bonds" in file:
                bonds = checked_dataset(file, "bonds", ("E", "2"))
                check_shape(file, "bonds", (len(bonds), 2), "two particles a bond")
                self._bond_offsets = _offsets(file, "bond_offsets", len(bonds), "bonds")
                if len(self._bond_offsets) != len(self.offsets):
                    raise UserError(
                        f"{path}: /bond_offsets tells of {len(self._bond_offsets) - 1} graphs, but /particle_offsets of {self.count}"
                    )
                if "shifts" in file:
                    checked_dataset(file, "shifts", ("E", "d"))
                    check_shape(file, "shifts", (len(bonds), d), "that of /bonds")
            if "boxes" in file:
                checked_dataset(file, "boxes", ("K", "d"))
                check_shape(file, "boxes", (self.count, d), f"that of {self.count} graphs in {d} dimensions")
            self.has_energies = "energies" in file
            if self.has_energies:
                checked_dataset(file, "energies", ("K",))
                check_shape(file, "energies", (self.count,), "one number a graph")
            cutoff = read_attribute(file, CUTOFF)
            if cutoff is not None and not finite_number(cutoff, f"{path}: the attribute {CUTOFF}") > 0:
                raise UserError(f"{path}: the attribute {CUTOFF} is {cutoff}; expected a length")
            if cutoff is not None and "bonds" in file:
                raise UserError(f"{path} has /bonds and the attribute {CUTOFF}, by which bonds are found; remove one of them")
            self.cutoff = None if cutoff is None else float(cutoff)
            self.description = {
                "file": self.location,
                **{name: read_attribute(file, name) for name in file.attrs if name not in GRAPH_HEADER},
            }

    def read(self, start, stop):
        """Return the `GraphSamples` of the graphs [start, stop)."""
        with damage_reported(self.location):
            return self._read(self._file, start, stop)

    def _read(self, file, start, stop):
        rows = slice(*self.offsets[[start, stop]])
        P, d = rows.stop - rows.start, self.dimension
        offsets = self.offsets[start : stop + 1] - rows.start
        bonds, shifts = np.empty((0, 2), dtype=np.int64), None
        if "bonds" in file:
            bonds = self._bonds(file, start, stop)
            shifts = _numbers(file["shifts"], slice(*self._bond_offsets[[start, stop]])) if "shifts" in file else None
        graphs = Graphs(
            _numbers(file["positions"], rows),
            _numbers(file["momenta"], rows),
            _numbers(file["masses"], rows) if "masses" in file else np.ones(P),
            self._whole_numbers(file["species"], rows) if "species" in file else np.zeros(P, dtype=np.int64),
            bonds,
            shifts,
            offsets,
            _numbers(file["boxes"], slice(start, stop)) if "boxes" in file else np.full((stop - start, d), np.inf),
        )
        if self.cutoff is not None:
            graphs = with_bonds(graphs, self.cutoff)
        changes = [_numbers(file[name], rows) if self.has_derivatives else np.zeros((P, d)) for name in DERIVATIVES]
        energies = _numbers(file["energies"], slice(start, stop)) if self.has_energies else None
        return GraphSamples(graphs, *changes, energies)

    def _bonds(self, file, start, stop):
        """Return the bonds of a run of graphs by the numbers of particles in the run; `UserError` for one that leads out of its graph."""
        first, last = self._bond_offsets[[start, stop]]
        bonds = self._whole_numbers(file["bonds"], slice(first, last))
        graphs = np.repeat(np.arange(stop - start), np.diff(self._bond_offsets[start : stop + 1]))
        offsets = self.offsets[start : stop + 1]
        sizes = np.diff(offsets)[graphs]
        nowhere = ((bonds < 0) | (bonds >= sizes[:, None])).any(axis=1)
        if nowhere.any():
            number = np.argmax(nowhere)
            graph = start + graphs[number]
            raise UserError(
                f"{self.location}: bond {first + number - self._bond_offsets[graph]} of graph {graph} joins the particles "
                f"{bonds[number].tolist()}; there are {sizes[number]} in it, counted from 0"
            )
        return bonds + (offsets[graphs] - offsets[0])[:, None]

    def _whole_numbers(self, dataset, rows):
        values = dataset[rows]
        broken = ~((np.abs(values) <= LARGEST_WHOLE) & (values == np.rint(values))) if values.dtype.kind == "f" else np.zeros(0, bool)
        if broken.any():
            raise UserError(f"{self.location}: {dataset.name} holds {values[broken][0]}; expected whole numbers")
        return values.astype(np.int64)

    @cached_property
    def _file(self):
        return open_file(self.location, KIND)

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_file"}


def save_graph_file(path, samples, cutoff=None, attributes=None, force=False, with_derivatives=True, others=None):
    """Write `GraphSamples` to a file beside `path` and rename it; with a cutoff without their bonds, which are found when it is read.

    others: {name: array} of whatever else is to be kept in it. Memory: as much again as the samples take.
    Errors: those of `written_beside`.
    """
    graphs, _, _, energies = samples
    arrays = {name: getattr(graphs, name) for name in OF_PARTICLES} | {"particle_offsets": graphs.offsets}
    if np.isfinite(graphs.boxes).any():
        arrays["boxes"] = graphs.boxes
    if cutoff is None:
        starts = np.repeat(graphs.offsets[:-1], np.diff(graphs.bond_offsets))
        arrays |= {"bonds": graphs.bonds - starts[:, None], "bond_offsets": graphs.bond_offsets}
        arrays |= {} if graphs.shifts is None else {"shifts": graphs.shifts}
    if with_derivatives:
        arrays |= {name: getattr(samples, name) for name in DERIVATIVES}
    if energies is not None:
        arrays["energies"] = energies
    arrays |= others or {}
    attributes = {name: value for name, value in (attributes or {}).items() if value is not None}
    size = sum(array.nbytes for array in arrays.values())
    with written_beside(path, force, size) as temporary:
        image = io.BytesIO()  # HDF5 does not survive a disk that fills up
        with create_file(image, KIND, None, attributes | ({} if cutoff is None else {CUTOFF: float(cutoff)})) as file:
            for name, array in arrays.items():
                file[name] = np.asarray(array, dtype="<i8" if array.dtype.kind in "iu" else "<f8")
        with image.getbuffer() as view, open(temporary, "wb") as stream:
            stream.write(view)


def _numbers(dataset, rows):
    return np.asarray(dataset[rows], dtype=np.float64)


def _offsets(file, name, total, what):
    """Return the offsets (K + 1,) of a file; of one graph where there are none."""
    if name not in file:
        return np.array([0, total])
    offsets = np.asarray(checked_dataset(file, name, ("K + 1",))[()])
    with np.errstate(invalid="ignore"):  # NaN is told as any other mistake
        whole = offsets.astype(np.int64)
    if len(whole) < 2 or whole[0] or whole[-1] != total or (np.diff(whole) < 0).any() or (whole != offsets).any():
        raise UserError(f"{file.filename}: /{name} must rise from 0 to the {total} {what}, one more number than there are graphs")
    return whole
