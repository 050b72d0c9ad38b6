"""BLAS and LAPACK routines called in place and without Python's global lock, so that the threads of a rank factor rows side by side.

SciPy ships the routines and publishes their addresses in `scipy.linalg.cython_blas` and `cython_lapack`; its Python wrappers keep the
lock, and copy. Every matrix here is float64 and column-major; a block of columns of a larger one will do.
"""

import ctypes
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
from scipy.linalg import cython_blas, cython_lapack

# The width of the panels of columns, the fastest of 16 ... 192, and of what is factored by BLAS-2 in a panel of two triangles.
PANEL = 96
INNER_PANEL = 32


def _routine(library, name, arguments):
    """Return the routine `name` of a library of SciPy's as a function that returns LAPACK's info (0 for BLAS, which has none).

    `arguments` has one letter an argument: "c" a letter, "i" an integer, "s" a number, "d" a matrix, "x" info, the last of LAPACK's.
    SciPy's integers are C ints or, in ILP64 builds, 64 bits wide; the signature tells.
    """
    capsule = library.__pyx_capi__[name]
    capsule_name, capsule_pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    capsule_name.restype, capsule_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    capsule_pointer.restype, capsule_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    signature = capsule_name(capsule)
    integer = ctypes.c_int if re.search(rb"\bint \*", signature) else ctypes.c_int64
    kinds = {"c": ctypes.c_char_p, "i": ctypes.POINTER(integer), "s": ctypes.POINTER(ctypes.c_double), "d": ctypes.c_void_p}
    kinds["x"] = kinds["i"]
    convert = {"c": str.encode, "i": integer, "s": ctypes.c_double, "d": _address}
    function = ctypes.CFUNCTYPE(None, *(kinds[letter] for letter in arguments))(capsule_pointer(capsule, signature))
    letters = arguments.removesuffix("x")

    def call(*values):
        info = integer(0)
        converted = [convert[letter](value) for letter, value in zip(letters, values, strict=True)]
        function(*converted, *([info] if arguments.endswith("x") else []))
        assert info.value >= 0, f"{name}: argument {-info.value} is wrong"
        return info.value

    return call


def _address(array):
    assert array.dtype == np.float64 and array.flags.writeable
    _leading_dimension(array)
    return array.ctypes.data


