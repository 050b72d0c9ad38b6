"""The bandwidths of the features, one a unit of the coordinates, chosen by trial fits.

Of single units first, each against its rows of ∇H: a scan over powers of two, which tells the search for interactions what is slow and
what is fast. Then, once the supports are known, for each group of units that terms of H join, together:

1. one factor for all units of the group, over bandwidths that are equal or in the proportions of the single units;
2. some units by themselves, the positions, the momenta, each one, twice or half as much, as long as the error falls;
3. one factor for all again, with as many features as the fit has, as far as LARGEST_TRIAL allows, for many features resolve more than few
   and may be narrower.

What is scored is the error of ∇H on held samples, of fits as accurate as the real one. Cost: a few trials a unit, of sizes that depend on
neither K nor M.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil

import numpy as np

from hnn_hpc.basis.shares import shared_out
from hnn_hpc.basis.trial import draw_features, gradient_rows, reduction, touched_by, trial_error, z_score
from hnn_hpc.connected import connected

SINGLE_GRID = 2.0 ** np.arange(-2, 8)
SINGLE_FEATURES = 96
AS_WELL, LEAST_LEFT = 2.0, 1e-10  # of ‖residual‖², for which no larger bandwidth is wanted; what is left of it at best
SIGNIFICANT = 4.0  # standard deviations
FACTORS = 2.0 ** np.arange(-5, 4)
LARGER = 2.0 ** np.array([0.5, 1.0, 1.5])
LIMITS = 2.0**-6, 2.0**8
ROWS, FEW_ROWS = 8, 4  # of a trial, in features; of one of the largest
FEWEST_SAMPLES = 200
MOST_UNITS = 6  # of a group, that are tuned one by one
BETTER = 0.9  # of the error, by which a step is worth taking
TRIAL_FEATURES = 96, 96, 240, 320  # of a support of one, two, three and more units
A_SUPPORT = 32  # of each, where they are many
ONE_UNIT = 192  # of a group that is one unit
LARGE_TRIAL, LARGEST_TRIAL = 800, 1000
MOST_A_SUPPORT, LARGEST_SPARSE_TRIAL = 64, 3000  # of many supports
NO_ERROR = 1e-13  # and what is below
NEAR_ROUND_OFF = 1e-11  # an error that no bandwidth need lower


def single_bandwidths(samples, held, rng):
    """Return (bandwidths (U,), which of them (U,) the data tell): of features on one unit, the smallest that explain ∇H as well as any."""
    samples, held = (half.first(ROWS * SINGLE_FEATURES) for half in (samples, held))
    units = len(samples.coordinates.names)
    bandwidths, told = np.ones(units), np.zeros(units, bool)
    for unit in range(units):
        touched = touched_by(samples.coordinates, (unit,))
        r, r_held = samples.gradients[:, touched], held.gradients[:, touched]
        if not np.vdot(r_held, r_held) > 0:
            continue
        gains = []
        for g in SINGLE_GRID:
            features = draw_features(samples, (unit,), SINGLE_FEATURES, np.full(units, g), rng)
            gains.append(reduction(gradient_rows(samples, features), r, gradient_rows(held, features), r_held)[0])
        left = 1 - np.sum(gains, axis=1) / np.vdot(r_held, r_held)
        best = int(np.argmax(left <= AS_WELL * max(left.min(), LEAST_LEFT)))
        bandwidths[unit], told[unit] = SINGLE_GRID[best], z_score(gains[best]) > SIGNIFICANT
    return bandwidths, told


@dataclass(frozen=True, eq=False)
class Group:
    """Units that terms of H join: the units, the supports that they make up, and the coordinates of x whose rows of ∇H these touch."""

    supports: tuple
    rows_of: np.ndarray

    @property
    def units(self):
        return sorted({unit for support in self.supports for unit in support})


def groups_of(supports, coordinates):
    """Return the `Group`s of supports: two supports are in one where they share a coordinate of x, directly or by others."""
    touched = [touched_by(coordinates, support) for support in supports]
    return [
        Group(tuple(supports[number] for number in some), np.unique(np.concatenate([touched[number] for number in some])))
        for some in connected(touched)
    ]


class GroupSearch:
    """The search of the bandwidths of one `Group`.

    Parameters: samples, held (TrialSamples); make_rng() -> Generator in the same state each time, so that trials differ in their
    bandwidths alone; features: of the group in the fit, which a trial does not exceed; threads: that share trials.
    Attributes: bandwidths (U,), of which those of the group's units count, the best so far; error; trials.
    """

    def __init__(self, group, samples, held, make_rng, features, threads=1):
        self._group, self._halves, self._make_rng, self._most, self._threads = group, (samples, held), make_rng, features, threads
        wanted = [TRIAL_FEATURES[min(len(support), len(TRIAL_FEATURES)) - 1] for support in group.supports]
        self._size_trials(ONE_UNIT if len(group.units) == 1 else min(max(LARGE_TRIAL, A_SUPPORT * len(wanted)), sum(wanted)))
        self.bandwidths, self.error, self.trials = np.ones(len(samples.coordinates.names)), np.inf, 0

    def measure(self, bandwidths):
        """Take the bandwidths, a number or (U,), as they are, and find their error."""
        self._attempt([np.broadcast_to(bandwidths, len(self.bandwidths)).astype(float)])

    def search(self, singles, told):
        """Search by all steps; singles, told: see `single_bandwidths`."""
        units = self._group.units
        if len(units) == 1:
            self._attempt([np.full(len(singles), g) for g in SINGLE_GRID])
            return
        self._attempt([np.full(len(singles), factor) for factor in FACTORS])
        known = told[units]
        if known.any() and np.ptp(singles[units]):
            middle = np.exp(np.log(singles[units][known]).mean())
            self._attempt([np.clip(factor * np.where(told, singles, middle), *LIMITS) for factor in FACTORS])
        if len(units) <= MOST_UNITS:
            self._tune(units)
        if self.error > NEAR_ROUND_OFF and self._features < self._most:
            self._widen()

    def _tune(self, units):
        """Double or halve some bandwidths, of all positions, of all momenta, or of one unit, as long as the error falls."""
        coordinates = self._samples.coordinates
        halves = [[unit for unit in units if coordinates.is_momentum(unit) == side] for side in (False, True)]
        moves = [half for half in halves if 1 < len(half) < len(units)] + [[unit] for unit in units]
        improved = True
        while improved and self.error > NEAR_ROUND_OFF:
            improved = False
            for some in moves:
                while self._attempt([self._changed(some, factor) for factor in (0.5, 2.0)]):
                    improved = True

    def _changed(self, units, factor):
        bandwidths = self.bandwidths.copy()
        bandwidths[units] = np.clip(factor * bandwidths[units], *LIMITS)
        return bandwidths

    def _widen(self):
        """Try larger bandwidths with more features, as long as the error falls."""
        supports = len(self._group.supports)
        largest = max(LARGEST_TRIAL, min(MOST_A_SUPPORT * supports, LARGEST_SPARSE_TRIAL))
        self._size_trials(largest, ROWS if supports > 1 else FEW_ROWS)
        start, self.error = self.bandwidths, np.inf
        self._attempt([start])
        while self._attempt([np.clip(factor * self.bandwidths, *LIMITS) for factor in LARGER]):
            pass

    def _size_trials(self, features, rows_a_feature=ROWS):
        """Let trials have so many features, or what the fit has, and samples in proportion."""
        self._features = min(self._most, features)
        self._shares = shared_out(self._features, self._group.supports)
        coordinates = self._halves[0].coordinates
        rows = [self._features / len(self._group.rows_of)]
        rows += [n / len(touched_by(coordinates, s)) for s, n in zip(self._group.supports, self._shares, strict=True)]
        count = max(FEWEST_SAMPLES, ceil(rows_a_feature * max(rows)))
        self._samples, self._held = self._halves[0].first(count), self._halves[1].first(count // 2)

    def _attempt(self, candidates):
        """Try bandwidths (U,), a list from small to large; return whether the best are better than those so far by more than chance.

        Of those that make no error the first are taken: where coordinates repeat, as on a grid, all do, and small ones interpolate best.
        """
        self.trials += len(candidates)
        before = self.error
        with ThreadPoolExecutor(self._threads) as pool:
            for bandwidths, error in zip(candidates, pool.map(self._error, candidates), strict=True):
                if max(error, NO_ERROR) < max(self.error, NO_ERROR):
                    self.bandwidths, self.error = bandwidths, error
        return self.error < BETTER * before

    def _error(self, bandwidths):
        rng = self._make_rng()
        terms = [draw_features(self._samples, s, n, bandwidths, rng) for s, n in zip(self._group.supports, self._shares, strict=True) if n]
        return trial_error(self._samples, self._held, terms, self._group.rows_of)
