"""The graphs that a rank works on, in memory."""

from typing import NamedTuple

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.graph_samples.source import GraphSamples
from hnn_hpc.graphs import check_graphs

CHANGES = {"velocities": "dq/dt", "forces": "dp/dt"}


class OwnGraphs(NamedTuple):
    """Whole graphs: `samples`; `first`, the number of their first particle among those of all graphs; and `begun`, the range of the places
    here of those that have their first particle among the rank's own, as each graph has on one rank only.
    """

    samples: GraphSamples
    first: int
    begun: range


def read_own(source, layout, communicator):
    """Return the `OwnGraphs` of this rank: those that any of its particles in `layout` is of. Collective.

    Errors, on all ranks: `UserError` for what `check_graphs` refuses, and derivatives or energies of another shape or not finite.
    """
    with communicator.together():
        start, stop = layout.owned_rows(communicator.rank, communicator.size)
        begun, last = (int(graph) for graph in np.searchsorted(source.offsets, (start, stop)))
        first = begun - (source.offsets[begun] > start) if start < stop else last
        own = OwnGraphs(source.read(first, last), int(source.offsets[first]), range(begun - first, last - first))
        if start < stop:
            check_samples(own.samples, f"{source.location}, counted from graph {first}" if first else source.location)
    return own


def check_offsets(source):
    """Raise `UserError` where a graph of a source has no particle."""
    for graph in np.flatnonzero(np.diff(source.offsets) <= 0):
        raise UserError(f"{source.location}: graph {graph} has no particles; expected at least one in each graph")


def check_samples(samples, location):
    """Raise `UserError` unless graphs and their derivatives can be used."""
    graphs = samples.graphs
    check_graphs(graphs, location)
    for name, symbol in CHANGES.items():
        values = getattr(samples, name)
        _check_array(values, graphs.positions.shape, location, name, "that of the positions")
        for particle in np.flatnonzero(~np.isfinite(values).all(axis=1)):
            graph = graphs.graph_of_particles[particle]
            where = f"particle {particle - graphs.offsets[graph]} of graph {graph}"
            raise UserError(f"{location}: {name} {symbol} of {where} are {values[particle].tolist()}; expected finite numbers")
    if samples.energies is not None:
        _check_array(samples.energies, (graphs.count,), location, "energies", "one number a graph")
        for graph in np.flatnonzero(~np.isfinite(samples.energies)):
            raise UserError(f"{location}: the energy of graph {graph} is {samples.energies[graph]}; expected a finite number")


def _check_array(values, shape, location, name, reason):
    """Raise UserError unless these are real numbers in an array of this shape."""
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf":
        raise UserError(f"{location}: {name} must be an array of real numbers; got {getattr(values, 'dtype', type(values).__name__)}")
    if values.shape != shape:
        raise UserError(f"{location}: {name} have shape {values.shape}; expected {reason}, {shape}")
