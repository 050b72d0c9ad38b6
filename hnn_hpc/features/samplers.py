"""The samplers of hidden features, by name. A sampler is a plain function

    draw(pool, count, rng, *, activation) -> HiddenLayer

pool        -- a `Pool` of P samples of dimension D
count       -- M, how many features to draw
rng         -- a numpy Generator in the same state on every rank: the layer is then the same on all of them, bit for bit
activation  -- an `Activation`; pairs of points are placed by its step_scale and step_offset

The anchored sampler alone takes more: a bandwidth, coordinates and supports.

This module holds the table and the samplers that take weights from a distribution; pairs.py those that take them from pairs of samples.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hnn_hpc.errors import UserError, look_up
from hnn_hpc.features.coordinates import names_told, plain_coordinates
from hnn_hpc.features.pairs import draw_gradient_swim, draw_swim, draw_uniform_swim
from hnn_hpc.features.pool import HiddenLayer

SAME = 1e-12  # the width of a derived coordinate, relative to those that it is made of, at which it counts as constant
LEAST_BANDWIDTH, LARGEST_BANDWIDTH = 1e-50, 1e50  # whose weights have squares that are numbers


def draw_anchored(pool, count, rng, *, activation, bandwidth, coordinates=None, supports=None):
    """Draw w = g∘y / h with y ~ N(0, 1) and b = -w·z(x_i) with x_i a random sample, so that every hyperplane crosses the data.

    h is half the width of the data along each column of z and g the bandwidth, dimensionless: w·z changes by about g from the middle of the
    data to their edge along one coordinate. Small g gives broad, nearly alike features: accurate where H is smooth, with condition numbers
    of 1e15 and more. Where H varies faster along one coordinate than along another, each needs its own g. The idea is TransNet's (Zhang et
    al. 2023).

    supports: None, or pairs (units, features): so many features depend on those units of the coordinates alone, w being 0 elsewhere, and
    `count` is their sum.
    """
    coordinates = coordinates or plain_coordinates(pool.dimension)
    z, h = coordinates.embed(pool.points), feature_scales(pool, coordinates)
    g = np.broadcast_to(checked_bandwidth(bandwidth, coordinates), len(coordinates.names))[coordinates.units_of_columns]
    if supports is None:
        return HiddenLayer(*anchored_parameters(z, h, g, count, rng), {"duplicates_left": 0})
    weights, biases, start = np.zeros((count, coordinates.count)), np.empty(count), 0
    for units, features in supports:
        drawn, columns = slice(start, start + features), coordinates.columns_of(units)
        weights[drawn, columns], biases[drawn] = anchored_parameters(z[:, columns], h[columns], g[columns], features, rng)
        start += features
    return HiddenLayer(weights, biases, {"duplicates_left": 0})


def anchored_parameters(z, h, g, count, rng):
    """Return weights (count, E) and biases (count,) of anchored features of points z (P, E), half as wide as h (E,); g: see above."""
    weights = g * rng.standard_normal((count, len(h))) / h
    anchors = z[rng.integers(len(z), size=count)]
    return weights, -np.einsum("me,me->m", weights, anchors)


def feature_scales(pool, coordinates):
    """Return h (E,), half the width of the data along each column of z: 1 on a circle, and for a difference or distance that of the pool.

    Errors: `UserError` where one of these is the same in all samples.
    """
    if coordinates.is_plain:
        return pool.half_widths
    h = np.where(coordinates.on_circle, 1.0, np.ptp(coordinates.embed(pool.points), axis=0) / 2)
    for coordinate in range(coordinates.dimension):
        if len(coordinates.columns[coordinate]) == 1:
            h[coordinates.columns[coordinate][0]] = pool.half_widths[coordinate]
    for name, columns, touched in zip(coordinates.names, coordinates.columns, coordinates.touched, strict=True):
        if h[columns[0]] <= SAME * pool.half_widths[list(touched)].max():
            raise UserError(f"coordinates: {name} is the same in all samples, so that features cannot depend on it; leave it out")
    return h


def draw_elm(pool, count, rng, *, activation):
    """Draw w ~ N(0, 1)^D and b ~ U(lo, hi), lo and hi being the smallest and largest limit of any coordinate (arXiv 2411.17511)."""
    weights = rng.standard_normal((count, pool.dimension))
    return HiddenLayer(weights, rng.uniform(pool.lower.min(), pool.upper.max(), size=count), {"duplicates_left": 0})


@dataclass(frozen=True)
class Sampler:
    """How features are drawn, and from what.

    draw            -- the function
    needs_energies  -- whether it reads the energies of the `Pool`
    energies_from   -- None: they are the data's. A sampler's name: they are those of a first fit with that sampler, so that data without
                       energies will do, at the price of two fits
    """

    draw: Callable
    needs_energies: bool = False
    energies_from: str | None = None


SAMPLERS = {
    "anchored": Sampler(draw_anchored),
    "gradient-swim": Sampler(draw_gradient_swim),
    "swim": Sampler(draw_swim, needs_energies=True),
    "uniform-swim": Sampler(draw_uniform_swim),
    "approximate-swim": Sampler(draw_swim, needs_energies=True, energies_from="uniform-swim"),
    "elm": Sampler(draw_elm),
}


def check_requirements(name, has_energies, location="the data"):
    """Raise `UserError` unless the sampler `name` can draw from what `location` (a file, for the message) offers."""
    sampler = look_up(SAMPLERS, name, "sampler")
    if sampler.needs_energies and not (has_energies or sampler.energies_from):
        raise UserError(
            f"the sampler {name!r} needs energies, and there are none in {location}; use 'gradient-swim', which needs only velocities, "
            "or 'approximate-swim', which fits twice"
        )


def checked_bandwidth(bandwidth, coordinates=None):
    """Return the bandwidth as a float array, () or (U,); `UserError` unless it is one positive number, or one for each coordinate.

    coordinates: `Coordinates`, or None where they are not known yet.
    """
    try:
        g = np.asarray(bandwidth)
    except ValueError:  # rows of different lengths
        g = np.array(None)
    g = g.astype(float) if g.dtype.kind in "iuf" else g
    if g.dtype.kind != "f" or g.ndim > 1 or g.size == 0 or not np.all((g >= LEAST_BANDWIDTH) & (g <= LARGEST_BANDWIDTH)):
        raise UserError(
            f"bandwidth must be 'auto', a positive number, or a list of one a coordinate, from {LEAST_BANDWIDTH:g} to "
            f"{LARGEST_BANDWIDTH:g}, not {bandwidth!r}"
        )
    if g.ndim == 1 and coordinates is not None and len(g) != len(coordinates.names):
        raise UserError(
            f"bandwidth has {len(g)} values, but there are {len(coordinates.names)} coordinates ({names_told(coordinates.names)}); "
            "give one number, or one a coordinate"
        )
    return g.astype(float)
