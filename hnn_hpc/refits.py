"""Fits that are made again because their targets depend on the model: rows of pairs of states, and damping.

Only velocities change, and each fit is one more linear solve (see `samples.corrected`):

- Each fit to rows that the model before has corrected gains as many powers of the step as the rule of the rows has. How far the model's own
  step from each state misses the next state, the step error, tells whether it did; where it did not, the model before is the answer.
- γ of dx/dt = (J - Γ)∇H, Γ = diag(0, γ): with γ at hand the rows of J∇H are known and H is fitted; with H at hand, what least squares of
  -dp_i/dt - ∂Ĥ/∂q_i - γ_i dq_i/dt on dq_i/dt gives is added to γ_i. It is affine in γ, for the fit is linear, and Broyden's method (Math.
  Comp. 19, 1965) finds where it is 0, for one degree of freedom with the third fit. Noise on dq/dt makes γ too small, as it does in any
  regression on it. Features that suit J∇H can only be looked for once γ is about known: damping hides of which coordinates the terms of
  H are.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np

from hnn_hpc.features import FeatureMap, HiddenLayer
from hnn_hpc.integrators.runge_kutta import runge_kutta_step
from hnn_hpc.models import HamiltonianModel
from hnn_hpc.parallel.tree import add_in_place, tree_reduce
from hnn_hpc.samples import freed, read_finite
from hnn_hpc.symplectic import vector_field_from_gradient

GAIN = 0.5  # a correction that leaves more than this of the step error is the last
COMPARED = 4096  # pairs of states, from all over the data, that step errors are measured at
# Changes of γ by their share of dp/dt: so small that γ counts as found, that features are looked for anew, and that nothing is left to do.
FOUND, NEARLY, SETTLED = 1e-5, 1e-6, 1e-11
FITS, USUAL_FITS = 10, 5  # for γ, besides one a degree of freedom: at most, and as a rule, each time that other things have changed
PATIENCE = 2  # fits without a smaller change of γ than before


@dataclass(frozen=True)
class Fitted:
    """What a solve gave: Ĥ up to its constant, and γ (n,) or None, which it was solved with."""

    basis: Any
    layer: HiddenLayer
    feature_map: FeatureMap
    solution: Any
    damping: np.ndarray | None = None

    def model(self, domain):
        """Return the `HamiltonianModel`, its constant 0."""
        return HamiltonianModel(self.feature_map, self.solution.coefficients, 0.0, False, domain, damping=self.damping)


def most_fits(source, options):
    """Return how many fits there are at most."""
    phases = 1 + _corrections(source, options)
    return phases + (phases * (FITS + source.dimension // 2) if options.dissipation else 0)


def usual_fits(source, options):
    """Return how many fits there are as a rule, for a prediction of the time."""
    phases = 1 + _corrections(source, options)
    return phases * (USUAL_FITS if options.dissipation else 1)


def _corrections(source, options):
    return options.corrections if source.step else 0


@dataclass
class Refits:
    """The fits of one problem, the same on every rank. Collective.

    source       the `SampleSource` as it came
    pool         of its samples
    options      FitOptions
    search       search(γ or None, number of the fit) -> (basis, HiddenLayer), which suit ∇H
    solve        solve(layer, source, digest of what its velocities depend on besides the samples, number) -> (FeatureMap, Solution)
    layout, communicator, threads  of passes over the source
    `run` sets: fits, how many; step, what is told of pairs of states, or None; damping, what is told of γ, or None.
    """

    source: Any
    pool: Any
    options: Any
    search: Callable
    solve: Callable
    layout: Any
    communicator: Any
    threads: int
    fits: int = 0
    step: dict | None = None
    damping: dict | None = None

    def run(self):
        """Return the `Fitted` of the last fit that was a gain."""
        self._domain = np.stack([self.pool.lower, self.pool.upper], axis=1)
        self._broyden, self._is_new = _Broyden(), self.options.dissipation
        basis, layer = self.search(None, 0)
        damping = np.zeros(self.source.dimension // 2) if self.options.dissipation else None
        best = self._with_damping(self._fit(Fitted(basis, layer, None, None, damping), None), None)
        told = self.damping
        if self.source.step:
            errors, best_error = [self._step_error(best)], 0
            for _ in range(self.options.corrections):
                corrector = best.model(self._domain)
                corrected = self._with_damping(self._fit(best, corrector), corrector)
                errors.append(self._step_error(corrected))
                if not errors[-1] < errors[best_error]:
                    self.damping = told
                    break
                best, best_error, told = corrected, len(errors) - 1, self.damping
                if errors[-1] > GAIN * errors[-2]:
                    break
            self.step = {
                **self.source.step._asdict(),
                "corrections": best_error,
                "order": self.source.step.order * (1 + best_error),
                "step_errors": errors,
                "stop_reason": "done" if best_error == self.options.corrections else "another correction gains nothing",
            }
        return best

    def _fit(self, last, corrector):
        """Return the `Fitted` of the layer and γ of another one, to rows that a model has corrected, or None."""
        source = freed(self.source, corrector, last.damping)
        numbers = [last.damping, *((corrector.coefficients, corrector.damping) if corrector else ())]
        digest = sha256(b"".join(array.tobytes() for array in numbers if array is not None)).hexdigest()[:16] if self.fits else ""
        feature_map, solution = self.solve(last.layer, source, digest, self.fits)
        self.fits += 1
        return replace(last, feature_map=feature_map, solution=solution)

    def _with_damping(self, fitted, corrector):
        """Return the `Fitted` with the γ that suits it, after as many fits as that takes."""
        if fitted.damping is None:
            return fitted
        self._broyden.begin()
        free, changes = np.ones(len(fitted.damping), dtype=bool), []
        asked = wanted = fitted.damping
        for _ in range(FITS + len(free)):
            more, size = self._left_over(fitted, corrector)
            asked = fitted.damping + np.where(free, self._broyden.step(fitted.damping, np.where(free, more, 0)), 0)
            changes.append(float(np.max(np.abs(asked - fitted.damping) * size)))
            wanted = np.where(free, asked, wanted)
            has_stalled = len(changes) - 1 - int(np.argmin(changes)) >= PATIENCE
            if self._is_new and (changes[-1] <= NEARLY or has_stalled):
                self._is_new = False
                basis, layer = self.search(asked, self.fits)
                fitted = replace(fitted, basis=basis, layer=layer)
                self._broyden.begin()
                changes = []
            elif free[asked < 0].any() and (changes[-1] <= NEARLY or has_stalled):
                free &= asked >= 0
                self._broyden.begin()
                changes = []
            elif changes[-1] <= SETTLED:
                fitted = replace(fitted, damping=np.where(free, asked, 0.0))  # by so little that H stays as it is
                break
            elif has_stalled:
                break
            fitted = self._fit(replace(fitted, damping=np.where(free, asked, 0.0)), corrector)
        self.damping = {
            "damping": fitted.damping.tolist(),
            "asked": wanted.tolist(),
            "last_change": changes[-1] if changes else None,
            "settled": bool(changes and min(changes) <= FOUND),
        }
        return fitted

    def _left_over(self, fitted, corrector):
        """Return what least squares of the rows along momenta add to γ, (n,), and ‖dq_i/dt‖/‖dp_i/dt‖, by which γ_i shares in dp_i/dt."""
        source, model, n = freed(self.source, corrector, fitted.damping), fitted.model(self._domain), self.source.dimension // 2
        layout = self.layout

        def leaf(block):
            points, velocities, _ = read_finite(source, *layout.bounds(block))
            drifts, kicks = velocities[:, :n], velocities[:, n:]
            left = -kicks - model.gradient(points)[:, :n]
            return np.stack([(drifts * left).sum(axis=0), (drifts**2).sum(axis=0), (kicks**2).sum(axis=0)])

        sums = tree_reduce(self.communicator, layout, leaf, add_in_place, self.threads, name="damping")
        along, drifts, kicks = self.communicator.broadcast(sums)
        size = np.sqrt(np.divide(drifts, kicks, out=np.ones(n), where=kicks > 0))
        return np.divide(along, drifts, out=np.zeros(n), where=drifts > 0), size

    def _step_error(self, fitted):
        """Return how far the model's own steps miss the next states, of a step: ‖φ_h(x) - x'‖/‖x' - x‖ over pairs of the pool."""
        step, every = self.source.step, max(1, len(self.pool.points) // COMPARED)
        points, velocities = self.pool.points[::every], vector_field_from_gradient(self.pool.gradients[::every])
        before = step.before(points, velocities)
        with np.errstate(all="ignore"):
            moved = (runge_kutta_step(fitted.model(self._domain).vector_field, before, step.size) - before) / step.size
            error = np.linalg.norm(moved - velocities) / np.linalg.norm(velocities)
        return float(error) if np.isfinite(error) else np.inf


class _Broyden:
    """Broyden's method for values(γ) = 0, from the derivative -1."""

    def __init__(self):
        self._derivative, self._last = None, None

    def begin(self):
        """Take the next values for those of another problem, whose derivative is about the same."""
        self._last = None

    def step(self, place, values):
        """Return the change (n,) of the place (n,) that is to bring the values (n,) to 0."""
        if self._derivative is None:
            self._derivative = -np.eye(len(place))
        elif self._last is not None and (moved := place - self._last[0]) @ moved > 0:
            self._derivative += np.outer(values - self._last[1] - self._derivative @ moved, moved) / (moved @ moved)
        self._last = place, values
        return -np.linalg.solve(self._derivative, values)
