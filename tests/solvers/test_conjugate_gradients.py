"""Conjugate gradients behind a sketch: the answers of numpy.linalg.lstsq and the iterates of LSQR, with one pass over the samples each."""

import numpy as np
import pytest
from sketched_problems import LAYOUT, RCOND, SCALES, SERIAL, M, dense, fitted_exactly, norm_of_lstsq, problem, sketched_start

from hnn_hpc.operators.gradient import PiecewiseProducts
from hnn_hpc.solvers.certificate import Residual
from hnn_hpc.solvers.conjugate_gradients import cg_correction
from hnn_hpc.solvers.factor import factor_of
from hnn_hpc.solvers.lsqr import lsqr_correction


def residual_of(operator, w):
    A, f = dense(operator)
    r = f - A @ w
    return Residual(np.linalg.norm(r), np.linalg.norm(f), A.T @ r)


def corrected(operator, factor, w, **how):
    y, iterations, reachable = cg_correction(operator, factor, residual_of(operator, w), LAYOUT, SERIAL, **how)
    return w + factor.basis(y) / factor.column_norms, iterations, reachable


@pytest.mark.parametrize("start", ["sketched", "zero"])
@pytest.mark.parametrize("kind", [*SCALES, "twice", "zero feature"])
def test_residual_is_that_of_lstsq(kind, start):
    operator = problem(kind)
    factor, w = sketched_start(operator)
    w = w if start == "sketched" else np.zeros(M)
    w, first, _ = corrected(operator, factor, w, reachable=1e-7)
    w, second, _ = corrected(operator, factor, w, reachable=1e-7)
    A, f = dense(operator)
    rounding = 1e-15 * np.linalg.norm(w * factor.column_norms) * np.sqrt(M)
    assert np.linalg.norm(f - A @ w) == pytest.approx(norm_of_lstsq(operator, factor.column_norms), rel=1e-9, abs=rounding)
    assert first + second <= 25


def test_coefficients_are_those_of_lstsq():
    operator = problem()
    factor, w = sketched_start(operator)
    found, _, _ = corrected(operator, factor, w, reachable=1e-13)
    A, f = dense(operator)
    expected = np.linalg.lstsq(A, f)[0]
    assert np.linalg.norm(found - expected) < 1e-11 * np.linalg.norm(expected)  # cond(A) is some 100


@pytest.mark.parametrize("iterations", [1, 2, 5])
def test_iterates_are_those_of_lsqr(iterations):
    operator = problem()
    factor, w = sketched_start(operator)
    y, _, reachable = cg_correction(operator, factor, residual_of(operator, w), LAYOUT, SERIAL, iterations=iterations)
    expected, taken, expected_reachable = lsqr_correction(operator, factor, w, LAYOUT, SERIAL, iterations=iterations)
    assert taken == iterations and reachable == pytest.approx(expected_reachable, rel=1e-8)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-10 * np.linalg.norm(expected))


def test_an_iteration_is_one_pass_over_the_samples(monkeypatch):
    operator, passes, found = problem("cond 1e10"), [], []
    factor, w = sketched_start(operator)
    residual = residual_of(operator, w)
    plain = operator.residual
    monkeypatch.setattr(operator, "residual", lambda *run: passes.append(run[:2]) or plain(*run))
    monkeypatch.delattr(PiecewiseProducts, "multiply_transposed")
    _, iterations, reachable = cg_correction(operator, factor, residual, LAYOUT, SERIAL, iterations=9, on_iteration=found.append)
    assert (iterations, len(found), found[-1]) == (9, 9, reachable)
    assert passes == [LAYOUT.bounds(block) for block in range(LAYOUT.blocks)] * 9


@pytest.mark.parametrize("wanted", [1e-2, 1e-6, 1e-10])
def test_it_stops_at_the_reachable_part_that_is_asked_for(wanted):
    operator, found = problem(), []
    factor, w = sketched_start(operator)
    w, iterations, reachable = corrected(operator, factor, w, reachable=wanted, on_iteration=found.append)
    r_norm, _, At_r = residual_of(operator, w)
    true = np.linalg.norm(factor.basis_transposed(At_r / factor.column_norms)) / r_norm
    assert true == pytest.approx(reachable, rel=1e-3, abs=1e-13)  # the recurrence follows it until round-off
    assert reachable <= wanted < found[-2]
    assert len(found) == iterations


def test_nothing_to_do_takes_no_iteration():
    operator = problem()
    factor, _ = sketched_start(operator)
    operator.source.velocities[:] = 0
    y, iterations, reachable = cg_correction(operator, factor, residual_of(operator, np.zeros(M)), LAYOUT, SERIAL)
    assert (y.tolist(), iterations, reachable) == ([0] * M, 0, 0)
    operator = problem()
    operator.weights[:] = 0
    nothing = factor_of(np.zeros((M, M)), RCOND)
    y, iterations, _ = cg_correction(operator, nothing, residual_of(operator, np.zeros(M)), LAYOUT, SERIAL)
    assert (y.shape, iterations) == ((0,), 0)


def test_it_stops_where_the_residual_is_round_off_and_goes_on_from_the_true_one():
    operator = problem()
    factor, _ = sketched_start(operator)
    exact = fitted_exactly(operator, 3)
    w, first, _ = corrected(operator, factor, np.zeros(M))
    assert 1e-10 < np.linalg.norm(w - exact) / np.linalg.norm(exact) < 1e-6
    w, second, _ = corrected(operator, factor, w)
    assert first + second <= 40 and np.linalg.norm(w - exact) < 1e-13 * np.linalg.norm(exact)
