"""Where rollouts start: anywhere in a box, or on a section at a given energy."""

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.random_streams import random_stream

STREAM = "trajectory starts"
RAY_POINTS = 400  # at which the energy along a ray is looked at: a shell that is left and entered again between two of them is missed
BISECTIONS = 60
TRIES = 20  # rays for each start that is wanted


def uniform_starts(box, count, seed):
    """Return starts (count, D), uniform in the box (D, 2)."""
    lower, upper = np.asarray(box, dtype=float).T
    return random_stream(seed, STREAM).uniform(lower, upper, size=(count, len(lower)))


def energy_starts(system, energy, count, seed, coordinate=0, value=0.0):
    """Return starts (count, D) with H = energy on the plane x_s = value, s the coordinate, inside the system's box.

    Rays go out in the plane from the point of it that is nearest to the system's reference point, in directions uniform on the sphere, and
    a start is where the energy is first met: in the same well as that point, and not beyond a saddle, from where it would escape.
    Errors: `UserError` where no ray, or hardly any, meets the energy.
    """
    box, centre = system.box, system.reference_point.copy()
    centre[coordinate] = value
    directions = random_stream(seed, STREAM, 1).standard_normal((TRIES * count, system.dimension))
    directions[:, coordinate] = 0
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        to_the_walls = np.where(directions > 0, box[:, 1] - centre, box[:, 0] - centre) / directions
    reach = np.min(to_the_walls, axis=-1, where=directions != 0, initial=np.inf)

    def is_above(distance, directions):
        return system.energy(centre + distance[..., None] * directions) > energy

    with np.errstate(over="ignore", invalid="ignore"):
        distances = reach * np.linspace(0, 1, RAY_POINTS + 1)[:, None]
        above = is_above(distances, directions)
    met = above[1:] != above[:-1]
    first = met.argmax(axis=0)
    rays = np.flatnonzero(met.any(axis=0))[:count]
    if len(rays) < count:
        raise UserError(
            f"{system.name} has no orbit of energy {energy:g} around {_told(centre)}, or hardly any, within its box: the energy there is"
            f" {float(system.energy(centre)):.6g}; give another energy, or --start"
        )
    directions, first = directions[rays], first[rays]
    inner, outer = distances[first, rays], distances[first + 1, rays]
    above_inside = above[first, rays]
    for _ in range(BISECTIONS):
        middle = (inner + outer) / 2
        beyond = is_above(middle, directions) != above_inside
        inner, outer = np.where(beyond, inner, middle), np.where(beyond, middle, outer)
    return centre + inner[:, None] * directions


def _told(point):
    return "(" + ", ".join(f"{number:g}" for number in point) + ")"
