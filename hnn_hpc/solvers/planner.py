"""What a solve costs, and which solver it should be: pure arithmetic on K, D, M, before anything is computed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from math import ceil

from hnn_hpc.errors import UserError, look_up
from hnn_hpc.parallel.layout import RowLayout, plan_layout
from hnn_hpc.parallel.petsc import petsc_at_hand
from hnn_hpc.solvers.coordinate_qr import coordinate_triangle
from hnn_hpc.solvers.costs import (
    FULL_RANK,
    Stage,
    assembly,
    certify_stages,
    coordinates_stage,
    gram_stage,
    householder_flops,
    lsqr_stages,
    ridge_work,
    row_triangle_stages,
    solve_stage,
    times,
    total,
)
from hnn_hpc.solvers.hadamard_gram import gram_triangle
from hnn_hpc.solvers.khatri_rao_qr import khatri_rao_triangle
from hnn_hpc.solvers.probe import WELL_CONDITIONED, probe_work
from hnn_hpc.solvers.rates import NOMINAL
from hnn_hpc.solvers.row_triangle import first_share
from hnn_hpc.solvers.sketch import FEWEST_SAMPLES, NONZEROS, OVERSAMPLING
from hnn_hpc.solvers.sketched_lsqr import lsqr_step, sketched_triangle
from hnn_hpc.solvers.solution import GCV
from hnn_hpc.solvers.tsqr import tsqr_triangle

PIECE_ROWS = 1024  # rows at a time: enough for the full speed of BLAS-3, few enough to stay small
ACCURATE = ("khatri-rao-qr", "tsqr", "lsqr")  # those that auto chooses from: as good as a QR of A whatever its condition
NOMINAL_MEMORY = 2e10  # bytes that auto expects all ranks to have for σ'
MOST_PETSC_ROWS = 2**31 - 1  # that a PETSc of 32-bit indices, the usual one, can count
LSQR_GAIN = 1.25  # so much faster lsqr must be to be chosen: its last bits depend on the number of ranks, those of the others do not
# The stages of a plan as a solve reports them; all others are its factorization.
REPORTED = {name: name for name in ("keep", "solve", "iterate", "certify")} | {"precondition": "iterate", "certificate": "certify"}
LARGEST_PROBE = 0.1  # of the solve: so much a probe may cost that finds nothing to gain


@dataclass(frozen=True)
class Plan:
    """How one solve is done. It depends on the problem and the options alone, and so does every bit of the answer of all solvers but lsqr.

    solver          name
    reduce          the function that reduces the operator to the triangle of [A | f]
    layout          the fixed global blocks (RowLayout)
    columns         of the matrix that is factored: M + D for [S | F], M + 1 for [A | f], of the widest coordinate where they are factored
                    one by one
    rows_per_sample of the same: 1 or D
    first_share     the part of all samples that a QR starts with (see `row_triangle`)
    piece_samples   that a piece has at most
    factor_flops, pass_flops, pivoting_flops
                    of the factorization and its merges; of one pass for the true residual; of the rank decision, where it is needed
    stages          what it costs (see `costs`)
    reason          why this solver
    if_well_conditioned
                    the plan to take instead where a probe finds that the condition number allows it (see `probe`), or None
    step            what an iterative solver does to an answer (see `refinement.refine`), or None
    needs_petsc     whether that step is PETSc's
    keepable_bytes  of σ', which an iterative solver needs in every iteration: all ranks together may keep so much, or make it anew
    threads         of a rank
    """

    solver: str
    reduce: Callable
    layout: RowLayout
    columns: int
    rows_per_sample: int
    first_share: float
    piece_samples: int
    factor_flops: float
    pass_flops: float
    pivoting_flops: float
    stages: tuple = ()
    reason: str = "asked for by name"
    if_well_conditioned: "Plan | None" = None
    step: Callable | None = None
    needs_petsc: bool = False
    keepable_bytes: int = 0
    threads: int = 1

    def pieces(self, block):
        """Return the list of (start, stop): the runs of samples that a block is read in, of sizes that differ by one at most."""
        start, stop = self.layout.bounds(block)
        count = ceil((stop - start) / self.piece_samples)
        return list(pairwise(start + (stop - start) * piece // count for piece in range(count + 1)))

    def blocks_of(self, communicator):
        """Return how many blocks this rank owns: the steps of one pass over the samples."""
        return len(self.layout.owned_blocks(communicator.rank, communicator.size))

    @property
    def largest_piece(self):
        """The samples of the largest of `pieces`."""
        return min(self.layout.largest_block, self.piece_samples)

    @property
    def flops(self):
        """The flops of the factorization, the rank decision and one pass over the samples."""
        return self.factor_flops + self.pass_flops + self.pivoting_flops

    def memory(self, threads, ranks=1):
        """Return the bytes that the rank with the most needs for rows, triangles and what else the stages hold.

        Samples, imports and MPI come on top.
        """
        return max(stage.memory(ranks, threads) for stage in self.stages)

    def seconds(self, ranks=1, rates=NOMINAL):
        """Return the seconds of wall-clock time on so many ranks, with this plan's threads, each of which has a core."""
        return sum(stage.seconds(ranks, self.threads, rates) for stage in self.stages)

    def expected(self, ranks=1, rates=NOMINAL):
        """Return the stages that a solve reports (see `progress`), in order: a list of (name, seconds of wall-clock time)."""
        seconds = {}
        for stage in self.stages:
            name = REPORTED.get(stage.name, "factor")
            seconds[name] = seconds.get(name, 0.0) + stage.seconds(ranks, self.threads, rates)
        return list(seconds.items())

    def limited_to(self, threads, memory_per_rank=None, ranks=1):
        """Return the plan with at most `threads` threads, and no more than `memory_per_rank` bytes allow.

        Errors: `UserError` where not even one thread fits, with what would.
        """
        threads = min(threads, self.layout.blocks)
        while memory_per_rank and self.memory(threads, ranks) > memory_per_rank:
            threads -= 1
            if not threads:
                raise UserError(
                    f"memory_per_rank = {memory_per_rank} bytes is too little: {self.solver} needs {self.memory(1, ranks)} bytes a rank "
                    f"(a triangle of order {self.columns} takes {8 * self.columns**2}); use fewer features or a smaller block_bytes"
                )
        return replace(self, threads=threads)


