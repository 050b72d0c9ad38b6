"""Sample files from people's own tables of numbers.

A table (see `tables`) has K rows, and columns that are the coordinates q1..qn, p1..pn, perhaps the velocities dx/dt, the energy H, the time
and the trajectory that a row belongs to; `Wanted` says which. With times its rows are states of trajectories.

- `wanted`: which columns these are, and whether they will do.
- `checked_rows`: their numbers, checked, out of memory.
- `pieces`: where trajectories begin, whether their steps in time are equal, and pieces of equal length, which the layout needs.
- `sample_file`: all of it, and what was written.
"""

from hnn_hpc.importing.sample_file import import_samples
from hnn_hpc.importing.wanted import Wanted

__all__ = ["Wanted", "import_samples"]
