"""The output layer of any hidden layer over one source of samples: which solver, what it may keep, and where a checkpoint goes on."""

import re
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from hnn_hpc.errors import NotCertifiedError
from hnn_hpc.features import ACTIVATIONS, FeatureMap, HiddenLayer, Pool, coordinate_names, names_told
from hnn_hpc.least_squares import LeastSquares
from hnn_hpc.operators import components_of, gradient_operator
from hnn_hpc.parallel.petsc import start_petsc
from hnn_hpc.samples import ArraySamples, SampleSource, loaded
from hnn_hpc.solvers import Plan, elimination_order, joined, plan, probe_samples, settled
from hnn_hpc.version import __version__

# Before the solver's name in a checkpoint: the solve for the energies that a sampler needs, and those of later fits (see `refits`).
FIRST_FIT, REFIT = "first-", "refit-{}-"
PREFIX = re.compile(r"(refit-\d+-)?(first-)?")
REDUCTION = 2  # the meaning of what a checkpoint holds of one: to be raised with every change of it


@dataclass(frozen=True)
class _Subproblem:
    """One least-squares problem.

    feature_map  its features
    rows_of      the coordinates whose rows it has, None for all
    plan         how it is solved
    prefix       of its names in a checkpoint
    features     their numbers in the whole layer, in the order that they have here; None where it is the layer as it stands
    """

    feature_map: FeatureMap
    rows_of: np.ndarray | None
    plan: Plan
    prefix: str
    features: np.ndarray | None = None

    @property
    def rows(self):
        """How many rows a sample has."""
        return self.feature_map.dimension if self.rows_of is None else len(self.rows_of)

    @property
    def digest(self):
        """What tells its matrix from any other, as text."""
        digest = HiddenLayer(self.feature_map.weights, self.feature_map.biases).digest
        told = [self.feature_map.coordinates.as_dict()] if not self.feature_map.is_plain else []
        told += [self.rows_of.tolist()] if self.rows_of is not None else []
        return " ".join([digest, *map(str, told)])

    def operator(self, source):
        """Return its matrix over a source of samples."""
        return gradient_operator(self.feature_map, source, self.rows_of)


