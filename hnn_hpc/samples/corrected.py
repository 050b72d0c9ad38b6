"""Samples whose velocities say more than dx/dt = J∇H once a model of H is known, freed of what they say besides.

`StepCorrected` frees the rows of pairs of states (see `steps`) of the error of their rule: deferred correction (Zadunaisky, Numer. Math.
27, 1976). With f and φ_h the model's vector field and flow, its own pairs (x, φ_h(x)) would have the rows

    (φ_h(x) - x)/h = f(point of x and φ_h(x)) + τ(x),

so τ is what the rule adds to a velocity, as exactly as the model is known, and is taken from the row. Each fit to rows that the fit before
has corrected gains as many powers of h as the rule has.

`Undamped` frees rows of dx/dt = (J - Γ)∇H, Γ = diag(0, γ), of the damping: dp/dt = -∂H/∂q - γ∘∂H/∂p, and ∂H/∂p = dq/dt.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hnn_hpc.integrators.runge_kutta import runge_kutta_step
from hnn_hpc.samples.derived import DerivedSamples
from hnn_hpc.symplectic import undamped


@dataclass(frozen=True)
class _Freed(DerivedSamples):
    """Another `SampleSource` with other velocities."""

    @property
    def count(self):
        return self.source.count

    def read(self, start, stop):
        """Return the `Samples` of the rows [start, stop)."""
        samples = self.source.read(start, stop)
        return samples._replace(velocities=self._velocities(samples.points, samples.velocities))


@dataclass(frozen=True)
class StepCorrected(_Freed):
    """Rows of pairs of states, freed of the error of the rule as far as a model, anything with a `vector_field`, knows it."""

    model: Any
    step = None  # these are velocities at the points

    def _velocities(self, points, velocities):
        step = self.source.step
        before = step.before(points, velocities)
        after = runge_kutta_step(self.model.vector_field, before, step.size)
        point, velocity = step.rows(before, after)
        return velocities - (velocity - self.model.vector_field(point))


@dataclass(frozen=True)
class Undamped(_Freed):
    """Rows of dx/dt = (J - Γ)∇H as those of J∇H, for γ (n,)."""

    damping: np.ndarray

    def _velocities(self, points, velocities):
        return undamped(velocities, self.damping)


def freed(source, model=None, damping=None):
    """Return the source with rows of dx/dt = J∇H alone, as far as the model and γ (n,), each of them or None, are known."""
    if model is not None and source.step is not None:
        source = StepCorrected(source, model)
    return source if damping is None else Undamped(source, damping)
