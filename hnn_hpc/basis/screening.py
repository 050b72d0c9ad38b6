"""Which pairs of units are worth a test where there are too many pairs to test them all.

A pair (u, v) of one term shows in the residual of ∇H along the coordinates of u as something that varies with v, alone or times something
that varies with u. So the residual, as it is and times two Legendre polynomials of its own coordinate, is correlated with a few functions
of every column of z: one product of matrices, O(N D E) flops for all pairs. The strongest correlations stay, whatever their size, for it is
the test that decides. Only the samples of the first half are looked at, so that the test on the others is none the wiser.
"""

from math import comb

import numpy as np

MOST_PAIRS = 1500  # that are all tested
PAIRS_A_UNIT = 12  # and where there are more


def most_pairs(units):
    """Return how many pairs of so many units are tested at most."""
    return min(comb(units, 2), max(MOST_PAIRS, PAIRS_A_UNIT * units))


def shortlist(pairs, samples, residual, negligible):
    """Return those of the `pairs` of units that stay, in their order.

    Parameters: samples (TrialSamples), residual (N, D), negligible: a residual along a coordinate that counts as none, relative to ∇H.
    """
    coordinates, units = samples.coordinates, len(samples.coordinates.names)
    wanted = most_pairs(units)
    if len(pairs) <= wanted:
        return pairs
    correlations = _correlations(samples, residual, negligible)
    of_units = np.zeros((units, units))
    for unit in range(units):
        strongest = correlations[list(coordinates.touched[unit])].max(axis=0)
        of_units[unit] = np.maximum.reduceat(strongest, [columns[0] for columns in coordinates.columns])
    strength = np.maximum(of_units, of_units.T)[tuple(np.array(pairs).T)]
    kept = np.sort(np.argsort(-strength, kind="stable")[:wanted])
    return [pairs[place] for place in kept]


def _correlations(samples, residual, negligible):
    """Return (D, E): the largest correlation of the residual along x, as it is or times a function of x, with a function of a column."""
    coordinates, N = samples.coordinates, len(samples)
    t = (samples.z - (samples.z.max(axis=0) + samples.z.min(axis=0)) / 2) / samples.scales
    own = t[:, [coordinates.columns[x][0] for x in range(coordinates.dimension)]]
    counts = np.linalg.norm(residual, axis=0) > negligible * np.linalg.norm(samples.gradients, axis=0)
    left = np.stack([_standard(residual * m) for m in (np.ones_like(own), own, _P2(own))])
    right = np.stack([_standard(f) for f in (t, _P2(t), _P3(t), np.cos(np.pi * t), np.sin(2 * np.pi * t))])
    products = np.abs(np.tensordot(left, right, axes=(1, 1))) / N  # (3, D, 5, E)
    return products.max(axis=(0, 2)) * counts[:, None]


def _P2(t):
    return (3 * t**2 - 1) / 2


def _P3(t):
    return (5 * t**3 - 3 * t) / 2


def _standard(values):
    """Return columns (N, …) with mean 0 and standard deviation 1; 0 where they are constant."""
    values = values - values.mean(axis=0)
    spread = values.std(axis=0)
    return np.divide(values, spread, out=np.zeros_like(values), where=spread > 0)
