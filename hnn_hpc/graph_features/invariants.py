"""What features of particles and bonds depend on: numbers that no translation, rotation or reflection changes."""

from dataclasses import dataclass

import numpy as np

from hnn_hpc.errors import UserError, look_up

# The invariants of a bond of length r, each with its derivative by r; the masses at its ends move with neither.
LENGTH_INVARIANTS = {
    "r": (lambda r: r, np.ones_like),
    "1/r": (lambda r: 1 / r, lambda r: -1 / r**2),
    "r^2": (lambda r: r * r, lambda r: 2 * r),
}
MASS_PRODUCT = "m m"
EDGE_INVARIANTS = (*LENGTH_INVARIANTS, MASS_PRODUCT)
KINETIC, MASS = "p^2/2m", "m"
NODE_INVARIANTS = (KINETIC, "p^2", MASS)


@dataclass(frozen=True)
class EdgeInvariants:
    """z (U,) of a bond: the invariants `names`, some of EDGE_INVARIANTS, in this order.

    Errors: `UserError` for a name that is none, and where none of them changes with the length.
    """

    names: tuple

    def __post_init__(self):
        for name in self.names:
            look_up(dict.fromkeys(EDGE_INVARIANTS), name, "edge invariant")
        if not set(self.names) & set(LENGTH_INVARIANTS):
            raise UserError(f"the invariants of bonds are {list(self.names)}; expected one of {', '.join(LENGTH_INVARIANTS)} at least")

    def embed(self, lengths, mass_products):
        """Return z (E, U) of bonds of lengths r (E,) between particles whose masses have the products (E,)."""
        return np.column_stack([mass_products if name == MASS_PRODUCT else LENGTH_INVARIANTS[name][0](lengths) for name in self.names])

    def derivative(self, lengths):
        """Return dz/dr (E, U)."""
        zero = np.zeros_like(lengths)
        return np.column_stack([zero if name == MASS_PRODUCT else LENGTH_INVARIANTS[name][1](lengths) for name in self.names])


@dataclass(frozen=True)
class NodeInvariants:
    """z (U,) of a particle: the invariants `names`, some of NODE_INVARIANTS, in this order.

    Errors: `UserError` for a name that is none, and where none of them changes with the momentum.
    """

    names: tuple

    def __post_init__(self):
        for name in self.names:
            look_up(dict.fromkeys(NODE_INVARIANTS), name, "node invariant")
        if not set(self.names) - {MASS}:
            raise UserError(f"the invariants of particles are {list(self.names)}; expected {KINETIC} or p^2 among them")

    def embed(self, momenta, masses):
        """Return z (P, U) of particles with momenta (P, d) and masses (P,)."""
        squares = np.einsum("pd,pd->p", momenta, momenta)
        columns = {KINETIC: lambda: squares / (2 * masses), "p^2": lambda: squares, MASS: lambda: masses}
        return np.column_stack([columns[name]() for name in self.names])

    def derivative(self, masses):
        """Return (dz/d|p|) / |p| (P, U), which has no pole at p = 0: dz/dp is this times p."""
        columns = {KINETIC: lambda: 1 / masses, "p^2": lambda: np.full_like(masses, 2.0), MASS: lambda: np.zeros_like(masses)}
        return np.column_stack([columns[name]() for name in self.names])
