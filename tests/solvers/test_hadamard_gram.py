"""The triangle from (SᵀS)∘(WWᵀ) against the one by QR, what corrections make of its solutions, and what it refuses."""

import numpy as np
import pytest
from oracles import ROUND_OFF, column_norms, scaled_lstsq
from problems import dense, operator_of, plan_for, problem, solved

from hnn_hpc.errors import NotCertifiedError
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.solvers.hadamard_gram import LARGEST_CONDITION
from hnn_hpc.solvers.triangle import triangle_of


def reduced(operator, *cut):
    the_plan = plan_for("gram", operator, *cut)
    return the_plan.reduce(operator, the_plan, SerialCommunicator())


def smooth(rng, M, bandwidth, K=300, noise=1.0):
    """Features whose condition grows as the bandwidth falls; targets that they fit but for `noise`."""
    operator = operator_of(bandwidth * rng.standard_normal((M, 4)), rng.standard_normal(M), *rng.standard_normal((2, K, 4)))
    A, _ = dense(operator)
    f = (A @ (rng.standard_normal(M) / column_norms(A))).reshape(K, 4)
    operator.source.velocities[:] *= noise
    operator.source.velocities[:] += np.hstack([f[:, 2:], -f[:, :2]])
    return operator


def condition(operator):
    A, _ = dense(operator)
    return np.linalg.cond(A / column_norms(A))


@pytest.mark.parametrize("cut", [(None, None, None), (1, None, None), (7, None, 4), (40, None, None)], ids=str)
@pytest.mark.parametrize("kind", ["random", "sorted", "sizes"])
@pytest.mark.parametrize("K, D, M", [(200, 4, 30), (40, 2, 30), (20, 8, 100), (300, 2, 1), (150, 6, 40)])
def test_triangle_is_that_of_the_dense_rows(rng, K, D, M, kind, cut):
    operator = problem(rng, K, D, M, kind)
    R, householder_rows = reduced(operator, *cut)
    rows = operator.dense_rows(0, K)
    norms, kappa = np.append(column_norms(rows[:, :M]), np.linalg.norm(rows[:, M])), condition(operator)
    assert householder_rows == 0 and not np.tril(R, -1).any()
    np.testing.assert_allclose((R / norms).T @ (R / norms), (rows / norms).T @ (rows / norms), atol=ROUND_OFF * kappa)
    expected = triangle_of(rows)
    signs = np.append(np.sign(expected.diagonal())[:M], 1)
    # Of the squared condition; the last entry, ‖r‖, is a difference of squares.
    np.testing.assert_allclose(R[:M] / norms, (signs[:, None] * expected)[:M] / norms, atol=ROUND_OFF * kappa**2)
    assert R[M, M] == pytest.approx(abs(expected[M, M]), rel=1e-6, abs=1e-6 * norms[M])


@pytest.mark.parametrize("noise", [1.0, 1e-4, 1e-9])
@pytest.mark.parametrize("bandwidth", [0.5, 0.08, 0.02, 0.01])
def test_corrected_solutions_are_as_good_as_lstsq(rng, bandwidth, noise):
    """Conditions of 40, 4e3, 2e5 and 2e6: at the last, the first solution has three or four digits."""
    operator = smooth(rng, 40, bandwidth, noise=noise)
    A, f = dense(operator)
    _, residual, rank = scaled_lstsq(A, f, 1e-15)
    assert rank == 40
    solution = solved("gram", operator, 5, 0.3, 11, rcond=1e-15)
    assert solution.certified and solution.rank == 40
    found = np.linalg.norm(A @ solution.coefficients - f)
    assert found == pytest.approx(residual, rel=1e-6, abs=1e-14 * np.linalg.norm(f) * np.sqrt(40))
    qr = solved("khatri-rao-qr", operator, 5, 0.3, 11, rcond=1e-15)
    assert found <= np.linalg.norm(A @ qr.coefficients - f) * (1 + 1e-6) + 1e-14 * np.linalg.norm(f)


