"""The output layer of any hidden layer over one source of samples: which solver, what it may keep, and where a checkpoint goes on."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hnn_hpc.errors import NotCertifiedError
from hnn_hpc.features import ACTIVATIONS, FeatureMap, Pool
from hnn_hpc.operators import GradientOperator, keep_derivatives
from hnn_hpc.options import FitOptions
from hnn_hpc.peak_memory import available_memory_bytes, peak_memory_bytes, resident_memory_bytes
from hnn_hpc.progress import stage
from hnn_hpc.samples import ArraySamples, SampleSource
from hnn_hpc.solvers import NOMINAL, Plan, calibrate, probe_samples, settled, solve
from hnn_hpc.version import __version__

FIRST_FIT = "first-"  # before the solver's name: the solve for the energies that a sampler needs, in a checkpoint
REDUCTION = 2  # the meaning of what a checkpoint holds of one
SHORTEST_CALIBRATED = 5.0  # seconds of one core of nominal speed: a shorter solve is not worth measuring the machine for
SHARE_OF_MEMORY = 0.6  # of what the node has left, that an iterative solver may keep σ' in where no limit is given


@dataclass(frozen=True)
class OutputLayerSolver:
    """Solves for the output weights over `source`; all but the hidden layer is fixed.

    pool: from all over the data, for the probe of the condition; the_plan: for these samples and options, with this rank's threads;
    covariance, require_certified, progress: see `solvers.solve`; checkpoint: a `storage.Checkpoint` or None.
    """

    source: SampleSource
    pool: Pool
    options: FitOptions
    the_plan: Plan
    communicator: Any
    covariance: bool = False
    require_certified: bool = True
    progress: Any = None
    checkpoint: Any = None

    def solve(self, layer, prefix=""):
        """Return (FeatureMap, `Solution`, prediction) for a `HiddenLayer`, the same on every rank. Collective.

        Where a probe finds the condition small enough for the plan's faster alternative, that is taken, and the plan itself only if it
        fails after all. prefix: of the solve's name in the checkpoint. prediction: {"seconds" of the solve, "memory_bytes" of the
        largest rank}, told before it.
        """
        feature_map = FeatureMap(layer.weights, layer.biases, ACTIVATIONS[self.options.activation])
        chosen = settled(self.the_plan, GradientOperator(feature_map, self._probe()), self.communicator)
        predicted = self._predicted(chosen, feature_map.activation)
        if chosen is not self.the_plan:
            with suppress(NotCertifiedError):  # the probe was wrong, which costs the time of this solve
                return feature_map, self._solve_by(chosen, layer, feature_map, prefix, True), predicted
        return feature_map, self._solve_by(self.the_plan, layer, feature_map, prefix, self.require_certified), predicted

    def _solve_by(self, plan, layer, feature_map, prefix, require_certified):
        kept = None
        if self.checkpoint:
            kept = self.checkpoint.of_solve(prefix + plan.solver, self._problem(plan, layer), plan.layout.blocks, self.communicator)
        operator = GradientOperator(feature_map, self.source)
        if plan.keepable_bytes:
            with stage(self.progress, "keep", plan.blocks_of(self.communicator)) as on_leaf:
                operator = keep_derivatives(operator, plan.layout, self.communicator, self._budget(plan), plan.threads, on_leaf)
        return solve(
            operator,
            plan,
            self.communicator,
            self.options.rcond,
            ridge=self.options.ridge,
            covariance=self.covariance,
            require_certified=require_certified,
            progress=self.progress,
            checkpoint=kept,
        )

    def _problem(self, plan, layer):
        """Return what decides the bits of a solve's reduction, as a checkpoint keeps it: not rcond or ridge, which come after."""
        return {
            "program": __version__,
            "solver": plan.solver,
            "samples": plan.layout.rows,
            "coordinates": self.pool.dimension,
            "features": len(layer.weights),
            "activation": self.options.activation,
            "blocks": plan.layout.blocks,
            "first share": plan.first_share,
            "reduction": REDUCTION,
            "piece": plan.piece_samples,
            "hidden layer": layer.digest,
            "checksum of the samples": f"{self.pool.checksum:016x}",
        }

    def _probe(self):
        """Return a `SampleSource` of some samples of the pool, for `settled`; their targets are of no matter there."""
        points, gradients = self.pool.points, self.pool.gradients
        step = max(1, len(points) // probe_samples(self.pool.dimension, self.options.features))
        return ArraySamples(points[::step], gradients[::step], None, len(points[::step]))

    def _budget(self, plan):
        """Return the bytes that this rank may keep of σ'."""
        if self.options.memory_per_rank:
            return max(0, self.options.memory_per_rank - plan.memory(plan.threads, self.communicator.size))
        return int(SHARE_OF_MEMORY * available_memory_bytes() / self.communicator.node_cores[1])

    def _predicted(self, plan, activation):
        """Return the prediction of `solve`. Collective."""
        budget = self._budget(plan) if plan.keepable_bytes else 0
        seconds = None
        with self.communicator.together():
            if self.communicator.is_root:
                rates = calibrate(activation.derivative) if plan.seconds() > SHORTEST_CALIBRATED else NOMINAL
                seconds = plan.seconds(self.communicator.size, rates)
            needed = plan.memory(plan.threads, self.communicator.size) + min(budget, plan.keepable_bytes // self.communicator.size)
            memory = max(peak_memory_bytes(), resident_memory_bytes() + needed)
        return {"seconds": self.communicator.broadcast(seconds), "memory_bytes": max(self.communicator.all_gather(memory))}
