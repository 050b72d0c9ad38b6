"""All figures of a prediction at once, and that blocks of starts change nothing."""

import math

import numpy as np
import pytest
from hamiltonians import HENON_HEILES, OSCILLATOR, REGULAR, Learned

from hnn_hpc.errors import UserError
from hnn_hpc.json_text import json_text
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.prediction import PredictionOptions, energy_starts, map_starts, predict
from hnn_hpc.systems import make_system

SERIAL = SerialCommunicator()
STARTS = np.array([[1.0, 0.1, 0.0, 2.0], [0.3, -0.4, 0.0, 0.1]])


def test_the_figures_of_an_oscillator_that_is_too_fast():
    delta, options = 0.02, PredictionOptions(time_step=0.1, steps=300, section=0, crossings=3, method="stormer-verlet")
    found, arrays = predict(Learned(OSCILLATOR, delta), OSCILLATOR, STARTS, options, SERIAL)
    exact = 2 * math.asin(0.2) / delta
    assert found["valid_time"]["median"] == pytest.approx(exact, abs=0.1) and found["valid_to_the_end"] == 0
    assert found["chaotic"] == 0 and found["valid_lyapunov_times"] is None
    assert abs(found["lyapunov_exponent"]) < 1e-2
    assert found["energy_drift"] < 1e-2 and found["energy_drift_growth"] == pytest.approx(1, abs=0.3)
    section = found["section"]
    assert (section["coordinate"], section["crossings"], section["fewest"]) == ("q1", 6, 3)
    assert section["largest_distance"] < 1e-10 and section["energy_error"] < 1e-12
    assert found["starts_outside"] == found["outside_domain"] == 0
    shapes = {name: values.shape for name, values in arrays.items()}
    assert shapes["starts"] == (2, 4) and shapes["errors"] == (2, 301) and shapes["times"] == (301,) and shapes["valid_times"] == (2,)
    assert shapes["section_true"] == shapes["section_learned"] == (2, 3, 4) and shapes["exponents"] == (2, 2)
    assert shapes["drift"] == (2, *shapes["drift_times"], 2)
    assert json_text(found)


def test_chaos_is_told_in_lyapunov_times():
    options = PredictionOptions(time_step=0.1, steps=1200)
    found, arrays = predict(Learned(HENON_HEILES, 1e-6), HENON_HEILES, energy_starts(HENON_HEILES, 1 / 6, 2, seed=0), options, SERIAL)
    assert found["chaotic"] == 2 and found["section"] is None
    assert found["learned_lyapunov_exponent"] == pytest.approx(found["lyapunov_exponent"], rel=0.2)
    assert found["valid_lyapunov_times"]["least"] == min(arrays["valid_times"] * arrays["exponents"][:, 0])


def test_states_outside_of_the_domain_are_a_share_not_an_error():
    model = Learned(OSCILLATOR, domain=[[-0.5, 0.5]] * 4)
    found, arrays = predict(model, OSCILLATOR, STARTS, PredictionOptions(time_step=0.1, steps=63), SERIAL)
    assert found["starts_outside"] == 0.5  # the first one alone
    assert arrays["outside_domain"].tolist() == [1.0, 0.0] and found["outside_domain"] == 0.5


def test_a_learned_motion_that_escapes_is_a_figure_not_an_error():
    steep = Learned(make_system("henon-heiles", {"alpha": 20}))
    options = PredictionOptions(time_step=0.1, steps=200, section=0, method="stormer-verlet", drift_steps=5)
    found, _ = predict(steep, HENON_HEILES, [REGULAR], options, SERIAL)
    assert found["valid_time"]["median"] < 20 and found["section"]["largest_distance"] == math.inf
    assert found["learned_lyapunov_exponent"] is None and found["outside_domain"] > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "at least one step"),
        ({"time_step": -1.0}, "positive time step"),
        ({"threshold": 0.0}, "threshold = 0: expected a positive number"),
        ({"method": "euler"}, "unknown integration method 'euler'"),
        ({"steps": 10**9}, "2 starts of 1,000,000,000 steps would take .* bytes on every rank"),
        ({"drift_steps": 0}, "drift_steps = 0"),
        ({"method": "stormer-verlet", "model": Learned(make_system("double-pendulum"))}, "needs a separable Hamiltonian"),
    ],
)
def test_what_cannot_be_used_is_one_clear_sentence(options, words):
    given = {"model": Learned(OSCILLATOR), "time_step": 0.1, "steps": 5} | options
    with pytest.raises(UserError, match=words):
        predict(given.pop("model"), OSCILLATOR, STARTS, PredictionOptions(**given), SERIAL)


def test_orbits_without_an_exponent_are_in_no_group_and_few_windows_tell_no_growth():
    starts = [REGULAR, [3.0, 3.0, 1.0, 1.0]]
    found, _ = predict(Learned(HENON_HEILES), HENON_HEILES, starts, PredictionOptions(time_step=0.1, steps=100, drift_steps=39), SERIAL)
    assert (found["chaotic"], found["not_seen_chaotic"], found["starts"]) == (0, 1, 2) and found["energy_drift_growth"] is None
    assert found["chaos_threshold"] == pytest.approx(math.log(1e4) / 8)
    some, _ = predict(Learned(HENON_HEILES), HENON_HEILES, starts, PredictionOptions(time_step=0.1, steps=100, drift_steps=40), SERIAL)
    assert some["energy_drift_growth"] > 0


def test_a_damped_model_is_refused():
    model = Learned(OSCILLATOR)
    model.damping = np.array([0.05, 0.1])
    with pytest.raises(UserError, match=r"the model has damping γ = 0\.05, 0\.1, and the systems here have none"):
        predict(model, OSCILLATOR, STARTS, PredictionOptions(0.1, 5), SERIAL)


def test_another_dimension_is_refused():
    with pytest.raises(UserError, match="the model has 2 coordinates, but henon-heiles has 4"):
        predict(Learned(make_system("pendulum")), OSCILLATOR, STARTS, PredictionOptions(0.1, 5), SERIAL)


@pytest.mark.parametrize("count", [1, 8, 9, 20])
def test_blocks_of_starts_are_put_together_in_order(count):
    starts = np.arange(4.0 * count).reshape(count, 4)
    sums, doubled = map_starts(lambda block: (block.sum(axis=-1), 2 * block), starts, SERIAL)
    np.testing.assert_array_equal(sums, starts.sum(axis=-1))
    np.testing.assert_array_equal(doubled, 2 * starts)


def test_a_failure_tells_which_starts_it_is_about():
    def compute(starts):
        if starts[0, 0] > 0:
            raise UserError("start 3 is bad")
        return starts

    with pytest.raises(UserError, match="among the starts 13 to 19, counted from their first: start 3 is bad"):
        map_starts(compute, np.repeat([0.0, 1.0], [13, 7])[:, None], SERIAL)
