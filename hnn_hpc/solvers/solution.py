"""One solve, from the planned blocks to a certified solution."""

import time
from dataclasses import dataclass

import numpy as np

from hnn_hpc.errors import Interruption, NotCertifiedError
from hnn_hpc.parallel.checkpoint import COEFFICIENTS, TRIANGLE, NoCheckpoint
from hnn_hpc.progress import Watched, stage
from hnn_hpc.solvers.certificate import LARGEST_BACKWARD_ERROR
from hnn_hpc.solvers.factor import factor_of
from hnn_hpc.solvers.refinement import refine
from hnn_hpc.solvers.ridge import RidgePath, covariance_factor, effective_dof_of, with_ridge
from hnn_hpc.solvers.spectrum import Spectrum, spectrum_of

GCV = "gcv"
ARRAYS = ("coefficients", "covariance_factor", "spectrum")  # of a solution, too large to be told


@dataclass(frozen=True)
class Solution:
    """The coefficients and what is known of them, from the true residual r = f - A w, recomputed from A at the end.

    Ā has the columns of A scaled to norm 1, so that ‖Ā‖_F = sqrt(M).

    coefficients        w, shape (M,)
    solver              the solver's name
    stop_reason         "converged", or "rank-deficient": converged, on the `rank` directions that rcond keeps
    certified           whether backward_error <= max(1e-13, rcond)
    relative_residual   ‖r‖ / ‖f‖: how well the features fit the data; no matter of certification
    residual_norm       ‖r‖, in units of the velocities
    target_norm         ‖f‖, in the same
    normal_residual     ‖Āᵀr‖ / (‖Ā‖_F ‖r‖)
    backward_error      the smallest change of Ā for which w is an exact least-squares solution, relative to ‖Ā‖_F (see `certificate`)
    condition_estimate  of Ā: LAPACK's estimate of κ₁, or where that is large σ_max over the last pivot of a QR with column pivoting
    rank                numerical rank of Ā at rcond
    spectrum            of the directions of Ā that are kept, with the rows of a ridge (see `spectrum`); of a sketch of Ā for lsqr
    iterations          of LSQR; 0 for the other solvers
    householder_rows    how many rows went to Householder QR because Cholesky QR was not safe for them (see `row_triangle`)
    ridge               λ, dimensionless, chosen or given; 0 for none
    effective_dof       how many coefficients the data decide: the rank, or less with a ridge
    noise_level         σ̂ = ‖r‖ / sqrt(rows - effective_dof), in units of the velocities: what the fit leaves unexplained
    covariance_factor   C (M, M) where it was asked for: C Cᵀ is the covariance of the coefficients for noise of that level, of each block
                        by itself where A has blocks; else None
    flops               floating-point operations of the factorization, the rank decision and every pass over the samples, by their
                        leading terms
    seconds             wall-clock seconds of the solve and its certificate
    """

    coefficients: np.ndarray
    solver: str
    stop_reason: str
    certified: bool
    relative_residual: float
    residual_norm: float
    target_norm: float
    normal_residual: float
    backward_error: float
    condition_estimate: float
    rank: int
    spectrum: Spectrum
    iterations: int
    householder_rows: int
    ridge: float
    effective_dof: float
    noise_level: float
    covariance_factor: np.ndarray | None
    flops: float
    seconds: float

    @property
    def told(self):
        """All but the arrays, a dictionary of plain values."""
        return {name: value for name, value in vars(self).items() if name not in ARRAYS}


def solve(
    operator,
    plan,
    communicator,
    rcond=1e-15,
    *,
    ridge=0.0,
    covariance=False,
    require_certified=True,
    progress=None,
    checkpoint=None,
    keep_after=None,
):
    """Return the `Solution` of min ‖A w - f‖ on every rank. Collective.

    Parameters: operator (RowOperator); plan (Plan): which solver, over which blocks, with how many threads; rcond: see `factor`;
    ridge: λ or "gcv", see `ridge`; covariance (bool): whether to return the covariance of the coefficients too; checkpoint: see
    `NoCheckpoint`; keep_after: seconds after which a solve that succeeds leaves its triangle there, for others are to follow. The
    checkpoint keeps the nodes of the reduction and, once that is done, the triangle of [A | f], which any rcond and ridge can
    go on from, and the answer so far of a solver that iterates: when it is due, at an interruption, and where the certificate fails.
    The caller holds BLAS to one thread (`parallel.threads`), or the bits may depend on how many there are.
    Errors, on all ranks: `NotCertifiedError`, where the certificate fails, unless `require_certified` is False; `Interruption`.
    """
    start, checkpoint = time.perf_counter(), checkpoint or NoCheckpoint()
    allowed = max(LARGEST_BACKWARD_ERROR, rcond)  # truncation changes Ā by rcond, and is asked for
    with checkpoint.deferred():
        with stage(progress, "factor", plan.blocks_of(communicator)) as on_leaf:
            triangle, householder_rows = _triangle_of(operator, plan, communicator, on_leaf, checkpoint)

        state = _State(checkpoint, communicator, triangle, householder_rows, rcond)
        watched = Watched(progress, state.step)
        try:
            answer = _answer(operator, plan, communicator, triangle, rcond, ridge, covariance, allowed, watched, state)
            solution = Solution(
                solver=plan.solver,
                **answer,
                certified=bool(answer["backward_error"] <= allowed and answer["relative_residual"] < np.inf),  # neither is true of NaN
                householder_rows=householder_rows,
                seconds=time.perf_counter() - start,
            )
            if checkpoint.interrupted_anywhere(communicator):
                raise Interruption
            if require_certified and not solution.certified:
                raise NotCertifiedError(
                    f"the solve is not certified: backward error {solution.backward_error:.1e} where {allowed:g} is allowed, "
                    f"condition {solution.condition_estimate:.1e}, rank {solution.rank} of {operator.columns}; "
                    "try fewer features or another bandwidth",
                    solution,
                )
            if keep_after is not None and checkpoint.is_kept and solution.seconds > keep_after:
                state.keep()
        except (Interruption, NotCertifiedError):
            if checkpoint.is_kept:
                state.keep()
                checkpoint.settle(communicator)
            raise
    return solution


