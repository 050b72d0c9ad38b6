"""Training by Adam, with the published settings, and the curve of errors against seconds that it leaves.

c is not trained, for no gradient row holds it: as in the authors' code it is set so that Ĥ(x0) = H(x0), here before every evaluation
rather than once at the end. Without a known H(x0) it is the mean of H - w·tanh(W x + b) over the training samples, as in our fit. So the
row of the known energy is always solved exactly, and L is the mean over the gradient rows alone.
"""

import math
import time
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from hnn_hpc.baselines.pytorch import import_torch, torch_threads
from hnn_hpc.baselines.shallow_net import ShallowNet
from hnn_hpc.errors import UserError
from hnn_hpc.evaluation import evaluate
from hnn_hpc.models import HamiltonianModel
from hnn_hpc.parallel.threads import available_threads
from hnn_hpc.progress import stage
from hnn_hpc.samples import read_finite
from hnn_hpc.symplectic import gradient_from_vector_field
from hnn_hpc.values import finite_number, whole_number

PUBLISHED = {  # by degrees of freedom; that of 2 stands for more, too
    1: {"width": 1000, "steps": 15_000, "learning_rate": 5e-4},
    2: {"width": 5000, "steps": 180_000, "learning_rate": 1e-4},
}
LARGEST_SEED = 2**63 - 1
SPACING = 10  # an evaluation after a tenth more steps, so that a time on the curve is late by a tenth at most
TARGET, STEPS, CAP = "target", "steps", "cap"  # reasons to stop


@dataclass(frozen=True)
class AdamOptions:
    """How Adam trains.

    width          M, the number of hidden neurons
    steps          the most that it makes, a batch each
    learning_rate  above 0 and at most 1
    seed           of the first weights and of the batches
    batch          samples a step
    weight_decay   λ: Adam is given the gradient of L + λ/2·(the sum of all weights squared)
    Errors: `UserError` naming the option.
    """

    width: int
    steps: int
    learning_rate: float
    seed: int = 0
    batch: int = 2048
    weight_decay: float = 1e-13

    def __post_init__(self):
        for name in ("width", "steps", "batch"):
            whole_number(getattr(self, name), f"Adam's {name}", at_least=1)
        whole_number(self.seed, "Adam's seed", at_least=0, at_most=LARGEST_SEED)
        if not 0 < finite_number(self.learning_rate, "Adam's learning rate") <= 1:
            raise UserError(f"Adam's learning rate = {self.learning_rate:g}: expected a number above 0 and at most 1, such as 5e-4")


def published_options(dof, **changes):
    """Return the `AdamOptions` published for so many degrees of freedom, but for `changes` that are not None."""
    return AdamOptions(**PUBLISHED[min(dof, max(PUBLISHED))] | {name: value for name, value in changes.items() if value is not None})


class CurvePoint(NamedTuple):
    """The errors on the test samples (see `evaluation.evaluate`) after so many seconds of training."""

    seconds: float
    steps: int
    energy_error: float | None
    gradient_error: float


@dataclass(frozen=True)
class AdamRun:
    """What training leaves: the `HamiltonianModel` of the last step; `curve`, a list of `CurvePoint`, the first before any step;
    stop_reason, "target", "steps" or "cap"; and how many threads PyTorch had.
    """

    model: HamiltonianModel
    curve: list
    stop_reason: str
    threads: int


@dataclass(frozen=True)
class _TrainingSet:
    """Tensors of all samples: points and targets J⁻¹ dx/dt (K, D); and what fixes the constant: reference (x0, H0), energies (K,), None."""

    points: Any
    targets: Any
    reference: tuple | None
    energies: Any

    @property
    def domain(self):
        """The lower and upper limit of each coordinate, (D, 2)."""
        return np.stack([self.points.numpy().min(axis=0), self.points.numpy().max(axis=0)], axis=1)


