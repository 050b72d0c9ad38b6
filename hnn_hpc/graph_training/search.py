"""The choice of what is "auto" in a graph network: the invariant of the bonds and the bandwidths, by trial fits to the pool."""

import time
from dataclasses import replace

from hnn_hpc.basis import AUTO
from hnn_hpc.graph_features import LENGTH_INVARIANTS, MASS_PRODUCT
from hnn_hpc.graph_training.drawing import Recipe, draw_terms
from hnn_hpc.graph_training.trial import Trials

TRIAL_FEATURES = 64  # of a term, at most
KINETIC, PAIRS, MANY_BODY = 0.25, 0.5, 0.25  # bandwidths to begin with
FIRST = (0.5, 2.0)  # bandwidths by which invariants are compared
LEAST, LARGEST = 2.0**-6, 2.0**5
CLEARLY = 0.5  # of an error: better by more than the luck of a draw
GOOD_ENOUGH = 1e-13  # an error that is round-off
FAR_BETTER = 10.0  # that an invariant other than r must be: 1/r has no bound where particles meet, and errors of its features neither
FEWEST = 64  # particles, for a search


def choose_recipe(pool, options, graph_options, cutoff):
    """Return (the `Recipe` of a fit, a report of plain values: invariants, bandwidths, what was searched, trials, their errors, seconds).

    Serial and the same on every rank. Each bandwidth goes up or down by factors of 2 while the error on held-out particles falls clearly;
    smaller ones, whose features are smoother, go farther beyond the data, so that the search stops early on the way up.
    """
    return _Search(pool, options, graph_options, cutoff).recipe()


class _Search:
    def __init__(self, pool, options, graph_options, cutoff):
        self._pool, self._options, self._cutoff = pool, options, cutoff
        self._edges = graph_options.edge_invariants
        self._may_search = len(pool.chosen) >= FEWEST
        given = None if options.bandwidth == AUTO else options.bandwidth
        self._start = Recipe(
            sampler=options.sampler,
            activation=options.activation,
            features=options.features,
            edge_invariants=tuple(LENGTH_INVARIANTS)[:1] if self._edges == AUTO else self._edges,
            node_invariants=graph_options.node_invariants,
            channels=graph_options.messages,
            steps=graph_options.message_steps if graph_options.messages else 0,
            kinetic=given or KINETIC,
            pairs=given or PAIRS,
            many_body=given or MANY_BODY,
        )
        self._trials = Trials(pool, graph_options.reach) if self._may_search else None
        self._errors = {}

    def recipe(self):
        begun, recipe, searched = time.perf_counter(), self._start, []
        bandwidths = []
        if self._options.sampler == "anchored" and self._options.bandwidth == AUTO:
            bandwidths = ["kinetic", "pairs", *(["many_body"] if recipe.channels else [])]
        if self._may_search:
            if self._edges == AUTO:
                recipe, searched = self._with_best_invariants(recipe, "pairs" in bandwidths), ["edge_invariants"]
            for name in bandwidths:
                recipe = self._with_best_bandwidth(recipe, name)
            searched += ["bandwidth"] * bool(bandwidths)
        errors = [self._errors.get(self._key_of(recipe, kinetic)) for kinetic in (True, False)]
        report = {
            "edge_invariants": list(recipe.edge_invariants),
            "node_invariants": list(recipe.node_invariants),
            "bandwidths": {name: getattr(recipe, name) for name in ("kinetic", "pairs", *(["many_body"] if recipe.channels else []))}
            if recipe.sampler == "anchored"
            else None,
            "searched": searched,
            "trials": len(self._errors),
            "trial_errors": dict(zip(("dH/dp", "dH/dq"), errors, strict=True)),
            "seconds": time.perf_counter() - begun,
        }
        return recipe, report

    def _with_best_invariants(self, recipe, any_bandwidth):
        candidates = [(name,) for name in LENGTH_INVARIANTS]
        if any(least < largest for least, largest in self._pool.masses.values()):
            candidates += [(name, MASS_PRODUCT) for name in LENGTH_INVARIANTS]
        tried = []
        for names in candidates:
            for bandwidth in FIRST if any_bandwidth else (recipe.pairs,):
                tried.append(replace(recipe, edge_invariants=names, pairs=bandwidth))
        return min(tried, key=lambda some: self._error(some, "pairs") * (1.0 if some.edge_invariants[0] == "r" else FAR_BETTER))

    def _with_best_bandwidth(self, recipe, name):
        best = recipe
        for factor in (0.5, 2.0) if self._error(recipe, name) > GOOD_ENOUGH else ():
            while True:
                bandwidth = factor * getattr(best, name)
                other = replace(best, **{name: bandwidth})
                if not LEAST <= bandwidth <= LARGEST or not self._error(other, name) < CLEARLY * self._error(best, name):
                    break
                best = other
            if best is not recipe:
                break
        return best

    def _error(self, recipe, name):
        """Return the error that a bandwidth decides: of dH/dp for the kinetic one, of dH/dq for the others."""
        key = small, is_kinetic = self._key_of(recipe, name == "kinetic")
        if key not in self._errors:
            feature_map, trials = draw_terms(self._pool, small, self._cutoff, self._options.seed), self._trials
            self._errors[key] = trials.error_of_momenta(feature_map) if is_kinetic else trials.error_of_bonds(feature_map)
        return self._errors[key]

    def _key_of(self, recipe, kinetic):
        """Return (the recipe of a trial, without what its error does not depend on; `kinetic`: which error that is)."""
        sampler = "uniform-swim" if recipe.sampler == "gradient-swim" else recipe.sampler
        small = replace(recipe, features=min(recipe.features, TRIAL_FEATURES), sampler=sampler)
        if kinetic:
            small = replace(small, edge_invariants=self._start.edge_invariants, channels=0, steps=0, pairs=PAIRS, many_body=MANY_BODY)
            return small, kinetic
        return replace(small, kinetic=KINETIC), kinetic
