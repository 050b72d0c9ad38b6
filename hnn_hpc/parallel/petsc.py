"""PETSc's LSQR for a matrix known by its products, and the options that reach it. The one module that imports petsc4py, when it is used.

PETSc is started on MPI's communicator of one, so that starting it is collective over no one; the objects then live on any communicator.
Its signal handlers stay off: they would end the process where the command line wants to clean up.
"""

import re
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec

import numpy as np

from hnn_hpc.errors import HnnError, UserError
from hnn_hpc.parallel.communicator import SerialCommunicator

PREFIX = "hnn_hpc_"
OPTION, NEGATIVE_NUMBER = re.compile(r"-([A-Za-z]\w*)", re.ASCII), re.compile(r"-[\d.].*", re.ASCII)
# PETSc knows them, but the test when to stop is ours.
OF_PETSCS_TEST = ("ksp_rtol", "ksp_atol", "ksp_divtol", "ksp_min_it", "ksp_convergence_test")


def petsc_at_hand():
    """Return whether petsc4py is installed; starts nothing."""
    return find_spec("petsc4py") is not None


def start_petsc():
    """Return the module petsc4py.PETSc, started. Errors: `UserError` where it is missing or made for other numbers than float64."""
    try:
        alone = SerialCommunicator().of_mpi4py  # imports mpi4py first, or petsc4py does not find the MPI library
        import petsc4py

        petsc4py.init(["hnn-hpc", "-no_signal_handler", "-options_left", "no"], comm=alone)
        from petsc4py import PETSc
    except (ImportError, RuntimeError) as error:
        raise UserError(f"the solver 'lsqr' needs PETSc with petsc4py ({error}): pip install 'hnn-hpc[petsc]'") from None
    if np.dtype(PETSc.ScalarType) != np.float64:
        raise UserError(f"the solver 'lsqr' needs a PETSc of real float64 numbers; this one was built for {np.dtype(PETSc.ScalarType)}")
    return PETSc


def set_petsc_options(words):
    """Put options such as ["-ksp_monitor", "-ksp_max_it", "30"] into PETSc's database, under PREFIX. Every rank calls it with the same.

    Errors: `UserError` for a word that is neither an option nor the value of one, for an option that `petsc_lsqr` would not know or heed,
    and where PETSc is missing; then no option is left there.
    """
    options = _options_in(words)
    PETSc = start_petsc()
    database = PETSc.Options(PREFIX)
    for name, value in options.items():
        database[name] = value
    solver = PETSc.KSP().create(PETSc.COMM_SELF)  # a wrong option is to be noticed now
    try:
        _set_up(PETSc, solver)
    except UserError:
        clear_petsc_options()
        raise
    finally:
        solver.destroy()


def clear_petsc_options():
    """Take all options under PREFIX out of PETSc's database."""
    database = start_petsc().Options(PREFIX)
    for name in list(database.getAll()):
        database.delValue(name)


@contextmanager
def options_in_petsc(words, communicator):
    """Have the options `words` in PETSc's database within the block (see `set_petsc_options`). Collective; errors on all ranks.

    Where there are none, PETSc is not started.
    """
    communicator.agree("the options of PETSc", words)
    if not words:
        yield
        return
    with communicator.together():
        set_petsc_options(words)
    try:
        yield
    finally:
        clear_petsc_options()


def _options_in(words):
    """Return {name: value or None}, names without PREFIX."""
    options, name = {}, None
    for word in words:
        if option := OPTION.fullmatch(word):
            name = option[1].removeprefix(PREFIX)
            options[name] = None
        elif name is None or not word.isprintable() or (word.startswith("-") and not NEGATIVE_NUMBER.fullmatch(word)):
            raise UserError(f"expected an option of PETSc such as -ksp_monitor, got {word!r}; what is not PETSc's goes before --")
        else:
            options[name], name = word, None
    return options


