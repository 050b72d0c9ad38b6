"""One pass over the samples before anything is computed: is every number finite, how far does each coordinate reach, their checksum,
and the pool.

The pool is a bounded set of samples from all over the data, from which every rank draws the same hidden features.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from hnn_hpc.checksum import MODULUS, checksum
from hnn_hpc.errors import UserError
from hnn_hpc.features import Pool
from hnn_hpc.random_streams import random_stream
from hnn_hpc.symplectic import gradient_from_vector_field
from hnn_hpc.values import LARGEST, SMALLEST

SMALLEST_POOL = 32768
SLICE_BYTES = 4 * 2**20
VELOCITIES = MODULUS // 2  # the place of the first velocity in the checksum; that of the first point is 0


@dataclass(frozen=True)
class _Part:
    """What was seen of some rows: the limits (D,), the size of the largest velocity and their checksum, and their part of the pool."""

    lower: np.ndarray
    upper: np.ndarray
    largest_velocity: float
    checksum: int
    points: np.ndarray
    velocities: np.ndarray
    energies: np.ndarray | None


def survey_samples(source, layout, communicator, features, seed):
    """Return the `Pool`, the same on every rank. Collective; each rank reads the rows it owns in `layout` once, slice by slice.

    The pool holds min(K, max(32768, 2 M)) samples: all of them, or one drawn from each of as many equal runs of rows.

    Errors: `UserError` naming the row and coordinate of a NaN or infinite number, or the coordinate that is constant.
    """
    size = pool_size(source.count, features)
    edges = np.arange(size + 1) * source.count // size
    rows = edges[:-1] + (np.diff(edges) * random_stream(seed, "pool").random(size)).astype(np.int64)
    parts = communicator.gather_parts(layout, partial(_read_part, source, rows), "survey")
    lower, upper = np.min([p.lower for p in parts], axis=0), np.max([p.upper for p in parts], axis=0)
    for coordinate in np.flatnonzero(lower == upper):
        raise UserError(
            f"the coordinate {coordinate_name(coordinate, source.dimension)} of {source.location} is constant ({lower[coordinate]:g} "
            f"in all {source.count} samples), so H cannot be learned along it; remove that degree of freedom or vary it"
        )
    _check_sizes(source, lower, upper, max(p.largest_velocity for p in parts))
    points, velocities = np.concatenate([p.points for p in parts]), np.concatenate([p.velocities for p in parts])
    energies = np.concatenate([p.energies for p in parts]) if source.has_energies else None
    total = sum(p.checksum for p in parts) % MODULUS
    return Pool(points, gradient_from_vector_field(velocities), energies, lower, upper, total)


def _check_sizes(source, lower, upper, largest_velocity):
    """Raise UserError where squares of what is computed from the samples would overflow or vanish."""
    sizes = {
        "the largest coordinate": np.abs([lower, upper]).max(),
        "the smallest range of a coordinate": (upper - lower).min(),
        "the largest velocity": largest_velocity or 1.0,  # all of them may be 0
    }
    for what, size in sizes.items():
        if not SMALLEST <= size <= LARGEST:
            raise UserError(
                f"{what} of {source.location} is {size:.1e}; expected a number from {SMALLEST:g} to {LARGEST:g}: choose other units"
            )


def pool_size(samples, features):
    """Return how many of K samples the pool holds for M features."""
    return min(samples, max(SMALLEST_POOL, 2 * features))


def _read_part(source, pool_rows, start, stop):
    step = max(1, SLICE_BYTES // (16 * source.dimension))
    lower, upper = np.full(source.dimension, np.inf), np.full(source.dimension, -np.inf)
    largest, total, pieces = 0.0, 0, [source.read(start, start)]
    for first in range(start, stop, step):
        last = min(first + step, stop)
        samples = read_finite(source, first, last)
        lower, upper = np.minimum(lower, samples.points.min(axis=0)), np.maximum(upper, samples.points.max(axis=0))
        largest = max(largest, np.abs(samples.velocities).max())
        total += checksum(samples.points, first * source.dimension) + checksum(samples.velocities, VELOCITIES + first * source.dimension)
        chosen = pool_rows[np.searchsorted(pool_rows, first) : np.searchsorted(pool_rows, last)] - first
        pieces.append([None if column is None else column[chosen] for column in samples])
    columns = [None if column[0] is None else np.concatenate(column) for column in zip(*pieces, strict=True)]
    return _Part(lower, upper, largest, total, *columns)


def read_finite(source, start, stop):
    """Return the `Samples` of the rows [start, stop); `UserError` naming the row and coordinate of a NaN or infinite number."""
    samples = source.read(start, stop)
    for name, values in samples._asdict().items():
        if values is None or np.isfinite(values).all():
            continue
        row, *coordinate = np.argwhere(~np.isfinite(values))[0]
        where = f" ({coordinate_name(coordinate[0], source.dimension)})" if coordinate else ""
        found = values[(row, *coordinate)]
        location = source.location_of(name, start + row) if hasattr(source, "location_of") else source.location
        raise UserError(f"{name} must be finite; row {start + row}{where} of {location} is {found}; remove or repair it")
    return samples


def coordinate_name(coordinate, dimension):
    """Return the name of a column: q1 ... qn, p1 ... pn."""
    dof = dimension // 2
    return f"q{coordinate + 1}" if coordinate < dof else f"p{coordinate - dof + 1}"
