"""Time to accuracy on a small graph: what each optimizer reaches, what it takes us, and what is said of it."""

import json
import statistics
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from graph_problems import springs

from hnn_hpc.baselines.graph_comparison import compare_optimizers, mean_square_error
from hnn_hpc.baselines.optimizers import OPTIMIZERS
from hnn_hpc.errors import NotCertifiedError, UserError
from hnn_hpc.features import ACTIVATIONS, FeatureMap
from hnn_hpc.graph_features import KINETIC, EdgeInvariants, GraphFeatureMap, KineticTerm, NodeInvariants, PairTerm
from hnn_hpc.graph_samples import ArrayGraphs
from hnn_hpc.json_text import json_text
from hnn_hpc.particles import LinearSprings

TRAIN, TEST = springs(60), springs(40, "test points")
baseline = pytest.mark.baseline


class Fitted:
    """Random features of T and V, fitted to TRAIN by numpy.linalg.lstsq (a Hamiltonian of graphs)."""

    def __init__(self, features):
        rng = np.random.default_rng(1)
        layers = []
        for low, high in ((0.0, 1.0), (0.6, 1.5)):  # |p|²/2m and r
            W = rng.normal(size=(features, 1)) / (high - low)
            layers.append(FeatureMap(W, -W[:, 0] * rng.uniform(low, high, features), ACTIVATIONS["tanh"]))
        kinetic = KineticTerm(0, NodeInvariants((KINETIC,)), layers[0])
        self._map = GraphFeatureMap((kinetic,), (PairTerm((0, 0), EdgeInvariants(("r",)), layers[1]),))
        samples = TRAIN.read(0, TRAIN.count)
        columns = [np.concatenate(self._map.gradient(samples.graphs, unit)).ravel() for unit in np.eye(2 * features)]
        targets = np.concatenate([-samples.forces, samples.velocities]).ravel()
        self._coefficients = np.linalg.lstsq(np.stack(columns, axis=1), targets, rcond=1e-13)[0]

    def gradient(self, graphs):
        return self._map.gradient(graphs, self._coefficients)


def fit(features):
    begun = time.perf_counter()
    fitted = Fitted(features)
    return time.perf_counter() - begun, mean_square_error(fitted, TEST)


def told(errors):
    """A stand-in for fits: {width: error or exception}; a fit takes a millisecond more than the one before."""
    calls = []

    def ours(width):
        calls.append(width)
        if isinstance(errors[width], Exception):
            raise errors[width]
        return len(calls) / 1000, errors[width]

    return ours, calls


@pytest.fixture
def compared(communicator, monkeypatch):
    """Compare short runs of two optimizers with our fits, or others."""
    monkeypatch.setenv("HNN_HPC_THREADS", "1")
    for name, recipe in OPTIMIZERS.items():
        monkeypatch.setitem(OPTIMIZERS, name, replace(recipe, rates=recipe.rates[-3:-1], tuning_steps=5))

    def compared(ours=fit, width=16, optimizers=("Adam", "SGD"), cap=0.05, train=TRAIN, test=TEST, **how):
        return compare_optimizers(train, test, width, communicator, ours=ours, optimizers=optimizers, cap=cap, **how)

    return compared


@baseline
def test_our_fits_reach_what_optimizers_reach_and_everything_is_told(compared):
    result = compared()
    assert [result[name] for name in ("width", "cap", "seed", "threads", "graphs", "test_graphs", "dimension")] == [
        16,
        0.05,
        0,
        1,
        60,
        40,
        2,
    ]
    assert [width["width"] for width in result["widths"]] == [2, 4, 8, 16] and result["widths"][-1]["mse"] < 1e-12
    assert [run["name"] for run in result["optimizers"]] == ["Adam", "SGD"]
    for run in result["optimizers"]:
        assert run["stop_reason"] == "cap" and run["seconds"] >= 0.05 and run["steps"] == run["curve"][-1]["steps"]
        assert run["learning_rate"] in run["tuning"]["rates"] == list(OPTIMIZERS[run["name"]].rates)
        assert run["tuning"]["steps"] == 5 and len(run["tuning"]["losses"]) == 2 and run["tuning"]["seconds"] > 0
        assert run["best"] == min(run["curve"], key=lambda point: point["mse"]) and run["best"]["mse"] < run["curve"][0]["mse"]
        ours = run["ours"]
        assert ours["width"] == next(width["width"] for width in result["widths"] if width["mse"] <= run["best"]["mse"])
        assert ours["seconds"] == statistics.median(ours["rounds"]) and len(ours["rounds"]) == 3
        assert ours["speed_up"] == run["best"]["seconds"] / ours["seconds"]
    best = min(result["optimizers"], key=lambda run: run["best"]["mse"])
    assert result["best"] == {"name": best["name"], **best["best"], "ours": best["ours"]}
    assert json.loads(json_text(result)) == result


