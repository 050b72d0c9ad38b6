"""Training a graph network by one optimizer of PyTorch: the choice of its learning rate, and the curve of errors against seconds.

Seconds are those of the steps alone: evaluations, the batches and what PyTorch does once cost nothing. A loss that is not finite ends a run
and is a result.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hnn_hpc.baselines.graph_batches import Batch, Standardized
from hnn_hpc.baselines.graph_net import GraphNet
from hnn_hpc.graph_samples import GraphSamples
from hnn_hpc.graph_samples.own import check_samples
from hnn_hpc.graphs import joined

SPACING = 10  # an evaluation after a tenth more steps, so that a time on the curve is late by a tenth at most
FEWEST_LOSSES = 10  # whose mean tells whether the loss still falls: as many as there are batches, and not fewer than these
BATCH_PARTICLES = 160  # of a batch, roughly: of whole graphs
CAP, STEPS, DIVERGED, STALLED = "cap", "steps", "diverged", "stalled"  # reasons to stop; stalled: no weight changes any more


class Point(NamedTuple):
    """The mean square error of the components of ∇H after so many seconds of training."""

    seconds: float
    steps: int
    mse: float


class Start(NamedTuple):
    """A net to be trained; step() makes one step and returns its loss; settle(losses) is told the losses since it was called last."""

    net: GraphNet
    step: Callable
    settle: Callable


@dataclass(frozen=True, eq=False)
class Course:
    """What all optimizers train on and are judged by: `torch`; `view` (Standardized); the training samples as one `Batch`, `whole`, and as
    the list `parts`; `test`, a `Batch`; width: M of each layer; seed: of the first weights and of the order of batches."""

    torch: Any
    view: Standardized
    whole: Batch
    parts: list
    test: Batch
    width: int
    seed: int

    def begin(self, recipe, rate):
        """Return a `Start` with a new net, the same for all."""
        net = GraphNet(self.torch, self.view, self.width, self.seed)
        (step, settle), batches = recipe.start(self.torch, net, rate), self._batches(recipe)
        enough = max(len(self.parts), FEWEST_LOSSES)
        return Start(net, lambda: step(next(batches)), lambda losses: settle(np.mean(losses)) if len(losses) >= enough else None)

    def _batches(self, recipe):
        """Yield batches for ever: all parts once, then once more in another order."""
        parts = [self.whole] if recipe.whole else self.parts
        shuffler = np.random.default_rng(self.seed)
        while True:
            for part in shuffler.permutation(len(parts)):
                yield parts[part]


def prepare_course(torch, train, test, width, seed, **invariants):
    """Return the `Course` for two GraphSource; invariants: see `Standardized`. Memory: all samples, three times over.

    Errors: `UserError` for graphs that are none, derivatives that are not finite, and no bond to train on.
    """
    samples, others = (source.read(0, source.count) for source in (train, test))
    for each, source in ((samples, train), (others, test)):
        check_samples(each, source.location)
    view = Standardized(samples, cutoff=train.cutoff, **invariants)
    order = np.random.default_rng(seed).permutation(train.count)
    count = max(1, round(samples.graphs.particles / BATCH_PARTICLES))
    parts = [view.batch(_picked(samples, sorted(chosen))) for chosen in np.array_split(order, min(count, train.count))]
    return Course(torch, view, view.batch(samples), parts, view.batch(others), width, seed)


def choose_rate(course, recipe, on_trial):
    """Return (the learning rate after whose `tuning_steps` steps the loss over all training samples is lowest, a report on the trials).

    Lowest is the lowest of several evaluations, as when the optimizer is judged; of two equal rates the smaller is taken. on_trial() is
    called after each. The report: {steps, seconds, losses: one for each of the recipe's rates, in order}.
    """
    losses, seconds = [], 0.0
    for rate in recipe.rates:
        start = course.begin(recipe, rate)
        curve, _ = descend(start, lambda net: net.mean_square(course.whole), steps=recipe.tuning_steps)
        losses.append(min(point.mse for point in curve))
        seconds += curve[-1].seconds
        on_trial()
    return recipe.rates[int(np.argmin(losses))], {"steps": recipe.tuning_steps, "seconds": seconds, "losses": losses}


def descend(start, evaluate, *, cap=math.inf, steps=math.inf, on_second=lambda: None):
    """Make steps until `cap` seconds or so many `steps` have passed, and return (the curve, a list of `Point`, why it stopped).

    start: a `Start`; evaluate: returns the error of the net, for the curve, after 0, 1, 2 … steps and then at numbers that grow by a tenth;
    on_second() is called after each second of steps. The curve ends before the first error that is not finite.
    """
    curve, done, seconds, told = [], 0, 0.0, 0
    weights, before = start.net.weights.detach(), None
    with np.errstate(all="ignore"):  # what diverges overflows
        while True:
            error = evaluate(start.net)
            if not math.isfinite(error):
                return curve, DIVERGED
            curve.append(Point(seconds, done, error))
            if before is not None and weights.equal(before):
                return curve, STALLED
            if seconds >= cap or done >= steps:
                return curve, CAP if seconds >= cap else STEPS
            before, losses = weights.clone(), []
            begun = time.perf_counter() - seconds
            for _ in range(max(1, done // SPACING)):
                losses.append(start.step())
                done, seconds = done + 1, time.perf_counter() - begun
                if not math.isfinite(losses[-1]):
                    return curve, DIVERGED
                while told < int(seconds):
                    told += 1
                    on_second()
                if seconds >= cap or done >= steps:
                    break
            start.settle(losses)


def _picked(samples, chosen):
    """Return the GraphSamples of some graphs, by their numbers."""
    graphs = samples.graphs
    particles = np.concatenate([np.arange(graphs.offsets[graph], graphs.offsets[graph + 1]) for graph in chosen])
    picked = joined([graphs.run(graph, graph + 1) for graph in chosen])
    return GraphSamples(picked, samples.velocities[particles], samples.forces[particles])