def _leading_dimension(array):
    """Return the distance between the columns of a column-major matrix, or of some columns of one."""
    rows, columns = array.shape
    assert rows <= 1 or array.strides[0] == 8
    return max(1, array.strides[1] // 8 if columns > 1 else rows)


_dgeqrt = _routine(cython_lapack, "dgeqrt", "iiididid" + "x")
_dgemqrt = _routine(cython_lapack, "dgemqrt", "cciiiidididid" + "x")
_dtpqrt = _routine(cython_lapack, "dtpqrt", "iiiidididid" + "x")
_dtpmqrt = _routine(cython_lapack, "dtpmqrt", "cciiiiididididid" + "x")
_dpotrf = _routine(cython_lapack, "dpotrf", "cidi" + "x")
_dgebrd = _routine(cython_lapack, "dgebrd", "iididddddi" + "x")
_dormbr = _routine(cython_lapack, "dormbr", "ccciiididdidi" + "x")
_dbdsqr = _routine(cython_lapack, "dbdsqr", "ciiiidddididid" + "x")
_dtrsm = _routine(cython_blas, "dtrsm", "cccciisdidi")
_dtrmm = _routine(cython_blas, "dtrmm", "cccciisdidi")
_dgemm = _routine(cython_blas, "dgemm", "cciiisdidisdi")
_dsyrk = _routine(cython_blas, "dsyrk", "cciisdisdi")


def qr_in_place(matrix, panel=PANEL):
    """Overwrite a (rows, columns) matrix by its QR: R in the upper triangle, Householder vectors below (dgeqrt).

    Returns the triangular factors of the reflectors, (panel, min(rows, columns)), which `apply_reflectors` wants.
    """
    rows, columns = matrix.shape
    panel = min(panel, rows, columns)
    factors, work = np.empty((panel, min(rows, columns)), order="F"), np.empty((panel, columns), order="F")
    _dgeqrt(rows, columns, panel, matrix, _leading_dimension(matrix), factors, panel, work)
    return factors


def apply_reflectors(vectors, factors, matrix):
    """Overwrite a (rows, columns) matrix by Qᵀ times it; vectors and factors as `qr_in_place` leaves them (dgemqrt)."""
    (rows, columns), (panel, reflectors) = matrix.shape, factors.shape
    work = np.empty((columns, panel), order="F")
    leading = _leading_dimension(vectors), panel, _leading_dimension(matrix)
    _dgemqrt("L", "T", rows, columns, reflectors, panel, vectors, leading[0], factors, leading[1], matrix, leading[2], work)


def merge_rows_in_place(upper, rows):
    """Overwrite an (n, n) upper triangle by the R of the QR of [upper; rows], `rows` (B, n), which is destroyed: 2 B n² flops (dtpqrt)."""
    count, order = rows.shape
    panel = min(PANEL, order)
    factors, work = np.empty((panel, order), order="F"), np.empty((panel, order), order="F")
    _dtpqrt(count, order, 0, panel, upper, order, rows, _leading_dimension(rows), factors, panel, work)


def merge_triangles_in_place(upper, lower, threads=1):
    """Overwrite `upper` by the R of the QR of [upper; lower], both (n, n) upper triangles; `lower` is destroyed.

    (2/3) n³ flops: the zeros below both diagonals are never touched. By panels of columns (dtpqrt), whose reflections the threads apply to
    the panels behind (dtpmqrt), the next of which is factored meanwhile; the same to the last bit for any number of threads.
    """
    order = len(upper)
    panels = [slice(start, min(start + PANEL, order)) for start in range(0, order, PANEL)]

    def factor(panel):
        width = panel.stop - panel.start
        inner = min(INNER_PANEL, width)
        factors, work = np.empty((inner, width), order="F"), np.empty((inner, width), order="F")
        _dtpqrt(panel.stop, width, width, inner, upper[panel, panel], order, lower[: panel.stop, panel], order, factors, inner, work)
        return factors

    def apply(panel, factors, behind):
        (inner, width), rows, columns = factors.shape, panel.stop, behind.stop - behind.start
        vectors, work = lower[:rows, panel], np.empty((inner, columns), order="F")
        sizes, ours = (rows, columns, width, width, inner), (upper[panel, behind], order, lower[:rows, behind], order)
        _dtpmqrt("L", "T", *sizes, vectors, order, factors, inner, *ours, work)

    factors = factor(panels[0])
    with _mapping_on(threads) as each:
        for panel, following in pairwise(panels):

            def step(behind, panel=panel, following=following, factors=factors):
                apply(panel, factors, behind)
                return factor(behind) if behind is following else None

            factors, *_ = each(step, panels[panels.index(following) :])


@contextmanager
def _mapping_on(threads):
    """Yield a `map` whose calls share so many threads."""
    if threads == 1:
        yield map
        return
    with ThreadPoolExecutor(threads) as pool:
        yield pool.map


def divide_by_triangle(rows, triangle):
    """Overwrite `rows` (B, n) by rows R⁻¹ for an upper triangle R (n, n): B n² flops (dtrsm)."""
    _dtrsm("R", "U", "N", "N", *rows.shape, 1.0, triangle, _leading_dimension(triangle), rows, _leading_dimension(rows))


def multiply_triangles(left, right, threads=1):
    """Overwrite the upper triangle `right` (n, n) by left right, `left` an upper triangle too: n³/3 flops (dtrmm, by blocks of columns)."""
    order = len(left)

    def multiply(start):
        stop = min(start + PANEL, order)
        block = right[:, start:stop]
        _dtrmm("L", "U", "N", "N", stop, stop - start, 1.0, left, _leading_dimension(left), block, _leading_dimension(block))

    with _mapping_on(threads) as each:
        list(each(multiply, range(0, order, PANEL)))


def add_product(result, left, right):
    """Add leftᵀ right, for (B, n) and (B, k), to `result` (n, k): 2 B n k flops (dgemm)."""
    (count, n), k = left.shape, right.shape[1]
    leading = _leading_dimension(left), _leading_dimension(right), _leading_dimension(result)
    _dgemm("T", "N", n, k, count, 1.0, left, leading[0], right, leading[1], 1.0, result, leading[2])


def add_gram(gram, rows):
    """Add rowsᵀ rows, for `rows` (B, n), to the upper triangle of `gram` (n, n): B n² flops (dsyrk)."""
    count, order = rows.shape
    _dsyrk("U", "T", order, count, 1.0, rows, _leading_dimension(rows), 1.0, gram, _leading_dimension(gram))


def cholesky_in_place(gram):
    """Overwrite the upper triangle of `gram` (n, n) by R with RᵀR = gram: n³/3 flops (dpotrf). Returns whether it is positive definite."""
    info = _dpotrf("U", len(gram), gram, _leading_dimension(gram))
    return info == 0 and bool(np.isfinite(gram[-1, -1]))  # OpenBLAS takes NaN for positive; it spreads to the last entry


def singular_values_and_components(matrix, vector):
    """Return (σ (n,), Uᵀ vector (n,)) of the singular value decomposition of an (n, n) matrix, without forming U or V.

    Bidiagonalization, (8/3) n³ flops, and a QR iteration that rotates the vector along (dgebrd, dormbr, dbdsqr).
    """
    work, order = np.array(matrix, order="F"), len(matrix)
    component = np.array(vector, dtype=float).reshape(-1, 1, order="F")
    diagonal, above, left, right = (np.zeros((order, 1), order="F") for _ in range(4))
    space = np.empty((PANEL * max(2 * order, 4), 1), order="F")
    _dgebrd(order, order, work, order, diagonal, above, left, right, space, len(space))
    _dormbr("Q", "L", "T", order, 1, order, work, order, left, component, order, space, len(space))
    none = np.zeros((1, 1), order="F")
    failed = _dbdsqr("U", order, 0, 0, 1, diagonal, above, none, 1, none, 1, component, order, space)
    assert failed == 0, f"{failed} singular values did not converge"
    return diagonal[:, 0], component[:, 0]
