"""What a sampler takes, a `Pool` of samples, and what it gives, a `HiddenLayer`."""

import hashlib
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Pool:
    """The bounded set of samples from which hidden features are drawn: rows from all over the data set, identical on every rank.

    points        -- (P, D)
    gradients     -- (P, D), grad H = J⁻¹ dx/dt at the points
    energies      -- (P,), H at the points, up to a constant; None where the data have none
    lower, upper  -- (D,), the limits of each coordinate over the whole data set, not over the pool alone
    checksum      -- of every point and velocity of the whole data set (see `checksum`); 0 where nobody computed it
    """

    points: np.ndarray
    gradients: np.ndarray
    energies: np.ndarray | None
    lower: np.ndarray
    upper: np.ndarray
    checksum: int = 0

    @property
    def dimension(self):
        return self.points.shape[1]

    @property
    def half_widths(self):
        """h (D,): half the width of the data's box along each coordinate."""
        return (self.upper - self.lower) / 2


@dataclass(frozen=True, eq=False)
class HiddenLayer:
    """The hidden layer sigma(W z + b): weights W (M, E), biases b (M,), and a report, a dict of plain numbers on how the draw went.

    The report always has "duplicates_left": how many features repeat another one, because the pool did not offer enough different ones.
    """

    weights: np.ndarray
    biases: np.ndarray
    report: dict = field(default_factory=dict)

    @property
    def digest(self):
        """SHA-256 of the weights and biases, as text."""
        return hashlib.sha256(self.weights.tobytes() + self.biases.tobytes()).hexdigest()
