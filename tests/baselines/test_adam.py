"""Training by Adam: it learns from the very samples of our fit, and stops where it was told to and says why."""

import math
import sys
from itertools import count, islice, pairwise

import numpy as np
import pytest

from hnn_hpc.baselines import AdamOptions, import_torch, published_options, train_by_adam
from hnn_hpc.baselines.adam import _batches, _training_set
from hnn_hpc.errors import UserError
from hnn_hpc.evaluation import evaluate
from hnn_hpc.samples import ArraySamples, SystemSamples
from hnn_hpc.symplectic import gradient_from_vector_field
from hnn_hpc.systems import make_system

SYSTEM = make_system("pendulum", {})
TRAIN, TEST = SystemSamples(SYSTEM, 500, 1), SystemSamples(SYSTEM, 200, 1, stream="test points")
OPTIONS = {"width": 20, "steps": 300, "learning_rate": 1e-2, "batch": 128}
baseline = pytest.mark.baseline


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("HNN_HPC_THREADS", "1")


@pytest.fixture
def train(communicator):
    """Train a small net on the pendulum, or on another source."""

    def train(source=TRAIN, test=TEST, changes=(), **how):
        return train_by_adam(source, test, AdamOptions(**OPTIONS | dict(changes)), communicator, **how)

    return train


@pytest.fixture
def clock(monkeypatch):
    """Every look at the clock of the training is a hundredth of a second after the one before."""
    looks = count()
    monkeypatch.setattr("hnn_hpc.baselines.adam.time.perf_counter", lambda: next(looks) / 100)


def arrays(source, with_energies):
    """The same samples, without a known H(x0)."""
    points, velocities, energies = source.read(0, source.count)
    return ArraySamples(points, velocities, energies if with_energies else None, source.count)


@baseline
def test_adam_lowers_the_errors_and_makes_all_its_steps(train, communicator):
    run = train()
    first, last = run.curve[0], run.curve[-1]
    assert (run.stop_reason, last.steps, run.threads) == ("steps", 300, 1)
    assert last.energy_error < first.energy_error / 5 and last.gradient_error < first.gradient_error / 5
    errors = evaluate(run.model, TEST, communicator)
    assert (errors["energy_error"], errors["gradient_error"]) == last[2:]
    assert run.model.energy(TRAIN.reference[0]) == pytest.approx(TRAIN.reference[1], abs=1e-12)


@baseline
def test_curve_starts_before_any_step_and_is_looked_at_less_and_less_often(train, clock):
    curve = train().curve
    assert curve[0][:2] == (0.0, 0)
    assert [point.steps for point in curve[:23]] == [*range(20), 20, 22, 24]
    assert all(0 < two.steps - one.steps <= max(1, one.steps / 10) for one, two in pairwise(curve))
    assert all(one.seconds < two.seconds for one, two in pairwise(curve))


@baseline
@pytest.mark.parametrize("metric", ["energy_error", "gradient_error"])
def test_it_stops_at_the_first_error_that_is_low_enough(train, metric):
    run = train(target=0.5, metric=metric)
    *before, last = [getattr(point, metric) for point in run.curve]
    assert run.stop_reason == "target" and run.curve[-1].steps < 300
    assert last <= 0.5 < min(before)


@baseline
def test_it_stops_at_the_cap_within_a_step(train, clock):
    run = train(cap=1e-9)
    assert (run.stop_reason, [point.steps for point in run.curve]) == ("cap", [0, 1])
    run = train(changes={"steps": 10**9}, cap=0.1)
    *_, before, last = run.curve
    assert run.stop_reason == "cap" and before.seconds < 0.1 <= last.seconds and last.steps < 10**9


