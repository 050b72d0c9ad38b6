"""Accurate trajectories against a closed form, the conserved energy and the implicit midpoint rule; and those that cannot be followed."""

import math

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.integrators import accurate_trajectories, energy_drift, integrate
from hnn_hpc.systems import SYSTEMS, make_system


def quiet_starts(system, count):
    """Return starts (count, D) in the middle twentieth of the box, from where no system here escapes."""
    return np.random.default_rng(0).uniform(*system.box.T / 20, size=(count, system.dimension))


def test_an_oscillator_follows_the_cosine():
    oscillator = make_system("henon-heiles", {"alpha": 0})
    path = accurate_trajectories(oscillator, [[1.0, 0.0, 0.0, 2.0]], 0.5, 40)[0]
    t = 0.5 * np.arange(41)
    np.testing.assert_allclose(path, np.stack([np.cos(t), 2 * np.sin(t), -np.sin(t), 2 * np.cos(t)], axis=-1), atol=1e-11)


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("time_step", [0.1, -0.1])
def test_the_energy_is_conserved(name, time_step):
    system = make_system(name, {})
    paths = accurate_trajectories(system, quiet_starts(system, 2), time_step, 50)
    assert energy_drift(system, np.moveaxis(paths, 1, 0)) < 1e-10


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_implicit_midpoint_rule_with_small_steps_agrees(name):
    system = make_system(name, {})
    starts = quiet_starts(system, 3)
    paths = accurate_trajectories(system, starts, 0.25, 2)
    midpoint = integrate(system, starts, 0.0025, 200, save_every=100)
    np.testing.assert_allclose(np.moveaxis(paths, 1, 0), midpoint, atol=3e-6)  # h^2 = 6e-6, times an error constant below 1/2


def test_a_trajectory_does_not_depend_on_its_neighbours_bit_by_bit():
    system = make_system("double-pendulum", {})
    starts = quiet_starts(system, 4)
    together = accurate_trajectories(system, starts, 0.1, 10)
    apart = np.concatenate([accurate_trajectories(system, part, 0.1, 10) for part in (starts[:1], starts[1:], starts[4:])])
    np.testing.assert_array_equal(together, apart)


def test_the_shapes_of_few_steps_and_trajectories():
    system = make_system("pendulum", {})
    assert accurate_trajectories(system, np.zeros((0, 2)), 0.1, 5).shape == (0, 6, 2)
    np.testing.assert_array_equal(accurate_trajectories(system, [[0.5, 0.2]], 0.1, 0), [[[0.5, 0.2]]])


@pytest.mark.parametrize(
    ("name", "start", "words"),
    [
        ("henon-heiles", [3.0, 3.0, 1.0, 1.0], r"trajectory 8 cannot be followed beyond t = 2\.\d* of 10: it escapes"),
        ("henon-heiles", [1e100, 1e100, 0.0, 0.0], "trajectory 8 cannot be followed beyond t = 0 of 10"),
        ("henon-heiles", [1e200, 0.0, 0.0, 0.0], "trajectory 8 cannot be followed beyond t = 0 of 10"),  # the gradient overflows
    ],
)
def test_a_trajectory_that_escapes_is_named_with_its_time(name, start, words):
    system = make_system(name, {})
    with pytest.raises(UserError, match=words):
        accurate_trajectories(system, [[0.1, 0.1, 0.0, 0.0], start], 0.1, 100, first_index=7)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"starts": [0.5, 0.2]}, r"starts has the shape \(2,\); expected \(trajectories, 2\)"),
        ({"starts": [[0.5, math.nan]]}, "not finite"),
        ({"time_step": 0}, "time_step = 0"),
        ({"steps": -1}, "steps = -1"),
    ],
)
def test_what_cannot_be_followed_is_one_clear_sentence(arguments, words):
    usable = {"starts": [[0.5, 0.2]], "time_step": 0.1, "steps": 2}
    with pytest.raises(UserError, match=words):
        accurate_trajectories(make_system("pendulum", {}), **(usable | arguments))
