"""Every solver on every kind of problem, against numpy.linalg.lstsq on the dense matrix with scaled columns."""

from dataclasses import replace

import numpy as np
import pytest

from hnn_hpc.errors import NotCertifiedError, UserError
from hnn_hpc.features import ACTIVATIONS, FeatureMap
from hnn_hpc.operators import GradientOperator
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.samples import ArraySamples
from hnn_hpc.solvers import SOLVERS, plan, solve
from hnn_hpc.solvers.certificate import Residual, certificate_of
from hnn_hpc.solvers.triangle import TriangleFactor, triangle_of

RCOND = 1e-12
# Some units of 1.1e-16 for sums of a few hundred terms.
ROUND_OFF = 1e-14


def problem(K, D, M, kind="random"):
    rng = np.random.default_rng([K, D, M])
    W, b = rng.standard_normal((M, D)), rng.standard_normal(M)
    if kind == "twice":
        W[M // 2 :], b[M // 2 :] = W[: M - M // 2], b[: M - M // 2]
    elif kind == "zero feature":
        W[1] = 0
    elif kind == "ill conditioned":
        W *= 1e-5
    elif kind == "saturated":
        b[2] = 1000  # σ' underflows to 0
    feature_map = FeatureMap(W, b, ACTIVATIONS["tanh"])
    return GradientOperator(feature_map, ArraySamples(rng.standard_normal((K, D)), rng.standard_normal((K, D)), None, K))


def scaled_lstsq(operator):
    """The oracle: w, residual norm and rank from the SVD of the whole matrix with columns of norm 1."""
    block = operator.dense_rows(0, operator.samples)
    A, f = block[:, :-1], block[:, -1]
    norms = np.linalg.norm(A, axis=0)
    norms[norms == 0] = 1
    w, _, rank, _ = np.linalg.lstsq(A / norms, f, rcond=RCOND)
    return w / norms, np.linalg.norm(A @ (w / norms) - f), rank, norms


def solve_with(name, operator, blocks=None, **options):
    the_plan = plan(operator.samples, operator.rows_per_sample, operator.columns, name)
    if blocks:
        the_plan = replace(the_plan, layout=RowLayout(operator.samples, blocks))
    return solve(operator, the_plan, SerialCommunicator(), RCOND, **options)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("blocks", [None, 1, 5, 40])
@pytest.mark.parametrize("K, D, M", [(200, 4, 30), (40, 2, 30), (50, 6, 60), (20, 8, 100), (300, 2, 1), (40, 2, 80)])
def test_solution_is_that_of_lstsq(name, blocks, K, D, M):
    operator = problem(K, D, M)
    w, residual, rank, norms = scaled_lstsq(operator)
    solution = solve_with(name, operator, blocks and min(blocks, K))
    block = operator.dense_rows(0, K)
    A, f, w_norm = block[:, :-1] / norms, block[:, -1], np.linalg.norm(w * norms)
    # A backward stable w differs by round-off times condition, and its residual by round-off times ‖A‖‖w‖.
    np.testing.assert_allclose(solution.coefficients * norms, w * norms, atol=ROUND_OFF * np.linalg.cond(A) * w_norm)
    assert solution.relative_residual * np.linalg.norm(f) == pytest.approx(residual, rel=1e-8, abs=ROUND_OFF * np.linalg.norm(A) * w_norm)
    assert solution.certified and solution.rank == rank == M


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("kind", ["twice", "zero feature", "ill conditioned", "saturated"])
def test_rank_deficient_problems_keep_the_residual_of_the_truncated_svd(name, kind):
    operator = problem(120, 4, 40, kind)
    w, residual, rank, norms = scaled_lstsq(operator)
    solution = solve_with(name, operator, 3)
    f = operator.dense_rows(0, 120)[:, -1]
    assert solution.rank == pytest.approx(rank, abs=0 if kind != "ill conditioned" else 2)  # values near rcond may fall on either side
    assert solution.stop_reason == "rank-deficient" and solution.certified
    assert solution.relative_residual * np.linalg.norm(f) == pytest.approx(residual, rel=1e-4)
    # The norm shows that no dropped direction came back; where one more or less is dropped it changes by a factor.
    tolerance = 10 if kind == "ill conditioned" else 1e-6
    assert np.linalg.norm(solution.coefficients * norms) == pytest.approx(np.linalg.norm(w * norms), rel=tolerance)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("name", SOLVERS)
def test_threads_do_not_change_a_bit(name, threads):
    operator = problem(400, 4, 50)
    the_plan = replace(plan(400, 4, 50, name), layout=RowLayout(400, 11))
    alone = solve(operator, the_plan, SerialCommunicator(), RCOND)
    together = solve(operator, replace(the_plan, threads=threads), SerialCommunicator(), RCOND)
    np.testing.assert_array_equal(alone.coefficients, together.coefficients)
    assert alone.backward_error == together.backward_error


def test_targets_of_zero_give_coefficients_of_zero():
    operator = problem(50, 2, 10)
    operator.source.velocities[:] = 0
    solution = solve_with("auto", operator)
    assert not solution.coefficients.any() and solution.certified and solution.relative_residual == 0


def test_certificate_holds_the_true_residuals(monkeypatch):
    monkeypatch.setattr("hnn_hpc.solvers.solution.MOST_CORRECTIONS", 0)
    operator = problem(80, 4, 20)
    # A correct answer has a normal residual of round-off, so it is another answer that shows whether the figures are right.
    solution = solve(operator, perturbed(plan(80, 4, 20), 0, -1), SerialCommunicator(), RCOND, require_certified=False)
    block = operator.dense_rows(0, 80)
    A, f = block[:, :-1], block[:, -1]
    r, norms = f - A @ solution.coefficients, np.linalg.norm(A, axis=0)
    assert solution.relative_residual == pytest.approx(np.linalg.norm(r) / np.linalg.norm(f), rel=1e-12)
    assert solution.normal_residual == pytest.approx(np.linalg.norm((A / norms).T @ r) / (np.sqrt(20) * np.linalg.norm(r)), rel=1e-10)


def test_backward_error_is_the_smallest_change_that_makes_the_answer_exact():
    rng = np.random.default_rng(7)
    A, f = rng.standard_normal((60, 8)), rng.standard_normal(60)
    A /= np.linalg.norm(A, axis=0)
    w = np.linalg.lstsq(A, f)[0] + 1e-4 * rng.standard_normal(8)
    r = f - A @ w
    factor = TriangleFactor(triangle_of(A.copy(order="F")), 1e-15)
    found = certificate_of(w, Residual(np.linalg.norm(r), np.linalg.norm(f), A.T @ r), factor).backward_error * np.linalg.norm(A)
    # The exact value by Walden, Karlson, Sun (1995): min(η, σ_min [A, η (I - r rᵀ / rᵀr)]) with η = ‖r‖/‖w‖.
    eta = np.linalg.norm(r) / np.linalg.norm(w)
    wide = np.hstack([A, eta * (np.eye(60) - np.outer(r, r) / (r @ r))])
    exact = min(eta, np.linalg.svd(wide, compute_uv=False)[-1])
    assert exact / 2 < found < 2 * exact


def test_condition_and_flops_are_reported():
    operator = problem(200, 4, 30)
    _, _, _, norms = scaled_lstsq(operator)
    solution = solve_with("khatri-rao-qr", operator)
    exact = np.linalg.cond(operator.dense_rows(0, 200)[:, :-1] / norms)
    assert exact / 30 < solution.condition_estimate < exact * 30
    # 2 K (M + D)² for the factorization, (2/3) (D - 1) M³ for the merges, 6 K D M for the one pass that a well-conditioned problem needs.
    assert 2 * 200 * 34**2 < solution.flops < 2 * 200 * 34**2 + 2 * 30**3 + 7 * 200 * 4 * 30


def perturbed(the_plan, row, column):
    """A plan whose triangle has one wrong entry."""

    def reduce(*arguments):
        triangle = the_plan.reduce(*arguments)
        triangle[row, column] *= 1000
        return triangle

    return replace(the_plan, reduce=reduce)


def test_a_wrong_answer_is_not_certified():
    operator, the_plan = problem(80, 4, 20), plan(80, 4, 20)
    with pytest.raises(NotCertifiedError, match=r"the solve is not certified: backward error .* where 1e-12 is allowed") as caught:
        solve(operator, perturbed(the_plan, 0, 0), SerialCommunicator(), RCOND)
    assert caught.value.solution.backward_error > 1e-9
    assert not solve(operator, perturbed(the_plan, 0, 0), SerialCommunicator(), RCOND, require_certified=False).certified


def test_a_correction_lowers_the_residual_to_its_least():
    operator, the_plan = problem(80, 4, 20), plan(80, 4, 20)
    good = solve(operator, the_plan, SerialCommunicator(), RCOND)
    corrected = solve(operator, perturbed(the_plan, 0, -1), SerialCommunicator(), RCOND)
    assert corrected.certified and corrected.relative_residual == pytest.approx(good.relative_residual, rel=1e-12)
    np.testing.assert_allclose(corrected.coefficients, good.coefficients, rtol=1e-9)


def test_unknown_solver_lists_the_known_ones():
    with pytest.raises(UserError, match=r"unknown solver 'qr'; the solvers are: auto, khatri-rao-qr, tsqr"):
        plan(100, 2, 10, "qr")


@pytest.mark.parametrize("name", SOLVERS)
def test_memory_limit_reduces_threads_and_then_says_what_would_fit(name):
    the_plan = plan(10**6, 8, 1000, name)
    enough = the_plan.memory(2)
    assert the_plan.limited_to(8, enough).threads == 2
    assert the_plan.limited_to(8, None).threads == 8
    with pytest.raises(UserError, match=rf"memory_per_rank = 1000 bytes is too little: .* needs {the_plan.memory(1)} bytes a rank"):
        the_plan.limited_to(8, 1000)


def test_auto_takes_the_cheaper_solver():
    assert plan(20_000, 4, 2000).solver == "khatri-rao-qr"
    assert plan(200, 40, 2000).solver == "tsqr"


def test_the_solve_counts_in_the_memory_as_well_as_the_factorization():
    the_plan = plan(1000, 2, 900, "khatri-rao-qr")
    assert the_plan.memory(1) >= 8 * 8 * 902**2
    assert plan(10**6, 8, 1000, "khatri-rao-qr").memory(1) >= 8 * (4 * 1008 * 1008 + 8 * 1008**2)
