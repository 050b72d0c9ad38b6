"""Where rollouts start: anywhere in a box, or on a section at a given energy."""

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.random_streams import random_stream

STREAM = "trajectory starts"
RAY_POINTS = 400  # at which the energy along a ray is looked at: a shell that is left and entered again between two of them is missed
BISECTIONS = 60
TRIES = 20  # rays for each start that is wanted
RAYS_AT_ONCE = 256  # of each of which RAY_POINTS states are held
AT_REST = 1e-7  # of a ray: an energy that is met so near to its beginning, on all rays, is that of the beginning, but for rounding


def uniform_starts(box, count, seed):
    """Return starts (count, D), uniform in the box (D, 2)."""
    lower, upper = np.asarray(box, dtype=float).T
    return random_stream(seed, STREAM).uniform(lower, upper, size=(count, len(lower)))


def energy_starts(system, energy, count, seed, coordinate=0, value=0.0):
    """Return starts (count, D) with H = energy on the plane x_s = value, s the coordinate, inside the system's box.

    Rays go out in the plane from the point of it that is nearest to the system's reference point, in directions uniform on the sphere, and
    a start is where the energy is first met. Below the energy of the saddles around that point, so in the same well, and not beyond a
    saddle, from where it would escape; above it nothing keeps an orbit from escaping.
    Memory: RAYS_AT_ONCE RAY_POINTS states, and the answer.
    Errors: `UserError` where no ray, or hardly any, meets the energy, or where only the point that they go out from has it.
    """
    centre = system.reference_point.copy()
    centre[coordinate] = value
    generator, starts, lengths = random_stream(seed, STREAM, 1), [np.empty((0, system.dimension))], [np.empty(0)]
    left = TRIES * count
    while left and sum(map(len, starts)) < count:
        directions = generator.standard_normal((min(left, RAYS_AT_ONCE), system.dimension))
        directions[:, coordinate] = 0
        left -= len(directions)
        found, shares = _first_met(system, energy, centre, directions / np.linalg.norm(directions, axis=-1, keepdims=True))
        starts.append(found)
        lengths.append(shares)
    starts, lengths = np.concatenate(starts)[:count], np.concatenate(lengths)[:count]
    energy_there = float(system.energy(centre))
    if (lengths < AT_REST).all() and (len(starts) == count or energy == energy_there):
        raise UserError(
            f"{system.name} has only a point at rest, {_told(centre)}, of the energy {energy:g} around it; give another energy, or --start"
        )
    if len(starts) < count:
        raise UserError(
            f"{system.name} has no orbit of energy {energy:g} around {_told(centre)}, or hardly any, within its box: the energy there is"
            f" {energy_there:.6g}; give another energy, or --start"
        )
    return starts


def _first_met(system, energy, centre, directions):
    """Return the states (R', D) where rays from the centre in the directions (R, D), of length 1, first meet the energy, if they do.

    And how far out they are (R',), of the way to the walls of the box.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        to_the_walls = np.where(directions > 0, system.box[:, 1] - centre, system.box[:, 0] - centre) / directions
    reach = np.min(to_the_walls, axis=-1, where=directions != 0, initial=np.inf)

    def is_above(distance, directions):
        return system.energy(centre + distance[..., None] * directions) > energy

    with np.errstate(over="ignore", invalid="ignore"):
        distances = reach * np.linspace(0, 1, RAY_POINTS + 1)[:, None]
        above = is_above(distances, directions)
    met = above[1:] != above[:-1]
    rays = np.flatnonzero(met.any(axis=0))
    directions, first = directions[rays], met.argmax(axis=0)[rays]
    inner, outer = distances[first, rays], distances[first + 1, rays]
    above_inside = above[first, rays]
    for _ in range(BISECTIONS):
        middle = (inner + outer) / 2
        beyond = is_above(middle, directions) != above_inside
        inner, outer = np.where(beyond, inner, middle), np.where(beyond, middle, outer)
    return centre + inner[:, None] * directions, inner / reach[rays]


def _told(point):
    return "(" + ", ".join(f"{number:g}" for number in point) + ")"
