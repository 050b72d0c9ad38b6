"""The solvers that a user would pick instead, one small function each, for a matrix that is in memory already.

Each takes A (rows, M), column-major and its to overwrite, f (rows,) and the most iterations it may make, and returns w (M,) and a
dictionary of what else it tells: "rank", "iterations", "note".
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import scipy.linalg

CUTOFF = 1e-13  # relative to the largest singular value, as in the authors' code (arXiv 2411.17511)
LIBRARIES_BYTES = 150_000_000  # interpreter and libraries, before there is a matrix


@dataclass(frozen=True)
class Peer:
    """A solver of somebody else.

    solve       the function
    matrices    its peak memory in units of A, A among them; measured for 30 000 x 600
    modules     to be imported first, outside the timed part; the `extra` of this package brings what it needs
    blas_alone  whether the threads are those of BLAS; otherwise BLAS has one and the library's own scheduler has the threads
    """

    solve: Callable
    matrices: float
    modules: tuple = ("numpy",)
    extra: str = ""
    blas_alone: bool = True

    def memory(self, rows, columns):
        """Return the bytes that it needs for a matrix of this shape."""
        return LIBRARIES_BYTES + int(self.matrices * 8 * rows * columns)

    def missing(self):
        """Return the name of a library that is not installed, or None."""
        names = (module.split(".")[0] for module in self.modules)
        return next((name for name in names if find_spec(name) is None), None)


def numpy_lstsq(A, f, iterations):
    """LAPACK's gelsd: singular values, truncated."""
    coefficients, _, rank, _ = np.linalg.lstsq(A, f, rcond=CUTOFF)
    return coefficients, {"rank": int(rank)}


def scipy_gelsy(A, f, iterations):
    """LAPACK's gelsy: QR with column pivoting, truncated; in place, which is the least memory that a direct solver can take."""
    options = {"lapack_driver": "gelsy", "overwrite_a": True, "overwrite_b": True, "check_finite": False}
    coefficients, _, rank, _ = scipy.linalg.lstsq(A, f, cond=CUTOFF, **options)
    return coefficients, {"rank": int(rank)}


def petsc_lsqr(A, f, iterations):
    """PETSc's KSPLSQR on the dense matrix, without a preconditioner, to the tightest tolerance; most often it ends at the cap."""
    from petsc4py import PETSc

    matrix = PETSc.Mat().createDense(A.shape, array=A, comm=PETSc.COMM_SELF)
    matrix.assemble()
    solver = PETSc.KSP().create(PETSc.COMM_SELF)
    solver.setType(PETSc.KSP.Type.LSQR)
    solver.getPC().setType(PETSc.PC.Type.NONE)
    solver.setOperators(matrix)
    solver.setTolerances(rtol=1e-15, atol=0, max_it=iterations)
    w, right_side = matrix.createVecs()
    right_side.setArray(f)
    solver.solve(right_side, w)
    reason, made = solver.getConvergedReason(), solver.getIterationNumber()
    at_cap = reason == PETSc.KSP.ConvergedReason.DIVERGED_MAX_IT
    note = f"stopped at the cap of {iterations} iterations" if at_cap else f"PETSc's reason {reason}" if reason < 0 else None
    return w.getArray().copy(), {"iterations": made, "note": note}


def dask_lstsq(A, f, iterations):
    """dask's tall-skinny QR over row chunks, with explicit Q; its singular values, which can be NaN, are not asked for."""
    import dask
    from dask.array import from_array
    from dask.array.linalg import lstsq

    rows = min(len(A), 4 * A.shape[1])
    with dask.config.set(scheduler="threads"):
        coefficients, *_ = lstsq(from_array(A, chunks=(rows, A.shape[1])), from_array(f, chunks=rows))
        return coefficients.compute(), {}


PEERS = {
    "numpy-lstsq": Peer(numpy_lstsq, 2.1),
    "scipy-gelsy": Peer(scipy_gelsy, 1.1),
    # mpi4py before petsc4py, or the PETSc of the wheels does not find libmpi.
    "petsc-lsqr": Peer(petsc_lsqr, 1.1, ("mpi4py.MPI", "petsc4py.PETSc"), "petsc"),
    "dask-lstsq": Peer(dask_lstsq, 4.5, ("dask.array", "dask.threaded"), "dask", blas_alone=False),
}
