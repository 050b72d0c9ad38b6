"""What all known systems share: checked parameters, the box, and Hamilton's equations."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from typing import ClassVar

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.symplectic import vector_field_from_gradient
from hnn_hpc.values import finite_number, whole_number

LARGEST_DOF = 10**6  # one point takes 16 MB there: more is a slip of the keyboard, better met here than by running out of memory


@dataclass(frozen=True, eq=False)
class HamiltonianSystem(ABC):
    """A Hamiltonian H(q, p) known in closed form.

    A subclass is a dataclass, frozen and with eq=False as here, whose fields are its parameters: float, or int for a count of at
    least 1. Every method takes points x (..., D) with any leading axes, and a point's answer has the same bits alone as in a batch (hence
    q * q for q**2, which numpy rounds differently for one number). Two systems are equal when their kind, parameters and box are.

    box: (D, 2) lower and upper limits; given as None, the `default_box` of the system.
    """

    name: ClassVar[str]
    separable: ClassVar[bool]
    dof: ClassVar[int]
    box: np.ndarray = field(default=None, kw_only=True, repr=False)

    def __post_init__(self):
        for parameter in fields(self):
            if parameter.name != "box":
                value, what = getattr(self, parameter.name), f"{self.name}: {parameter.name}"
                value = whole_number(value, what, at_least=1, at_most=LARGEST_DOF) if parameter.type is int else finite_number(value, what)
                object.__setattr__(self, parameter.name, value)
        object.__setattr__(self, "box", _checked_box(self.default_box() if self.box is None else self.box, self.name, self.dimension))

    @abstractmethod
    def default_box(self):
        """Return the limits (D, 2), low and high, that samples are drawn from unless others are given."""

    @abstractmethod
    def energy(self, x):
        """Return H(x), shape (...,), for x of shape (..., D)."""

    @abstractmethod
    def gradient(self, x):
        """Return (dH/dq, dH/dp), shape (..., D), for x of shape (..., D)."""

    def vector_field(self, x):
        """Return dx/dt = (dH/dp, -dH/dq), shape (..., D), for x of shape (..., D)."""
        return vector_field_from_gradient(self.gradient(x))

    @property
    def dimension(self):
        """D = 2 dof, the number of coordinates."""
        return 2 * self.dof

    @property
    def parameters(self):
        """The parameters, a dict of numbers by name; the box is none of them."""
        return {parameter.name: getattr(self, parameter.name) for parameter in fields(self) if parameter.name != "box"}

    @property
    def reference_point(self):
        """The point of the box that is nearest to the origin, (D,): where H is given to fix the constant of a learned Hamiltonian."""
        return np.clip(np.zeros(self.dimension), *self.box.T)

    def points(self, x):
        """Return x as floats; UserError unless its last axis holds the D coordinates."""
        x = np.asarray(x, dtype=float)
        if x.shape[-1:] != (self.dimension,):
            raise UserError(f"{self.name} takes points (..., {self.dimension}), last axis q1..qn, p1..pn; got shape {x.shape}")
        return x

    def coordinates(self, x):
        """Return the coordinates of x (..., D) one by one: views of shape (...,), in the order q1..qn, p1..pn."""
        x = self.points(x)
        return [x[..., coordinate] for coordinate in range(self.dimension)]

    def __eq__(self, other):
        return self._identity() == other._identity() if isinstance(other, HamiltonianSystem) else NotImplemented

    def __hash__(self):
        return hash(self._identity())

    def _identity(self):
        return type(self), *self.parameters.values(), *self.box.ravel().tolist()


def _checked_box(box, name, dimension):
    """Return the box as a read-only float array (D, 2) of its own."""
    try:
        limits = np.asarray(box)
    except ValueError:  # rows of different lengths
        limits = np.asarray(None)
    if limits.shape != (dimension, 2) or limits.dtype.kind not in "iuf":
        raise UserError(f"{name}: box = {box!r}: expected {dimension} pairs of numbers [low, high], one for each of q1..qn, p1..pn")
    limits = limits.astype(float)
    with np.errstate(over="ignore", invalid="ignore"):
        width = limits[:, 1] - limits[:, 0]
    for (low, high), usable in zip(limits.tolist(), np.isfinite(width) & (width > 0), strict=True):
        if not usable:
            raise UserError(f"{name}: box holds [{low}, {high}]: expected finite limits [low, high] with low < high")
    limits.setflags(write=False)
    return limits