def train_by_adam(source, test, options, communicator, *, reference=None, metric="energy_error", target=0.0, cap=math.inf, progress=None):
    """Train a `ShallowNet` on all samples of `source` and return the `AdamRun`. Serial: for a communicator of one rank.

    Parameters
    source, test   SampleSource: to train on, and to evaluate on
    options        AdamOptions
    reference      (x0, H0), in place of the source's own
    metric         the error of `CurvePoint` that `target` is for
    target         training stops at the first evaluation with an error as low
    cap            and after so many seconds of training
    progress       see `hnn_hpc.progress`

    The samples are shuffled anew for every pass over them (the authors' code takes its uniform samples in one order), and the last batch
    of a pass is smaller. Evaluations come after 0, 1, 2 … steps and then at numbers that grow by a tenth. Seconds are those of the steps
    alone: neither what PyTorch does once, nor reading the samples, nor evaluations count. Memory: all samples, 16KD bytes, and a shuffled
    copy.

    Errors: `UserError` where PyTorch is not installed, or a sample is not finite.
    """
    torch = import_torch()
    threads = available_threads(communicator)
    samples = _training_set(torch, source, reference)
    with torch_threads(torch, threads):
        _warm_up(torch, options)
        net = ShallowNet(torch, source.dimension, options.width, options.seed)
        step = _stepper(torch, net, options)
        batches = _batches(torch, samples.points, samples.targets, options)
        curve, stop_reason, seconds, done = [], None, 0.0, 0
        with stage(progress, "adam", options.steps) as on_step:
            while True:
                model = _model(net, samples)
                errors = evaluate(model, test, communicator)
                curve.append(CurvePoint(seconds, done, errors["energy_error"], errors["gradient_error"]))
                if getattr(curve[-1], metric) <= target:
                    stop_reason = TARGET
                if stop_reason or done == options.steps:
                    return AdamRun(model, curve, stop_reason or STEPS, threads)
                before, start = seconds, time.perf_counter()
                for batch in islice(batches, min(options.steps - done, max(1, done // SPACING))):
                    step(*batch)
                    on_step()
                    done, seconds = done + 1, before + time.perf_counter() - start
                    if seconds >= cap:
                        stop_reason = CAP
                        break


def _training_set(torch, source, reference):
    samples = read_finite(source, 0, source.count)
    targets = gradient_from_vector_field(samples.velocities)
    reference = source.reference if reference is None else reference
    return _TrainingSet(torch.from_numpy(samples.points), torch.from_numpy(targets), reference, samples.energies)


def _batches(torch, points, targets, options):
    """Yield batches of points and targets for ever."""
    shuffler = torch.Generator().manual_seed(options.seed)
    while True:
        order = torch.randperm(len(points), generator=shuffler)
        shuffled = points[order], targets[order]
        for first in range(0, len(points), options.batch):
            yield tuple(rows[first : first + options.batch] for rows in shuffled)


def _stepper(torch, net, options):
    """Return step(points, targets), which makes one step of Adam."""
    adam = torch.optim.Adam(net.parameters, lr=options.learning_rate, weight_decay=options.weight_decay, fused=True)

    def step(points, targets):
        net.set_gradients(points, targets)
        adam.step()

    return step


def _warm_up(torch, options):
    """Make a step of a net that nobody needs: the first optimizer of a process takes PyTorch seconds to import."""
    point = torch.zeros(1, 2, dtype=torch.float64)
    _stepper(torch, ShallowNet(torch, 2, 1, options.seed), options)(point, point)


def _model(net, samples):
    """Return the net as a `HamiltonianModel`, with its constant."""
    feature_map, w = net.feature_map_and_coefficients()
    constant = None
    if samples.reference is not None:
        x0, H0 = samples.reference
        constant = H0 - float(feature_map.energy(x0, w))
    elif samples.energies is not None:
        constant = float(np.mean(samples.energies - feature_map.energy(samples.points.numpy(), w)))
    return HamiltonianModel(feature_map, w, constant or 0.0, constant is not None, samples.domain)
