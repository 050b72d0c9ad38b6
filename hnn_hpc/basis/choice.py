"""The choice of a basis: which coordinates each feature depends on, and how fast it varies along them."""

import time
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from hnn_hpc.basis.bandwidths import GroupSearch, groups_of, single_bandwidths
from hnn_hpc.basis.interactions import FALSE_DISCOVERIES, MOST_SAMPLES, Interactions
from hnn_hpc.basis.shares import shared_out
from hnn_hpc.basis.trial import trial_halves
from hnn_hpc.errors import UserError
from hnn_hpc.random_streams import random_stream

AUTO, DENSE = "auto", "dense"  # in place of supports; "auto" also in place of a bandwidth
GOOD_ENOUGH = 1e-4  # a trial error that needs no comparison with other supports
FEWEST_SAMPLES = 50  # for a search; with fewer, features of all units and this bandwidth
BANDWIDTH = 0.25
CLEARLY = 0.95  # of the error: better by more than the luck of a draw
MOST_DENSE_UNITS = 32  # more are not worth trying


@dataclass(frozen=True)
class Basis:
    """What anchored features are drawn with.

    bandwidths    (U,) floats, one a unit of the coordinates
    supports      pairs (units, features), or None: all features depend on all units
    report        plain values for the result: names and bandwidths of the units, supports and their features, the pairs of units that
                  interact, how they were found, what the search took
    """

    bandwidths: tuple
    supports: tuple | None
    report: dict = field(default_factory=dict)


def choose_basis(pool, options, communicator, threads=1):
    """Return the `Basis` of a fit's anchored features, from its `Pool` and `FitOptions`, the same on every rank. Collective.

    Rank 0 searches what is "auto" in the options, with so many threads, in a time that depends on neither K nor M, and tells the others.
    """
    basis = None
    with communicator.together():
        if communicator.is_root:
            basis = _Search(pool, options, threads).basis()
    return communicator.broadcast(basis)


