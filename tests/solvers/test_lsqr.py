"""LSQR behind a sketch against numpy.linalg.lstsq, its products against the dense matrix, and its manners with PETSc."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from sketched_problems import LAYOUT, RCOND, SCALES, SERIAL, D, K, M, dense, fitted_exactly, norm_of_lstsq, problem, sketched_start

from hnn_hpc.errors import UserError
from hnn_hpc.features import ACTIVATIONS, FeatureMap
from hnn_hpc.operators import GradientOperator
from hnn_hpc.operators.gradient import PiecewiseProducts
from hnn_hpc.operators.kept import keep_derivatives
from hnn_hpc.parallel.petsc import PREFIX, set_petsc_options, start_petsc
from hnn_hpc.solvers.factor import factor_of
from hnn_hpc.solvers.lsqr import PreconditionedMatrix, lsqr_correction, residual_rows


@pytest.fixture
def options():
    """`set_petsc_options`, undone after the test."""
    yield set_petsc_options
    database = start_petsc().Options(PREFIX)
    for name in list(database.getAll()):
        database.delValue(name)


@pytest.mark.parametrize("start", ["sketched", "zero"])
@pytest.mark.parametrize("kind", [*SCALES, "twice", "zero feature"])
def test_residual_is_that_of_lstsq(kind, start):
    operator = problem(kind)
    factor, w = sketched_start(operator)
    w = w if start == "sketched" else np.zeros(M)
    A, f = dense(operator)
    if kind in SCALES:
        expected = float(kind.split()[1]) if kind != "cond 1" else 10
        assert expected / 100 < np.linalg.cond(A / factor.column_norms) < expected * 100
    iterations = 0
    for _ in range(2):  # the second time from the true residual
        y, taken, _ = lsqr_correction(operator, factor, w, LAYOUT, SERIAL, reachable=1e-7)
        w = w + factor.basis(y) / factor.column_norms
        iterations += taken
    # A reachable part of 1e-7 would be 5e-15 of the residual's norm; rounding in A w is ‖Ā‖‖w̄‖ ε.
    rounding = 1e-15 * np.linalg.norm(w * factor.column_norms) * np.sqrt(M)
    assert np.linalg.norm(f - A @ w) == pytest.approx(norm_of_lstsq(operator, factor.column_norms), rel=1e-9, abs=rounding)
    assert iterations <= 25
    assert factor.rank == {"twice": M // 2, "zero feature": M - 1}.get(kind, M)


def test_coefficients_are_those_of_lstsq():
    operator = problem()
    factor, w = sketched_start(operator)
    y, _, _ = lsqr_correction(operator, factor, w, LAYOUT, SERIAL, reachable=1e-13)
    A, f = dense(operator)
    expected = np.linalg.lstsq(A, f)[0]
    error = np.linalg.norm(w + factor.basis(y) / factor.column_norms - expected)
    assert error < 1e-11 * np.linalg.norm(expected)  # cond(A) is some 100
    assert np.linalg.norm(w - expected) > 1e-3 * np.linalg.norm(expected)  # so it was not there before


def test_an_iteration_is_one_pass_over_the_samples(monkeypatch):
    operator, passes = problem("cond 1e10"), []
    residual = operator.residual
    factor, w = sketched_start(operator)
    monkeypatch.setattr(operator, "residual", lambda *run: passes.append(run[:2]) or residual(*run))
    monkeypatch.delattr(PiecewiseProducts, "multiply_transposed")
    found, steps = [], []
    _, iterations, reachable = lsqr_correction(
        operator, factor, w, LAYOUT, SERIAL, iterations=9, on_iteration=found.append, on_leaf=lambda: steps.append(1)
    )
    assert (iterations, len(found), found[-1]) == (9, 9, reachable)
    assert passes == [LAYOUT.bounds(block) for block in range(LAYOUT.blocks)] * 10  # one more for the residual
    assert len(steps) == len(passes)


@pytest.mark.parametrize("wanted", [1e-2, 1e-6, 1e-10])
def test_it_stops_at_the_reachable_part_that_is_asked_for(wanted):
    operator = problem()
    factor, w = sketched_start(operator)
    found = []
    y, iterations, reachable = lsqr_correction(operator, factor, w, LAYOUT, SERIAL, reachable=wanted, on_iteration=found.append)
    A, f = dense(operator)
    r = f - A @ (w + factor.basis(y) / factor.column_norms)
    true = np.linalg.norm(factor.basis_transposed(A.T @ r / factor.column_norms)) / np.linalg.norm(r)
    assert true == pytest.approx(reachable, rel=1e-3, abs=1e-13)  # the recurrence follows it until round-off
    assert reachable <= wanted < found[-2]
    assert len(found) == iterations


def test_nothing_to_do_takes_no_iteration():
    operator = problem()
    factor, _ = sketched_start(operator)
    operator.source.velocities[:] = 0
    y, iterations, reachable = lsqr_correction(operator, factor, np.zeros(M), LAYOUT, SERIAL)
    assert (y.tolist(), iterations, reachable) == ([0] * M, 0, 0)
    operator = problem()
    operator.weights[:] = 0
    y, iterations, _ = lsqr_correction(operator, factor_of(np.zeros((M, M)), RCOND), np.zeros(M), LAYOUT, SERIAL)
    assert (y.shape, iterations) == ((0,), 0)


def test_it_stops_where_the_residual_is_round_off():
    operator = problem()
    factor, _ = sketched_start(operator)
    exact = fitted_exactly(operator, 2)
    y, iterations, _ = lsqr_correction(operator, factor, np.zeros(M), LAYOUT, SERIAL, iterations=100)
    assert iterations < 35
    np.testing.assert_allclose(factor.basis(y) / factor.column_norms, exact, rtol=1e-9)


def test_one_feature_and_an_exact_factor():
    """Ā N is orthonormal to round-off, so that LSQR has nothing left after one step and must not divide by it."""
    operator = problem()
    operator = GradientOperator(FeatureMap(operator.weights[:1], operator.feature_map.biases[:1], ACTIVATIONS["tanh"]), operator.source)
    A, f = dense(operator)
    factor = factor_of(np.linalg.qr(A, mode="r"), RCOND)
    y, iterations, _ = lsqr_correction(operator, factor, np.zeros(1), LAYOUT, SERIAL)
    assert factor.basis(y) / factor.column_norms == pytest.approx(np.linalg.lstsq(A, f)[0], rel=1e-12)
    assert iterations <= 3


def test_products_are_those_of_the_dense_matrix_in_any_order():
    operator = problem()
    factor, w = sketched_start(operator)
    A, _ = dense(operator)
    B = A @ (factor.basis(np.identity(M)) / factor.column_norms[:, None])
    matrix = PreconditionedMatrix(operator, factor, LAYOUT, SERIAL, 2, None, *residual_rows(operator, w, LAYOUT, SERIAL))
    rng = np.random.default_rng(3)
    u, v = rng.standard_normal(K * D), rng.standard_normal(M)
    # Sums of some thousand products of order 1.
    np.testing.assert_allclose(matrix.multiply_transposed(u), B.T @ u, atol=1e-11)  # not what LSQR asks for first
    for x in (v, 1e3 * rng.standard_normal(M), v):
        np.testing.assert_allclose(matrix.multiply(x), B @ x, atol=1e-11 * np.linalg.norm(x))
    np.testing.assert_allclose(matrix.multiply_transposed(u), B.T @ u, atol=1e-11)
    np.testing.assert_allclose(matrix.multiply_transposed(-2 * u), -2 * B.T @ u, atol=1e-11)
    matrix = PreconditionedMatrix(operator, factor, LAYOUT, SERIAL, 2, None, *residual_rows(operator, w, LAYOUT, SERIAL))
    left, right = u @ matrix.multiply(v), v @ matrix.multiply_transposed(u)
    assert left == pytest.approx(right, rel=1e-11), f"<u, Bv> = {left!r}, <Btu, v> = {right!r}"


def test_threads_and_kept_derivatives_do_not_change_a_bit():
    operator = problem("cond 1e5")
    factor, w = sketched_start(operator)
    alone = lsqr_correction(operator, factor, w, LAYOUT, SERIAL, iterations=5)
    kept = keep_derivatives(operator, LAYOUT, SERIAL, 8 * M * 900)
    for other, threads in [(operator, 2), (operator, 7), (kept, 1), (kept, 3)]:
        y, *rest = lsqr_correction(other, factor, w, LAYOUT, SERIAL, threads, iterations=5)
        np.testing.assert_array_equal(y, alone[0])
        assert rest == [5, alone[2]]


def test_a_residual_at_hand_spares_a_pass(monkeypatch):
    operator = problem()
    factor, w = sketched_start(operator)
    expected = lsqr_correction(operator, factor, w, LAYOUT, SERIAL, iterations=4)[0]
    start = residual_rows(operator, w, LAYOUT, SERIAL)
    A, f = dense(operator)
    np.testing.assert_allclose(start[0].ravel(), f - A @ w, atol=1e-12)
    assert start[1].r_norm == pytest.approx(np.linalg.norm(f - A @ w), rel=1e-12)
    passes, residual = [], operator.residual
    monkeypatch.setattr(operator, "residual", lambda *run: passes.append(run) or residual(*run))
    np.testing.assert_array_equal(lsqr_correction(operator, factor, w, LAYOUT, SERIAL, iterations=4, start=start)[0], expected)
    assert len(passes) == 4 * LAYOUT.blocks


def test_options_reach_petsc(options, capfd):
    operator = problem()
    factor, w = sketched_start(operator)
    expected = lsqr_correction(operator, factor, w, LAYOUT, SERIAL, iterations=3)
    options(["-ksp_max_it", "3"])
    y, *rest = lsqr_correction(operator, factor, w, LAYOUT, SERIAL)
    np.testing.assert_array_equal(y, expected[0])
    assert rest == list(expected[1:]) and rest[0] == 3
    # A monitor that asks for products of its own, in between, must not disturb; it costs the passes that are then made again.
    options(["-hnn_hpc_ksp_monitor_true_residual"])
    y, iterations, reachable = lsqr_correction(operator, factor, w, LAYOUT, SERIAL)
    np.testing.assert_allclose(y, expected[0], atol=1e-12 * np.linalg.norm(expected[0]))
    assert iterations == 3 and reachable == pytest.approx(expected[2], rel=1e-6)
    assert capfd.readouterr().out.count("true resid norm") == 4


@pytest.mark.parametrize(
    "words, message",
    [
        (["-ksp_monitro"], "knows no option -ksp_monitro"),
        (["-ksp_type", "cgls"], "-ksp_type and -pc_type must stay 'lsqr' and 'none'; got 'cgls' and 'none'"),
        (["-pc_type", "jacobi"], "got 'lsqr' and 'jacobi'"),
        (["-ksp_max_it", "many"], "PETSc cannot use its options: Input string many has no integer value"),
        (["3", "-ksp_max_it"], "expected an option of PETSc such as -ksp_monitor, got '3'"),
        (["-ksp_max_it", "-3", "5"], "expected an option of PETSc such as -ksp_monitor, got '5'"),
        (["--", "x"], "got '--'"),
    ],
)
def test_wrong_options_are_named(words, message, options):
    operator = problem()
    with pytest.raises(UserError, match=message):
        options(words)
        lsqr_correction(operator, *sketched_start(operator), LAYOUT, SERIAL)


@pytest.mark.parametrize("when", [1, 3])
def test_a_failing_product_raises_its_own_exception(when, monkeypatch):
    operator, calls = problem(), []
    factor, w = sketched_start(operator)
    start = residual_rows(operator, w, LAYOUT, SERIAL)

    def fail(*run):
        calls.append(run)
        if len(calls) > LAYOUT.blocks * (when - 1):
            raise ZeroDivisionError("in a product")
        return GradientOperator.residual(operator, *run)

    monkeypatch.setattr(operator, "residual", fail)
    with pytest.raises(ZeroDivisionError, match="in a product"):
        lsqr_correction(operator, factor, w, LAYOUT, SERIAL, start=start)


def test_numbers_that_overflow_are_an_error():
    operator = problem()
    factor, w = sketched_start(operator)
    w[0] = np.nan
    with pytest.raises(Exception, match="LSQR gave up with reason -9"):
        lsqr_correction(operator, factor, w, LAYOUT, SERIAL)


def test_a_missing_petsc_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "petsc4py", None)
    with pytest.raises(UserError, match=r"^the solver 'lsqr' needs PETSc with petsc4py \(.*\): pip install 'hnn-hpc\[petsc\]'$"):
        start_petsc()


def test_petsc_leaves_signals_to_the_program():
    program = f"""
import os, signal
signal.signal(signal.SIGTERM, lambda *_: print("caught"))
from hnn_hpc.parallel.petsc import start_petsc
start_petsc()
os.kill(os.getpid(), {int(signal.SIGTERM)})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=_alone())
    assert (done.stdout, done.returncode) == ("caught\n", 0), done.stderr


def _alone():
    """The environment without what tells MPI that this process is one of several."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PMI", "OMPI", "PMIX", "MPI"))}
