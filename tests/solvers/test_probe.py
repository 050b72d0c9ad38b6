"""The look at the condition number before a solve."""

from dataclasses import replace

import numpy as np
import pytest

from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.solvers import plan, probe_samples, settled
from hnn_hpc.solvers.probe import WELL_CONDITIONED, condition_of, is_well_conditioned
from tests.solvers.problems import dense, operator_of, problem


def scaled_condition(operator):
    A, _ = dense(operator)
    return np.linalg.cond(A / np.linalg.norm(A, axis=0))


def some_samples(operator, step):
    points = operator.source.points[::step]
    return operator_of(operator.weights, operator.feature_map.biases, points, np.zeros_like(points))


@pytest.mark.parametrize("D", [2, 6])
def test_condition_of_few_samples_is_not_below_that_of_all(rng, D):
    M, K = 60, 6000
    operator = problem(rng, K, D, M)
    probed = some_samples(operator, K // probe_samples(D, M))
    S = probed.factors(0, probed.samples)[:, :M]
    exact = scaled_condition(operator)
    # κ₁, estimated, for κ₂; and Gaussian samples, few of which are far out, where some features live.
    assert exact < 1e6 and exact / 3 < condition_of(S, operator.weights) < 100 * exact


def test_columns_of_no_size_and_equal_columns_have_no_condition(rng):
    for kind in ("zero feature", "twice"):
        operator = problem(rng, 200, 4, 20, kind)
        assert condition_of(operator.factors(0, 200)[:, :20], operator.weights) > WELL_CONDITIONED


def test_a_bad_pair_is_found_wherever_it_is(rng):
    good = problem(rng, 200, 4, 40)
    assert is_well_conditioned(good)
    for first, second in ((0, 1), (0, 39)):  # among the first quarter of the features, which is tried first, and beyond
        W, b = good.weights.copy(), good.feature_map.biases.copy()
        W[second], b[second] = W[first], b[first]
        assert not is_well_conditioned(operator_of(W, b, good.source.points, good.source.velocities))


def test_a_plan_is_settled_by_the_probe(rng):
    held = plan(200_000, 20, 2000).limited_to(3)
    good, bad = problem(rng, 200, 4, 20), problem(rng, 200, 4, 20, "twice")
    chosen = settled(held, good, SerialCommunicator())
    assert (chosen.solver, chosen.threads, chosen.layout) == ("gram", 3, held.layout)
    assert settled(held, bad, SerialCommunicator()) is held
    named = replace(held, if_well_conditioned=None)
    assert settled(named, good, SerialCommunicator()) is named
