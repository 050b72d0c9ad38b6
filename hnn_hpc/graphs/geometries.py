"""Graphs at rest by name: chains, lattices, points at random, and the sites that a fluid begins from.

Each is one graph in which all momenta are 0, all masses 1 and all species 0; `populated` gives it others. An axis that is not periodic is
open, its period inf.
"""

import math
from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from hnn_hpc.errors import UserError
from hnn_hpc.graphs.graph import Graphs
from hnn_hpc.graphs.neighbours import with_bonds
from hnn_hpc.random_streams import random_stream
from hnn_hpc.values import finite_number, whole_number

MOST_PARTICLES = 10**9
LEAST_DISTANCE = 0.3  # of the points of random_geometric: so far below that of a dense packing that points drawn anew find their place
MOST_ROUNDS = 1000  # of drawing anew; a round leaves at most half of these points too near, so that some 30 do


def chain(count, dimension=1, spacing=1, periodic=False):
    """Return `count` particles along the first axis, each with a bond to the next; where it is periodic, the last has one to the first."""
    count, dimension = _count(count), whole_number(dimension, "dimension", at_least=1, at_most=3)
    line = lattice([count], spacing, periodic)
    boxes = np.full((1, dimension), np.inf)
    boxes[:, :1] = line.boxes
    shifts = None if line.shifts is None else _embedded(line.shifts, dimension)
    return _at_rest(_embedded(line.positions, dimension), line.bonds, shifts, boxes)


def lattice(sizes, spacing=1, periodic=False):
    """Return a lattice of n_1 x .. x n_d particles in 1 to 3 dimensions, numbered along the last axis first, with bonds between neighbours.

    Parameters: sizes (d whole numbers), spacing (float), periodic (bool, or one for each axis). A periodic axis needs two particles at
    least; with two, a pair has two bonds, to either side.
    """
    sizes = _sizes(sizes)
    spacing, periodic = _positive(spacing, "spacing"), _periodic(periodic, len(sizes))
    numbers = np.arange(math.prod(sizes)).reshape(sizes)
    bonds, shifts = [], []
    for axis, size in enumerate(sizes):
        if periodic[axis] and size == 1:
            raise UserError(f"sizes = {sizes}: a periodic axis needs at least 2 particles, and axis {axis} has 1")
        inner = np.stack([numbers.take(range(size - 1), axis), numbers.take(range(1, size), axis)], axis=-1).reshape(-1, 2)
        bonds.append(inner)
        shifts.append(np.zeros((len(inner), len(sizes))))
        if periodic[axis]:
            around = np.stack([numbers.take(0, axis), numbers.take(size - 1, axis)], axis=-1).reshape(-1, 2)
            bonds.append(around)
            shifts.append(np.zeros((len(around), len(sizes))))
            shifts[-1][:, axis] = -size * spacing
    bonds, shifts = np.concatenate(bonds), np.concatenate(shifts)
    order = np.argsort(bonds[:, 0] * numbers.size + bonds[:, 1], kind="stable")
    positions = spacing * np.moveaxis(np.indices(sizes, dtype=float), 0, -1).reshape(-1, len(sizes))
    boxes = np.where(periodic, spacing * np.array(sizes), np.inf)[None]
    return _at_rest(positions, bonds[order], shifts[order] if periodic.any() else None, boxes)


def random_geometric(count, dimension, radius, seed, periodic=False):
    """Return points uniform in a box of density 1, but no two nearer than LEAST_DISTANCE, with bonds between those nearer than the radius.

    Parameters: count, dimension (1 to 3), radius (float, inf for all pairs), seed (int), periodic (bool). Points too near to another are
    drawn anew until they are not.
    """
    count, dimension = _count(count), whole_number(dimension, "dimension", at_least=1, at_most=3)
    radius = radius if radius == math.inf else _positive(radius, "radius")
    periodic = _periodic(periodic, 1)[0]
    generator = random_stream(whole_number(seed, "seed", at_least=0), "geometries")
    side = count ** (1 / dimension)
    boxes = np.full((1, dimension), side if periodic else np.inf)
    graph = _at_rest(side * generator.random((count, dimension)), np.empty((0, 2), dtype=np.int64), None, boxes)
    points, suspects = graph.positions, np.arange(count)
    for _ in range(MOST_ROUNDS):
        tree = cKDTree(points, boxsize=side if periodic else None)
        distances, _ = tree.query(points[suspects], k=[2], distance_upper_bound=LEAST_DISTANCE)  # the first is the point itself
        suspects = suspects[np.isfinite(distances[:, 0])]
        if not len(suspects):
            break
        points[suspects] = side * generator.random((len(suspects), dimension))
    else:
        raise UserError(f"no {count} points in {dimension} dimensions at least {LEAST_DISTANCE:g} apart were found; take another seed")
    return with_bonds(graph, radius)


