"""Where each column of z(x) and each entry of its Jacobian come from (see `coordinates`), as arrays: a block of points needs no loop."""

from typing import NamedTuple

import numpy as np


class Places(NamedTuple):
    """The places of z and of J = dz/dx in what is computed of a point x.

    With turns θ, the angles and then the differences of angles; shifts, the differences of plain coordinates; and steps, the differences
    of the components of all distances, one distance after the other:

    angles                (angles,) the coordinates that are angles
    turns, shifts, steps  (2, …) the coordinates whose difference each is; turns only of the differences of angles
    starts, owners        the first of the steps of each distance, and the distance of each step
    sources               (E,) which of [x | shifts | cos θ | sin θ | distances] each column of z is
    entry_columns, entry_coordinates
                          (nnz,) the place of each entry of J, sorted by coordinate and then column
    entry_factors, entry_signs
                          (nnz,) its value: which of [1 | sin θ | cos θ | steps / distances], and with which sign
    coordinate_starts     (D + 1,) the first entry of each coordinate, and the end
    by_column, column_starts
                          (nnz,) the entries sorted by column; (E,) the first there of each column
    """

    angles: np.ndarray
    turns: np.ndarray
    shifts: np.ndarray
    steps: np.ndarray
    starts: np.ndarray
    owners: np.ndarray
    sources: np.ndarray
    entry_columns: np.ndarray
    entry_coordinates: np.ndarray
    entry_factors: np.ndarray
    entry_signs: np.ndarray
    coordinate_starts: np.ndarray
    by_column: np.ndarray
    column_starts: np.ndarray


def places_of(dimension, angles, differences, distances):
    """Return the `Places` for D = `dimension`, everything else given by numbers of coordinates.

    angles (sorted); differences, pairs (a, b); distances, for each the pairs (a, b) of its components.
    """
    is_angle = set(angles)
    turns, shifts = [pair for pair in differences if pair[0] in is_angle], [pair for pair in differences if pair[0] not in is_angle]
    circles = len(angles) + len(turns)
    cosine, distance = dimension + len(shifts), dimension + len(shifts) + 2 * circles  # where they begin among the sources
    circle, shift, step = 0, dimension, 1 + 2 * circles  # the next of each: a circle, a source, a factor
    sources, entries = [], []  # an entry: coordinate, column, factor, sign

    def on_circle(signs):
        nonlocal circle
        for coordinate, sign in signs:
            entries.append((coordinate, len(sources), 1 + circle, -sign))  # d cos θ = -sin θ dθ
            entries.append((coordinate, len(sources) + 1, 1 + circles + circle, sign))
        sources.extend([cosine + circle, cosine + circles + circle])
        circle += 1

    for d in range(dimension):
        if d in is_angle:
            on_circle([(d, 1)])
        else:
            entries.append((d, len(sources), 0, 1))
            sources.append(d)
    for a, b in differences:
        if a in is_angle:
            on_circle([(a, 1), (b, -1)])
        else:
            entries.extend([(a, len(sources), 0, 1), (b, len(sources), 0, -1)])
            sources.append(shift)
            shift += 1
    for number, components in enumerate(distances):
        for a, b in components:
            entries.extend([(a, len(sources), step, 1), (b, len(sources), step, -1)])
            step += 1
        sources.append(distance + number)

    entry_coordinates, entry_columns, entry_factors, entry_signs = np.array(sorted(entries)).T
    by_column = np.argsort(entry_columns, kind="stable")
    lengths = np.array([len(components) for components in distances], dtype=int)
    return Places(
        angles=np.array(angles, dtype=int),
        turns=_columns(turns),
        shifts=_columns(shifts),
        steps=_columns(pair for components in distances for pair in components),
        starts=np.cumsum(lengths) - lengths,
        owners=np.repeat(np.arange(len(lengths)), lengths),
        sources=np.array(sources),
        entry_columns=entry_columns,
        entry_coordinates=entry_coordinates,
        entry_factors=entry_factors,
        entry_signs=entry_signs.astype(float),
        coordinate_starts=np.searchsorted(entry_coordinates, np.arange(dimension + 1)),
        by_column=by_column,
        column_starts=np.searchsorted(entry_columns[by_column], np.arange(len(sources))),
    )


def _columns(pairs):
    """Return pairs of numbers as an array (2, pairs)."""
    return np.array(list(pairs), dtype=int).reshape(-1, 2).T
