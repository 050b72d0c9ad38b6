"""Samples that a program already holds as arrays, whole or spread over its ranks."""

from dataclasses import dataclass

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.samples.source import Samples
from hnn_hpc.samples.steps import Step


@dataclass(frozen=True)
class ArraySamples:
    """The global rows [first, first + len(points)) of `count` samples, held in memory (a `SampleSource` for these rows)."""

    points: np.ndarray
    velocities: np.ndarray
    energies: np.ndarray | None
    count: int
    first: int = 0
    step: Step | None = None
    reference = None
    location = "the arrays"

    @property
    def dimension(self):
        return self.points.shape[1]

    @property
    def has_energies(self):
        return self.energies is not None

    @property
    def description(self):
        return {"source": "arrays"}

    def read(self, start, stop):
        """Return the `Samples` of the global rows [start, stop), which must be among those held here."""
        assert self.first <= start <= stop <= self.first + len(self.points)
        rows = slice(start - self.first, stop - self.first)
        return Samples(self.points[rows], self.velocities[rows], None if self.energies is None else self.energies[rows])


def loaded(source, layout, communicator, most_bytes):
    """Return a `SampleSource` of this rank's samples in memory, or the source itself where the rank reads none or they take more bytes.

    For samples that are read many times over. Collective, for an error of one rank is that of all; each may pass another limit.
    """
    first, last = layout.owned_rows(communicator.rank, communicator.size)
    with communicator.together():
        if isinstance(source, ArraySamples) or not communicator.reads_samples or 16 * (last - first) * source.dimension > most_bytes:
            return source
        points, velocities = (np.empty((last - first, source.dimension)) for _ in range(2))
        for block in layout.owned_blocks(communicator.rank, communicator.size):
            start, stop = layout.bounds(block)
            points[start - first : stop - first], velocities[start - first : stop - first], _ = source.read(start, stop)
        return ArraySamples(points, velocities, None, source.count, first)


def check_arrays(points, velocities, energies=None):
    """Return points (K, D), velocities (K, D), energies (K,) or None as C-contiguous float64; `UserError` for other shapes and types."""
    points, velocities = _as_floats("points", points, 2), _as_floats("velocities", velocities, 2)
    energies = None if energies is None else _as_floats("energies", energies, 1)
    check_shapes(points, velocities, energies)
    return points, velocities, energies


def check_trajectories(trajectories):
    """Return trajectories (T, N, D) as C-contiguous float64; `UserError` for other shapes and types."""
    trajectories = _as_floats("points", trajectories, 3)
    if trajectories.shape[2] % 2 or not trajectories.shape[2]:
        raise UserError(f"trajectories must have an even number of columns, q1..qn and p1..pn; got shape {trajectories.shape}")
    return trajectories


def check_shapes(points, velocities, energies=None):
    """Raise `UserError` unless the shapes are (K, D), D even, (K, D) and (K,)."""
    if points.shape[1] % 2 or not points.shape[1]:
        raise UserError(f"points must have an even number of columns, q1..qn and p1..pn; got shape {points.shape}")
    if points.shape != velocities.shape:
        raise UserError(f"points and velocities must have the same shape (K, D); got {points.shape} and {velocities.shape}")
    if energies is not None and len(energies) != len(points):
        raise UserError(f"energies must have one value a point; got {len(energies)} for {len(points)} points")


def _as_floats(name, values, dimensions):
    try:
        array = np.asarray(values)
    except ValueError:  # rows of different lengths
        array = np.empty(0, dtype=object)
    if np.ma.is_masked(values):
        raise UserError(f"{name} has masked values; expected numbers: leave these rows out, or fill them")
    check_form(name, array, dimensions)
    return np.ascontiguousarray(array, dtype=np.float64)


def check_form(name, array, dimensions):
    """Raise `UserError` unless the array holds real numbers in so many dimensions."""
    if array.ndim != dimensions or array.dtype.kind not in "iuf":
        shape = ("(K,)", "(K, D)", "(T, N, D)")[dimensions - 1]
        raise UserError(f"{name} must be an array of real numbers of shape {shape}; got shape {array.shape}, dtype {array.dtype}")


def total_rows(points, energies, communicator):
    """Return how many rows all ranks hold together; `UserError` where widths differ or only some ranks give energies. Collective."""
    held = communicator.all_gather((points.shape, energies is not None))
    if len({shape[1] for shape, _ in held}) > 1:
        raise UserError(f"every rank must pass points of the same width D; the shapes by rank are {[shape for shape, _ in held]}")
    if len({given for _, given in held}) > 1:
        raise UserError(f"energies must be given on every rank or on none; given by rank: {[given for _, given in held]}")
    return sum(shape[0] for shape, _ in held)


def spread_rows(points, velocities, energies, layout, communicator, step=None):
    """Return `ArraySamples` with the rows that this rank owns in `layout`.

    Each rank passes its own rows (K_rank, D), any number of them, zero too; the global order is rank after rank. One all-to-all moves
    every row to the rank whose global blocks need it, so the fit does not depend on how the rows were spread before. step: of the source.
    """
    if communicator.size == 1:
        return ArraySamples(points, velocities, energies, len(points), step=step)
    held = np.concatenate([[0], np.cumsum(communicator.all_gather(len(points)))])
    own_start, own_stop = held[communicator.rank : communicator.rank + 2]
    wanted = [layout.owned_rows(rank, communicator.size) for rank in range(communicator.size)]
    counts = [int(max(0, min(stop, own_stop) - max(start, own_start))) for start, stop in wanted]
    rows = communicator.exchange_rows(np.column_stack([points, velocities] + ([] if energies is None else [energies])), counts)
    points, velocities, energies = np.split(rows, [points.shape[1], 2 * points.shape[1]], axis=1)
    energies = energies[:, 0].copy() if energies.shape[1] else None
    points, velocities = np.ascontiguousarray(points), np.ascontiguousarray(velocities)
    return ArraySamples(points, velocities, energies, int(held[-1]), wanted[communicator.rank][0], step)
