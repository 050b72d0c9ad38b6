"""Samples in row chunks that dask holds; see `parallel.dask_rows` for who computes with them, and where."""

from dataclasses import dataclass

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.parallel.chunks import rows_at_hand
from hnn_hpc.parallel.dask_rows import DaskCommunicator, is_dask_array
from hnn_hpc.samples.arrays import check_form, check_shapes
from hnn_hpc.samples.source import Samples


@dataclass(frozen=True)
class ChunkedSamples:
    """Samples whose rows lie in chunks elsewhere (a `SampleSource` within a task that was given the rows of its block).

    chunks: by name of the column, "points", "velocities" and perhaps "energies", the `RowChunks` it lies in.
    """

    dimension: int
    chunks: dict
    step = None
    reference = None
    location = "the dask arrays"

    @property
    def count(self):
        return self.chunks["points"].rows

    @property
    def has_energies(self):
        return "energies" in self.chunks

    @property
    def description(self):
        return {"source": "dask arrays"}

    def read(self, start, stop):
        """Return the `Samples` of the global rows [start, stop), which must be among those that the task was given."""
        return Samples(*rows_at_hand(start, stop))

    def location_of(self, name, row):
        """Return which chunk a row of a column lies in, for messages."""
        return f"{self.location} (chunk {self.chunks[name].chunk_of(row)} of {name})"


def chunked_samples(points, velocities, energies, client):
    """Return (ChunkedSamples, the `DaskCommunicator` whose tasks are given their rows) for dask arrays in chunks of whole rows.

    Shapes as in `check_arrays`; each array may be cut in its own way. Chunks of unknown sizes are computed once, to count their rows.
    client: a distributed client, or None for whichever scheduler dask is set to.
    """
    arrays = {"points": points, "velocities": velocities} | ({} if energies is None else {"energies": energies})
    for name, array in arrays.items():
        if not is_dask_array(array):
            raise UserError(f"{name} must be a dask array, as other arrays of this call are; got {type(array).__name__}")
        check_form(name, array, 1 if name == "energies" else 2)
        if np.isnan(array.shape[-1]) and array.ndim == 2:
            raise UserError(f"{name} has an unknown number of columns; expected D, which its dask array knows: use compute_chunk_sizes()")
        if array.ndim == 2 and array.numblocks[1] > 1:
            raise UserError(
                f"{name} must be chunked by rows alone, and has {array.numblocks[1]} chunks side by side; use {name}.rechunk({{1: -1}})"
            )
    communicator = DaskCommunicator(client, arrays)
    check_shapes(*communicator.arrays.values())
    return ChunkedSamples(points.shape[1], communicator.chunks), communicator
