"""Crossings of oscillators and pendulums, which are known, and what sections of any system keep."""

import math

import numpy as np
import pytest
from hamiltonians import HENON_HEILES, OSCILLATOR, REGULAR, Learned, Saddle

from hnn_hpc.errors import UserError
from hnn_hpc.integrators import accurate_trajectories
from hnn_hpc.integrators.runge_kutta import runge_kutta_step
from hnn_hpc.prediction import energy_starts, section_distances, section_points
from hnn_hpc.systems import make_system


def test_an_oscillator_crosses_a_quarter_of_a_period_before_its_turn():
    # q1 = cos t rises through 0 at t = 3π/2 and after every period; q2 = a cos t + b sin t there is -b, and p2 = a.
    a, b = 0.3, -0.7
    points = section_points(OSCILLATOR, [[1.0, a, 0.0, b]], 5, 0.05, 700)
    np.testing.assert_allclose(points, np.broadcast_to([0, -b, 1, a], (1, 5, 4)), atol=1e-12)


@pytest.mark.parametrize(("coordinate", "value", "angle"), [(2, 0.0, math.pi), (3, 0.0, math.pi), (0, 0.5, 5 * math.pi / 3)])
def test_the_plane_may_be_any(coordinate, value, angle):
    # x = (cos t, cos t, -sin t, -sin t): p rises through 0 at t = π, q through 1/2 at t = 5π/3
    points = section_points(OSCILLATOR, [[1.0, 1.0, 0.0, 0.0]], 3, 0.07, 500, coordinate, value)
    exact = [math.cos(angle), math.cos(angle), -math.sin(angle), -math.sin(angle)]
    np.testing.assert_allclose(points, np.broadcast_to(exact, (1, 3, 4)), atol=1e-12)


def test_a_pendulum_crosses_its_lowest_point_with_all_its_energy():
    starts = np.array([[-0.1, 0.0], [2.5, 0.0], [-3.0, 0.1]])
    pendulum = make_system("pendulum")
    points = section_points(pendulum, starts, 6, 0.02, 6000)
    np.testing.assert_allclose(points[..., 0], 0, atol=1e-13)
    np.testing.assert_allclose(points[..., 1], np.sqrt(2 * pendulum.energy(starts))[:, None] * np.ones(6), rtol=1e-11)


@pytest.mark.parametrize("energy", [1 / 12, 1 / 8, 1 / 6])
def test_points_of_henon_heiles_lie_on_the_plane_and_keep_the_energy(energy):
    starts = energy_starts(HENON_HEILES, energy, 4, seed=1)
    points = section_points(HENON_HEILES, starts, 20, 0.1, 2000)
    assert np.isfinite(points).all() and (points[..., 2] > 0).all()
    assert np.abs(points[..., 0]).max() < 1e-13
    assert np.abs(HENON_HEILES.energy(points) - energy).max() < 1e-11


def test_a_crossing_lies_on_the_accurate_trajectory():
    starts = np.array([REGULAR])
    path = accurate_trajectories(HENON_HEILES, starts, 0.001, 10_000)[0]
    before = np.flatnonzero((path[:-1, 0] < 0) & (path[1:, 0] >= 0))[0]
    share = -path[before, 0] / (path[before + 1, 0] - path[before, 0])
    between = path[before] + share * (path[before + 1] - path[before])  # a chord: off by h²/8 = 1e-7
    np.testing.assert_allclose(section_points(HENON_HEILES, starts, 1, 0.05, 400)[0, 0], between, atol=2e-7)


def test_a_grazing_orbit_is_found_too():
    # q1 = cos t - 1 + 1e-9 is above 0 for |t| < 4.5e-5 only around each turn: far less than a step, unless a step ends there.
    value = 1 - 1e-9
    points = section_points(OSCILLATOR, [[math.cos(-0.05), 0.2, -math.sin(-0.05), 0.0]], 1, 0.05, 3, 0, value)
    assert abs(points[0, 0, 0] - value) < 1e-13
    assert OSCILLATOR.energy(points[0, 0]) == pytest.approx(0.52, abs=1e-12)


def test_a_batch_is_what_its_orbits_are_alone():
    starts = energy_starts(HENON_HEILES, 1 / 8, 3, seed=2)
    together = section_points(HENON_HEILES, starts, 5, 0.1, 1000)
    apart = np.concatenate([section_points(HENON_HEILES, start[None], 5, 0.1, 1000) for start in starts])
    np.testing.assert_allclose(together, apart, atol=1e-12)


class Noisy:
    """Hénon and Heiles' system with a ∇H as noisy as a learned one of large coefficients that cancel."""

    dof, dimension = 2, 4

    def vector_field(self, x):
        y = HENON_HEILES.vector_field(x)
        return y + 1e-11 * np.sin(1e13 * y)