def test_it_answers_up_to_the_limit_and_refuses_beyond(rng):
    """Bandwidths that fall: each problem is solved as well as by QR or refused with its condition, and both happen."""
    outcomes = []
    for bandwidth in np.geomspace(0.3, 0.001, 9):
        operator = smooth(rng, 40, bandwidth, noise=0.1)
        A, f = dense(operator)
        kappa = condition(operator)
        try:
            solution = solved("gram", operator, rcond=1e-15)
        except NotCertifiedError as error:
            assert "the solver gram squares the condition number" in str(error) and "use khatri-rao-qr or lsqr" in str(error)
            # LAPACK's estimate is of κ₁, at most 40 κ₂ and seldom below a third of κ₁.
            assert kappa > LARGEST_CONDITION / 40
            outcomes.append("refused")
            continue
        assert kappa < 3 * LARGEST_CONDITION and solution.certified
        residual = scaled_lstsq(A, f, 1e-15)[1]
        assert np.linalg.norm(A @ solution.coefficients - f) == pytest.approx(residual, rel=1e-6)
        outcomes.append("solved")
    assert sorted(outcomes, reverse=True) == outcomes and len(set(outcomes)) == 2


def test_a_condition_just_above_the_limit_is_named(rng):
    operator = smooth(rng, 40, 0.3)
    operator.feature_map.weights[7] = operator.feature_map.weights[3] * (1 + 2e-8)
    operator.feature_map.biases[7] = operator.feature_map.biases[3]
    with pytest.raises(NotCertifiedError, match=r"which is (too large to tell|\d\.\de\+\d\d or more) here and must be below 3e\+07"):
        reduced(operator)


@pytest.mark.parametrize("kind", ["twice", "mirrored", "nearly linear"])
def test_dependent_features_are_refused(rng, kind):
    with pytest.raises(NotCertifiedError, match="squares the condition number, .*; use khatri-rao-qr or lsqr"):
        reduced(problem(rng, 120, 4, 40, kind))


@pytest.mark.parametrize("kind", ["zero feature", "vanishing", "saturated"])
def test_zero_features_are_left_out(rng, kind):
    operator = problem(rng, 120, 4, 40, kind)
    A, f = dense(operator)
    (zero,) = np.flatnonzero(np.linalg.norm(A, axis=0) == 0)
    R, _ = reduced(operator)
    assert not R[:, zero].any() and np.count_nonzero(R.diagonal()) == 40
    _, residual, rank = scaled_lstsq(A, f, 1e-12)
    solution, qr = (solved(name, operator, 5, 0.3, 11) for name in ("gram", "khatri-rao-qr"))
    assert solution.certified and solution.rank == qr.rank == rank == 39
    assert solution.coefficients[zero] == 0
    assert np.linalg.norm(A @ solution.coefficients - f) == pytest.approx(residual, rel=1e-12)
    norms = column_norms(A)
    np.testing.assert_allclose(solution.coefficients * norms, qr.coefficients * norms, atol=1e-9 * np.linalg.norm(qr.coefficients * norms))


def test_of_zero_features_alone_nothing_is_left(rng):
    operator = problem(rng, 100, 4, 20)
    operator.feature_map.weights[:] = 0
    solution = solved("gram", operator)
    assert solution.rank == 0 and solution.relative_residual == 1 and not solution.coefficients.any()


@pytest.mark.parametrize("bias", range(175, 190, 5))
def test_features_whose_squares_underflow_are_refused(rng, bias):
    """Squares of 1e-280 and less, which as subnormal numbers lose their digits, and whose reciprocals overflow."""
    operator = problem(rng, 100, 4, 20)
    operator.feature_map.biases[[2, 7]] = bias, -bias - 3
    sentence = "squares the features, and [12] of 20 have columns of norm 1e-140 or less, whose squares underflow; use khatri-rao-qr"
    with pytest.raises(NotCertifiedError, match=sentence):
        reduced(operator)


def test_a_target_of_zeros_is_no_obstacle(rng):
    operator = problem(rng, 100, 2, 20)
    operator.source.velocities[:] = 0
    R, _ = reduced(operator)
    assert not R[:, -1].any() and R.diagonal()[:-1].all()
