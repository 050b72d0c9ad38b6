"""Trajectories without derivatives as samples: a row for every pair of states that are one step, or several, apart."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.samples.source import Samples
from hnn_hpc.samples.steps import Step
from hnn_hpc.values import finite_number


@dataclass(frozen=True)
class StepSamples:
    """The rows of T trajectories of N states: T (N - s) pairs of states that are s = `stride` steps apart (a `SampleSource`).

    states: with trajectories T, states N, dimension D, time_step, read_states(start, stop) -> (stop - start, D) of the T N states one after
    the other, some_energies() -> (states, their energies) or None, location, description and reference.
    """

    states: Any
    rule: str
    stride: int = 1
    has_energies = False

    def __post_init__(self):
        time_step = finite_number(self.states.time_step, "time_step")
        if not time_step > 0:
            raise UserError(f"time_step = {time_step:g}: expected a positive number, the time from one state to the next")
        if self.stride >= self.states.states:
            raise UserError(
                f"stride = {self.stride} is too long: a row is made of two states that are so many steps apart, and the trajectories of "
                f"{self.states.location} have {self.states.states} states each"
            )

    @cached_property
    def step(self):
        return Step(self.rule, self.stride * self.states.time_step)

    @property
    def count(self):
        return self.states.trajectories * self._pairs

    @property
    def dimension(self):
        return self.states.dimension

    @property
    def reference(self):
        return self.states.reference

    @property
    def location(self):
        return self.states.location

    @property
    def description(self):
        return self.states.description | {"rule": self.rule, "stride": self.stride}

    @property
    def _pairs(self):
        return self.states.states - self.stride

    @property
    def known_energies(self):
        """Some states (B, D) with their energies (B,), from all over the data, which fix the constant of H; or None."""
        return self.states.some_energies()

    def location_of(self, name, row):
        """Return which pair of states a row was made of, for messages."""
        trajectory, n = divmod(row, self._pairs)
        return f"{self.location} (of the states {n} and {n + self.stride} of trajectory {trajectory})"

    def read(self, start, stop):
        """Return the rows [start, stop) as `Samples` without energies: pair n of trajectory t is row t (N - s) + n."""
        trajectory, n = np.divmod(np.arange(start, stop), self._pairs)
        places = trajectory * self.states.states + n
        first, last = (places[0], places[-1] + self.stride + 1) if len(places) else (0, 0)
        states = self.states.read_states(first, last)
        before, after = states[places - first], states[places - first + self.stride]
        return Samples(*self.step.rows(before, after))


@dataclass(frozen=True)
class ArrayTrajectories:
    """Trajectories in memory, (T, N, D): what `StepSamples` reads."""

    array: np.ndarray
    time_step: float
    reference = None
    location = "the arrays"

    @property
    def trajectories(self):
        return len(self.array)

    @property
    def states(self):
        return self.array.shape[1]

    @property
    def dimension(self):
        return self.array.shape[2]

    @property
    def description(self):
        return {"source": "arrays", "time_step": self.time_step}

    def some_energies(self):
        return None

    def read_states(self, start, stop):
        """Return the states [start, stop) of all trajectories one after the other, (stop - start, D)."""
        return self.array.reshape(-1, self.dimension)[start:stop]
