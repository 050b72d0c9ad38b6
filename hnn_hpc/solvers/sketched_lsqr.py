"""The solver lsqr: the triangle of a sketch of [A | f], then LSQR on A divided by it, from the sketched solution.

One pass over the samples for the sketch and one an iteration: O(K M D) work each in place of the O(K M²) of a factorization, so it is the
solver for many features. The sketch makes it as accurate as a QR at any condition number; see `sketch` and `lsqr`, and where no rank keeps
rows of its own `conjugate_gradients`.
"""

from dataclasses import replace

from hnn_hpc.parallel.checkpoint import NoCheckpoint, OnlyHeeded
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.progress import stage
from hnn_hpc.solvers.conjugate_gradients import cg_correction
from hnn_hpc.solvers.khatri_rao_qr import khatri_rao_triangle
from hnn_hpc.solvers.lsqr import lsqr_correction
from hnn_hpc.solvers.row_triangle import first_share
from hnn_hpc.solvers.sketch import sketch_samples, sketched

# ‖Bᵀr‖ / ‖r‖ to iterate to. The square of the first is far below round-off of ‖r‖; near rank deficiency the directions kept last are
# made of round-off themselves, and LSQR gets no further than the second.
REACHABLE, REACHABLE_TRUNCATED = 1e-6, 1e-2
NEAR = 1e-3  # the same where there have been iterations
MOST_ITERATIONS = 25  # in one go; more are made from the true residual
AIM = 0.1  # of the backward error allowed


def sketched_triangle(operator, plan, communicator, on_leaf=None, checkpoint=None):
    """Return (the (M + 1, M + 1) triangle of a sketch of [A | f] on rank 0, None on the others; householder_rows). Collective.

    Where a sketch would not be much smaller than the samples, the triangle is that of [A | f] itself.
    """
    s, checkpoint = sketch_samples(operator.weights, operator.samples), checkpoint or NoCheckpoint()
    if s == operator.samples:
        return khatri_rao_triangle(operator, plan, communicator, on_leaf, checkpoint)

    # Two blocks as soon as each has as many rows as columns: two threads then take little more than half the time of one.
    blocks = RowLayout(s, 2 if s >= 2 * plan.columns else 1)
    sketch_plan = replace(plan, layout=blocks, first_share=first_share(s, plan.columns))
    sketch = sketched(operator, plan.layout, sketch_plan.layout, communicator, plan.threads, on_leaf=checkpoint.heeding(on_leaf))
    holders = communicator if communicator.reads_samples else SerialCommunicator()  # of the sketch
    return khatri_rao_triangle(sketch, sketch_plan, holders, checkpoint=OnlyHeeded(checkpoint))


def lsqr_step(operator, factor, candidate, allowed, plan, communicator, progress=None, on_answer=None):
    """Return (y, iterations, passes): y (rank,) on rank 0, None on the others, so that w + N y / s is nearer to the least squares, and how
    many passes over the samples it took. Collective.

    Parameters: factor, and the `refinement.Candidate` of w, on rank 0; allowed: the backward error to reach; on_answer: as for `refine`.
    """
    start = target = None
    if communicator.is_root:
        start = candidate.coefficients
        truncated, error = factor.rank < len(start), candidate.certificate.backward_error
        target = REACHABLE_TRUNCATED if truncated else REACHABLE
        if error > allowed and (truncated or candidate.reachable < NEAR):  # otherwise it may be a mere bound
            target = min(target, AIM * allowed / error * candidate.reachable)  # which it is in proportion to
    start, target = communicator.broadcast((start, target))
    with stage(progress, "iterate", MOST_ITERATIONS) as on_iteration:
        if not communicator.reads_samples:
            how = {"iterations": MOST_ITERATIONS, "reachable": target, "on_iteration": lambda _: on_iteration()}
            y, iterations, _ = cg_correction(operator, factor, candidate.residual, plan.layout, communicator, **how)
            return y, iterations, iterations
        y, iterations, _ = lsqr_correction(
            operator,
            factor,
            start,
            plan.layout,
            communicator,
            plan.threads,
            iterations=MOST_ITERATIONS,
            reachable=target,
            on_leaf=lambda: on_iteration(0),  # no step of this stage, but a look at whether the program is to end
            on_iteration=lambda _: on_iteration(),
            on_solution=on_answer and (lambda y: on_answer(start + factor.basis(y) / factor.column_norms)),
        )
    return y, iterations, iterations + 1  # one for the rows of the residual
