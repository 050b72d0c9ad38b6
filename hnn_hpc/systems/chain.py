"""Chains of particles between two walls, with any number n of degrees of freedom.

The particles have mass 1 and displacements q_1..q_n from rest; the walls are q_0 = q_(n+1) = 0. The n + 1 bonds have the stretches
d_j = q_(j+1) - q_j, j = 0..n, and a potential V with V(0) = V'(0) = 0 and V''(0) = 1:

    H = |p|^2/2 + sum_j V(d_j),    dH/dq_j = V'(d_(j-1)) - V'(d_j),    dH/dp_j = p_j.

FPUT: V(d) = d^2/2 + alpha d^3/3 + beta d^4/4 (Fermi, Pasta, Ulam, Tsingou, Los Alamos report LA-1940, 1955).
Toda: V(d) = e^d - d - 1, the mirror image, d for -d, of Toda's e^(-r) + r - 1 (Toda, J. Phys. Soc. Japan 22, 431, 1967). It is the
integrable neighbour of FPUT with alpha = 1/2 and beta = 1/6, the same up to d^4.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hnn_hpc.systems.base import HamiltonianSystem


@dataclass(frozen=True, eq=False)
class Chain(HamiltonianSystem):
    """What the chains share: everything but the potential of a bond. Needs three arrays of the size of q beside x and the answer."""

    separable: ClassVar[bool] = True
    dof: int = 4

    @abstractmethod
    def bond_energy(self, stretch):
        """Return V(d), elementwise."""

    @abstractmethod
    def bond_force(self, stretch):
        """Return V'(d), elementwise."""

    def default_box(self):
        return [[-1, 1]] * self.dimension

    def energy(self, x):
        x = self.points(x)
        p = x[..., self.dof :]
        return np.einsum("...i,...i->...", p, p) / 2 + self.bond_energy(self._stretches(x)).sum(axis=-1)

    def gradient(self, x):
        x = self.points(x)
        gradient = np.empty(x.shape)
        force = self.bond_force(self._stretches(x))
        np.subtract(force[..., :-1], force[..., 1:], out=gradient[..., : self.dof])
        gradient[..., self.dof :] = x[..., self.dof :]
        return gradient

    def _stretches(self, x):
        """Return d (..., n + 1)."""
        q = x[..., : self.dof]
        stretches = np.empty((*x.shape[:-1], self.dof + 1))
        stretches[..., 0] = q[..., 0]
        np.subtract(q[..., 1:], q[..., :-1], out=stretches[..., 1:-1])
        np.negative(q[..., -1], out=stretches[..., -1])
        return stretches


@dataclass(frozen=True, eq=False)
class FputChain(Chain):
    """The Fermi-Pasta-Ulam-Tsingou chain: V(d) = d^2/2 + alpha d^3/3 + beta d^4/4."""

    name: ClassVar[str] = "fput-chain"
    alpha: float = 0.25
    beta: float = 0.1

    def bond_energy(self, stretch):
        return stretch**2 * (0.5 + stretch * (self.alpha / 3 + stretch * (self.beta / 4)))

    def bond_force(self, stretch):
        return stretch * (1 + stretch * (self.alpha + stretch * self.beta))


@dataclass(frozen=True, eq=False)
class TodaChain(Chain):
    """The Toda chain: V(d) = e^d - d - 1."""

    name: ClassVar[str] = "toda-chain"

    def bond_energy(self, stretch):
        return np.expm1(stretch) - stretch

    def bond_force(self, stretch):
        return np.expm1(stretch)
