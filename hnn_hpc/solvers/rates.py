"""How fast one core works, kind by kind of the work that solvers do, and how fast ranks talk to each other.

Two uses, which are kept apart. A *choice* between solvers is made with NOMINAL rates, for it decides the bits of the answer, and those must
not depend on the machine, on its ranks and threads, or on what else it was doing while a clock was read. The *seconds* that a person is
told come from `calibrate`, which measures a few kernels for some milliseconds.
"""

import time
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from hnn_hpc.parallel.threads import single_threaded_blas
from hnn_hpc.solvers.lapack import add_gram, divide_by_triangle
from hnn_hpc.solvers.triangle import combine, triangle_of

# A kernel reaches half of its speed on matrices of so many columns: the part of it that is not BLAS-3 weighs more the smaller they are.
HALF_SPEED = {"cholesky_qr": 100, "gram": 80, "householder": 300, "merge": 400}
FEATURES_AT_A_TIME = 32  # of the activation in a calibration: values that stay in the core's own cache, as in `FeatureMap`
LARGE_NUMBERS = 2**19  # 4 MB, and as much again for the copy: not so much that it would be the peak of the program's memory
BROADCAST_NUMBERS = 2**17


@dataclass(frozen=True)
class Rates:
    """Amounts a second, of one core; those of HALF_SPEED are the limits for large matrices.

    multiply      flops of a matrix product
    cholesky_qr   flops of dtrsm and dsyrk, counted together as 2 B n² for B rows of n columns
    gram          flops of dsyrk alone, B n²
    householder   flops of dgeqrt, and of other blocked factorizations
    merge         flops of dtpqrt on two triangles, (2/3) n³
    activations   values of σ'
    memory        bytes read from or written to arrays too large for the cache
    samples       bytes of points and velocities, generated or read from a file
    network       bytes from one rank to another
    messages      messages one after the other
    """

    multiply: float
    cholesky_qr: float
    gram: float
    householder: float
    merge: float
    activations: float
    memory: float
    samples: float
    network: float
    messages: float

    def seconds(self, work, order):
        """Return the seconds of one core for `work`, {kind: amount}, on matrices of `order` columns."""
        return sum(amount / getattr(self, kind) * (1 + HALF_SPEED.get(kind, 0) / order) for kind, amount in work.items())


# Between the machines that this was written on, whose cores reach 40 to 70 GF/s in a product of matrices and need 4 ns (AVX2) or 1.5 ns
# (AVX-512) for the derivative of a tanh. Kernels of LAPACK stand to the product as they were measured. The network is a slow one.
NOMINAL = Rates(
    multiply=55e9,
    cholesky_qr=50e9,
    gram=55e9,
    householder=45e9,
    merge=35e9,
    activations=4e8,
    memory=12e9,
    samples=3e8,
    network=1e9,
    messages=5e4,
)


@cache
def calibrate(derivative, order=256, repeats=3):
    """Return the `Rates` of a core of this machine, NOMINAL for the network: the best of `repeats` runs of each kernel, once a process.

    Parameters: derivative: σ' as in `Activation`; order: columns of the matrices; about order²/20 microseconds for three repeats.
    """
    rng = np.random.default_rng(0)
    rows, n = 4 * order, order
    X = np.asfortranarray(rng.standard_normal((rows, n)))
    R = np.asfortranarray(np.triu(rng.standard_normal((n, n))) / n + np.identity(n))
    G, square = np.zeros((n, n), order="F"), rng.standard_normal((n, n))
    values, large = rng.standard_normal((FEATURES_AT_A_TIME, rows)), np.ones(LARGE_NUMBERS)

    def cholesky_qr(Y):
        divide_by_triangle(Y, R)
        add_gram(G, Y)

    def copied(*arrays):
        return lambda: tuple(array.copy(order="F") for array in arrays)

    kernels = {  # kind: (amount, what is timed, what makes its arguments)
        "multiply": (2 * n**3, np.matmul, lambda: (square, square)),
        "cholesky_qr": (2 * rows * n**2, cholesky_qr, copied(X)),
        "gram": (rows * n**2, add_gram, lambda: (G, X)),
        "householder": (2 * rows * n**2 - 2 / 3 * n**3, triangle_of, copied(X)),
        "merge": (2 / 3 * n**3, combine, copied(R, R)),
        "activations": (values.size, lambda z: derivative(z, out=z), lambda: (values.copy(),)),
        "memory": (16 * large.size, np.copy, lambda: (large,)),
    }
    with single_threaded_blas():
        seconds = {kind: _best(function, arguments, repeats) for kind, (_, function, arguments) in kernels.items()}
    measured = {kind: amount / seconds[kind] * (1 + HALF_SPEED.get(kind, 0) / n) for kind, (amount, *_) in kernels.items()}
    return replace(NOMINAL, **measured)


def calibrate_network(rates, communicator):
    """Return `rates` with the network's measured, on every rank the same: rank 0's. Collective; for two ranks or more.

    The time of a broadcast over a tree is that of its log2(ranks) levels.
    """
    if communicator.size == 1:
        return rates
    levels = (communicator.size - 1).bit_length()
    array = np.zeros((BROADCAST_NUMBERS, 1), order="F")

    def broadcast(numbers):
        communicator.barrier()
        start = time.perf_counter()
        communicator.broadcast_array(array[:numbers], (numbers, 1))
        communicator.barrier()
        return time.perf_counter() - start

    small, large = (min(broadcast(numbers) for _ in range(5)) for numbers in (1, BROADCAST_NUMBERS))
    network = 8 * BROADCAST_NUMBERS * levels / max(large - small, 1e-9)
    return communicator.broadcast(replace(rates, network=network, messages=levels / small))


def _best(function, arguments, repeats):
    seconds = []
    for _ in range(repeats):
        values = arguments()
        start = time.thread_time()  # not the time that others spend on this core
        function(*values)
        seconds.append(time.thread_time() - start)
    return max(min(seconds), 1e-9)
