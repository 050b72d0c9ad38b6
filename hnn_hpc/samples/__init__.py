"""Where samples come from. A source gives slices of rows (x, dx/dt, H) by their global row numbers; nobody else knows where they lie.

- `source`: `Samples` and the `SampleSource` protocol.
- `generated`: samples of a known system, computed when read; `arrays`: samples in memory, whole or spread over ranks. Samples in HDF5
  files are in `hnn_hpc.storage`.
- `chunked`: samples in dask arrays, read by dask's tasks, block by block.
- `trajectories`: states without derivatives, as rows that `steps` makes of pairs of them; `corrected`: sources whose velocities a model of
  H has freed of what is not J∇H.
- `row_range`: some of the rows of another source; `derived`: what sources that are made of others have in common.
- `survey`: the one pass that checks every number, finds the limits of each coordinate, and collects the pool for the samplers.
"""

from hnn_hpc.samples.arrays import ArraySamples, check_arrays, check_trajectories, loaded, spread_rows, total_rows
from hnn_hpc.samples.chunked import ChunkedSamples, chunked_samples
from hnn_hpc.samples.corrected import freed
from hnn_hpc.samples.generated import SystemSamples
from hnn_hpc.samples.row_range import RowRange
from hnn_hpc.samples.source import Samples, SampleSource
from hnn_hpc.samples.steps import MIDPOINT, ORDERS, Step
from hnn_hpc.samples.survey import pool_size, read_finite, survey_samples
from hnn_hpc.samples.trajectories import ArrayTrajectories, StepSamples

__all__ = [
    "MIDPOINT",
    "ORDERS",
    "ArraySamples",
    "ArrayTrajectories",
    "ChunkedSamples",
    "RowRange",
    "SampleSource",
    "Samples",
    "Step",
    "StepSamples",
    "SystemSamples",
    "check_arrays",
    "check_trajectories",
    "chunked_samples",
    "freed",
    "loaded",
    "pool_size",
    "read_finite",
    "spread_rows",
    "survey_samples",
    "total_rows",
]