def fluid(count, dimension, density):
    """Return particles on the first sites of a cubic lattice that fills a periodic box of the density, without bonds: a cutoff finds them.

    Parameters: count (any: the last sites stay empty), dimension (1 to 3), density (float): particles by volume.
    """
    count, dimension = _count(count), whole_number(dimension, "dimension", at_least=1, at_most=3)
    side = (count / _positive(density, "density")) ** (1 / dimension)
    sites = round(count ** (1 / dimension))
    sites += sites**dimension < count
    places = np.stack(np.unravel_index(np.arange(count), (sites,) * dimension), axis=1)
    return _at_rest(side / sites * places, np.empty((0, 2), dtype=np.int64), None, np.full((1, dimension), side))


GEOMETRIES = {"chain": chain, "lattice": lattice, "random-geometric": random_geometric, "fluid": fluid}


def populated(graphs, masses=1, species=1, seed=0):
    """Return the same graphs with other particles.

    Parameters: masses (a number, or a pair (low, high) between which each is drawn uniformly), species (int): so many kinds, in turns,
    seed (int): of the masses.
    """
    pair = tuple(masses) if isinstance(masses, tuple | list) else (masses, masses)
    if len(pair) != 2:
        raise UserError(f"masses = {masses!r}: expected a positive number, or a pair of them")
    low, high = (_positive(mass, "masses") for mass in pair)
    if low > high:
        raise UserError(f"masses = {masses!r}: expected a pair (low, high) with low <= high")
    drawn = random_stream(whole_number(seed, "seed", at_least=0), "geometries", 1).uniform(low, high, graphs.particles)
    kinds = np.arange(graphs.particles) % whole_number(species, "species", at_least=1, at_most=MOST_PARTICLES)
    return replace(graphs, masses=drawn, species=kinds)


def _at_rest(positions, bonds, shifts, boxes):
    count = len(positions)
    masses, species = np.ones(count), np.zeros(count, dtype=np.int64)
    return Graphs(positions, np.zeros_like(positions), masses, species, bonds, shifts, np.array([0, count]), boxes)


def _embedded(vectors, dimension):
    """Return vectors (N, 1) along the first axis of so many dimensions."""
    embedded = np.zeros((len(vectors), dimension))
    embedded[:, :1] = vectors
    return embedded


def _count(count):
    return whole_number(count, "count", at_least=1, at_most=MOST_PARTICLES)


def _sizes(sizes):
    try:
        sizes = [whole_number(size, "sizes", at_least=1, at_most=MOST_PARTICLES) for size in sizes]
    except TypeError:
        sizes = None
    if not sizes or len(sizes) > 3 or math.prod(sizes) > MOST_PARTICLES:
        raise UserError(f"sizes = {sizes}: expected 1 to 3 whole numbers, the particles along each axis, {MOST_PARTICLES} in all at most")
    return sizes


def _periodic(periodic, axes):
    """Return a bool for each axis, an array."""
    periodic = np.asarray(periodic)
    if periodic.dtype != bool or periodic.shape not in ((), (axes,)):
        raise UserError(f"periodic = {periodic.tolist()!r}: expected true or false, or one for each of {axes} axes")
    return np.broadcast_to(periodic, axes)


def _positive(value, what):
    value = finite_number(value, what)
    if not value > 0:
        raise UserError(f"{what} = {value:g}: expected a positive number")
    return value
