"""Two LAPACK routines called in place and without Python's global lock, so that the threads of a rank factor blocks side by side.

SciPy ships the routines and publishes their addresses in `scipy.linalg.cython_lapack`; its Python wrappers keep the lock, and copy.
"""

import ctypes

import numpy as np
from scipy.linalg import cython_lapack

# The width of the panels of columns: the fastest of 32 ... 192 for panels factored recursively (dgeqrt) and by BLAS-2 (dtpqrt).
PANEL = 96
MERGE_PANEL = 32


def _routine(name, arguments):
    """Return the LAPACK routine `name` as a function of integers and column-major float64 arrays.

    `arguments` has one letter, "i" or "d", for each argument but the last, info. SciPy's integers are C ints or, in ILP64 builds,
    64 bits wide; the signature tells.
    """
    capsule = cython_lapack.__pyx_capi__[name]
    capsule_name, capsule_pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    capsule_name.restype, capsule_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    capsule_pointer.restype, capsule_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    signature = capsule_name(capsule)
    integer = ctypes.c_int if signature.startswith(b"void (int *") else ctypes.c_int64
    types = [ctypes.POINTER(integer) if letter == "i" else ctypes.c_void_p for letter in arguments + "i"]
    function = ctypes.CFUNCTYPE(None, *types)(capsule_pointer(capsule, signature))

    def call(*values):
        info = integer(0)
        converted = [_address(value) if letter == "d" else integer(value) for letter, value in zip(arguments, values, strict=True)]
        function(*converted, info)
        assert info.value == 0, f"{name}: argument {-info.value} is wrong"

    return call


def _address(array):
    assert array.dtype == np.float64 and array.flags.f_contiguous and array.flags.writeable
    return array.ctypes.data


_dgeqrt = _routine("dgeqrt", "iiididid")
_dtpqrt = _routine("dtpqrt", "iiiidididid")


def qr_in_place(matrix):
    """Overwrite a column-major (rows, columns) float64 matrix by its QR: R in the upper triangle, Householder vectors below (dgeqrt)."""
    rows, columns = matrix.shape
    panel = min(PANEL, rows, columns)
    reflectors, work = np.empty((panel, min(rows, columns)), order="F"), np.empty(panel * columns)
    _dgeqrt(rows, columns, panel, matrix, rows, reflectors, panel, work)


def merge_triangles_in_place(upper, lower):
    """Overwrite `upper` by the R of the QR of [upper; lower], both (n, n) column-major upper triangles; `lower` is destroyed (dtpqrt).

    (2/3) n^3 flops: the zeros below both diagonals are never touched.
    """
    order = upper.shape[0]
    panel = min(MERGE_PANEL, order)
    reflectors, work = np.empty((panel, order), order="F"), np.empty(panel * order)
    _dtpqrt(order, order, order, panel, upper, order, lower, order, reflectors, panel, work)
