"""Where samples come from. A source gives slices of rows (x, dx/dt, H) by their global row numbers; nobody else knows where they lie.

- `source`: `Samples` and the `SampleSource` protocol.
- `generated`: samples of a known system, computed when read; `arrays`: samples in memory, whole or spread over ranks. Samples in HDF5
  files are in `hnn_hpc.storage`.
- `chunked`: samples in dask arrays, read by dask's tasks, block by block.
- `row_range`: some of the rows of another source.
- `survey`: the one pass that checks every number, finds the limits of each coordinate, and collects the pool for the samplers.
"""

from hnn_hpc.samples.arrays import ArraySamples, check_arrays, loaded, spread_rows, total_rows
from hnn_hpc.samples.chunked import ChunkedSamples, chunked_samples
from hnn_hpc.samples.generated import SystemSamples
from hnn_hpc.samples.row_range import RowRange
from hnn_hpc.samples.source import Samples, SampleSource
from hnn_hpc.samples.survey import pool_size, read_finite, survey_samples

__all__ = [
    "ArraySamples",
    "ChunkedSamples",
    "RowRange",
    "SampleSource",
    "Samples",
    "SystemSamples",
    "check_arrays",
    "chunked_samples",
    "loaded",
    "pool_size",
    "read_finite",
    "spread_rows",
    "survey_samples",
    "total_rows",
]
