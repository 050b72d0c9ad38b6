"""A look at the condition number before the solve, from a few samples: may the Gram matrix do, at half the flops of a QR?

The samples must be spread over all data. Of the matrix A of s of them, s D >= ROWS M rows, the condition is hardly ever below that of the
whole: fewer rows show fewer directions. It is above it by a tenth to a half for samples uniform in a box, by more where few samples are
far out. That of a part of the columns is never above that of all, so a quarter of the features is tried first, at a tenth of the cost.
"""

from dataclasses import replace
from math import ceil

import numpy as np

from hnn_hpc.solvers.hadamard_gram import cholesky_of_scaled
from hnn_hpc.solvers.lapack import add_gram

ROWS = 4
# Two thirds of what `hadamard_gram` refuses: there two corrections give the digits of a QR.
WELL_CONDITIONED = 2e7


def probe_samples(D, M):
    """Return how many samples a probe wants."""
    return ceil(ROWS * M / D)


def probe_work(D, M):
    """Return the work of a probe that finds A well conditioned (see `costs`): s M² + M³/3 flops and what is small beside them."""
    s = probe_samples(D, M)
    return {"gram": s * M**2, "householder": M**3 / 3, "multiply": 2 * D * M**2, "activations": s * M, "memory": 240 * M**2}


def settled(plan, operator, communicator):
    """Return the plan to solve by: `plan.if_well_conditioned` where there is one and `operator` has a condition that allows it. Collective.

    operator: with `factors` and `weights` (GradientOperator), of `probe_samples` samples from all over the data, on rank 0 at least.
    """
    if plan.if_well_conditioned is None:
        return plan
    well_conditioned = None
    with communicator.together():
        if communicator.is_root:
            well_conditioned = is_well_conditioned(operator)
    return replace(plan.if_well_conditioned, threads=plan.threads) if communicator.broadcast(well_conditioned) else plan


def is_well_conditioned(operator):
    """Return whether the condition of the operator is at most WELL_CONDITIONED."""
    S, W = operator.factors(0, operator.samples), operator.weights
    M = len(W)
    return all(condition_of(S[:, :features], W[:features]) <= WELL_CONDITIONED for features in (ceil(M / 4), M))


def condition_of(S, W):
    """Return LAPACK's estimate of κ₁ of the triangle of A = S ⊙ Wᵀ, columns scaled to norm 1, by (SᵀS)∘(WWᵀ); infinite from about 1e8 on.

    Infinite for a zero column too: among all samples it may have a few tiny entries, which `hadamard_gram` refuses after a whole pass.
    Parameters: S (s, M), column-major; W (M, D).
    """
    gram = np.zeros((len(W), len(W)), order="F")
    add_gram(gram, S)
    A_norms, condition = cholesky_of_scaled(gram, W)
    return condition if A_norms.all() else np.inf