def plan(
    samples,
    dimension,
    features,
    solver="auto",
    block_bytes=None,
    ridge=0.0,
    *,
    khatri_rao=True,
    layout=None,
    touching=None,
    with_rows=True,
    evaluations=1.0,
    piece_rows=PIECE_ROWS,
    moved=0.0,
):
    """Return the `Plan` for K samples, D rows a sample (one a coordinate), and M features.

    Parameters: solver: a key of SOLVERS; block_bytes: see `FitOptions`; ridge: λ, "gcv", or 0 for none; khatri_rao: whether the operator
    has the Khatri-Rao factors, and with them D columns of W: without, only tsqr serves; layout: a RowLayout of the K samples, for several
    solves over the same blocks, in place of the one that suits this solve best; touching: how many features have a weight other than 0
    along each coordinate, (D,), where not all of them have; with_rows: whether ranks keep rows, and σ', from one pass to the next: lsqr is
    PETSc's then, and conjugate gradients otherwise; evaluations: of each feature for a sample's rows, which for particles are those of its
    bonds; piece_rows: rows in memory at a time, unless block_bytes say; moved: bytes for finding out what a sample's rows are made of.
    Errors: `UserError` for an unknown solver, and for one that needs the factors where there are none.
    """
    assert layout is None or layout.rows == samples
    planned = look_up(SOLVERS, solver, "solver")
    if solver in ("auto", "lsqr"):
        planned = partial(planned, with_rows=with_rows)
    if khatri_rao:
        dense = planned(samples, dimension, features, block_bytes, ridge, layout)
        if touching is None or solver not in ("auto", "khatri-rao-qr"):
            return dense
        sparse = _plan_coordinate_qr(samples, dimension, features, block_bytes, dense.layout, ridge, touching)
        return min(dense, sparse, key=_seconds_to_choose_by)
    if solver not in ("auto", "tsqr"):
        raise UserError(f"the matrix of derived coordinates has no Khatri-Rao form, which {solver} needs; use 'auto' or 'tsqr'")
    only = _plan_tsqr(samples, dimension, features, block_bytes, ridge, layout, evaluations, piece_rows, moved)
    return replace(only, reason="the only one for a matrix without the Khatri-Rao form") if solver == "auto" else only


