"""One solve, from the planned blocks to a certified solution."""

import time
from dataclasses import dataclass

import numpy as np

from hnn_hpc.errors import NotCertifiedError
from hnn_hpc.progress import stage
from hnn_hpc.solvers.certificate import LARGEST_BACKWARD_ERROR, certificate_of, true_residual
from hnn_hpc.solvers.triangle import TriangleFactor

# The part of r that A can still reach, relative to r, that calls for a correction: removing it lowers ‖r‖ by a twentieth or more.
REACHABLE = 0.3
MOST_CORRECTIONS = 3


@dataclass(frozen=True)
class Solution:
    """The coefficients and what is known of them, from the true residual r = f - A w, recomputed from A at the end.

    Ā has the columns of A scaled to norm 1, so that ‖Ā‖_F = sqrt(M).

    coefficients        w, shape (M,)
    solver              the solver's name
    stop_reason         "converged", or "rank-deficient": converged, on the `rank` directions that rcond keeps
    certified           whether backward_error <= max(1e-13, rcond)
    relative_residual   ‖r‖ / ‖f‖: how well the features fit the data; no matter of certification
    normal_residual     ‖Āᵀr‖ / (‖Ā‖_F ‖r‖)
    backward_error      the smallest change of Ā for which w is an exact least-squares solution, relative to ‖Ā‖_F (see `certificate`)
    condition_estimate  of Ā: σ_max/σ_min, or LAPACK's estimate of κ₁ where it is small enough to do without the SVD
    rank                numerical rank of Ā at rcond
    flops               floating-point operations of the factorization, the SVD and every pass over the samples, by their leading terms
    seconds             wall-clock seconds of the solve and its certificate
    """

    coefficients: np.ndarray
    solver: str
    stop_reason: str
    certified: bool
    relative_residual: float
    normal_residual: float
    backward_error: float
    condition_estimate: float
    rank: int
    flops: float
    seconds: float


def solve(operator, plan, communicator, rcond=1e-15, require_certified=True, progress=None):
    """Return the `Solution` of min ‖A w - f‖ on every rank. Collective.

    Parameters: operator (RowOperator); plan (Plan): which solver, over which blocks, with how many threads; rcond: see `TriangleFactor`.
    The caller holds BLAS to one thread (`parallel.threads`), or the bits may depend on how many there are.
    Errors: `NotCertifiedError`, on all ranks, where the certificate fails, unless `require_certified` is False.
    """
    start = time.perf_counter()
    allowed = max(LARGEST_BACKWARD_ERROR, rcond)  # truncation changes Ā by rcond, and is asked for
    with stage(progress, "factor", plan.blocks_of(communicator)) as on_leaf:
        triangle = plan.reduce(operator, plan.layout, communicator, plan.threads, on_leaf)
    answer = _refined_answer(operator, triangle, plan, communicator, rcond, progress)
    solution = Solution(
        solver=plan.solver,
        **answer,
        certified=answer["backward_error"] <= allowed,
        seconds=time.perf_counter() - start,
    )
    if require_certified and not solution.certified:
        raise NotCertifiedError(
            f"the solve is not certified: backward error {solution.backward_error:.1e} where {allowed:g} is allowed, "
            f"condition {solution.condition_estimate:.1e}, rank {solution.rank} of {operator.columns}; "
            "try fewer features or another bandwidth",
            solution,
        )
    return solution


def _refined_answer(operator, triangle, plan, communicator, rcond, progress):
    """Return what `Solution` says of the coefficients, on every rank: solved on rank 0, corrected while that lowers the true residual.

    Rounding leaves a part of r that A can still reach. Where it is a good part of r, as on ill-conditioned problems that are fitted
    almost exactly, a correction from Aᵀr lowers ‖r‖; each costs one more pass over the samples.
    """
    factor = coefficients = best = None
    with stage(progress, "solve", 1) as done, communicator.together():
        if communicator.is_root:
            factor = TriangleFactor(triangle[:-1, :-1], rcond)
            coefficients = factor.solve(triangle[:-1, -1]) / factor.column_norms
        done()
    passes = 0
    while passes <= MOST_CORRECTIONS and (coefficients := communicator.broadcast(coefficients)) is not None:
        passes += 1
        with stage(progress, "certify", plan.blocks_of(communicator)) as on_leaf:
            residual = true_residual(operator, coefficients, plan.layout, communicator, plan.threads, on_leaf)
        with communicator.together():
            if communicator.is_root:
                best, coefficients = _better(best, (coefficients, residual), factor)
    with communicator.together():
        answer = _described(best, factor, plan, passes) if communicator.is_root else None
    return communicator.broadcast(answer)


def _better(best, candidate, factor):
    """Return the better of two (coefficients, residual), and the coefficients to try next or None."""
    coefficients, residual = candidate
    if best is not None and not residual.r_norm < best[1].r_norm:
        return best, None
    g = residual.At_r / factor.column_norms
    if np.linalg.norm(factor.solve_transposed(g)) <= REACHABLE * residual.r_norm:
        return candidate, None
    return candidate, coefficients + factor.correction(g) / factor.column_norms


def _described(best, factor, plan, passes):
    coefficients, residual = best
    return {
        "coefficients": coefficients,
        "stop_reason": "converged" if factor.rank == len(coefficients) else "rank-deficient",
        **certificate_of(coefficients, residual, factor)._asdict(),
        "condition_estimate": factor.condition,
        "rank": factor.rank,
        "flops": plan.factor_flops + passes * plan.pass_flops + (plan.svd_flops if factor.used_svd else 0),
    }
