"""Where phase-space samples come from: anything that can be read in slices.

K samples of D = 2n coordinates x = (q1..qn, p1..pn), with velocities dx/dt and, where they are known, energies H(x).
"""

from typing import NamedTuple, Protocol

import numpy as np

from hnn_hpc.samples.steps import Step


class Samples(NamedTuple):
    """B samples in memory, float64 and C-contiguous; `energies` is None where the source knows none."""

    points: np.ndarray  # (B, D)
    velocities: np.ndarray  # (B, D)
    energies: np.ndarray | None = None  # (B,)


class SampleSource(Protocol):
    """K samples that any rank reads slice by slice, so that its memory does not grow with K.

    Reading is deterministic, needs no communicator and may happen on several threads at once: every rank holds a source of its own
    and asks it for the rows that it owns.
    """

    count: int  # K, at least 1
    dimension: int  # D, even and at least 2
    has_energies: bool
    step: Step | None  # how the rows were made of pairs of states; None where the velocities are dx/dt at the points
    reference: tuple[np.ndarray, float] | None  # (x0 (D,), H(x0)), which fixes the constant of H; None where it is unknown
    description: dict  # where the samples come from, fit for JSON: ends up in the provenance of a model
    location: str  # names the source in error messages, such as the path of a file; one of several parts has location_of(column, row) too

    def read(self, start: int, stop: int) -> Samples:
        """Return the samples start..stop (0 <= start <= stop <= K) as they are; whoever uses them checks that they are finite."""
        ...