@pytest.mark.parametrize("hamiltonian", [HENON_HEILES, Noisy()])
def test_a_crossing_takes_few_steps_even_of_a_noisy_field(hamiltonian, monkeypatch):
    partial_steps = []

    def counted(field, x, step):
        partial_steps.extend([step] * isinstance(step, np.ndarray))
        return runge_kutta_step(field, x, step)

    monkeypatch.setattr("hnn_hpc.prediction.section.runge_kutta_step", counted)
    points = section_points(hamiltonian, energy_starts(HENON_HEILES, 1 / 8, 1, seed=0), 50, 0.1, 5000)
    assert np.isfinite(points).all() and np.abs(points[..., 0]).max() < 1e-10  # of noise
    assert 50 < len(partial_steps) <= 6 * 50


class Uneven:
    """One degree of freedom: q moves with a speed that depends on q, and on p, which stays."""

    dof, dimension = 1, 2

    def vector_field(self, x):
        return np.stack([x[..., 1] ** 3 + np.cos(9 * x[..., 0]) / 2, np.zeros_like(x[..., 1])], axis=-1)


def test_the_bits_of_a_crossing_do_not_depend_on_the_others():
    starts = np.random.default_rng(0).uniform([-0.1, 0.8], [-1e-9, 1.6], (400, 2))
    others = starts.copy()
    others[1::2] = [-0.01, 1.0]  # in the same places, for sums of another length are rounded in another way
    points, beside_others = (section_points(Uneven(), some, 1, 0.3, 1)[::2] for some in (starts, others))
    np.testing.assert_array_equal(points, beside_others)


def test_a_step_that_ends_at_infinity_is_no_crossing():
    class Cliff(Uneven):
        def vector_field(self, x):
            return np.where(x[..., :1] > 0, np.inf, [1.0, 0.0])

    assert np.isnan(section_points(Cliff(), [[-0.5, 1.0]], 1, 1.0, 5, must_cross=False)).all()


def test_crossings_that_do_not_come_in_time_are_missing():
    points = section_points(OSCILLATOR, [[1.0, 0, 0, 0], [0.0, 0, 1.0, 0]], 3, 0.1, 70)  # the time 7: a period and a little
    assert np.isfinite(points[..., 0]).tolist() == [[True, False, False], [True, False, False]]


@pytest.mark.parametrize(
    ("hamiltonian", "start", "words"),
    [
        (OSCILLATOR, [0.0, 1.0, 0.0, 0.0], "the orbit of start 1 never crosses q1 = 0 upwards within the time 10"),
        (HENON_HEILES, [0.0, 3.0, 0.0, 1.0], "never crosses q1 = 0 upwards"),  # it escapes along q2
    ],
)
def test_an_orbit_that_never_crosses_is_one_clear_sentence_or_nothing(hamiltonian, start, words):
    starts = [REGULAR, start]
    with pytest.raises(UserError, match=words):
        section_points(hamiltonian, starts, 3, 0.1, 100)
    points = section_points(hamiltonian, starts, 3, 0.1, 100, must_cross=False)
    assert np.isfinite(points[0, 0]).all() and np.isnan(points[1]).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"time_step": -0.1}, "positive time step"),
        ({"steps": 0}, "at least one step"),
        ({"crossings": 0}, "crossings = 0: expected a whole number of at least 1"),
        ({"coordinate": 4}, "coordinate = 4: expected a whole number of at least 0 and at most 3"),
        ({"value": math.nan}, "value = nan"),
    ],
)
def test_what_cannot_be_used_is_one_clear_sentence(changes, words):
    usable = {"hamiltonian": OSCILLATOR, "starts": [[1.0, 0, 0, 0]], "crossings": 1, "time_step": 0.1, "steps": 80}
    with pytest.raises(UserError, match=words):
        section_points(**usable | changes)


def test_the_distance_is_that_of_the_nth_crossing():
    true = np.zeros((3, 2, 4))
    learned = true.copy()
    learned[0, 1] = [0, 3, 0, 4]
    true[1, 1] = learned[1, 1] = learned[2, 1] = math.nan  # the true orbit 1 has one crossing, the learned orbit 2 misses one
    assert section_distances(true, learned).tolist() == [5, 0, math.inf]
    true[0] = math.nan  # it never crosses
    np.testing.assert_array_equal(section_distances(true, learned), [math.nan, 0, math.inf])


def test_a_learned_hamiltonian_that_is_only_too_fast_has_the_same_section():
    starts = energy_starts(HENON_HEILES, 1 / 12, 2, seed=3)
    points = [section_points(one, starts, 10, 0.1, 2000) for one in (HENON_HEILES, Learned(HENON_HEILES, 0.01))]
    assert section_distances(*points).max() < 1e-10


def test_a_plane_of_one_degree_of_freedom():
    points = section_points(Saddle(), [[-0.5, 1.0]], 1, 0.01, 200)  # q = -sinh-like: crosses once, with p² = 1 - 1/4
    np.testing.assert_allclose(points, [[[0, math.sqrt(0.75)]]], atol=1e-12)
