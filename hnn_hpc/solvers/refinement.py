"""Correcting an answer from its true residual until it is certified and nothing more can be gained."""

from typing import NamedTuple

import numpy as np

from hnn_hpc.progress import stage
from hnn_hpc.solvers.certificate import Certificate, Residual, certificate_of, true_residual
from hnn_hpc.solvers.ridge import penalized

# The part of r that A can still reach, relative to r, that calls for a correction: removing it lowers ‖r‖ by a twentieth or more.
REACHABLE = 0.3
REACHABLE_BY_STEPS = 1e-5  # the same for a plan with steps of its own, at full rank: they started far from the least squares
MOST_CORRECTIONS = 3
SAME_RESIDUAL = 1e-7  # relative; residuals that close are told apart by their backward errors


class Candidate(NamedTuple):
    """Coefficients w (M,) and what their true residual tells.

    residual     of the data alone
    certificate  of the least-squares problem solved, with the rows of the ridge where there is one
    r_norm       ‖r‖ of that problem
    reach        NᵀĀᵀr, (rank,): the part of r that Ā can still reach, in coordinates of the factor's basis N
    """

    coefficients: np.ndarray
    residual: Residual
    certificate: Certificate
    r_norm: float
    reach: np.ndarray

    @property
    def reachable(self):
        """‖NᵀĀᵀr‖ / ‖r‖."""
        return float(np.linalg.norm(self.reach) / self.r_norm) if self.r_norm else 0.0

    def is_better_than(self, other):
        """By the residual; by the backward error where the residuals are the same to the digits that rounding leaves."""
        if abs(self.r_norm - other.r_norm) > SAME_RESIDUAL * other.r_norm:
            return self.r_norm < other.r_norm
        return self.certificate.backward_error < other.certificate.backward_error


def candidate_of(coefficients, residual, factor, penalty, good_enough, threads):
    """Return the `Candidate` of w (M,), from its `Residual`; penalty (M,) or None: see `ridge.penalized`; others: `certificate_of`."""
    whole = penalized(residual, coefficients, penalty)
    reach = factor.basis_transposed(whole.At_r / factor.column_norms)
    certificate = certificate_of(coefficients, whole, factor, good_enough, threads)
    return Candidate(coefficients, residual, certificate, whole.r_norm, reach)


def refine(operator, factor, coefficients, plan, communicator, penalty=None, allowed=0.0, progress=None, on_answer=None):
    """Return (the best `Candidate` on rank 0, None on the others; passes over the samples; iterations of the plan's steps). Collective.

    Rounding leaves a part of r that A can still reach. Where it is a good part of r, as on ill-conditioned problems that are fitted
    almost exactly, or where the backward error is above `allowed`, a correction lowers it: the plan's own steps, or else (R̄ᵀR̄)⁺ Āᵀr
    (corrected seminormal equations: Björck, LAA 88, 1987). Each costs one more pass.

    Parameters: factor and coefficients w (M,) on rank 0, None on the others; penalty: see `ridge.penalized`; allowed (dimensionless);
    on_answer(w): called on rank 0 with the answer so far, after each iteration of the plan's own steps.
    """
    best, residuals, passes, iterations = None, 0, 0, 0
    while True:
        residuals += 1
        coefficients = communicator.broadcast(coefficients)
        with stage(progress, "certify", plan.blocks_of(communicator)) as on_leaf:
            residual = true_residual(operator, coefficients, plan, communicator, on_leaf)
        goes_on = None
        with communicator.together():
            if communicator.is_root:
                with_steps = plan.step and factor.rank == len(coefficients)
                # An answer that steps start from is seldom the last: a bound will do, unless it is.
                good_enough = np.inf if with_steps and best is None else allowed
                candidate = candidate_of(coefficients, residual, factor, penalty, good_enough, plan.threads)
                goal = REACHABLE_BY_STEPS if with_steps else REACHABLE
                is_better = best is None or candidate.is_better_than(best)
                best = candidate if is_better else best
                to_gain = best.reachable > goal or best.certificate.backward_error > allowed
                goes_on = is_better and to_gain and residuals <= MOST_CORRECTIONS
                if not goes_on and best.certificate.backward_error > allowed:
                    best = candidate_of(best.coefficients, best.residual, factor, penalty, allowed, plan.threads)
        if not communicator.broadcast(goes_on):
            return best, residuals + passes, iterations
        step = best and best.reach  # best is None but on rank 0
        if plan.step:
            step, taken, passed = plan.step(operator, factor, best, allowed, plan, communicator, progress, on_answer)
            iterations, passes = iterations + taken, passes + passed
        with communicator.together():
            if communicator.is_root:
                coefficients = best.coefficients + factor.basis(step) / factor.column_norms
