"""Errors and valid times where both motions are known: a learned oscillator that is too fast by a factor 1 + δ."""

import math

import numpy as np
import pytest
from hamiltonians import HENON_HEILES, OSCILLATOR, REGULAR, Learned

from hnn_hpc.errors import UserError
from hnn_hpc.prediction import outside_domain, rollout_error, rollouts, valid_times
from hnn_hpc.prediction.rollouts import normalized_errors, steps_alone, surviving_rollouts
from hnn_hpc.systems import make_system

STARTS = np.array([[1.0, 0.0, 0.0, 2.0], [0.3, -0.4, 0.0, 0.1]])


def test_the_error_of_an_oscillator_that_is_too_fast():
    delta = 0.02  # x̂(t) = x((1 + δ) t), on a circle of constant radius
    times, errors = rollout_error(Learned(OSCILLATOR, delta), OSCILLATOR, STARTS, 0.25, 200)
    np.testing.assert_array_equal(times, 0.25 * np.arange(201))
    np.testing.assert_allclose(errors, np.tile(2 * np.abs(np.sin(delta * times / 2)), (2, 1)), atol=1e-11)


@pytest.mark.parametrize("threshold", [0.1, 0.4])
def test_the_valid_time_of_an_oscillator_that_is_too_fast(threshold):
    delta, h = 0.02, 0.25
    valid = valid_times(*rollout_error(Learned(OSCILLATOR, delta), OSCILLATOR, STARTS, h, 200), threshold)
    exact = 2 * math.asin(threshold / 2) / delta
    assert valid.shape == (2,) and ((valid >= exact) & (valid < exact + h)).all()


def test_a_pendulum_with_twice_the_energy_scale_is_in_antiphase_after_half_a_period():
    pendulum = make_system("pendulum")
    period = 2 * math.pi  # of small oscillations; both have it but for 1e-7
    true, learned = rollouts(Learned(pendulum, 1.0), pendulum, [[1e-3, 0.0]], period / 80, 40)
    np.testing.assert_allclose(true[0, -1], [-1e-3, 0], atol=1e-9)
    np.testing.assert_allclose(learned[0, -1], [1e-3, 0], atol=1e-9)


def test_substeps_are_steps_of_which_the_last_is_told():
    fine = steps_alone(HENON_HEILES, [REGULAR], 0.1, 30)
    np.testing.assert_allclose(steps_alone(HENON_HEILES, [REGULAR], 0.3, 10, substeps=3), fine[:, ::3], rtol=1e-13)


def test_what_is_learned_exactly_is_valid_to_the_end():
    assert valid_times(*rollout_error(Learned(HENON_HEILES), HENON_HEILES, [REGULAR], 0.5, 40)).tolist() == [math.inf]


def test_the_valid_time_is_the_first_time_above_the_threshold():
    errors = [[0, 0.4, 0.5, 0.1], [0, 0.1, 0.2, 0.3], [0, math.inf, math.inf, math.inf], [0.6, 0, 0, 0]]
    assert valid_times([0, 1, 2, 3], errors).tolist() == [2, math.inf, 1, 0]


def test_a_learned_motion_that_escapes_has_an_infinite_error_from_then_on():
    steep = Learned(make_system("henon-heiles", {"alpha": 20}))  # the escape energy is 1/2400 there
    true, learned = rollouts(steep, HENON_HEILES, [REGULAR], 0.1, 200)
    reached = np.isfinite(learned[0]).all(axis=-1)
    assert np.isfinite(true).all() and reached[0] and not reached[-1]
    times, errors = rollout_error(steep, HENON_HEILES, [REGULAR], 0.1, 200)
    np.testing.assert_array_equal(np.isinf(errors[0]), ~reached)
    assert valid_times(times, errors)[0] < 20


def test_the_steps_alone_follow_the_true_system():
    true, alone = rollouts(HENON_HEILES, HENON_HEILES, [REGULAR], 0.1, 200)
    np.testing.assert_array_equal(alone, steps_alone(HENON_HEILES, [REGULAR], 0.1, 200))
    np.testing.assert_allclose(alone, true, atol=1e-10)


def test_a_true_motion_that_escapes_leaves_the_others_alone():
    starts = [REGULAR, [3.0, 3, 1, 1], REGULAR]
    true, learned, failures = surviving_rollouts(Learned(HENON_HEILES), HENON_HEILES, starts, 0.1, 100)
    alone = rollouts(Learned(HENON_HEILES), HENON_HEILES, [REGULAR], 0.1, 100)
    np.testing.assert_array_equal(true[[0, 2]], np.repeat(alone[0], 2, axis=0))
    assert np.isnan(true[1]).all() and failures[1].startswith("cannot be followed beyond") and failures[0] == failures[2] == ""
    errors = normalized_errors(true, learned)
    assert np.isnan(errors[1]).all() and errors[0].max() < 1e-9
    np.testing.assert_array_equal(valid_times(0.1 * np.arange(101), errors), [math.inf, math.nan, math.inf])


def test_at_rest_in_the_origin_the_error_is_the_absolute_one():
    times, errors = rollout_error(Learned(OSCILLATOR, 0.1), OSCILLATOR, np.zeros((1, 4)), 0.5, 4)
    assert len(times) == 5 and not errors.any()


def test_states_outside_of_the_domain():
    states = [[0.5, 0.5], [-1.0, 1.0], [1.1, 0], [0, -2], [math.nan, 0]]
    assert outside_domain(states, [[-1, 1], [-1, 1]]).tolist() == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"time_step": 0}, "time_step = 0"),
        ({"time_step": -0.1}, "expected a positive time step and at least one step"),
        ({"steps": 0}, "expected a positive time step and at least one step"),
        ({"steps": 2.5}, "steps = 2.5"),
        ({"starts": [1.0, 0, 0, 2.0]}, r"starts has the shape \(4,\); expected \(starts, 4\)"),
        ({"starts": [[1.0, 0, 0]]}, r"shape \(1, 3\)"),
        ({"starts": [[1.0, 0, 0, math.inf]]}, "not finite"),
        ({"model": Learned(make_system("pendulum"))}, "the model has 2 coordinates, but henon-heiles has 4"),
        ({"system": HENON_HEILES, "starts": [[3.0, 3, 1, 1]], "steps": 1000}, "^start 0 cannot be followed beyond"),
    ],
)
def test_what_cannot_be_followed_is_one_clear_sentence(changes, words):
    usable = {"model": Learned(OSCILLATOR), "system": OSCILLATOR, "starts": STARTS, "time_step": 0.1, "steps": 2}
    with pytest.raises(UserError, match=words):
        rollout_error(**usable | changes)