def _plan_auto(K, D, M, block_bytes, ridge, layout=None, with_rows=True):
    """The fastest of the ACCURATE solvers, by NOMINAL rates on one core; lsqr only for a clear gain, without ridge, and with PETSc where it
    is PETSc's.

    Neither ranks, threads nor a measurement take part, so that any number of ranks solves in the same way.
    Where gram would be faster still, the plan holds it as `if_well_conditioned`: only a probe of the features can tell (see `probe`).
    """
    candidates = {name: SOLVERS[name] for name in ACCURATE}
    candidates["lsqr"] = partial(_plan_lsqr, with_rows=with_rows)
    if ridge or (with_rows and not (petsc_at_hand() and K * D <= MOST_PETSC_ROWS)):
        del candidates["lsqr"]
    plans = sorted((planned(K, D, M, block_bytes, ridge, layout) for planned in candidates.values()), key=_seconds_to_choose_by)
    best, gram = plans[0], _plan_gram(K, D, M, block_bytes, ridge, layout)
    best = replace(best, reason=f"the fastest that does for any condition number ({_told(plans)})")
    probing = NOMINAL.seconds(probe_work(D, M), M)
    worth_it = probing <= LARGEST_PROBE * best.seconds() and gram.seconds() + probing < best.seconds()
    if ridge or not worth_it or gram.layout != best.layout:
        return best
    reason = f"a probe of the features finds a condition number of {WELL_CONDITIONED:.0e} or less ({_told([gram])})"
    return replace(best, if_well_conditioned=replace(gram, reason=reason))


def _seconds_to_choose_by(plan):
    return plan.seconds() * (LSQR_GAIN if plan.step else 1.0)


def _told(plans):
    return ", ".join(f"{plan.solver} {plan.seconds():.3g} s" for plan in plans) + " on a core of nominal speed"


def _plan_khatri_rao_qr(K, D, M, block_bytes, ridge, layout=None):
    n = M + D
    plan = _plan("khatri-rao-qr", khatri_rao_triangle, K, D, M, n, 1, block_bytes, layout, 2 * K * n**2 + 2 / 3 * (D - 1) * M**3)
    factoring = row_triangle_stages(assembly(K, D, M), K, n, plan.layout.blocks, plan.first_share, plan.largest_piece)
    return replace(plan, stages=(*factoring, coordinates_stage(D, M, n), *_qr_stages(plan, K, D, M, ridge)))


def _plan_coordinate_qr(K, D, M, block_bytes, layout, ridge, touching):
    """khatri-rao-qr of sparse weights, coordinate by coordinate. All coordinates count as the widest, but for a share of its work."""
    n = max(touching) + 1
    flops, share = sum(2 * K * (m + 1) ** 2 for m in touching), sum((m + 1) ** 2 for m in touching) / n**2
    plan = _plan("khatri-rao-qr", coordinate_triangle, K, D, M, n, 1, block_bytes, layout, flops)
    assembling = assembly(K, 2, n) | {"samples": 16 * K * D}
    widest = row_triangle_stages(assembling, K, n, plan.layout.blocks, plan.first_share, plan.largest_piece)
    triangles = sum((m + 1) ** 2 for m in touching)
    of_all = [
        replace(stage, work=times(share, stage.work), merge=times(share, stage.merge), held=stage.held + triangles) for stage in widest
    ]
    fronts = Stage("fronts", 1, n, {"householder": share * householder_flops(4 * n, 2 * n)}, held=2 * M**2 + triangles)
    stages = (*of_all, fronts, *_qr_stages(plan, K, D, M, ridge))
    return replace(plan, stages=stages, reason="each coordinate by itself, for few features touch it")


