"""The solution of a block-diagonal problem from those of its blocks."""

import numpy as np

from hnn_hpc.solvers.solution import Solution
from hnn_hpc.solvers.spectrum import joined_spectrum


def joined(parts, count, rows):
    """Return the `Solution` of all blocks together.

    With Ā = diag(Ā_b), all norms are those of the whole: ‖r‖² = Σ‖r_b‖², ‖Āᵀr‖² = Σ‖Ā_bᵀr_b‖², and the smallest backward changes of the
    blocks are one of the whole. The condition is the largest of the blocks', within a factor √M_b of that of the whole, for the largest
    singular values of blocks with columns of norm 1 lie between 1 and √M_b. The largest is told of the ridge, too, which generalized
    cross-validation chooses in each block for its own noise.

    Parameters: parts: pairs (features (M_b,), Solution), count: M; rows: of all blocks.
    """
    solutions = [solution for _, solution in parts]
    columns = np.array([len(features) for features, _ in parts])
    r, f = (np.array([getattr(solution, name) for solution in solutions]) for name in ("residual_norm", "target_norm"))
    r_norm, f_norm = np.linalg.norm(r), np.linalg.norm(f)
    coefficients = np.empty(count)
    for features, solution in parts:
        coefficients[features] = solution.coefficients
    covariance_factor = None
    if all(solution.covariance_factor is not None for solution in solutions):
        covariance_factor = np.zeros((count, count))
        for features, solution in parts:
            covariance_factor[np.ix_(features, features)] = solution.covariance_factor
    reached = np.array([solution.normal_residual for solution in solutions]) * np.sqrt(columns) * r
    changed = np.array([solution.backward_error for solution in solutions]) * np.sqrt(columns)
    dof = sum(solution.effective_dof for solution in solutions)
    is_deficient = any(solution.stop_reason == "rank-deficient" for solution in solutions)
    return Solution(
        coefficients=coefficients,
        solver=" and ".join(dict.fromkeys(solution.solver for solution in solutions)),
        stop_reason="rank-deficient" if is_deficient else "converged",
        certified=all(solution.certified for solution in solutions),
        relative_residual=float(r_norm / f_norm) if f_norm else 0.0,
        residual_norm=float(r_norm),
        target_norm=float(f_norm),
        normal_residual=float(np.linalg.norm(reached) / (np.sqrt(count) * r_norm)) if r_norm else 0.0,
        backward_error=float(np.linalg.norm(changed) / np.sqrt(count)),
        condition_estimate=max(solution.condition_estimate for solution in solutions),
        rank=sum(solution.rank for solution in solutions),
        spectrum=joined_spectrum([solution.spectrum for solution in solutions]),
        iterations=sum(solution.iterations for solution in solutions),
        householder_rows=sum(solution.householder_rows for solution in solutions),
        ridge=max(solution.ridge for solution in solutions),
        effective_dof=dof,
        noise_level=float(r_norm / np.sqrt(rows - dof)) if rows > dof else 0.0,
        covariance_factor=covariance_factor,
        flops=sum(solution.flops for solution in solutions),
        seconds=sum(solution.seconds for solution in solutions),
    )
