"""Small fits to a pool of particles: for the choice of invariants and bandwidths, and for the slopes that a sampler wants to know."""

import numpy as np

from hnn_hpc.operators import BondPlaces, BondRows, KineticRows
from hnn_hpc.random_streams import random_stream
from hnn_hpc.solvers.factor import factor_of
from hnn_hpc.solvers.triangle import triangle_of

PARTICLES = 512  # of the pool at most, for trials
RCOND = 1e-15  # as the default of a fit


def fit_to_pool(feature_map, pool):
    """Return the coefficients (M,) of a fit to all particles of a `GraphPool`."""
    coefficients = np.zeros(feature_map.count)
    problems = _kinetic_problems(feature_map, pool)
    rest = slice(feature_map.slices()[len(problems)].start, feature_map.count)
    problems.append((BondRows(feature_map, pool.own, pool.own.samples.graphs.particles), rest))
    for operator, columns in problems:
        coefficients[columns] = _solved(_rows(operator, pool.chosen))
    return coefficients


class Trials:
    """Trial fits to one half of some particles of a `GraphPool` for features of this reach, judged by the others."""

    def __init__(self, pool, reach):
        self._pool = pool
        halves = _halves(pool, random_stream(0, "basis"))
        self._halves = [(half, BondPlaces(pool.own.samples.graphs, half, reach)) for half in halves]

    def error_of_bonds(self, feature_map):
        """Return the relative error of dH/dq on the half that is not fitted; 0 where the targets are."""
        fitted, held = (self._bond_rows(feature_map, *half) for half in self._halves)
        left = _left(fitted, held)
        return _ratio(left @ left, held[:, -1] @ held[:, -1])

    def error_of_momenta(self, feature_map):
        """Return the relative error of dH/dp on that half."""
        left_square = square = 0.0
        for operator, _ in _kinetic_problems(feature_map, self._pool):
            fitted, held = (_rows(operator, half) for half, _ in self._halves)
            left = _left(fitted, held)
            left_square, square = left_square + left @ left, square + held[:, -1] @ held[:, -1]
        return _ratio(left_square, square)

    def _bond_rows(self, feature_map, half, places):
        derivatives = feature_map.bond_derivatives(places.near, places.bonds)
        targets = -self._pool.own.samples.forces[half].ravel()
        return np.asfortranarray(np.column_stack([places.to_rows @ derivatives.T, targets]))


def _halves(pool, rng):
    """Return two sorted arrays of chosen particles of a pool, of at most PARTICLES in all: of other graphs each, so that they share no
    bond, unless all are of one."""
    of_graph = pool.own.samples.graphs.graph_of_particles[pool.chosen]
    graphs = rng.permutation(np.unique(of_graph))
    if len(graphs) == 1:
        drawn = rng.permutation(pool.chosen)[:PARTICLES]  # species may take turns, and every other particle be of one
        return np.sort(drawn[::2]), np.sort(drawn[1::2])
    halves = (pool.chosen[np.isin(of_graph, some)] for some in (graphs[::2], graphs[1::2]))
    return tuple(np.sort(rng.permutation(half)[: PARTICLES // 2]) for half in halves)


def _kinetic_problems(feature_map, pool):
    """Return the pairs (operator, slice of its features) of the kinetic terms."""
    particles = pool.own.samples.graphs.particles
    terms = zip(feature_map.kinetic, feature_map.slices(), strict=False)
    return [(KineticRows(term, pool.own, particles), columns) for term, columns in terms]


def _rows(operator, chosen):
    return operator.dense_rows(0, operator.samples, chosen)


def _left(fitted, held):
    """Return what a fit to rows [A | f] leaves of other rows."""
    return held[:, -1] - held[:, :-1] @ _solved(fitted)


def _ratio(left, square):
    return float(np.sqrt(left / square)) if square else 0.0


def _solved(rows):
    """Return the coefficients that minimize ‖A w - f‖ for rows [A | f], which are destroyed."""
    triangle = triangle_of(rows)
    factor = factor_of(triangle[:-1, :-1], RCOND)
    return factor.basis(factor.project(triangle[:-1, -1])) / factor.column_norms