@baseline
def test_evaluations_cost_no_seconds(train, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("hnn_hpc.baselines.adam.time.perf_counter", lambda: now[0])

    def evaluate(*_):
        now[0] += 1000.0
        return {"energy_error": 1.0, "gradient_error": 1.0}

    monkeypatch.setattr("hnn_hpc.baselines.adam.evaluate", evaluate)
    assert {point.seconds for point in train(changes={"steps": 5}).curve} == {0.0}


@baseline
def test_a_seed_decides_everything(train):
    one, same, other = (train(changes={"steps": 20, "seed": seed}).model for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.coefficients, same.coefficients)
    assert not np.array_equal(one.coefficients, other.coefficients)


@baseline
def test_steps_are_those_of_a_plain_network_of_pytorch(train, seed):
    """The oracle: two linear layers, double backpropagation, and Adam as PyTorch has it."""
    torch = import_torch()
    options = AdamOptions(**OPTIONS | {"steps": 12, "seed": seed})
    ours = train(changes={"steps": 12, "seed": seed}).model
    torch.manual_seed(seed)
    hidden, output = torch.nn.Linear(2, 20, dtype=torch.float64), torch.nn.Linear(20, 1, dtype=torch.float64)
    adam = torch.optim.Adam([*hidden.parameters(), *output.parameters()], lr=1e-2, weight_decay=1e-13)
    samples = _training_set(torch, TRAIN, None)
    for points, targets in islice(_batches(torch, samples.points, samples.targets, options), 12):
        x = points.clone().requires_grad_(True)
        [gradient] = torch.autograd.grad(output(torch.tanh(hidden(x))).sum(), x, create_graph=True)
        adam.zero_grad()
        ((gradient - targets) ** 2).mean().backward()
        adam.step()
    for mine, theirs in ((ours.weights, hidden.weight), (ours.biases, hidden.bias), (ours.coefficients, output.weight[0])):
        np.testing.assert_allclose(mine, theirs.detach().numpy(), rtol=0, atol=1e-12)


@baseline
def test_every_pass_takes_each_of_the_very_same_samples_once():
    torch = import_torch()
    samples = _training_set(torch, TRAIN, None)
    points, velocities, _ = TRAIN.read(0, TRAIN.count)
    whole = np.column_stack([points, gradient_from_vector_field(velocities)])
    batches = _batches(torch, samples.points, samples.targets, AdamOptions(**OPTIONS))
    passes = [[np.column_stack([part.numpy() for part in batch]) for batch in islice(batches, 4)] for _ in range(2)]
    for taken in passes:
        assert [len(batch) for batch in taken] == [128, 128, 128, 116]
        np.testing.assert_array_equal(np.unique(np.concatenate(taken), axis=0), np.unique(whole, axis=0))
    assert not np.array_equal(passes[0][0], passes[1][0])


@baseline
def test_the_constant_is_known_where_an_energy_is(train):
    given = train(changes={"steps": 5}, reference=([1.0, 0.5], 7.0)).model
    assert given.energy([1.0, 0.5]) == pytest.approx(7, abs=1e-12) and given.constant_known
    by_energies = train(arrays(TRAIN, True), changes={"steps": 5}).model
    points, _, energies = TRAIN.read(0, TRAIN.count)
    assert np.mean(by_energies.energy(points) - energies) == pytest.approx(0, abs=1e-12) and by_energies.constant_known
    assert not train(arrays(TRAIN, False), changes={"steps": 5}).model.constant_known


@baseline
def test_pytorch_has_its_threads_back_afterwards(train, monkeypatch):
    torch = import_torch()
    before, seen = torch.get_num_threads(), []
    monkeypatch.setenv("HNN_HPC_THREADS", "3")
    monkeypatch.setattr("hnn_hpc.baselines.adam._warm_up", lambda torch, _: seen.append(torch.get_num_threads()))
    assert train(changes={"steps": 1}).threads == 3
    assert (seen, torch.get_num_threads()) == ([3], before)


@baseline
def test_a_sample_that_is_not_finite_is_named(train):
    source = arrays(TRAIN, False)
    source.velocities[17, 1] = np.nan
    with pytest.raises(UserError, match=r"velocities must be finite; row 17 \(p1\)"):
        train(source)


def test_published_options_follow_the_degrees_of_freedom():
    assert published_options(1) == AdamOptions(1000, 15_000, 5e-4, seed=0, batch=2048, weight_decay=1e-13)
    assert published_options(2) == published_options(5) == AdamOptions(5000, 180_000, 1e-4)
    assert published_options(1, steps=30_000, width=None, seed=3) == AdamOptions(1000, 30_000, 5e-4, seed=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "Adam's width = 0: expected a whole number of at least 1"),
        ({"steps": 1.5}, "Adam's steps = 1.5: expected a whole number"),
        ({"batch": -1}, "Adam's batch = -1: expected a whole number"),
        ({"seed": 2**63}, "Adam's seed = .*: expected a whole number of at least 0 and at most"),
        ({"learning_rate": 0.0}, "Adam's learning rate = 0: expected a number above 0 and at most 1"),
        ({"learning_rate": 2}, "Adam's learning rate = 2: expected a number above 0 and at most 1"),
        ({"learning_rate": math.nan}, "Adam's learning rate = nan: expected a finite number"),
    ],
)
def test_options_that_cannot_be_used_are_named(change, message):
    with pytest.raises(UserError, match=message):
        AdamOptions(**OPTIONS | change)


def test_a_missing_pytorch_is_one_sentence(monkeypatch, train):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UserError, match=r"needs PyTorch \(.*\): pip install 'hnn-hpc\[baseline\]'"):
        train()
