"""Fits that are made again because their targets depend on the model: rows of pairs of states, and damping.

The matrix stays as it is; only the velocities change, and each fit is one more linear solve (see `samples.corrected`):

- Each fit to rows that the model before has corrected gains as many powers of the step as the rule of the rows has.
- γ of dx/dt = (J - Γ)∇H, Γ = diag(0, γ): with γ at hand the rows of J∇H are known and H is fitted; with H at hand γ_i is the least squares
  of what is left, r_i = -dp_i/dt - ∂H/∂q_i - γ_i dq_i/dt, on dq_i/dt. What this adds to γ is affine in γ, for the fit is linear; Broyden's
  method (Math. Comp. 19, 1965) finds where it is 0, for one degree of freedom with the third fit. Features that suit J∇H can only be
  looked for once γ is about known: damping hides of which coordinates the terms of H are.
"""

from hashlib import sha256

import numpy as np

from hnn_hpc.parallel.tree import add_in_place, tree_reduce
from hnn_hpc.samples import freed, read_finite

ROUGHLY, SETTLED = 1e-2, 1e-8  # change of γ, of the largest: when features are looked for anew, and when it is found
USUAL_FITS = 5  # for γ, and for features that suit J∇H
FITS = 6  # for γ at most, besides one a degree of freedom: each time that something else has changed
GAIN = 0.5  # a correction that changes more than this of what the one before did gains nothing: h is too long for the rule
TINY = np.finfo(float).tiny


class Refits:
    """What is to be fitted next, and how far it is. The same on every rank.

    source: the `SampleSource` as it came; points (P, D): where models are compared; options: FitOptions; layout, communicator, threads: of
    passes over the source.
    Attributes: damping γ (n,), or None; fits: how many there were; damping_is_new: whether γ has just become known, so that other features
    may suit better; last_is_worse: whether the last fit is to be forgotten for the one before.
    """

    def __init__(self, source, points, options, layout, communicator, threads):
        self._source, self._points, self._layout, self._communicator, self._threads = source, points, layout, communicator, threads
        self._corrections = options.corrections if source.step else 0
        self.damping = np.zeros(source.dimension // 2) if options.dissipation else None
        self.fits, self._fits_for_damping = 0, 0
        self.damping_is_new, self._was_new, self.last_is_worse = False, False, False
        self._broyden, self._model, self._gradient, self._changes = _Broyden(), None, None, []

    @staticmethod
    def most(source, options):
        """Return how many fits there are at most."""
        corrections = options.corrections if source.step else 0
        return 1 + corrections + ((corrections + 2) * (FITS + source.dimension // 2) if options.dissipation else 0)

    @staticmethod
    def usual(source, options):
        """Return how many fits there are as a rule, for a prediction of the time."""
        return 1 + (options.corrections if source.step else 0) + (USUAL_FITS if options.dissipation else 0)

    @property
    def source(self):
        """The source of the next fit."""
        return freed(self._source, self._model, self.damping)

    @property
    def digest(self):
        """What the velocities of the next fit depend on besides the samples, in 16 letters."""
        numbers = [self.damping, *((self._model.coefficients, self._model.damping) if self._model else ())]
        return sha256(b"".join(array.tobytes() for array in numbers if array is not None)).hexdigest()[:16]

    @property
    def report(self):
        """How rows were made of pairs of states, fit for JSON, or None: rule, size h, corrections, order of the error in h, and changes, by
        how much of ‖∇Ĥ‖ each correction changed ∇Ĥ."""
        if not self._source.step:
            return None
        done = len(self._changes) - self.last_is_worse
        order = self._source.step.order * (1 + done)
        return {**self._source.step._asdict(), "corrections": done, "order": order, "changes": self._changes}

    def goes_on(self, model):
        """Take in the model of the last fit; return whether there is another one to make. Collective."""
        self.fits += 1
        self.damping_is_new = False
        if self.damping is not None and not self._has_settled(model):
            return True
        if self._gradient is not None and not self._gains(model):
            return False
        if len(self._changes) == self._corrections:
            return False
        self._model, self._gradient, self._fits_for_damping = model, model.gradient(self._points), 0
        return True

    def _has_settled(self, model):
        """Go on to the next γ; return whether that is no other one."""
        self._fits_for_damping += 1
        change = self._broyden.step(self.damping, self._left_over(self.source, model))
        before, self.damping = self.damping, np.maximum(self.damping + change, 0)
        change = np.abs(self.damping - before).max() / max(self.damping.max(), TINY)
        if change <= ROUGHLY and not self._was_new:
            self.damping_is_new = self._was_new = True
            self._fits_for_damping = 0
            return False
        return change <= SETTLED or self._fits_for_damping >= FITS + len(self.damping)

    def _gains(self, model):
        """Note by how much a correction changed the model; return whether another one would gain anything."""
        gradient = model.gradient(self._points)
        size = np.linalg.norm(gradient)
        self._changes.append(float(np.linalg.norm(gradient - self._gradient) / size) if size else 0.0)
        if len(self._changes) == 1:
            return True
        before, last = self._changes[-2:]
        self.last_is_worse = not last < before
        return last < GAIN * before

    def _left_over(self, source, model):
        """Return what least squares of the rows along momenta add to γ, (n,)."""
        n = source.dimension // 2

        def leaf(block):
            points, velocities, _ = read_finite(source, *self._layout.bounds(block))
            left = -velocities[:, n:] - model.gradient(points)[:, :n]
            return np.stack([(velocities[:, :n] * left).sum(axis=0), (velocities[:, :n] ** 2).sum(axis=0)])

        sums = tree_reduce(self._communicator, self._layout, leaf, add_in_place, self._threads, name="damping")
        along, squares = self._communicator.broadcast(sums)
        return np.divide(along, squares, out=np.zeros(n), where=squares > 0)


class _Broyden:
    """Broyden's method for values(γ) = 0, from the derivative -1."""

    def __init__(self):
        self._derivative, self._last = None, None

    def step(self, place, values):
        """Return the change (n,) of the place (n,) that is to bring the values (n,) to 0."""
        if self._derivative is None:
            self._derivative = -np.eye(len(place))
        elif (moved := place - self._last[0]) @ moved > 0:
            self._derivative += np.outer(values - self._last[1] - self._derivative @ moved, moved) / (moved @ moved)
        self._last = place, values
        return -np.linalg.solve(self._derivative, values)
