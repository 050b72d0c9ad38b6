"""What the stages of a solve take in work and memory: formulas in K samples, D coordinates, M features; pure arithmetic.

A solve is a list of stages. In each, every rank and thread works on leaves of its own, blocks of samples for instance, whose values are
merged over the fixed tree of `parallel.tree`; a stage with one leaf is done by rank 0 alone. So the time of a stage is that of the thread
with the most leaves, then of the merges on the longest path, then of the messages; its memory is that of rank 0. Threads share a merge
that they would wait for; what that gains, a third with two of them, is left out.

n stands for the columns of the matrix that is factored, B for the number of blocks. Work is in flops, values or bytes, by kind as in
`Rates`; memory in numbers of 8 bytes. Terms of lower order are left out where they are below a few per cent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil, log2

from hnn_hpc.features.feature_map import CACHED_VALUES
from hnn_hpc.operators.gradient import PIECE_VALUES
from hnn_hpc.solvers.packed_gram import packed_size
from hnn_hpc.solvers.sketch import NONZEROS, PANEL, RUN

# In numbers of M² on rank 0: the triangle of [A | f] with its factor, near rank deficiency or at full rank; what a certificate adds.
TRUNCATED, FULL_RANK, CERTIFICATE = 5, 2, 3
# Numbers that BLAS packs matrices into, and that the allocator keeps, a thread: 8 MB as measured.
THREAD = 2**20
# Passes for the true residual: one, and for every other problem a second one after a correction.
PASSES = 1.5
# Backward errors that a bound does not settle: those near rank deficiency.
ESTIMATES = 0.5
# Of LSQR in all, for what the sketch has preconditioned to a condition of 2.
ITERATIONS = 14


@dataclass(frozen=True)
class Stage:
    """A part of a solve.

    name
    leaves      pieces of work that are handed out as a whole; 1: rank 0 alone
    order       columns of the matrices: small ones are slower (see `Rates`)
    work        {kind: amount} of all leaves together
    merge       {kind: amount} of merging two values
    value       numbers in the value of a leaf: the size of a message
    broadcast   numbers that rank 0 sends to everybody
    held        numbers that rank 0 holds meanwhile, from other stages
    leaf        numbers that a thread needs for the leaf in work, its value among them
    spread      numbers held in equal parts by all ranks
    """

    name: str
    leaves: int
    order: int
    work: Mapping
    merge: Mapping = field(default_factory=dict)
    value: int = 0
    broadcast: int = 0
    held: int = 0
    leaf: int = 0
    spread: int = 0

    def seconds(self, ranks, threads, rates):
        """Return the seconds of wall-clock time on so many ranks with so many threads each."""
        lanes, longest = self._shares(ranks, threads)
        levels = _levels(min(ranks, self.leaves))
        merges = (longest - 1) + (lanes - 1) + levels  # of a thread, of its rank, between ranks
        computing = rates.seconds(self.work, self.order) * longest / self.leaves + merges * rates.seconds(self.merge, self.order)
        sends = _levels(ranks) if self.broadcast else 0
        return computing + 8 * (levels * self.value + sends * self.broadcast) / rates.network + (levels + sends) / rates.messages

    def memory(self, ranks, threads):
        """Return the bytes of rank 0. Values of a thread wait for each other like the digits of a binary counter."""
        lanes, longest = self._shares(ranks, threads)
        waiting = lanes * int(log2(longest))
        return 8 * (self.held + lanes * (self.leaf + THREAD) + waiting * self.value + ceil(self.spread / ranks))

    def _shares(self, ranks, threads):
        """Return how many threads of the rank with the most leaves have any, and the leaves of the one with the most."""
        own = ceil(self.leaves / ranks)
        lanes = min(threads, own)
        return lanes, ceil(own / lanes)


def _levels(count):
    return (count - 1).bit_length()


def total(*works):
    """Return the sum of several works."""
    return {kind: sum(work.get(kind, 0) for work in works) for kind in {kind: None for work in works for kind in work}}


def times(factor, work):
    """Return a work so many times."""
    return {kind: factor * amount for kind, amount in work.items()}


def householder_flops(rows, columns):
    """Return the flops of a Householder QR of a matrix, tall or wide (Golub & Van Loan, 5.2.1)."""
    short, long = sorted((rows, columns))
    return 2 * long * short**2 - 2 / 3 * short**3


def assembly(K, D, M):
    """Return the work of reading K samples and making S = σ'(X Wᵀ + b) of them: a product with few terms, the bias, the activation."""
    return {"samples": 16 * K * D, "multiply": 2 * K * M * D, "activations": K * M, "memory": 32 * K * M}


def products(K, D, M):
    """Return the work of A v and Aᵀ r for K samples, S being at hand: S (v∘W) and rowsum((Sᵀ R)∘W), products that wait for S."""
    return {"multiply": 4 * K * D * M, "memory": 24 * K * M}


