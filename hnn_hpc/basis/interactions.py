"""Which coordinates meet in one term of H, read off the samples.

A set of units s (see `Coordinates`) is an interaction where H has a term that depends on all of s and is no sum of terms on its facets,
the subsets with one unit fewer. Single coordinates are taken as they are; then orders are tested from below, pairs first. What a sum of all
terms found so far leaves of ∇H, its residual r, is fitted once by random features on s, and once by as many on each facet of s. Both are
fitted on one half of the samples and compared on the other, sample by sample:

    d_k = ‖r_k - facets‖² - ‖r_k - s‖²,     z = mean(d) / (sd(d) / √N),

d_k being corrected for what each of the two fits loses to noise. Where s is no interaction, features on the facets explain as much, and z
has at most about Student's t distribution; the few largest |d_k| are cut back, so that heavy tails do not matter. Of all sets of a round
those are taken that Benjamini and Hochberg's procedure (J. R. Stat. Soc. B 57, 1995) keeps at LEVEL, so that of all that are taken in all
rounds a share of at most FALSE_DISCOVERIES is expected to be false, if samples are independent. Then the residual is made again and the
rest is tested again, for weak interactions hide behind strong ones; and in the end each is tested again with all the others in the sum, for
where coordinates are correlated a false pair may have stood for a true one.

Cost: O(sets · N · q²) an order, with N and q such that it stays below BUDGET whatever K and M. Where there are too many pairs, only
those are tested that a look at correlations leaves (see `screening`); the others count as tested in vain.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import combinations
from math import comb

import numpy as np
from scipy.special import stdtr

from hnn_hpc.basis.screening import most_pairs, shortlist
from hnn_hpc.basis.trial import SumOfTerms, draw_features, gradient_rows, reduction, touched_by, z_score

FALSE_DISCOVERIES = 1e-3
BUDGET = 2e8  # values of rows, of all the sets of one order
MOST_SAMPLES, FEWEST_SAMPLES = 4000, 800  # of either half
MOST_FEATURES, FEWEST_FEATURES = 64, 16  # of one set
SLOWEST, FASTEST = -2, 3  # powers of two that the bandwidths of a test's features spread over, for H may vary slowly or fast
SAMPLES_A_FEATURE = 50
NEGLIGIBLE = 1e-6  # a residual, relative to ∇H: so much a sum of terms leaves of any H
NO_EVIDENCE = 2.0  # standard deviations: not worth the second look
MOST_ROUNDS = 4
MOST_SETS = 100  # of three and more units that are all tried; where there are more, those that two smaller ones make up
TOO_MANY_SETS = 1500  # of an order above 2: so much of H interacts that dense features are the better guess
LARGEST_ORDER = 6
LEVEL = FALSE_DISCOVERIES / (MOST_ROUNDS * LARGEST_ORDER)  # of one round
MOST_THREADS = 8  # for each holds some 100 MB
MOST_TERM_FEATURES, FEWEST_TERM_FEATURES, SUM_FEATURES = 48, 12, 3000  # of a term of the sum, fewer where there are many


class Interactions:
    """The search for the interactions of one set of samples.

    Parameters: samples, held (TrialSamples), bandwidths (U,): of single units; rng, which decides the answer, as threads do not;
    allowed(set) -> bool: which sets may be interactions at all. Attributes: found: those found, as sorted tuples of units; tests: how many
    sets were tested.
    """

    def __init__(self, samples, held, bandwidths, rng, threads=1, allowed=lambda units: True):
        self._bandwidths, self._rng, self._threads, self._allowed = bandwidths, rng, min(threads, MOST_THREADS), allowed
        self._units = len(samples.coordinates.names)
        per_pair = BUDGET / (4 * max(1, most_pairs(self._units)))  # two halves, two coordinates
        self._features = int(np.clip(np.sqrt(per_pair / SAMPLES_A_FEATURE), FEWEST_FEATURES, MOST_FEATURES))
        count = int(np.clip(per_pair / self._features, FEWEST_SAMPLES, MOST_SAMPLES))
        self._samples, self._held = samples.first(count), held.first(count)
        self._sum = SumOfTerms(self._samples, self._held)
        self.found = []
        self.tests = 0

    def search(self):
        """Find them all."""
        self._take_singles()
        for order in range(2, min(self._units, LARGEST_ORDER) + 1):
            any_found = self._search_order(order)
            if any_found:
                self._review(order)
            elif order >= 3 and comb(self._units, order + 1) > MOST_SETS:
                break
        return self.found

    def _take_singles(self):
        """Add a term for every coordinate of x along which H is not constant, and for every derived unit that H seems to depend on."""
        coordinates, gradients = self._samples.coordinates, self._samples.gradients
        self._take([(unit,) for unit in range(coordinates.dimension) if gradients[:, unit].any()])
        derived = [(unit,) for unit in range(coordinates.dimension, self._units)]
        if derived:
            self._take([derived[place] for place in self._discovered(derived, self._sum.residuals(), len(derived))])

    def _search_order(self, order):
        """Search the sets of one order; return whether any was found."""
        any_found = False
        for _ in range(MOST_ROUNDS):
            candidates = [s for s in self._candidates(order) if s not in self.found and self._allowed(s)]
            if not candidates or (order > 2 and len(candidates) > TOO_MANY_SETS):
                break
            residuals = self._sum.residuals()
            tested = shortlist(candidates, self._samples, residuals[0], NEGLIGIBLE) if order == 2 else candidates
            new = self._discovered(tested, residuals, len(candidates))
            if not len(new):
                break
            self._take([tested[place] for place in new])
            any_found = True
        return any_found

    def _review(self, order):
        """Test the interactions of one order again, each by itself with all others in the sum, and drop those that no longer show.

        One that was found only because its coordinates are correlated with those of a true one is explained by that now.
        """
        residuals = self._sum.residuals()
        sets = [s for s in self.found if len(s) == order]
        kept = {sets[place] for place in self._discovered(sets, residuals, len(sets), self._sum.residuals_without)}
        for s in sets:
            if s not in kept:
                self.found.remove(s)
                self._sum.remove(s)

    def _candidates(self, order):
        """Return the sets of one order to be tested: all, or where they are many the unions of two smaller interactions."""
        if order == 2 or comb(self._units, order) <= MOST_SETS:
            return list(combinations(range(self._units), order))
        smaller = [s for s in self.found if len(s) == order - 1]
        unions = {tuple(sorted({*one, *other})) for one, other in combinations(smaller, 2)}
        return sorted(s for s in unions if len(s) == order)

    def _take(self, sets):
        """Add a term for each set."""
        terms = max(self._units, len(self.found) + len(sets))
        count = int(np.clip(SUM_FEATURES / terms, FEWEST_TERM_FEATURES, MOST_TERM_FEATURES))
        for units in sets:
            bandwidths = self._bandwidths if len(units) == 1 else np.minimum(self._bandwidths, 1.0)
            self._sum.add(draw_features(self._samples, units, count, bandwidths, self._rng))
            self.found.append(units)

    def _discovered(self, sets, residuals, among, without=None):
        """Return the places of those sets that show in the residuals of both halves; without(set, residuals): those to look at instead."""
        self.tests += len(sets)
        evidence = partial(self._evidence, residuals, without)
        with ThreadPoolExecutor(self._threads) as pool:
            z = np.array(list(pool.map(evidence, sets, self._rng.spawn(len(sets)))))
        return discoveries(stdtr(len(self._held) - 1, -z), among=among)

    def _evidence(self, residuals, without, units, rng):
        """Return z of a set: what features on it explain by themselves, or beyond its facets if that is less."""
        touched = touched_by(self._samples.coordinates, units)
        r, r_held = without(units, residuals) if without else (residual[:, touched] for residual in residuals)
        if np.linalg.norm(r_held) <= NEGLIGIBLE * np.linalg.norm(self._held.gradients[:, touched]):
            return 0.0
        gain, overfit = self._reduction([units], touched, r, r_held, rng)
        by_itself = z_score(gain)
        if len(units) == 1 or by_itself < NO_EVIDENCE:
            return by_itself
        of_facets, overfit_of_facets = self._reduction(list(combinations(units, len(units) - 1)), touched, r, r_held, rng)
        return min(by_itself, z_score(gain + overfit - of_facets - overfit_of_facets))

    def _reduction(self, supports, touched, r, r_held, rng):
        """Return the `reduction` of r by features on some supports, as many on each."""
        rows = [], []
        for support in supports:
            spread = 2.0 ** rng.uniform(SLOWEST, FASTEST, (self._features, len(support)))
            features = draw_features(self._samples, support, self._features, spread, rng)
            for some, half in zip(rows, (self._samples, self._held), strict=True):
                some.append(gradient_rows(half, features, touched))
        A, A_held = (np.concatenate(some, axis=2) for some in rows)
        return reduction(A, r, A_held, r_held)


def discoveries(p, level=LEVEL, among=None):
    """Return the places of the p-values (n,) that Benjamini and Hochberg's procedure rejects at this false-discovery rate, in order.

    among: how many hypotheses there are, n at least; the p-values of those that were not tested count as 1.
    """
    order = np.argsort(p, kind="stable")
    below = np.flatnonzero(p[order] <= level * np.arange(1, len(p) + 1) / (among or len(p)))
    return np.sort(order[: below[-1] + 1]) if len(below) else order[:0]
