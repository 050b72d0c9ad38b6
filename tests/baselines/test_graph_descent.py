"""Training a net on graphs: every optimizer gets the same samples and the same start, and a run says why it stopped."""

from dataclasses import replace
from itertools import count, pairwise

import numpy as np
import pytest
from graph_problems import springs

from hnn_hpc.baselines import import_torch
from hnn_hpc.baselines.graph_descent import Start, choose_rate, descend, prepare_course
from hnn_hpc.baselines.optimizers import OPTIMIZERS

pytestmark = pytest.mark.baseline
ADAM = OPTIMIZERS["Adam"]


@pytest.fixture
def course():
    return prepare_course(import_torch(), springs(119), springs(50, "test points"), 8, 1)


@pytest.fixture
def clock(monkeypatch):
    """Every look at the clock of the training is a hundredth of a second after the one before."""
    looks = count()
    monkeypatch.setattr("hnn_hpc.baselines.graph_descent.time.perf_counter", lambda: next(looks) / 100)


def on_test(course):
    return lambda net: net.mean_square(course.test)


def train(course, recipe=ADAM, rate=0.03, **how):
    return descend(course.begin(recipe, rate), on_test(course), **{"steps": 300, **how})


def test_batches_are_all_graphs_once(course):
    assert [part.components for part in course.parts] == [2 * 2 * 4 * graphs for graphs in (40, 40, 39)]
    for half in range(2):
        targets = np.sort(np.concatenate([part.halves[half].targets for part in course.parts]))
        np.testing.assert_array_equal(targets, np.sort(course.whole.halves[half].targets))
    net = course.begin(ADAM, 0.1).net
    shares = [net.mean_square(part) * part.components for part in course.parts]
    assert sum(shares) == pytest.approx(net.mean_square(course.whole) * course.whole.components, rel=1e-12)


@pytest.mark.parametrize("whole", [False, True])
def test_each_pass_takes_every_batch_once_or_all_at_once(course, monkeypatch, whole):
    taken = []
    monkeypatch.setattr("hnn_hpc.baselines.graph_descent.GraphNet.set_gradients", lambda net, batch: taken.append(id(batch)) or 1.0)
    start = course.begin(replace(ADAM, whole=whole), 0.1)
    for _ in range(30):
        start.step()
    passes = {tuple(taken[first : first + 3]) for first in range(0, 30, 3)}
    if whole:
        assert passes == {(id(course.whole),) * 3}
    else:
        assert {frozenset(some) for some in passes} == {frozenset(map(id, course.parts))} and len(passes) > 1


def test_a_run_lowers_the_error_and_is_looked_at_less_and_less_often(course):
    curve, stop_reason = train(course)
    assert stop_reason == "steps" and curve[0][:2] == (0.0, 0) and curve[-1].steps == 300
    assert [point.steps for point in curve[:23]] == [*range(20), 20, 22, 24]
    assert all(0 < two.steps - one.steps <= max(1, one.steps / 10) and one.seconds < two.seconds for one, two in pairwise(curve))
    assert curve[-1].mse < curve[0].mse / 100


def test_the_same_seed_makes_the_same_run(course):
    one, same = ([point.mse for point in train(course)[0]] for _ in range(2))
    other = [point.mse for point in train(replace(course, seed=2))[0]]
    assert one == same and one[0] != other[0]


def test_it_stops_at_the_cap_within_a_step_and_tells_whole_seconds(course, clock):
    seconds = []
    curve, stop_reason = train(course, steps=10**9, cap=3.5, on_second=lambda: seconds.append(1))
    assert stop_reason == "cap" and curve[-2].seconds < 3.5 <= curve[-1].seconds < 3.6
    assert len(seconds) == 3


def test_evaluations_cost_no_seconds(course, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("hnn_hpc.baselines.graph_descent.time.perf_counter", lambda: now[0])

    def evaluate(net):
        now[0] += 1000.0
        return 1.0

    curve, _ = descend(course.begin(ADAM, 0.1), evaluate, steps=5)
    assert {point.seconds for point in curve} == {0.0} and len(curve) == 6


def test_what_diverges_ends_with_the_last_finite_error(course):
    curve, stop_reason = train(course, OPTIMIZERS["SGD"], 1e200)
    assert stop_reason == "diverged" and all(np.isfinite(point.mse) for point in curve) and 1 <= len(curve) < 5


def test_what_moves_no_more_stops(course):
    start = course.begin(ADAM, 0.1)
    left = iter(range(4))

    def step():
        return start.step() if next(left, None) is not None else 1.0

    curve, stop_reason = descend(Start(start.net, step, start.settle), on_test(course), steps=10**6)
    assert (stop_reason, curve[-1].steps) == ("stalled", 5)


@pytest.mark.parametrize(("parts", "enough"), [(1, 10), (3, 10), (20, 20)])
def test_the_rate_settles_by_losses_of_whole_passes_alone_and_of_ten_steps_at_least(course, monkeypatch, parts, enough):
    told = []
    monkeypatch.setattr(type(ADAM), "start", lambda *_: (lambda batch: 1.0, told.append))
    settle = replace(course, parts=[course.whole] * parts).begin(ADAM, 0.1).settle
    settle([9.0] * (enough - 1))
    settle([*range(enough)])
    assert told == [(enough - 1) / 2]


def test_the_rate_is_that_of_the_lowest_loss_and_its_trials_are_told(course):
    trials = []
    recipe = replace(OPTIMIZERS["SGD"], rates=(1e-6, 0.3, 1e200), tuning_steps=60)
    rate, report = choose_rate(course, recipe, lambda: trials.append(1))
    assert rate == 0.3 and len(trials) == 3
    assert report["steps"] == 60 and report["seconds"] > 0
    least, best, wild = report["losses"]
    first = course.begin(recipe, 0.3).net.mean_square(course.whole)
    assert best < 0.9 * first and first * 0.999 < least <= first and wild == first
