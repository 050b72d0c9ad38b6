"""Every solver on every kind of problem, against numpy.linalg.lstsq on the dense matrix with scaled columns."""

from dataclasses import replace

import numpy as np
import pytest
from oracles import BESIDE_HOUSEHOLDER, ROUND_OFF, column_norms, gram_error, scaled_lstsq
from problems import DEFICIENT, FULL_RANK, NO_GAP, RCOND, dense, plan_for, problem, solved

from hnn_hpc.errors import NotCertifiedError, UserError
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.solvers import SOLVERS, plan, solve
from hnn_hpc.solvers.certificate import Residual, certificate_of
from hnn_hpc.solvers.factor import factor_of
from hnn_hpc.solvers.triangle import triangle_of

# Solvers that give up on columns that depend on one another: they say so, and are never wrong in silence.
REFUSE_DEFICIENT = {"gram"}
ZERO_COLUMN = {"zero feature", "vanishing", "saturated"}  # which stands apart, and is left out
# Digits that a solver's own error costs before the certificate is content: gram's first solution is wrong by the square of the condition.
LOSES = {"gram": 100}
# (blocks, share of the samples that come first, samples of a piece); None: as planned, most samples for Cholesky QR where they are many.
CUTS = [(None, None, None), (1, None, None), (40, None, None), (2, 0.5, 14), (3, 0.02, 9)]


@pytest.mark.parametrize("cut", CUTS, ids=str)
@pytest.mark.parametrize("K, D, M", [(220, 4, 30), (40, 2, 30), (50, 6, 60), (20, 8, 100), (300, 2, 1), (24, 4, 80)])
@pytest.mark.parametrize("name", SOLVERS)
def test_solution_is_that_of_lstsq(rng, name, K, D, M, cut):
    assert_solved_like_lstsq(name, problem(rng, K, D, M), cut)


@pytest.mark.parametrize("cut", CUTS, ids=str)
@pytest.mark.parametrize("name", [name for name in SOLVERS if name not in REFUSE_DEFICIENT])
def test_as_many_features_as_rows(rng, name, cut):
    """A random square matrix, whose condition may be anything."""
    assert_solved_like_lstsq(name, problem(rng, 40, 2, 80), cut)


@pytest.mark.parametrize("cut", CUTS, ids=str)
@pytest.mark.parametrize("kind", FULL_RANK)
@pytest.mark.parametrize("name", SOLVERS)
def test_every_kind_of_full_rank_is_solved_like_lstsq(rng, name, kind, cut):
    assert_solved_like_lstsq(name, problem(rng, 320, 4, 40, kind), cut)


def assert_solved_like_lstsq(name, operator, cut):
    A, f = dense(operator)
    w, residual, rank = scaled_lstsq(A, f, RCOND)
    norms = column_norms(A)
    size = np.linalg.norm(w * norms)
    solution = solved(name, operator, *cut)
    # A backward stable w differs by round-off times condition, and its residual by round-off times ‖A‖‖w‖.
    round_off = ROUND_OFF * LOSES.get(name, 1)
    np.testing.assert_allclose(solution.coefficients * norms, w * norms, atol=round_off * np.linalg.cond(A / norms) * size)
    found = solution.relative_residual * np.linalg.norm(f)
    assert found == pytest.approx(residual, rel=1e-8, abs=round_off * np.linalg.norm(A / norms) * size)
    assert solution.certified and solution.rank == rank == operator.columns and solution.stop_reason == "converged"


@pytest.mark.parametrize("cut", [CUTS[0], CUTS[3]], ids=str)
@pytest.mark.parametrize("kind", DEFICIENT + NO_GAP)
@pytest.mark.parametrize("name", SOLVERS)
def test_deficient_problems_keep_the_residual_of_the_truncated_svd_or_are_refused(rng, name, kind, cut):
    operator = problem(rng, 300, 4, 40, kind)
    if name in REFUSE_DEFICIENT and kind not in ZERO_COLUMN:
        with pytest.raises(NotCertifiedError, match="use khatri-rao-qr or lsqr"):
            solved(name, operator, *cut, require_certified=False)
        return
    A, f = dense(operator)
    w, residual, rank = scaled_lstsq(A, f, RCOND)
    solution = solved(name, operator, *cut)
    assert solution.stop_reason == "rank-deficient" and solution.certified
    assert solution.rank == pytest.approx(rank, abs=2 if kind in NO_GAP else 0)  # values near rcond may fall on either side
    assert solution.relative_residual * np.linalg.norm(f) == pytest.approx(residual, rel=1e-4)
    # The norm shows that no dropped direction came back; where one more or less is dropped it changes by a factor.
    found, expected = np.linalg.norm(solution.coefficients * column_norms(A)), np.linalg.norm(w * column_norms(A))
    assert found == pytest.approx(expected, rel=10 if kind in NO_GAP else 1e-6)
    zeros = np.linalg.norm(A, axis=0) == 0
    assert not np.any(np.abs(solution.coefficients[zeros]) > 1e-150)


