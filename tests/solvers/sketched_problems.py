"""Small problems of known condition, the start that a sketch gives, and what numpy.linalg.lstsq makes of them."""

import numpy as np

from hnn_hpc.features import ACTIVATIONS, FeatureMap
from hnn_hpc.operators import GradientOperator
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.samples import ArraySamples
from hnn_hpc.solvers.factor import factor_of
from hnn_hpc.solvers.sketch import sketch_samples, sketched

SERIAL, RCOND = SerialCommunicator(), 1e-13
K, D, M = 2000, 4, 80
LAYOUT = RowLayout(K, 5)

SCALES = {"cond 1": 1.0, "cond 1e5": 0.08, "cond 1e10": 0.005}


def problem(kind="cond 1"):
    rng = np.random.default_rng(11)
    points = rng.standard_normal((K, D))
    W = rng.standard_normal((M, D)) * SCALES.get(kind, 1.0)
    biases = -(W * points[:M]).sum(axis=1)
    if kind == "twice":
        W[M // 2 :], biases[M // 2 :] = W[: M // 2], biases[: M // 2]
    elif kind == "zero feature":
        W[5] = 0
    return GradientOperator(FeatureMap(W, biases, ACTIVATIONS["tanh"]), ArraySamples(points, np.sin(points[:, ::-1]), None, K))


def sketched_start(operator):
    """The factor of the sketched A and the solution of the sketched problem, by numpy's QR of the dense rows."""
    s = sketch_samples(operator.weights, K)
    factors = sketched(operator, LAYOUT, RowLayout(s, 1), SERIAL).factors(0, s)
    A = (factors[:, None, :M] * operator.weights.T).reshape(D * s, M)
    R = np.linalg.qr(np.column_stack([A, factors[:, M:].ravel()]), mode="r")
    factor = factor_of(R[:-1, :-1], RCOND)
    return factor, factor.basis(factor.project(R[:-1, -1])) / factor.column_norms


def dense(operator):
    block = operator.dense_rows(0, K)
    return block[:, :-1], block[:, -1]


def norm_of_lstsq(operator, column_norms):
    A, f = dense(operator)
    w = np.linalg.lstsq(A / column_norms, f, rcond=RCOND)[0] / column_norms
    return np.linalg.norm(f - A @ w)


def fitted_exactly(operator, seed):
    """Give the operator targets that its features fit exactly, so that all of r stays reachable, however small r becomes; return w (M,)."""
    exact = np.random.default_rng(seed).standard_normal(M)
    F = (dense(operator)[0] @ exact).reshape(K, D)
    operator.source.velocities[:] = np.hstack([F[:, D // 2 :], -F[:, : D // 2]])
    return exact
