"""The double pendulum: chaotic, and the one system here that is not separable."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hnn_hpc.systems.base import HamiltonianSystem


@dataclass(frozen=True, eq=False)
class DoublePendulum(HamiltonianSystem):
    """H = (p1^2 + 2 p2^2 - 2 p1 p2 cos(q1-q2)) / (2 (1 + sin^2(q1-q2))) - 2 cos q1 - cos q2.

    Masses, lengths and gravity are 1; q1 and q2 are angles from the vertical. Source: arXiv 2411.17511.
    """

    name: ClassVar[str] = "double-pendulum"
    separable: ClassVar[bool] = False
    dof: ClassVar[int] = 2

    def default_box(self):
        return [[-np.pi, np.pi]] * 2 + [[-1, 1]] * 2

    def energy(self, x):
        q1, q2, p1, p2 = self.coordinates(x)
        sine = np.sin(q1 - q2)
        kinetic = (p1 * p1 + 2 * p2 * p2 - 2 * p1 * p2 * np.cos(q1 - q2)) / (2 * (1 + sine * sine))
        return kinetic - 2 * np.cos(q1) - np.cos(q2)

    def gradient(self, x):
        q1, q2, p1, p2 = self.coordinates(x)
        sine, cosine = np.sin(q1 - q2), np.cos(q1 - q2)
        inertia = 1 + sine * sine
        dH_dp1 = (p1 - p2 * cosine) / inertia
        dH_dp2 = (2 * p2 - p1 * cosine) / inertia
        # The kinetic energy is (p1 dH_dp1 + p2 dH_dp2) / 2; this is its derivative by q1 - q2.
        turning = sine * (p1 * p2 - (p1 * dH_dp1 + p2 * dH_dp2) * cosine) / inertia
        return np.stack([turning + 2 * np.sin(q1), np.sin(q2) - turning, dH_dp1, dH_dp2], axis=-1)
