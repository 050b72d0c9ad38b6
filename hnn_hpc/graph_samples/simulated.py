"""States of a known system along runs of Störmer-Verlet, such as a fluid of a temperature goes through."""

import threading
from dataclasses import dataclass, field

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.graph_samples.states import SystemGraphs
from hnn_hpc.particles import verlet
from hnn_hpc.random_streams import random_stream
from hnn_hpc.values import finite_number, whole_number

RUNS_KEPT = 2  # a block of samples may end in one run and begin in the next


class _Kept:
    """The values computed last, by key, for any number of threads; a copy of it, by pickle, begins empty."""

    def __init__(self):
        self._values, self._lock = {}, threading.Lock()

    def get(self, key, compute):
        """Return the value of the key, computed by `compute` unless it is kept; a thread waits while another computes one."""
        with self._lock:
            value = self._values.pop(key) if key in self._values else compute(key)
            self._values[key] = value
            while len(self._values) > RUNS_KEPT:
                del self._values[next(iter(self._values))]
            return value

    def __reduce__(self):
        return _Kept, ()


@dataclass(frozen=True, eq=False)
class SimulatedGraphs(SystemGraphs):
    """States along runs that begin at rest with momenta of a temperature (a `GraphSource`).

    State n is number n % states_per_run of run n // states_per_run. A run begins with Gaussian momenta of variance m T for each coordinate,
    the motion of its centre of mass taken from them; it makes `burn_in` steps of length `time_step` and then gives a state every `interval`
    steps, the first at once. In equilibrium about half of that energy is in the bonds, and the temperature that much lower.
    A run is computed when one of its states is read, and the last few are kept; each from a random stream of its own, so that the same
    (seed, stream, number of the run) gives the same states everywhere. Memory: states_per_run states, for each of the runs kept.
    """

    stream: str = "training points"
    temperature: float = 1.0
    time_step: float = 0.01
    burn_in: int = 1000
    interval: int = 100
    states_per_run: int = 10
    _kept: _Kept = field(default_factory=_Kept, init=False, repr=False)

    def __post_init__(self):
        super().__post_init__()
        for name in ("temperature", "time_step"):
            if not finite_number(getattr(self, name), name) > 0:
                raise UserError(f"{name} = {getattr(self, name)}: expected a positive number")
        for name, least in (("burn_in", 0), ("interval", 1), ("states_per_run", 1)):
            whole_number(getattr(self, name), name, at_least=least)

    @property
    def description(self):
        names = ("temperature", "time_step", "burn_in", "interval", "states_per_run")
        return super().description | {name: getattr(self, name) for name in names}

    def states(self, start, stop):
        parts = []
        while start < stop:
            run, first = divmod(start, self.states_per_run)
            last = min(self.states_per_run, first + stop - start)
            parts.append(self._kept.get(run, self._run)[:, first:last])
            start += last - first
        empty = np.empty((2, 0, self.rest.particles, self.dimension))
        return np.concatenate([empty, *parts], axis=1)

    def _run(self, run):
        """Return the positions and the momenta of the states of a run, (2, states_per_run, P, d)."""
        start = self.rest.at(self.rest.positions, self._momenta(run))
        count = min(self.states_per_run, self.count - run * self.states_per_run)
        states = np.empty((2, count, *self.rest.positions.shape))
        try:
            path = verlet(self.system, start, self.time_step, self.burn_in + (count - 1) * self.interval)
            for step, state in enumerate(path):
                number, rest = divmod(step - self.burn_in, self.interval)
                if number >= 0 and rest == 0:
                    states[:, number] = state.positions, state.momenta
        except UserError as error:
            raise UserError(f"{self.location}: run {run}: {error}") from None
        return states

    def _momenta(self, run):
        masses = self.rest.masses[:, None]
        momenta = np.sqrt(masses * self.temperature) * random_stream(self.seed, self.stream, run).standard_normal(self.rest.momenta.shape)
        return momenta - masses * (momenta.sum(axis=0) / masses.sum())