def _plan_tsqr(K, D, M, block_bytes, ridge, layout=None, evaluations=1.0, piece_rows=PIECE_ROWS, moved=0.0):
    n = M + 1
    plan = _plan("tsqr", tsqr_triangle, K, D, M, n, D, block_bytes, layout, 2 * K * D * n**2, piece_rows=piece_rows)
    of_S = total(assembly(K * evaluations, D, M), {"memory": K * moved})
    assembling = total(of_S, {"memory": 16 * K * D * M})  # reads S, writes A
    piece = int((D + evaluations) * plan.largest_piece)
    factoring = row_triangle_stages(assembling, K * D, n, plan.layout.blocks, plan.first_share, piece)
    return replace(plan, stages=(*factoring, *_qr_stages(plan, K, D, M, ridge, of_S)))


def _plan_gram(K, D, M, block_bytes, ridge, layout=None):
    n = M + D
    plan = _plan("gram", gram_triangle, K, D, M, n, 1, block_bytes, layout, K * n**2 + M**3 / 3, share=0.0)
    factor = gram_stage(K, D, M, n, plan.layout.blocks, plan.largest_piece)
    solving = solve_stage(M, {"multiply": 2 * D * M**2, "householder": M**3 / 3}, FULL_RANK)
    certifying = certify_stages(K, D, M, plan.layout.blocks, plan.largest_piece, assembly(K, D, M), FULL_RANK)
    return replace(plan, stages=(factor, solving, *certifying))


def _plan_lsqr(K, D, M, block_bytes, ridge, layout=None, with_rows=True):
    s = ceil(OVERSAMPLING * M / D) + FEWEST_SAMPLES  # for weights of equal size in all coordinates (see `sketch`)
    sketch = _plan_khatri_rao_qr(s if 2 * s <= K else K, D, M, block_bytes, 0.0)
    flops = 2 * NONZEROS * K * M + sketch.factor_flops
    plan = _plan("lsqr", sketched_triangle, K, D, M, M + D, 1, block_bytes, layout, flops)
    kept = with_rows and 8 * K * M <= NOMINAL_MEMORY
    *factoring, deciding = (stage for stage in sketch.stages if not stage.name.startswith("certif"))
    stages = lsqr_stages(K, D, M, plan.layout.blocks, sketch.layout.rows, factoring, deciding, kept, with_rows)
    return replace(plan, stages=stages, step=lsqr_step, needs_petsc=with_rows, keepable_bytes=8 * K * M if with_rows else 0)


def _qr_stages(plan, K, D, M, ridge, assembling=None):
    """What follows on a QR: the rank decision, a ridge where there is one, the certificate. assembling: the work of making S in a pass."""
    work = total({"householder": 4 / 3 * M**3}, ridge_work(M, by_gcv=ridge == GCV) if ridge else {})
    return solve_stage(M, work), *certify_stages(K, D, M, plan.layout.blocks, plan.largest_piece, assembling or assembly(K, D, M))


def _plan(name, reduce, K, D, M, columns, rows_per_sample, block_bytes, layout, flops, share=None, piece_rows=PIECE_ROWS):
    share = first_share(K * rows_per_sample, columns) if share is None else share
    rows = (block_bytes or 8 * columns * piece_rows) // (8 * columns)  # in memory at a time: the first of a piece, or the rest
    piece = max(1, int(rows / rows_per_sample / max(share, 1 - share)))
    layout = layout or plan_layout(K, columns, rows_per_sample)
    pass_flops, pivoting_flops = 6 * K * D * M, 4 / 3 * M**3
    return Plan(name, reduce, layout, columns, rows_per_sample, share, piece, flops, pass_flops, pivoting_flops)


SOLVERS = {
    "auto": _plan_auto,
    "khatri-rao-qr": _plan_khatri_rao_qr,
    "tsqr": _plan_tsqr,
    "gram": _plan_gram,
    "lsqr": _plan_lsqr,
}