def petsc_lsqr(matrix, rows, communicator, iterations, is_done):
    """Return (y, iterations): y of about least ‖B y - rows‖ by KSPLSQR from y = 0 on rank 0, None on the others. Collective.

    Vectors of length B.columns live on rank 0 alone; those of B's rows lie as the ranks pass them, any number of rows, zero too.
    Memory: three vectors of this rank's rows.

    Parameters
    matrix      B: columns; multiply(y) -> this rank's rows of B y; multiply_transposed(rows) -> Bᵀ rows on rank 0. Both are collective,
                get an empty y and may return anything on the other ranks, and fail on all ranks or on none
    rows        this rank's part of the right-hand side, (n,)
    iterations  at most; -hnn_hpc_ksp_max_it takes its place
    is_done(norm, y)  called after each iteration with LSQR's ‖B y - rows‖ and y so far, on rank 0, empty elsewhere; the same answer on
                all ranks

    Errors: `UserError` for options that PETSc cannot use; what a product raised; `HnnError` where PETSc fails or the numbers overflow.
    """
    with communicator.together():
        PETSc = start_petsc()
    counts = communicator.all_gather(len(rows))
    if sum(counts) > np.iinfo(PETSc.IntType).max:
        raise UserError(f"{sum(counts)} rows are more than this PETSc can count; it must be built with --with-64-bit-indices")
    columns = matrix.columns if communicator.is_root else 0
    shell = _Shell(matrix)
    with ExitStack() as stack:

        def destroyed(thing):
            stack.callback(thing.destroy)
            return thing

        # A copy: PETSc objects that an exception keeps alive would otherwise hang on the caller's communicator, and MPI end badly.
        comm = communicator.of_mpi4py.Dup()
        stack.callback(comm.Free)
        B = destroyed(PETSc.Mat().createPython(((len(rows), sum(counts)), (columns, matrix.columns)), shell, comm))
        B.setUp()
        right_side, y = destroyed(B.createVecLeft()), destroyed(B.createVecRight())
        solver = destroyed(PETSc.KSP().create(comm))
        right_side.array_w[:] = rows
        solver.setOperators(B)
        _set_up(PETSc, solver, iterations)
        # LSQR's own test changed its meaning in PETSc 3.21.
        most, reasons = solver.getTolerances()[3], PETSc.KSP.ConvergedReason

        def test(_, iteration, norm):
            if iteration and is_done(norm, y.array_r):
                return reasons.CONVERGED_RTOL
            return reasons.CONVERGED_ITS if iteration >= most else reasons.CONVERGED_ITERATING

        solver.setConvergenceTest(shell.guarded(test))
        try:
            solver.solve(right_side, y)
        except PETSc.Error as error:
            words = " ".join(f"-{name}" for name in PETSc.Options(PREFIX).getAll())
            if words and not shell.failure:
                raise UserError(f"PETSc failed with the options {words}: {_reason(error)}") from None
            raise shell.failure or HnnError(f"PETSc failed: {_reason(error)}") from None
        if solver.getConvergedReason() <= 0:
            raise HnnError(f"PETSc's LSQR gave up with reason {solver.getConvergedReason()} after {solver.its} iterations")
        return (y.array_r.copy() if communicator.is_root else None), solver.its


class _Shell:
    """A matrix of PETSc's type "python"; it remembers the exception of a product, of which PETSc keeps an error code alone."""

    def __init__(self, matrix):
        self._matrix, self.failure = matrix, None
        self.mult = self.guarded(lambda _, x, result: self._put(self._matrix.multiply(x.array_r), result))
        self.multTranspose = self.guarded(lambda _, x, result: self._put(self._matrix.multiply_transposed(x.array_r), result))

    def guarded(self, function):
        def call(*arguments):
            try:
                return function(*arguments)
            except BaseException as failure:
                self.failure = failure
                raise

        return call

    def _put(self, values, result):
        if result.getLocalSize():
            result.array_w[:] = values


def _reason(error):
    """Return the last line of PETSc's traceback, which says it, without the number of the rank."""
    return str(error).splitlines()[-1].split("] ", 1)[-1]


def _set_up(PETSc, solver, iterations=None):
    """Make a KSP the LSQR that the options ask for; `UserError` for those that it cannot heed."""
    solver.setType(PETSc.KSP.Type.LSQR)
    solver.getPC().setType(PETSc.PC.Type.NONE)
    solver.setTolerances(max_it=iterations)
    solver.setOptionsPrefix(PREFIX)
    try:
        solver.setFromOptions()
    except PETSc.Error as error:
        raise UserError(f"PETSc cannot use its options: {_reason(error)}") from None
    database = PETSc.Options()
    names = [name.removeprefix(PREFIX) for name in database.getAll() if name.startswith(PREFIX)]
    unknown = [f"-{name}" for name in names if not database.used(PREFIX + name)]
    if unknown:
        raise UserError(f"PETSc's LSQR knows no option {', '.join(unknown)}")
    idle = [f"-{name}" for name in names if name.lower() in OF_PETSCS_TEST]
    if idle:
        raise UserError(f"lsqr stops by a test of its own, so {', '.join(idle)} would change nothing; -ksp_max_it limits its iterations")
    types = solver.getType(), solver.getPC().getType()
    if types != (PETSc.KSP.Type.LSQR, PETSc.PC.Type.NONE):
        raise UserError(f"the options -ksp_type and -pc_type must stay 'lsqr' and 'none'; got {' and '.join(map(repr, types))}")
