"""Where states of graphs come from, with dq/dt, dp/dt and H. A source gives runs of graphs by their numbers.

- `source`: `GraphSamples`, the `GraphSource` protocol, and samples in memory. Samples in HDF5 files are in `hnn_hpc.storage`.
- `states`: what sources of a known system share; `generated`: its states at random about its rest; `simulated`:
  states along its motion.
- `own`: the graphs that a rank works on; `pool`: what is known of all of them, and some particles that every rank draws features from.
"""

from hnn_hpc.graph_samples.generated import GeneratedGraphs
from hnn_hpc.graph_samples.own import OwnGraphs, check_offsets, check_samples, read_own
from hnn_hpc.graph_samples.pool import GraphPool, survey_graphs
from hnn_hpc.graph_samples.simulated import SimulatedGraphs
from hnn_hpc.graph_samples.source import ArrayGraphs, GraphSamples, GraphSource

__all__ = [
    "ArrayGraphs",
    "GeneratedGraphs",
    "GraphPool",
    "GraphSamples",
    "GraphSource",
    "OwnGraphs",
    "SimulatedGraphs",
    "check_offsets",
    "check_samples",
    "read_own",
    "survey_graphs",
]
