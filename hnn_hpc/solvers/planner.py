"""What a solve costs, and which solver it should be: pure arithmetic on K, D, M, before anything is computed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, log2

from hnn_hpc.errors import UserError, look_up
from hnn_hpc.parallel.layout import RowLayout, plan_layout
from hnn_hpc.solvers.khatri_rao_qr import khatri_rao_triangle
from hnn_hpc.solvers.tsqr import tsqr_triangle


@dataclass(frozen=True)
class Plan:
    """How one solve is done. `layout`, and with it every bit of the answer, depends on the problem and the options alone.

    solver      name
    reduce      the function that reduces the operator to the triangle of [A | f]
    layout      the fixed global blocks (RowLayout)
    columns     of the matrix that is factored: M + D for [S | F], M + 1 for [A | f]
    block_rows  rows of that matrix in the largest block
    factor_flops, pass_flops, svd_flops
                of the factorization and its merges; of one pass for the true residual; of the SVD, where the rank decision needs it
    threads     of a rank
    """

    solver: str
    reduce: Callable
    layout: RowLayout
    columns: int
    block_rows: int
    factor_flops: float
    pass_flops: float
    svd_flops: float
    threads: int = 1

    def blocks_of(self, communicator):
        """Return how many blocks this rank owns: the steps of one pass over the samples."""
        return len(self.layout.owned_blocks(communicator.rank, communicator.size))

    def memory(self, threads):
        """Return the bytes that a rank needs for blocks and triangles with so many threads.

        While factoring, a thread holds one block and its stack of triangles, 2 log2(blocks) at most and no more than it has blocks;
        besides there are the result and the one received. While solving, rank 0 holds R, its scaled copy, and for the SVD two factors
        and as much again to work in. Samples, imports and MPI come on top.
        """
        stack = min(ceil(self.layout.blocks / threads), 2 * ceil(log2(self.layout.blocks + 1)))
        factoring = threads * (self.block_rows * self.columns + stack * self.columns**2) + 2 * self.columns**2
        return 8 * max(factoring, 8 * self.columns**2)

    def limited_to(self, threads, memory_per_rank=None):
        """Return the plan with at most `threads` threads, and no more than `memory_per_rank` bytes allow.

        Errors: `UserError` where not even one thread fits, with what would.
        """
        threads = min(threads, self.layout.blocks)
        while memory_per_rank and self.memory(threads) > memory_per_rank:
            threads -= 1
            if not threads:
                raise UserError(
                    f"memory_per_rank = {memory_per_rank} bytes is too little: {self.solver} needs {self.memory(1)} bytes a rank "
                    f"(a triangle of order {self.columns} takes {8 * self.columns**2}); use fewer features or a smaller block_bytes"
                )
        return replace(self, threads=threads)


def plan(samples, dimension, features, solver="auto", block_bytes=None):
    """Return the `Plan` for K samples of D coordinates and M features; `solver` is a key of SOLVERS."""
    return look_up(SOLVERS, solver, "solver")(samples, dimension, features, block_bytes)


def _plan_cheapest(K, D, M, block_bytes):
    """The plan of fewest flops, both solvers being as accurate: khatri-rao-qr unless there are far fewer samples than features."""
    return min((solver(K, D, M, block_bytes) for solver in (_plan_khatri_rao_qr, _plan_tsqr)), key=lambda plan: plan.factor_flops)


def _plan_khatri_rao_qr(K, D, M, block_bytes):
    columns = M + D
    layout = plan_layout(K, columns, 1, block_bytes)
    flops = 2 * K * columns**2 + 2 / 3 * (D - 1) * M**3
    return Plan("khatri-rao-qr", khatri_rao_triangle, layout, columns, layout.largest_block, flops, _pass_flops(K, D, M), _svd_flops(M))


def _plan_tsqr(K, D, M, block_bytes):
    columns = M + 1
    layout = plan_layout(K, columns, D, block_bytes)
    # The factors [S | F] are there while the dense rows are filled from them.
    block_rows = layout.largest_block * (D + 1)
    return Plan("tsqr", tsqr_triangle, layout, columns, block_rows, 2 * K * D * columns**2, _pass_flops(K, D, M), _svd_flops(M))


def _pass_flops(K, D, M):
    """X Wᵀ, S (w∘W) and Sᵀ R."""
    return 6 * K * D * M


def _svd_flops(M):
    """Singular values and all vectors of an (M, M) triangle, by LAPACK's nominal count."""
    return 20 / 3 * M**3


SOLVERS = {"auto": _plan_cheapest, "khatri-rao-qr": _plan_khatri_rao_qr, "tsqr": _plan_tsqr}
