"""Time to accuracy on a small pendulum: what is reached, what is not, and what is said of it."""

import statistics

import pytest

from hnn_hpc.baselines import AdamOptions, compare
from hnn_hpc.baselines import comparison as module
from hnn_hpc.baselines.comparison import powers_of_two_below
from hnn_hpc.errors import NotCertifiedError
from hnn_hpc.options import FitOptions
from hnn_hpc.samples import ArraySamples, SystemSamples
from hnn_hpc.systems import make_system
from hnn_hpc.training import fit_source

SYSTEM = make_system("pendulum", {})
TRAIN, TEST = SystemSamples(SYSTEM, 500, 1), SystemSamples(SYSTEM, 200, 1, stream="test points")
baseline = pytest.mark.baseline


@pytest.fixture
def compared(communicator, monkeypatch):
    """Compare a fit of some features with 100 steps of Adam, or with other options."""
    monkeypatch.setenv("HNN_HPC_THREADS", "1")

    def compared(features=40, train=TRAIN, test=TEST, steps=100, **how):
        fit_options = FitOptions(features, bandwidth=(2, 0.5), solver="khatri-rao-qr")
        return compare(train, test, fit_options, AdamOptions(width=20, steps=steps, learning_rate=1e-2), communicator, **how)

    return compared


@baseline
def test_a_good_fit_is_out_of_reach_and_a_smaller_one_is_as_good_as_adam(compared):
    result = compared()
    ours, adam, reached = result["to_our_error"], result["adam"], result["to_adams_error"]
    assert (result["metric"], adam["stop_reason"], adam["steps_done"]) == ("energy_error", "steps", 100)
    assert (ours["adam_seconds"], ours["speed_up"]) == (None, None)
    assert ours["speed_up_above"] == adam["seconds"] / ours["seconds"]
    assert [width["features"] for width in result["widths"]] == [2, 4, 8, 16, 32, 40]
    assert reached["error"] == adam["best"]["energy_error"] == min(point["energy_error"] for point in adam["curve"])
    enough = [width["features"] for width in result["widths"] if width["energy_error"] <= reached["error"]]
    assert reached["features"] == enough[0] < 40
    assert reached["seconds"] == statistics.median(reached["rounds"]) and len(reached["rounds"]) == 3
    assert reached["speed_up"] == adam["best"]["seconds"] / reached["seconds"]


@baseline
def test_a_poor_fit_is_reached_by_adam(compared):
    result = compared(features=1)
    ours, adam = result["to_our_error"], result["adam"]
    assert adam["stop_reason"] == "target" and adam["curve"][-1]["energy_error"] <= ours["error"]
    assert (ours["adam_seconds"], ours["speed_up_above"]) == (adam["seconds"], None)
    assert ours["speed_up"] == adam["seconds"] / ours["seconds"]
    assert [width["features"] for width in result["widths"]] == [1]


@baseline
def test_what_no_width_reaches_has_no_speed_up(compared, monkeypatch):
    monkeypatch.setattr(module, "train_by_adam", lambda *arguments, **how: _perfect(train_by_adam(*arguments, **how)))
    reached = compared(steps=1)["to_adams_error"]
    assert reached["error"] == 0.0
    assert [reached[name] for name in ("features", "seconds", "rounds", "speed_up")] == [None] * 4


train_by_adam = module.train_by_adam


def _perfect(run):
    run.curve[-1] = run.curve[-1]._replace(energy_error=0.0)
    return run


@baseline
def test_a_width_that_cannot_be_fitted_says_why_and_is_passed_over(compared, monkeypatch):
    def fitted(source, options, *arguments, **how):
        if options.features == 8:
            raise NotCertifiedError("the solve is not certified")
        return fit_source(source, options, *arguments, **how)

    monkeypatch.setattr(module, "fit_source", fitted)
    widths = {width["features"]: width for width in compared(steps=2)["widths"]}
    assert (widths[8]["problem"], widths[8]["energy_error"]) == ("the solve is not certified", None)
    assert widths[16]["problem"] is None


@baseline
def test_both_learn_from_the_same_source_and_the_same_known_energy(compared, monkeypatch):
    seen = []

    def noting(function):
        def noted(source, *arguments, **how):
            seen.append((source, how["reference"]))
            return function(source, *arguments, **how)

        return noted

    for name in ("fit_source", "train_by_adam"):
        monkeypatch.setattr(module, name, noting(getattr(module, name)))
    reference = SYSTEM.reference_point, 0.0
    compared(features=4, steps=2, reference=reference)
    assert len(seen) >= 3 and all(source is TRAIN and known is reference for source, known in seen)


@baseline
def test_without_energies_the_gradients_are_compared(compared):
    points, velocities, _ = TEST.read(0, TEST.count)
    result = compared(test=ArraySamples(points, velocities, None, TEST.count), steps=5)
    assert (result["metric"], result["ours"]["energy_error"]) == ("gradient_error", None)
    assert result["to_our_error"]["error"] == result["ours"]["gradient_error"]
    assert result["to_adams_error"]["error"] == min(point["gradient_error"] for point in result["adam"]["curve"])


def test_widths_are_the_powers_of_two_below_the_features():
    assert [powers_of_two_below(features) for features in (1, 2, 3, 8, 9)] == [[], [], [2], [2, 4], [2, 4, 8]]
