"""Features drawn from pairs of samples: SWIM (Bolager et al. 2023; arXiv 2411.17511, section 2) and its relatives.

A pair (x1, x2) gives the feature that rises from x1 to x2, with s1 and s2 those of the activation:

    w = s1 (x2 - x1) / |x2 - x1|²,    b = -w·x1 - s2.

Candidates are P max(1, ceil(M / P)) pairs of the P pool points, all equally likely. M of them are drawn with probabilities in proportion to

    swim            p = |H(x2) - H(x1)| / |x2 - x1|
    gradient-swim   the same with H(x2) - H(x1) ≈ (grad H(x1) + grad H(x2))·(x2 - x1) / 2: the trapezoid rule, which needs no energies
    uniform-swim    p = 1

Two features are duplicates when they come from the same two points, in either order: (x2, x1) is the feature of (x1, x2) mirrored, for
tanh the same up to its sign. The published method draws with replacement and draws duplicates again until none is left, which may never
end. Here both draws are without replacement, the law that the loop tends to, so duplicates are left only where the pool has too few pairs.
"""

from math import ceil

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.features.pool import HiddenLayer

# Points nearer to each other than this part of the diagonal of the data's box make no pair: their feature would be a jump. (The published
# density floors |x2 - x1| at 1e-10 instead, which bounds the density but not the weights.)
COINCIDENT = 1e-10


def draw_swim(pool, count, rng, *, activation):
    """Draw `count` features where the pool's energies change most."""
    return _draw_pairs(pool, count, rng, activation, lambda first, second, step: pool.energies[second] - pool.energies[first])


def draw_gradient_swim(pool, count, rng, *, activation):
    """Draw `count` features where the pool's gradients say that the energy changes most.

    On an H that oscillates between the two points the trapezoid rule misleads, and energies, where there are any, serve better.
    """

    def energy_difference(first, second, step):
        return np.einsum("cd,cd->c", pool.gradients[first] + pool.gradients[second], step) / 2

    return _draw_pairs(pool, count, rng, activation, energy_difference)


def draw_uniform_swim(pool, count, rng, *, activation):
    """Draw `count` features from pairs that are all equally likely."""
    return _draw_pairs(pool, count, rng, activation, lambda first, second, step: np.linalg.norm(step, axis=1))


def _draw_pairs(pool, count, rng, activation, energy_difference):
    """Draw M = `count` features with density |energy_difference(first, second, step)| / |step|.

    energy_difference takes, for C candidates, first and second (C,), rows of the pool, and step = x2 - x1 (C, D), and returns (C,).
    Candidates of density 0 serve once the others are used up: if H is constant, the draw is uniform. Costs O(P D log P) for M <= P.
    """
    first, second = _candidate_pairs(pool.points, count, rng)
    step = pool.points[second] - pool.points[first]
    distance = np.linalg.norm(step, axis=1)
    apart = distance > COINCIDENT * np.linalg.norm(pool.upper - pool.lower)
    if not apart.any():
        raise UserError(f"features cannot be placed between samples: the {len(pool.points)} points drawn from the data all coincide")
    first, second, step, distance = first[apart], second[apart], step[apart], distance[apart]

    density = np.abs(energy_difference(first, second, step)) / distance
    drawn = _weighted_order(density, rng)[:count]
    report = {
        "candidates": len(density),
        "zero_density": int(np.count_nonzero(density[drawn] == 0)),
        "duplicates_left": count - len(drawn),
    }
    drawn = np.resize(drawn, count)
    weights = activation.step_scale * step[drawn] / distance[drawn, None] ** 2
    biases = -np.einsum("md,md->m", weights, pool.points[first[drawn]]) - activation.step_offset
    return HiddenLayer(weights, biases, report)


def _candidate_pairs(points, count, rng):
    """Draw P max(1, ceil(count / P)) different pairs of different points, or all if there are fewer: rows first (C,) and second (C,).

    P counts the different points. A code c < P (P - 1) / 2 stands for the pair (i, i + 1 + c // P mod P) with i = c % P: going round the
    circle of points by at most half of it meets every unordered pair once.
    """
    _, different = np.unique(points, axis=0, return_index=True)
    different.sort()
    P = len(different)
    pairs = P * (P - 1) // 2
    code = rng.choice(pairs, size=min(pairs, P * max(1, ceil(count / P))), replace=False, shuffle=False)
    offset, first = np.divmod(code, P)
    return different[first], different[(first + offset + 1) % P]


def _weighted_order(density, rng):
    """Order candidates 0…C-1 as draws without replacement with probabilities in proportion to `density` (C,); density 0 comes last.

    Candidate i arrives at time E_i / p_i with E_i ~ Exp(1). The first to arrive is i with probability p_i / sum(p), and as exponential
    waiting times have no memory the next is drawn likewise from the rest (Efraimidis & Spirakis 2006): exact, in O(C log C).
    """
    waiting = rng.standard_exponential(len(density))
    arrival = np.divide(waiting, density, where=density > 0, out=waiting)
    return np.lexsort((arrival, density == 0))
