"""Exponents that are known: of a saddle, of regular orbits, and of the chaos of Hénon and Heiles."""

import math

import numpy as np
import pytest
from hamiltonians import HENON_HEILES, OSCILLATOR, REGULAR, Learned, Saddle

from hnn_hpc.errors import UserError
from hnn_hpc.prediction import energy_starts, lyapunov_exponent
from hnn_hpc.prediction.lyapunov import is_chaotic
from hnn_hpc.systems import make_system


def test_the_exponent_of_a_saddle_is_one():
    starts = [[0.0, 0.0], [1e-9, -1e-9]]
    exponents = lyapunov_exponent(Saddle(), starts, 0.05, 2000)
    np.testing.assert_allclose(exponents, 1, atol=1e-9)
    assert is_chaotic(exponents, 100).all()


def test_the_upright_pendulum_is_a_saddle_of_its_frequency():
    exponent = lyapunov_exponent(make_system("pendulum", {"frequency": 3.0}), [[math.pi / 3, 0.0]], 0.01, 1000)
    assert exponent == pytest.approx(3, abs=1e-6)


def test_an_oscillator_has_none():
    assert np.abs(lyapunov_exponent(OSCILLATOR, [[1.0, 0, 0, 0.5]], 0.1, 1000)) == pytest.approx(0, abs=1e-2)


def test_regular_and_chaotic_orbits_are_told_apart():
    time_step, steps = 0.2, 2000
    regular = lyapunov_exponent(HENON_HEILES, [REGULAR, *energy_starts(HENON_HEILES, 1 / 12, 2, seed=0)], time_step, steps)
    chaotic = lyapunov_exponent(HENON_HEILES, energy_starts(HENON_HEILES, 1 / 6, 3, seed=0), time_step, steps)
    assert (regular < 0.01).all() and not is_chaotic(regular, time_step * steps).any()
    assert ((chaotic > 0.05) & (chaotic < 0.2)).all() and is_chaotic(chaotic, time_step * steps).all()


def test_in_faster_time_the_exponent_is_larger():
    start = [[0.0, 0.0]]
    assert lyapunov_exponent(Learned(Saddle(), 0.5, Saddle.box), start, 0.05, 2000) == pytest.approx(1.5, abs=1e-9)


def test_an_orbit_that_escapes_has_none():
    exponents = lyapunov_exponent(HENON_HEILES, [[3.0, 3.0, 1.0, 1.0], REGULAR], 0.05, 2000)
    assert np.isnan(exponents[0]) and np.isfinite(exponents[1])
    assert is_chaotic(exponents, 100).tolist() == [False, False]


@pytest.mark.parametrize(("time_step", "steps"), [(0.0, 10), (-0.1, 10), (0.1, 0)])
def test_steps_that_cannot_be_made(time_step, steps):
    with pytest.raises(UserError, match="time_step = "):
        lyapunov_exponent(OSCILLATOR, [REGULAR], time_step, steps)