class _Search:
    """The search for what is "auto" in the options; with nothing that is, or few samples, it searches nothing.

    tests, trials: how many sets were tested, and bandwidths tried; trial_error, dense_error: of ∇H in the trials of the supports, and of
    dense features where they were in doubt; too_many: how many supports were found, where they are more than the features.
    """

    def __init__(self, pool, options, threads):
        self._pool, self._options, self._threads = pool, options, threads
        self._coordinates = options.coordinates_of(pool.dimension)
        self._everything = [tuple(range(len(self._coordinates.names)))]
        self.tests, self.trials, self.trial_error, self.dense_error, self.too_many = 0, 0, None, None, None

    def basis(self):
        """Return the `Basis`."""
        start, options, names = time.perf_counter(), self._options, self._coordinates.names
        searched = [what for what in ("bandwidth", "supports") if getattr(options, what) == AUTO]
        if len(self._pool.points) < FEWEST_SAMPLES:
            searched = []
        if searched:
            supports, bandwidths = self._searched()
        else:
            supports, bandwidths = self._given(), BANDWIDTH if options.bandwidth == AUTO else options.bandwidth
        bandwidths = np.broadcast_to(bandwidths, len(names)).tolist()
        shares = shared_out(options.features, supports)
        report = {
            "bandwidths": dict(zip(names, bandwidths, strict=True)),
            "supports": [[names[unit] for unit in support] for support in supports],
            "features": shares,
            "interactions": [[names[a], names[b]] for a, b in pairs_of(supports)],
            "searched": searched,
            "false_discovery_rate": FALSE_DISCOVERIES if "supports" in searched else None,
            "tests": self.tests,
            "trials": self.trials,
            "trial_error": self.trial_error,
            "dense_error": self.dense_error,
            "found_but_more_than_features": self.too_many,
            "seconds": time.perf_counter() - start,
        }
        pairs = None if supports == self._everything else tuple(zip(supports, shares, strict=True))
        return Basis(tuple(bandwidths), pairs, report)

    def _searched(self):
        """Return (supports, bandwidths)."""
        options = self._options
        rng = random_stream(options.seed, "basis")
        self._halves = trial_halves(self._pool, self._coordinates, options.activation, MOST_SAMPLES, rng)
        self._singles = single_bandwidths(*self._halves, rng)
        if options.supports != AUTO:
            supports = self._given()
            bandwidths, self.trial_error = self._tuned(supports)
            return supports, bandwidths
        candidates = self._found(rng)
        best, self.trial_error = None, np.inf
        for supports in candidates:
            if self.trial_error > GOOD_ENOUGH:
                bandwidths, error = self._tuned(supports)
                self.dense_error = error if supports == self._everything else self.dense_error
                if best is None or error < CLEARLY * self.trial_error:
                    best, self.trial_error = (supports, bandwidths), error
        return best

    def _given(self):
        """Return the supports that the options give, all units together unless they do; `UserError` where they are more than features."""
        supports = self._options.supports_of(self._coordinates)
        touched = {x for support in supports for unit in support for x in self._coordinates.touched[unit]}
        for x in range(self._coordinates.dimension):
            if x not in touched and self._pool.gradients[:, x].any():
                name = self._coordinates.names[x]
                raise UserError(f'supports: no feature depends on {name}, along which H changes; add ["{name}"] to the supports')
        if len(supports) > self._options.features:
            raise UserError(
                f"features = {self._options.features} is fewer than the {len(supports)} supports, each of which needs one at least; "
                "use more features or fewer supports"
            )
        return supports

    def _found(self, rng):
        """Return the lists of supports to choose from, as far as there are features enough for them.

        First the largest interactions found. Then, should trials leave them in doubt, what shares the features among fewer: single units;
        and all units together, where they may be.
        """
        allows = partial(self._options.allows, coordinates=self._coordinates)
        interactions = Interactions(*self._halves, self._singles[0], rng, self._threads, allows)
        found = interactions.search()
        self.tests = interactions.tests
        largest = sorted(s for s in found if not any({*s} < {*other} for other in found))
        singles = sorted(s for s in found if len(s) == 1)
        if len(largest) > self._options.features:
            self.too_many = len(largest)
        sparse = [some for some in (largest, singles) if 0 < len(some) <= self._options.features]
        if singles == largest:
            sparse = sparse[:1]
        dense = self._given()
        is_worth_it = len(self._everything[0]) <= MOST_DENSE_UNITS or not sparse
        return [*sparse, dense] if is_worth_it and dense not in sparse else sparse

    def _tuned(self, supports):
        """Return (bandwidths (U,), error of ∇H in trials), by a search in every group of the supports where the bandwidth is "auto"."""
        features = dict(zip(supports, shared_out(self._options.features, supports), strict=True))
        _, held = self._halves
        bandwidths, errors, rest = np.ones(len(self._everything[0])), [0.0], np.ones(self._coordinates.dimension, bool)
        for group in groups_of(supports, self._coordinates):
            search = GroupSearch(group, *self._halves, self._make_rng, sum(features[s] for s in group.supports), self._threads)
            if self._options.bandwidth == AUTO:
                search.search(*self._singles)
            else:
                search.measure(self._options.bandwidth)
            bandwidths[group.units] = search.bandwidths[group.units]
            self.trials += search.trials
            errors.append(search.error * np.linalg.norm(held.gradients[:, group.rows_of]))
            rest[group.rows_of] = False
        errors.append(np.linalg.norm(held.gradients[:, rest]))
        size = np.linalg.norm(held.gradients)
        return bandwidths, float(np.linalg.norm(errors) / size) if size else 0.0

    def _make_rng(self):
        """Return the generator of the features of every trial: trials differ in their bandwidths alone."""
        return random_stream(self._options.seed, "basis", 1)


def pairs_of(supports):
    """Return the pairs of units, sorted, that are together in a support."""
    return sorted({(a, b) for support in supports for a in support for b in support if a < b})