def _triangle_of(operator, plan, communicator, on_leaf, checkpoint):
    """Return (the triangle of [A | f] on rank 0, None on the others; householder_rows), from the checkpoint where it has that."""
    if TRIANGLE not in checkpoint.names:
        return plan.reduce(operator, plan, communicator, on_leaf, checkpoint)
    with communicator.together():
        triangle, householder_rows = checkpoint.load(TRIANGLE) if communicator.is_root else (None, None)
    on_leaf(plan.blocks_of(communicator))
    return triangle, communicator.broadcast(householder_rows)


class _State:
    """What a checkpoint keeps of a solve after its reduction: the triangle, and of a solver that iterates the answer so far, on rank 0."""

    def __init__(self, checkpoint, communicator, triangle, householder_rows, rcond):
        self._checkpoint, self._is_root, self._rcond = checkpoint, communicator.is_root, rcond
        self._triangle, self._householder_rows, self._coefficients = triangle, householder_rows, None

    def first_answer(self):
        """Return the coefficients (M,) that an earlier run with the same rcond had come to, or None."""
        if COEFFICIENTS not in self._checkpoint.names:
            return None
        array, _ = self._checkpoint.load(COEFFICIENTS)
        return array[:-1] if array[-1] == self._rcond else None

    def on_answer(self, coefficients):
        """Keep the answer so far in mind."""
        self._coefficients = coefficients

    def step(self):
        """Raise `Interruption` where this process is to end, or save, where it is due; any thread may do so."""
        if self._checkpoint.interrupted:
            raise Interruption
        if self._checkpoint.is_due():
            self.keep()

    def keep(self):
        """Save what is not saved yet."""
        if self._is_root and TRIANGLE not in self._checkpoint.names:
            self._checkpoint.save(TRIANGLE, self._triangle, self._householder_rows)
        if self._coefficients is not None and TRIANGLE in self._checkpoint.names:
            self._checkpoint.save(COEFFICIENTS, np.append(self._coefficients, self._rcond))


def _answer(operator, plan, communicator, triangle, rcond, ridge, covariance, allowed, progress, state):
    """Return, on every rank, what the triangle of [A | f], which rank 0 has, and the true residual give for `Solution`. Collective."""
    rows = operator.samples * operator.rows_per_sample
    system = None
    with stage(progress, "solve", 1) as done, communicator.together():
        if communicator.is_root:
            system = _System(triangle, rows, rcond, ridge, plan.threads)
            if plan.step and (found := state.first_answer()) is not None:
                system.coefficients = found
        done()
    factor, coefficients, penalty = (system.factor, system.coefficients, system.penalty) if system else (None, None, None)
    best, passes, iterations = refine(operator, factor, coefficients, plan, communicator, penalty, allowed, progress, state.on_answer)
    answer = None
    with communicator.together():
        if communicator.is_root:
            answer = system.described(best, rows, covariance)
            answer["iterations"] = iterations
            pivoting = plan.pivoting_flops if system.factor.truncated else 0
            answer["flops"] = plan.factor_flops + passes * plan.pass_flops + pivoting
    return communicator.broadcast(answer)


class _System:
    """The small problem that the rows are reduced to, on rank 0: its factor, with the rows of the ridge, and its solution."""

    def __init__(self, triangle, rows, rcond, ridge, threads):
        self.R, self.penalty = triangle[:-1, :-1], None
        self.ridge = RidgePath(triangle, rows).best_ridge() if ridge == GCV else float(ridge)
        if self.ridge:
            triangle, self.penalty = with_ridge(triangle, self.ridge, threads)
        self.factor = factor_of(triangle[:-1, :-1], rcond)
        self.coefficients = self.factor.basis(self.factor.project(triangle[:-1, -1])) / self.factor.column_norms

    def described(self, best, rows, covariance):
        """Return what `Solution` says of the best `Candidate`."""
        factor, (r_norm, f_norm, _) = self.factor, best.residual
        dof = effective_dof_of(self.R, factor) if self.ridge else float(factor.rank)
        noise_level = r_norm / np.sqrt(rows - dof) if rows > dof else 0.0
        return {
            "coefficients": best.coefficients,
            "stop_reason": "rank-deficient" if factor.rank < len(best.coefficients) else "converged",
            **best.certificate._asdict(),
            "relative_residual": r_norm / f_norm if r_norm else 0.0,
            "residual_norm": r_norm,
            "target_norm": f_norm,
            "condition_estimate": factor.condition,
            "rank": factor.rank,
            "spectrum": spectrum_of(factor),
            "ridge": self.ridge,
            "effective_dof": dof,
            "noise_level": noise_level,
            "covariance_factor": covariance_factor(self.R, factor, noise_level) if covariance else None,
        }
