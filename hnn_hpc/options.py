"""The options of a fit: the same names, defaults and checks in the library, in the job file and after `--set`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from hnn_hpc.errors import UserError, look_up
from hnn_hpc.features import ACTIVATIONS, SAMPLERS, checked_bandwidth
from hnn_hpc.solvers import GCV, SOLVERS
from hnn_hpc.values import LARGEST, SMALLEST, finite_number, whole_number

WITHOUT_RIDGE = ("gram", "lsqr")
LARGEST_SIZE = 2**63 - 1
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


@dataclass(frozen=True)
class FitOptions:
    """What to fit and how.

    features            M, the number of hidden features
    sampler             name in SAMPLERS
    bandwidth           of the "anchored" sampler, dimensionless: a number, or one a coordinate (D,); the other samplers have none
    activation          name in ACTIVATIONS
    solver              name in SOLVERS
    rcond               singular values below rcond times the largest, of the matrix with columns scaled to norm 1, are dropped; from 0 to
                        below 1, so that the largest itself stays
    ridge               λ of ridge regression for noisy data, dimensionless (see `hnn_hpc.solvers.ridge`): a number, or "gcv" to find it by
                        generalized cross-validation; 0: none
    seed                of the hidden features; an integer >= 0
    block_bytes         size of the pieces in which rows are read and factored, for experts: it decides the last bits of the answer; None:
                        automatic
    memory_per_rank     limit for the rows and triangles of one rank; None: no limit
    Sizes are bytes, or text such as "4GB". Errors: `UserError` naming the option.
    """

    features: int = 2000
    sampler: str = "anchored"
    bandwidth: float | Sequence[float] = 0.25
    activation: str = "tanh"
    solver: str = "auto"
    rcond: float = 1e-15
    ridge: float | str = 0.0
    seed: int = 0
    block_bytes: int | str | None = None
    memory_per_rank: int | str | None = None

    def __post_init__(self):
        def keep(name, value):
            object.__setattr__(self, name, value)

        look_up(SAMPLERS, self.sampler, "sampler")
        look_up(ACTIVATIONS, self.activation, "activation")
        look_up(SOLVERS, self.solver, "solver")
        keep("features", whole_number(self.features, "features", at_least=1))
        keep("seed", whole_number(self.seed, "seed", at_least=0))
        keep("bandwidth", _bandwidth(self.bandwidth))
        keep("rcond", finite_number(self.rcond, "rcond"))
        if not 0 <= self.rcond < 1:
            raise UserError(f"rcond = {self.rcond}: expected a number of at least 0 and below 1")
        if self.ridge != GCV:
            keep("ridge", _ridge(self.ridge))
        if self.ridge and self.solver in WITHOUT_RIDGE:
            raise UserError(f"ridge = {self.ridge!r} needs the triangle of a QR, and the solver {self.solver!r} has none; use 'auto'")
        for name in ("block_bytes", "memory_per_rank"):
            if getattr(self, name) is not None:
                keep(name, _bytes(getattr(self, name), name))


def _bandwidth(value):
    """Return a bandwidth as a float or a tuple of floats."""
    g = checked_bandwidth(value).tolist()
    return tuple(g) if isinstance(g, list) else g


def _ridge(value):
    """Return a ridge as a float."""
    try:
        ridge = finite_number(value, "ridge")
    except UserError:
        ridge = -1.0
    if not (ridge == 0 or SMALLEST <= ridge <= LARGEST):
        raise UserError(
            f"ridge = {value!r}: expected 0, a number from {SMALLEST:g} to {LARGEST:g}, or 'gcv' to find it by generalized cross-validation"
        )
    return ridge


def _bytes(value, name):
    """Return a size as a number of bytes, from a whole number or text such as "4GB" or "512 MiB"."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", value)
        if not match or match[2].upper() not in UNITS:
            raise UserError(f"{name} = {value!r}: expected bytes, or a size such as '4GB' or '512MiB'")
        value = int(Fraction(match[1]) * UNITS[match[2].upper()])
    return whole_number(value, name, at_least=1, at_most=LARGEST_SIZE)
