"""Pairs of states a time h apart, each made into one row (x, dx/dt), where nobody has measured derivatives.

For x' one step after x the velocity is (x' - x)/h at a point of both, which the rule chooses:

    midpoint           (x + x')/2      error h²
    symplectic-euler   (q', p)         error h

A fit to such rows learns the Hamiltonian of a numerical method that makes these steps, which differs from H by that error (Hairer, Lubich,
Wanner, Geometric Numerical Integration, 2nd ed. 2006, IX.3; David & Méhats, arXiv 2106.11753); `corrected` takes it away. A row and h tell
the pair that it was made of, so that nothing else has to be kept.
"""

from typing import NamedTuple

import numpy as np

MIDPOINT, SYMPLECTIC_EULER = "midpoint", "symplectic-euler"
ORDERS = {MIDPOINT: 2, SYMPLECTIC_EULER: 1}  # by the rule's name


class Step(NamedTuple):
    """How rows were made of pairs of states: by which rule, and h (positive)."""

    rule: str
    size: float

    @property
    def order(self):
        """The power of h in the error of a row."""
        return ORDERS[self.rule]

    def rows(self, before, after):
        """Return the points and velocities (..., D) of pairs of states (..., D)."""
        return self.point(before, after), (after - before) / self.size

    def point(self, before, after):
        """Return the points (..., D) that the velocities belong to."""
        if self.rule == MIDPOINT:
            return (before + after) / 2
        dof = before.shape[-1] // 2
        return np.concatenate([after[..., :dof], before[..., dof:]], axis=-1)

    def before(self, points, velocities):
        """Return the first states (..., D) of the pairs that rows were made of."""
        if self.rule == MIDPOINT:
            return points - self.size / 2 * velocities
        dof = points.shape[-1] // 2
        return np.concatenate([points[..., :dof] - self.size * velocities[..., :dof], points[..., dof:]], axis=-1)