def row_triangle_stages(assembling, rows, n, blocks, share, piece):
    """Return the stages of the triangle of all rows, of which `share` come first, and then pieces of so many rows (see `row_triangle`).

    Householder QR of the first rows, by block or, being twice as many as columns, by halves; 2 n² flops for each of the others, whose sum
    needs a Cholesky factorization and a product of triangles. Samples are read for both. In memory R, packed Gram matrices, and a piece.
    """
    halves = blocks if share == 1 else 2
    householder = {"householder": halves * householder_flops(share * rows / halves, n)}
    leaf, merge = min(2 * n, max(n, ceil(rows / blocks))) * n, {"merge": 2 / 3 * n**3}
    if share == 1:
        return (Stage("factor", blocks, n, total(assembling, householder), merge, n**2, leaf=leaf),)
    first = Stage("first rows", halves, n, householder, merge, n**2, leaf=leaf)
    cholesky = {"cholesky_qr": 2 * (1 - share) * rows * n**2, "samples": assembling["samples"]}
    gram = packed_size(n)
    leaf = ceil((1 - share) * piece) * n + gram + min(CACHED_VALUES, piece * n)
    factor = Stage("factor", blocks, n, total(assembling, cholesky), {"memory": 24 * gram}, gram, n**2, held=n**2, leaf=leaf)
    return first, factor, Stage("renew", 1, n, {"householder": 2 / 3 * n**3}, held=2 * n**2 + gram)


def coordinates_stage(D, M, n):
    """Return the stage of `khatri_rao_qr` that merges the D triangles T diag(W[:, d]); each rank has a copy of T."""
    order = (M + 1) ** 2
    return Stage("coordinates", D, M, {"memory": 16 * D * order}, {"merge": 2 / 3 * M**3}, order, n**2, held=n**2, leaf=order)


def gram_stage(K, D, M, n, blocks, piece):
    """Return the stage of the Gram matrix of [S | F]: n² flops a sample; merging two is adding them."""
    work, gram = total(assembly(K, D, M), {"gram": K * n**2}), packed_size(n)
    return Stage("factor", blocks, n, work, {"memory": 24 * gram}, value=gram, leaf=piece * n + gram + min(CACHED_VALUES, piece * M))


def solve_stage(M, work, factor=TRUNCATED):
    """Return the stage of what rank 0 does with the triangle; estimates of the condition read it some thirty times."""
    return Stage("solve", 1, M, total({"memory": 240 * M**2}, work), held=(factor + 2) * M**2)


def ridge_work(M, by_gcv):
    """Return the work of a ridge on rank 0: a merge with λ I, the trace of the filters; for GCV a bidiagonalization, half gemv."""
    path = {"multiply": 4 / 3 * M**3, "memory": 16 / 3 * M**3}
    return total({"merge": 2 / 3 * M**3, "multiply": M**3}, path if by_gcv else {})


def _held_by_products(D, M, samples):
    """Return the numbers that a thread holds in a product: a little of S, and in making it, the samples, targets and residuals of a run."""
    return min(PIECE_VALUES, samples * M) + min(CACHED_VALUES, samples * M) + 6 * D * samples


def certify_stages(K, D, M, blocks, piece, assembling, factor=TRUNCATED):
    """Return the stages of PASSES for the true residual, r = f - A w and Aᵀr, and of their certificates on rank 0.

    In memory a little of S at a time, and the samples, targets and residuals of a piece.
    """
    reading = times(PASSES, total(assembling, products(K, D, M)))
    judging = {"merge": ESTIMATES * 2 / 3 * M**3, "memory": PASSES * 80 * M**2}
    return (
        Stage("certify", blocks, M, reading, value=M + 2, broadcast=M, held=factor * M**2, leaf=_held_by_products(D, M, piece)),
        Stage("certificate", 1, M, judging, held=(factor + CERTIFICATE) * M**2),
    )


def lsqr_stages(K, D, M, blocks, s, factoring, deciding, kept, with_rows):
    """Return the stages of LSQR on what a sketch of s samples has preconditioned (see `sketch` and `lsqr`).

    A pass that makes S if it is kept (bool: by all ranks together); one that sketches [S | F], NONZEROS additions to memory for each
    value; `factoring`, the stages of the sketch's QR, and `deciding`, that of its rank; a pass for each of ITERATIONS, with N y and
    Nᵀ g on rank 0, with_rows (bool) on five vectors of the rows of A.
    """
    n, held = M + D, TRUNCATED * M**2
    making = {} if kept else assembly(K, D, M)
    sketching = total(making, {"memory": 16 * NONZEROS * K * M})
    iterating = times(ITERATIONS, total(making, products(K, D, M)))
    rows = 5 * K * D if with_rows else 0  # S itself comes on top, as much of it as there is memory for
    stages = (
        Stage("keep", blocks, M, total(assembly(K, D, M), {"memory": 8 * K * M})),
        Stage("sketch", blocks, M, sketching, broadcast=s * n, held=s * n, leaf=(RUN + 1) * s * PANEL, spread=rows),
        *(replace(stage, held=stage.held + s * n, spread=rows) for stage in factoring),
        replace(deciding, spread=rows),
        Stage("iterate", blocks, M, iterating, {}, M + 1, M, held, _held_by_products(D, M, ceil(K / blocks)), rows),
        Stage("precondition", 1, M, {"memory": 24 * ITERATIONS * M**2}, held=held, spread=rows),
        *certify_stages(K, D, M, blocks, ceil(K / blocks), making),
    )
    return stages if kept else stages[1:]
