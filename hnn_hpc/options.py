"""The options of a fit: the same names, defaults and checks in the library, in the job file and after `--set`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from hnn_hpc.basis import AUTO, DENSE
from hnn_hpc.errors import UserError, look_up
from hnn_hpc.features import ACTIVATIONS, SAMPLERS, checked_bandwidth, coordinates_from_dict, names_told
from hnn_hpc.features.coordinates import TABLE
from hnn_hpc.samples import ORDERS
from hnn_hpc.solvers import GCV, SOLVERS
from hnn_hpc.values import LARGEST, SMALLEST, finite_number, whole_number

WITHOUT_RIDGE = ("gram", "lsqr")
MOST_CORRECTIONS = 10
LARGEST_SIZE = 2**63 - 1
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


@dataclass(frozen=True)
class FitOptions:
    """What to fit and how.

    features            M, the number of hidden features
    sampler             name in SAMPLERS
    bandwidth           of the "anchored" sampler, dimensionless: a number, or one a coordinate (U,), or "auto": found by trial fits (see
                        `hnn_hpc.basis`); the other samplers have none
    supports            of the "anchored" sampler: which coordinates each feature depends on: "dense": all of them; a list of lists of
                        their names, which share the features; "auto": the terms of H that the data show
    separable           whether H = T(p) + V(q): then no feature depends on both, and T and V are fitted by themselves; "anchored" only
    coordinates         what features depend on instead of x alone, a dict with the lists "angles", "differences" and "distances" of
                        names (see `features.coordinates`); None or nothing in it: x itself; "anchored" only
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
    rule                how velocities are made of pairs of states where there are none: a key of `samples.ORDERS`; None: the midpoint
                        there, and the velocities of the data where there are some
    stride              steps from the first state of a pair to the second
    corrections         fits that are made again to rows that the model before has freed of the rule's error (see `refits`)
    dissipation         whether dx/dt = (J - Γ)∇H with Γ = diag(0, γ), γ >= 0 to be found too
    Sizes are bytes, or text such as "4GB". Errors: `UserError` naming the option.
    """

    features: int = 2000
    sampler: str = "anchored"
    bandwidth: float | str | Sequence[float] = AUTO
    supports: str | Sequence[Sequence[str]] = AUTO
    separable: bool = False
    coordinates: dict | None = None
    activation: str = "tanh"
    solver: str = "auto"
    rcond: float = 1e-15
    ridge: float | str = 0.0
    seed: int = 0
    block_bytes: int | str | None = None
    memory_per_rank: int | str | None = None
    rule: str | None = None
    stride: int = 1
    corrections: int = 2
    dissipation: bool = False

    def __post_init__(self):
        def keep(name, value):
            object.__setattr__(self, name, value)

        look_up(SAMPLERS, self.sampler, "sampler")
        look_up(ACTIVATIONS, self.activation, "activation")
        look_up(SOLVERS, self.solver, "solver")
        keep("features", whole_number(self.features, "features", at_least=1))
        keep("seed", whole_number(self.seed, "seed", at_least=0))
        if not _is_one_of(self.bandwidth, AUTO):
            keep("bandwidth", _bandwidth(self.bandwidth))
        if not _is_one_of(self.supports, AUTO, DENSE):
            keep("supports", _supports(self.supports))
        for name in ("separable", "dissipation"):
            if not isinstance(getattr(self, name), bool):
                raise UserError(f"{name} = {getattr(self, name)!r}: expected true or false")
        if self.rule is not None:
            look_up(ORDERS, self.rule, "rule")
        keep("stride", whole_number(self.stride, "stride", at_least=1))
        keep("corrections", whole_number(self.corrections, "corrections", 0, MOST_CORRECTIONS))
        keep("coordinates", _coordinates(self.coordinates))
        if self.sampler != "anchored":
            self._check_dense_sampler()
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

    def _check_dense_sampler(self):
        """Raise `UserError` where a sampler of dense features is told of anything that only anchored ones can have."""
        for name, given in {"separable": self.separable, "coordinates": self.coordinates, "supports": self._has_sparse_supports}.items():
            if given:
                raise UserError(f"{name} is for the sampler 'anchored' alone, but the sampler is {self.sampler!r}; leave it out")

    @property
    def _has_sparse_supports(self):
        return self.supports not in (AUTO, DENSE)

    @property
    def is_dense(self):
        """Whether all features depend on all coordinates for sure, so that there is one least-squares problem."""
        return self.sampler != "anchored" or (self.supports == DENSE and not self.separable)

    def coordinates_of(self, dimension):
        """Return the `Coordinates` of the features for points of D coordinates; `UserError` unless bandwidth and supports suit them."""
        coordinates = coordinates_from_dict(dimension, self.coordinates)
        if self.sampler == "anchored":
            if self.bandwidth != AUTO:
                checked_bandwidth(self.bandwidth, coordinates)
            if self.supports != AUTO:
                self.supports_of(coordinates)
        return coordinates

    def supports_of(self, coordinates):
        """Return the supports that are given, as sorted tuples of units; otherwise all units, or those of q and of p by themselves."""
        if self._has_sparse_supports:
            supports = sorted({_units_of(support, coordinates) for support in self.supports})
        elif self.separable:
            mixed = [name for unit, name in enumerate(coordinates.names) if not self.allows((unit,), coordinates)]
            if mixed:
                raise UserError(f"separable = true says that no term of H has both positions and momenta, but {mixed[0]} is made of both")
            halves = (coordinates.is_position, coordinates.is_momentum)
            supports = [tuple(filter(half, range(len(coordinates.names)))) for half in halves]
        else:
            supports = [tuple(range(len(coordinates.names)))]
        for support in supports:
            if not self.allows(support, coordinates):
                names = ", ".join(coordinates.names[unit] for unit in support)
                raise UserError(f"supports: [{names}] holds positions and momenta, but separable = true says that no term of H has both")
        return supports

    def allows(self, units, coordinates):
        """Return whether features may depend on these units together."""
        return not self.separable or all(map(coordinates.is_position, units)) or all(map(coordinates.is_momentum, units))


def _is_one_of(value, *words):
    """Return whether a value is text and one of these words; an array is not to be compared with text."""
    return isinstance(value, str) and value in words


def _units_of(support, coordinates):
    """Return a support, given by names, as a sorted tuple of units."""
    for name in support:
        if name not in coordinates.names:
            raise UserError(f"supports: there is no coordinate {name!r}; the coordinates are: {names_told(coordinates.names)}")
    return tuple(sorted({coordinates.names.index(name) for name in support}))


def _coordinates(value):
    """Return the table of derived coordinates as a dict; its names are looked up where the dimension is known."""
    value = {} if value is None else value
    if not isinstance(value, dict) or set(value) - set(TABLE):
        raise UserError(f"coordinates = {value!r}: expected a table with nothing but {', '.join(TABLE)}")
    return {key: value[key] for key in TABLE if key in value and not (value[key] is None or _is_empty(value[key]))}


def _is_empty(value):
    return isinstance(value, list | tuple) and not value


def _supports(value):
    """Return supports as a tuple of tuples of names."""
    expected = f'supports = {value!r}: expected \'auto\', \'dense\', or a list of lists of coordinates such as [["q1", "q2"], ["p1"]]'
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise UserError(expected)
    for support in value:
        if isinstance(support, str) or not isinstance(support, Sequence) or not support or not all(isinstance(n, str) for n in support):
            raise UserError(expected)
    return tuple(tuple(support) for support in value)


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
