"""Least-squares problems of every kind, as operators over small samples."""

from dataclasses import replace

import numpy as np

from hnn_hpc.features import ACTIVATIONS, FeatureMap
from hnn_hpc.operators import GradientOperator
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.samples import ArraySamples
from hnn_hpc.solvers import plan, solve

RCOND = 1e-12


def operator_of(W, b, points, velocities):
    return GradientOperator(FeatureMap(W, b, ACTIVATIONS["tanh"]), ArraySamples(points, velocities, None, len(points)))


def problem(rng, K, D, M, kind="random"):
    """K random samples, M random features of D coordinates, and what `kind` says of them."""
    W, b, points = rng.standard_normal((M, D)), rng.standard_normal(M), rng.standard_normal((K, D))
    if kind == "sorted":
        W *= 4  # steep: what a later sample sees an earlier one does not
        points = points[np.argsort(points[:, 0])]
    elif kind == "wide":
        W *= 0.25
    elif kind == "sizes":
        b += 4 * rng.standard_normal(M)  # the size of a column is about exp(-2|b|)
    elif kind == "twice":
        W[M // 2 :], b[M // 2 :] = W[: M - M // 2], b[: M - M // 2]
    elif kind == "mirrored":
        W[M // 2 :], b[M // 2 :] = -W[: M - M // 2], -b[: M - M // 2]
    elif kind == "zero feature":
        W[1] = 0
    elif kind == "faint":
        b[[2, 5]] = 50, -100  # σ' of 1e-43 and 1e-87
    elif kind == "vanishing":
        b[2] = 230  # σ' of 1e-200, whose square underflows to 0
    elif kind == "saturated":
        b[2] = 1000  # σ' itself does
    elif kind == "nearly linear":
        W *= 1e-5
    return operator_of(W, b, points, rng.standard_normal((K, D)))


FULL_RANK = ["random", "sorted", "wide", "sizes", "faint"]
DEFICIENT = ["twice", "mirrored", "zero feature", "vanishing", "saturated"]
NO_GAP = ["nearly linear"]  # singular values that fall to round-off without a gap


def dense(operator):
    """A (K D, M) and f (K D,)."""
    block = operator.dense_rows(0, operator.samples)
    return block[:, :-1], block[:, -1]


def plan_for(name, operator, blocks=None, share=None, piece=None):
    """The plan of a solver; where they are given, with so many blocks, this share of all samples first, pieces of so many samples."""
    K, D, M = operator.samples, operator.rows_per_sample, operator.columns
    the_plan = plan(K, D, M, name)
    assert share is None or 0 < share <= 1
    if blocks:
        the_plan = replace(the_plan, layout=RowLayout(K, min(blocks, K)))
        the_plan = replace(the_plan, first_share=share or the_plan.first_share, piece_samples=piece or K)
    return the_plan


def solved(name, operator, blocks=None, share=None, piece=None, rcond=RCOND, **options):
    return solve(operator, plan_for(name, operator, blocks, share, piece), SerialCommunicator(), rcond, **options)