@dataclass(frozen=True)
class OutputLayerSolver:
    """Solves for the output weights over `source`; all but the hidden layer is fixed.

    pool: from all over the data, for the probe of the condition; the_plan: for these samples and dense features, whose layout holds for
    all; threads: of this rank; targets: a digest of what the velocities of `source` depend on besides the samples.
    """

    source: SampleSource
    pool: Pool
    the_plan: Plan
    threads: int
    least_squares: LeastSquares
    targets: str = ""

    @property
    def options(self):
        """The `FitOptions`."""
        return self.least_squares.options

    @property
    def communicator(self):
        """That of the fit."""
        return self.least_squares.communicator

    def solve(self, layer, prefix=""):
        """Return (FeatureMap, `Solution`, prediction) for a `HiddenLayer`, the same on every rank. Collective.

        Features that share no coordinate are solved for one after the other, the largest problem last, for an interruption then finds it
        with little else to be done again. prefix: of the solves' names in the checkpoint. prediction: {"seconds" of the solve,
        "memory_bytes" of the largest rank}, told before it.
        """
        coordinates = self.options.coordinates_of(self.pool.dimension)
        feature_map = FeatureMap(layer.weights, layer.biases, ACTIVATIONS[self.options.activation], coordinates)
        with self.communicator.together():
            subproblems = self._subproblems(feature_map, prefix)
            if any(subproblem.plan.needs_petsc for subproblem in subproblems):
                start_petsc()  # a missing one is to be noticed now
        told = [(some.plan.solver, some.plan.reduce.__name__, some.digest) for some in subproblems]
        self.communicator.agree("the least-squares problems of the fit", told)
        self._check_checkpoint(subproblems, prefix)
        chosen = [self._settled(subproblem) for subproblem in subproblems]
        order = sorted(range(len(subproblems)), key=lambda number: subproblems[number].plan.flops)
        predicted = self.least_squares.predicted([chosen[number] for number in order], feature_map.activation.derivative)
        if subproblems[0].features is None:
            return feature_map, self._solve_subproblem(subproblems[0], chosen[0], self.source), predicted
        source = loaded(self.source, self.the_plan.layout, self.communicator, self.least_squares.room_for_samples(chosen))
        solved = {}
        for number in order:
            solved[number] = self._solve_subproblem(subproblems[number], chosen[number], source)
        parts = [(subproblems[number].features, solved[number]) for number in sorted(solved)]
        return feature_map, joined(parts, len(layer.weights), self.source.count * self.source.dimension), predicted

    def _subproblems(self, feature_map, prefix):
        """Return the list of `_Subproblem`s: one a component of A, unless features are dense or a component has too few rows."""
        if not self.options.is_dense:
            components = components_of(feature_map.weights, self.options.coordinates_of(self.pool.dimension))
            is_whole = len(components) == 1 and (not feature_map.is_plain or feature_map.weights.all())
            if not is_whole and all(self._determines(component) for component in components):
                return [self._subproblem(feature_map, component, prefix, number) for number, component in enumerate(components)]
        return [_Subproblem(feature_map, None, self.least_squares.limited(self.the_plan, self.threads), prefix)]

    def _check_checkpoint(self, subproblems, prefix):
        """Raise `UserError` where the checkpoint holds something of another fit, before any of these solves begins. Collective."""
        if self.least_squares.checkpoint:
            plans = [(some, a_plan) for some in subproblems for a_plan in (some.plan, some.plan.if_well_conditioned) if a_plan]
            problems = {some.prefix + a_plan.solver: self._problem(a_plan, some) for some, a_plan in plans}
            self.least_squares.checkpoint.check_solves(problems, lambda name: _prefix_of(name) == prefix, self.communicator)

    def _determines(self, component):
        """Return whether a component has rows enough for its features: those of the others say nothing about them."""
        return len(component.features) <= self.source.count * len(component.rows_of)

    def _subproblem(self, feature_map, component, prefix, number):
        """Return the `_Subproblem` of a component: a problem of its own over the same blocks of samples."""
        features, rows_of = component
        touching = None
        if feature_map.is_plain:
            touches = feature_map.weights[np.ix_(features, rows_of)] != 0
            if not touches.all():
                features = features[elimination_order(touches)[1]]
                touching = touches.sum(axis=0).tolist()
        weights, biases = feature_map.weights[features], feature_map.biases[features]
        if feature_map.is_plain:
            part = FeatureMap(np.ascontiguousarray(weights[:, rows_of]), biases, feature_map.activation)
        else:
            part = replace(feature_map, weights=weights, biases=biases)
        the_plan = plan(
            self.source.count,
            len(rows_of),
            len(features),
            self.options.solver,
            self.options.block_bytes,
            self.options.ridge,
            khatri_rao=part.is_plain,
            layout=self.the_plan.layout,
            touching=touching,
            with_rows=self.communicator.reads_samples,
        )
        return _Subproblem(part, rows_of, self.least_squares.limited(the_plan, self.threads), f"{prefix}component-{number}-", features)

    def _settled(self, subproblem):
        """Return the plan that a subproblem is solved by first: a faster one, where a probe finds the condition small enough for that."""
        if not subproblem.plan.if_well_conditioned:
            return subproblem.plan
        return settled(subproblem.plan, subproblem.operator(self._probe(subproblem)), self.communicator)

    def _solve_subproblem(self, subproblem, chosen, source):
        """Return the `Solution` of a subproblem by the chosen plan, or by its own where that fails after all."""
        if chosen is not subproblem.plan:
            with suppress(NotCertifiedError):  # the probe was wrong, which costs the time of this solve
                return self._solve_by(chosen, subproblem, source, True)
        try:
            return self._solve_by(subproblem.plan, subproblem, source)
        except NotCertifiedError as error:
            if subproblem.rows_of is None:
                raise
            names = coordinate_names(self.pool.dimension)
            touched = names_told([names[coordinate] for coordinate in subproblem.rows_of])
            raise NotCertifiedError(f"for the terms of H in {touched}: {error}", error.solution) from None

    def _solve_by(self, plan, subproblem, source, require_certified=None):
        name, problem = subproblem.prefix + plan.solver, self._problem(plan, subproblem)
        return self.least_squares.solve(subproblem.operator(source), plan, name, problem, subproblem.rows_of is not None, require_certified)

    def _problem(self, plan, subproblem):
        """Return what decides the bits of a solve's reduction, as a checkpoint keeps it: not rcond or ridge, which come after."""
        return {
            "program": __version__,
            "solver": plan.solver,
            "reduction of rows": plan.reduce.__name__,
            "samples": plan.layout.rows,
            "coordinates": self.pool.dimension,
            "features": self.options.features,
            "activation": self.options.activation,
            "blocks": plan.layout.blocks,
            "first share": plan.first_share,
            "reduction": REDUCTION,
            "piece": plan.piece_samples,
            "hidden layer": subproblem.digest,
            "checksum of the samples": f"{self.pool.checksum:016x}",
            **({"targets": self.targets} if self.targets else {}),
        }

    def _probe(self, subproblem):
        """Return a `SampleSource` of some samples of the pool, for `settled`; their targets are of no matter there."""
        points, gradients = self.pool.points, self.pool.gradients
        step = max(1, len(points) // probe_samples(subproblem.rows, subproblem.feature_map.count))
        return ArraySamples(points[::step], gradients[::step], None, len(points[::step]))


def _prefix_of(name):
    """Return what stands before the name of a component or solver in the name of a solve."""
    return PREFIX.match(name)[0]