@baseline
def test_the_fit_that_is_as_good_is_measured_three_times_for_all_optimizers_together(compared):
    ours, calls = told({2: 1e9, 4: UserError("too few"), 8: 0.0, 16: 0.0})
    result = compared(ours)
    assert calls == [2, 4, 8, 16, 8, 8]
    assert result["widths"][1] == {"width": 4, "seconds": None, "mse": None, "problem": "too few"}
    assert [run["ours"]["rounds"] for run in result["optimizers"]] == [[0.003, 0.005, 0.006]] * 2


@baseline
def test_what_no_width_reaches_has_no_speed_up(compared):
    result = compared(told({2: 1e9, 4: NotCertifiedError("not certified")})[0], width=4)
    assert result["best"]["ours"] == {"width": None, "seconds": None, "rounds": None, "speed_up": None}


@baseline
def test_an_optimizer_that_diverges_is_a_result(compared, monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, "SGD", replace(OPTIMIZERS["SGD"], rates=(1e200, 1e210)))
    adam, sgd = compared()["optimizers"]
    assert (adam["stop_reason"], sgd["stop_reason"], sgd["learning_rate"]) == ("cap", "diverged", 1e200)
    assert sgd["best"] == sgd["curve"][0] and sgd["curve"][0]["mse"] == adam["curve"][0]["mse"]


@baseline
def test_everybody_is_judged_by_the_same_error_of_the_same_samples(compared, communicator):
    result = compared(width=2)
    exact = mean_square_error(LinearSprings(), TEST)
    assert exact < 1e-30
    still = mean_square_error(Still(), TEST)
    _, velocities, forces, _ = TEST.read(0, TEST.count)
    assert still == pytest.approx(np.mean([velocities**2, forces**2]), rel=1e-12)
    assert 0.01 * still < result["optimizers"][0]["curve"][0]["mse"] < 100 * still


class Still:
    """A Hamiltonian of graphs that is constant."""

    def gradient(self, graphs):
        return np.zeros_like(graphs.positions), np.zeros_like(graphs.momenta)


class Progress:
    def __init__(self):
        self.stages = []

    def start(self, name, total):
        self.stages.append([name, total, 0])

    def advance(self, n=1):
        self.stages[-1][2] += n

    def finish(self):
        pass


@baseline
def test_progress_names_each_optimizer_and_our_fits(compared, monkeypatch):
    progress = Progress()
    compared(told(dict.fromkeys((2, 4), 0.0))[0], width=4, progress=progress)
    assert progress.stages == [["Adam", 3, 2], ["SGD", 3, 2], ["our fits", 2, 2]]


@baseline
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width = 0: expected a whole number of at least 1"),
        ({"cap": 0.0}, "cap = 0: expected a positive number of seconds"),
        ({"cap": float("inf")}, "cap = inf: expected a finite number"),
        ({"seed": -1}, "seed = -1: expected a whole number of at least 0"),
        ({"optimizers": ["Adam", "adam"]}, "optimizer 'adam'"),
        ({"edge_invariant": "angle"}, "edge invariant 'angle'"),
    ],
)
def test_what_cannot_be_used_is_named_before_any_fit(compared, change, message):
    ours, calls = told({})
    with pytest.raises(UserError, match=message):
        compared(ours, **change)
    assert calls == []


@baseline
def test_samples_that_cannot_be_used_are_named(compared):
    samples = TRAIN.read(0, 3)
    samples.forces[5, 1] = np.nan
    with pytest.raises(UserError, match=r"the arrays: forces dp/dt of particle 1 of graph 1 are .*nan.*; expected finite numbers"):
        compared(train=ArrayGraphs(samples))
    apart = ArrayGraphs(TRAIN.read(0, 3), cutoff=0.01)
    with pytest.raises(UserError, match="have no bond shorter than the cutoff, 0.01"):
        compared(train=apart)


def test_a_missing_pytorch_is_one_sentence(compared, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UserError, match=r"needs PyTorch \(.*\): pip install 'hnn-hpc\[baseline\]'"):
        compared()