@pytest.mark.parametrize("cut", CUTS, ids=str)
@pytest.mark.parametrize("kind", ["random", "sorted", "twice", "saturated"])
@pytest.mark.parametrize("name", ["khatri-rao-qr", "tsqr"])
def test_reduction_is_the_triangle_of_the_dense_rows(rng, name, kind, cut):
    operator = problem(rng, 200, 4, 20, kind)
    the_plan = plan_for(name, operator, *cut)
    triangle, _ = the_plan.reduce(operator, the_plan, SerialCommunicator())
    assert gram_error(triangle, operator.dense_rows(0, 200)) < BESIDE_HOUSEHOLDER
    assert not np.tril(triangle, -1).any()


@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize("kind", ["random", "sorted"])
@pytest.mark.parametrize("name", SOLVERS)
def test_threads_do_not_change_a_bit(rng, name, kind, threads):
    operator = problem(rng, 400, 4, 20, kind)
    the_plan = plan_for(name, operator, 5, 0.1, 15)
    alone = solve(operator, the_plan, SerialCommunicator(), RCOND)
    together = solve(operator, replace(the_plan, threads=threads), SerialCommunicator(), RCOND)
    np.testing.assert_array_equal(alone.coefficients, together.coefficients)
    assert (alone.backward_error, alone.householder_rows) == (together.backward_error, together.householder_rows)


@pytest.mark.parametrize("name", ["khatri-rao-qr", "tsqr"])
def test_rows_that_go_to_householder_are_counted_over_all_blocks(rng, name):
    """Feature 3 alone sees coordinate 0, which is far from its step but for one sample of each block, not one of the first."""
    operator = problem(rng, 400, 4, 10)
    operator.feature_map.weights[:, 0] = 0
    operator.feature_map.weights[3], operator.feature_map.biases[3] = [30, 0, 0, 0], 0
    operator.source.points[:, 0] = 5
    operator.source.points[55::100, 0] = 0
    solution = solved(name, operator, 4, 0.3, 10)
    assert solution.householder_rows == 4 * (4 if name == "tsqr" else 1)
    assert_solved_like_lstsq(name, operator, (4, 0.3, 10))


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("K, D, M", [(1, 10, 3), (3, 100, 4), (10, 64, 5), (7, 2, 1)])
def test_fewer_samples_than_blocks_that_their_rows_would_give(rng, name, K, D, M):
    assert_solved_like_lstsq(name, problem(rng, K, D, M), (None, None, None))


@pytest.mark.parametrize("name", SOLVERS)
def test_targets_of_zero_give_coefficients_of_zero(rng, name):
    operator = problem(rng, 50, 2, 10)
    operator.source.velocities[:] = 0
    solution = solved(name, operator)
    assert not solution.coefficients.any() and solution.certified and solution.relative_residual == 0


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("factor", [1e-100, 1e100])
def test_the_size_of_the_targets_does_not_matter(rng, name, factor):
    operator = problem(rng, 100, 4, 20)
    ordinary = solved(name, operator, 3, 0.3, 14)
    operator.source.velocities[:] *= factor
    solution = solved(name, operator, 3, 0.3, 14)
    np.testing.assert_allclose(solution.coefficients, factor * ordinary.coefficients, rtol=1e-10)
    assert solution.certified and solution.relative_residual == pytest.approx(ordinary.relative_residual, rel=1e-10)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_coordinate_without_a_force_is_no_obstacle(rng, name):
    """A free direction: its targets are zeros, a column of zeros in [S | F]."""
    operator = problem(rng, 200, 4, 20)
    operator.source.velocities[:, 2] = 0
    assert solved(name, operator, 2, 0.3, 20).householder_rows == 0
    assert_solved_like_lstsq(name, operator, (2, 0.3, 20))


@pytest.mark.parametrize("name", SOLVERS)
def test_an_exact_fit_is_exact(rng, name):
    """Targets in the span of smooth features: what rounding leaves is corrected to a residual near round-off times ‖A‖‖w‖."""
    operator = problem(rng, 300, 2, 12, "wide")
    A, _ = dense(operator)
    w = rng.standard_normal(12)
    f = (A @ w).reshape(-1, 2)
    operator.source.velocities[:] = np.column_stack([f[:, 1], -f[:, 0]])  # J ∇H, whose gradient is f again
    solution = solved(name, operator, 3, 0.2, 14)
    assert solution.certified
    assert solution.relative_residual < 1e-15 * np.linalg.norm(A) * np.linalg.norm(w) / np.linalg.norm(f) + 1e-15


def test_certificate_holds_the_true_residuals(rng, monkeypatch):
    monkeypatch.setattr("hnn_hpc.solvers.refinement.MOST_CORRECTIONS", 0)
    operator = problem(rng, 80, 4, 20)
    # A correct answer has a normal residual of round-off, so it is another answer that shows whether the figures are right.
    solution = solve(operator, perturbed(plan(80, 4, 20, "tsqr"), 0, -1), SerialCommunicator(), RCOND, require_certified=False)
    A, f = dense(operator)
    r, norms = f - A @ solution.coefficients, np.linalg.norm(A, axis=0)
    assert solution.relative_residual == pytest.approx(np.linalg.norm(r) / np.linalg.norm(f), rel=1e-12)
    assert solution.normal_residual == pytest.approx(np.linalg.norm((A / norms).T @ r) / (np.sqrt(20) * np.linalg.norm(r)), rel=1e-10)


def test_backward_error_is_the_smallest_change_that_makes_the_answer_exact(rng):
    A, f = rng.standard_normal((60, 8)), rng.standard_normal(60)
    A /= np.linalg.norm(A, axis=0)
    w = np.linalg.lstsq(A, f)[0] + 1e-4 * rng.standard_normal(8)
    r = f - A @ w
    factor = factor_of(triangle_of(A.copy(order="F")), 1e-15)
    found = certificate_of(w, Residual(np.linalg.norm(r), np.linalg.norm(f), A.T @ r), factor).backward_error * np.linalg.norm(A)
    # The exact value by Walden, Karlson, Sun (1995): min(η, σ_min [A, η (I - r rᵀ / rᵀr)]) with η = ‖r‖/‖w‖.
    eta = np.linalg.norm(r) / np.linalg.norm(w)
    wide = np.hstack([A, eta * (np.eye(60) - np.outer(r, r) / (r @ r))])
    exact = min(eta, np.linalg.svd(wide, compute_uv=False)[-1])
    assert exact / 2 < found < 2 * exact


@pytest.mark.parametrize("name", SOLVERS)
def test_condition_is_reported_within_a_factor(rng, name):
    operator = problem(rng, 200, 4, 30)
    A, _ = dense(operator)
    exact = np.linalg.cond(A / column_norms(A))
    assert exact / 30 < solved(name, operator).condition_estimate < exact * 30


def test_flops_count_the_factorization_and_the_passes(rng):
    operator = problem(rng, 200, 4, 30)
    one_pass = 6 * 200 * 4 * 30
    # 2 K (M + D)² and (2/3) (D - 1) M³; half of the first and M³/3; 2 K D (M + 1)²; and the pass of the certificate.
    assert solved("khatri-rao-qr", operator).flops == pytest.approx(2 * 200 * 34**2 + 2 * 30**3 + one_pass)
    assert solved("gram", operator).flops == pytest.approx(200 * 34**2 + 30**3 / 3 + one_pass)
    assert solved("tsqr", operator).flops == pytest.approx(2 * 800 * 31**2 + one_pass)
    deficient = problem(rng, 200, 4, 30, "twice")
    assert solved("tsqr", deficient).flops == pytest.approx(2 * 800 * 31**2 + one_pass + 4 / 3 * 30**3)


def perturbed(the_plan, row, column):
    """A plan whose triangle has one wrong entry."""

    def reduce(*arguments):
        triangle, householder_rows = the_plan.reduce(*arguments)
        triangle[row, column] *= 1000
        return triangle, householder_rows

    return replace(the_plan, reduce=reduce)


def test_a_wrong_answer_is_not_certified(rng):
    operator, the_plan = problem(rng, 80, 4, 20), plan(80, 4, 20, "khatri-rao-qr")
    with pytest.raises(NotCertifiedError, match=r"the solve is not certified: backward error .* where 1e-12 is allowed") as caught:
        solve(operator, perturbed(the_plan, 0, 0), SerialCommunicator(), RCOND)
    assert caught.value.solution.backward_error > 1e-9
    assert not solve(operator, perturbed(the_plan, 0, 0), SerialCommunicator(), RCOND, require_certified=False).certified


@pytest.mark.parametrize("name", ["khatri-rao-qr", "tsqr", "gram"])
def test_a_correction_lowers_the_residual_to_its_least(rng, name):
    operator, the_plan = problem(rng, 80, 4, 20), plan(80, 4, 20, name)
    good = solve(operator, the_plan, SerialCommunicator(), RCOND)
    corrected = solve(operator, perturbed(the_plan, 0, -1), SerialCommunicator(), RCOND)
    assert corrected.certified and corrected.relative_residual == pytest.approx(good.relative_residual, rel=1e-12)
    np.testing.assert_allclose(corrected.coefficients, good.coefficients, rtol=1e-9)
    assert corrected.flops == pytest.approx(good.flops + 6 * 80 * 4 * 20)


def test_corrections_do_not_bring_back_what_was_dropped(rng):
    operator = problem(rng, 80, 4, 20, "twice")
    the_plan = plan(80, 4, 20, "tsqr")
    good = solve(operator, the_plan, SerialCommunicator(), RCOND)
    corrected = solve(operator, perturbed(the_plan, 0, -1), SerialCommunicator(), RCOND)
    assert corrected.certified and corrected.rank == 10
    np.testing.assert_allclose(corrected.coefficients, good.coefficients, rtol=1e-9)


def test_unknown_solver_lists_the_known_ones():
    with pytest.raises(UserError, match=rf"unknown solver 'qr'; the solvers are: {', '.join(SOLVERS)}"):
        plan(100, 2, 10, "qr")
