"""The energy drift in windows against the whole trajectory at once."""

import numpy as np
import pytest
from hamiltonians import HENON_HEILES, OSCILLATOR, REGULAR, Learned

from hnn_hpc.errors import UserError
from hnn_hpc.integrators import energy_drift, integrate
from hnn_hpc.prediction import energy_starts, long_energy_drift
from hnn_hpc.prediction.drift import surviving_energy_drift

STARTS = energy_starts(HENON_HEILES, 1 / 12, 3, seed=0)


@pytest.mark.parametrize("chunk", [10, 70, 10_000])
def test_the_largest_error_of_all_windows_is_the_drift_of_the_whole(chunk, monkeypatch):
    monkeypatch.setattr("hnn_hpc.prediction.drift.LONGEST_CHUNK", chunk)
    times, errors = long_energy_drift(HENON_HEILES, STARTS, 0.05, 1003, "stormer-verlet", windows=7)
    whole = integrate(HENON_HEILES, STARTS, 0.05, 1000, "stormer-verlet", save_every=10)
    assert times[-1] == pytest.approx(50) and errors.shape == (3, 7, 1)
    each = [energy_drift(HENON_HEILES, whole[:, start]) for start in range(3)]
    np.testing.assert_allclose(errors[..., 0].max(axis=1), each, rtol=1e-9)


def test_a_symplectic_method_does_not_drift():
    _, errors = long_energy_drift(HENON_HEILES, [REGULAR], 0.1, 20_000, "stormer-verlet", windows=4)
    first, *_, last = errors[0, :, 0]
    assert last == pytest.approx(first, rel=0.05) and first < 0.01


def test_a_method_that_drifts_is_seen(monkeypatch):
    def euler(hamiltonian, starts, time_step, steps, method, save_every):
        states = [starts]
        for _ in range(steps):
            states.append(states[-1] + time_step * hamiltonian.vector_field(states[-1]))
        return np.array(states[::save_every])

    monkeypatch.setattr("hnn_hpc.prediction.drift.integrate", euler)
    _, errors = long_energy_drift(OSCILLATOR, [[1.0, 0, 0, 0.5]], 0.001, 2000, windows=4)
    assert errors[0, -1, 0] > 1.1 * errors[0, 0, 0]


def test_the_energy_is_taken_by_all_that_are_asked():
    learned = Learned(OSCILLATOR, 0.5)
    times, errors = long_energy_drift(learned, [[1.0, 0, 0, 0.5]], 0.01, 500, measures=[OSCILLATOR, learned, HENON_HEILES])
    assert errors.shape == (1, len(times), 3) and len(times) == 20
    np.testing.assert_allclose(errors[..., 0], errors[..., 1], atol=1e-9)  # the factor 1.5 is that of the energy exchanged, too
    assert errors[..., 2].max() > 0.1 > errors[..., 0].max()


def test_a_start_whose_rollout_fails_leaves_the_others_alone():
    starts = np.array([STARTS[0], [3.0, 3.0, 1.0, 1.0], STARTS[1]])
    arguments = 0.1, 2000, "stormer-verlet", [HENON_HEILES]
    times, errors, failures = surviving_energy_drift(HENON_HEILES, starts, *arguments)
    expected_times, expected = long_energy_drift(HENON_HEILES, STARTS[:2], *arguments)
    np.testing.assert_array_equal(times, expected_times)
    np.testing.assert_array_equal(errors[[0, 2]], expected)
    assert np.isinf(errors[1]).all()
    assert failures[0] == failures[2] == "" and "failed in step" in failures[1]


@pytest.mark.parametrize(("steps", "windows"), [(1, 1), (9, 1), (25, 2), (1000, 20)])
def test_few_steps_have_few_windows(steps, windows):
    times, errors = long_energy_drift(OSCILLATOR, [[1.0, 0, 0, 0.5]], 0.01, steps)
    assert len(times) == windows and errors.shape == (1, windows, 1)
    assert times[-1] == pytest.approx(0.01 * (steps if steps < 10 else steps // 10 * 10))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 0}, "at least one step"),
        ({"time_step": -1.0}, "positive time step"),
        ({"method": "euler"}, "unknown integration method 'euler'"),
        ({"starts": [[3.0, 3.0, 1.0, 1.0]], "steps": 20_000}, "failed in step"),
    ],
)
def test_what_cannot_be_followed_is_one_clear_sentence(changes, words):
    usable = {"model": HENON_HEILES, "starts": [REGULAR], "time_step": 0.1, "steps": 100}
    with pytest.raises(UserError, match=words):
        long_energy_drift(**usable | changes)


def test_a_failure_in_a_later_chunk_says_how_many_steps_came_before(monkeypatch):
    monkeypatch.setattr("hnn_hpc.prediction.drift.LONGEST_CHUNK", 10)
    with pytest.raises(UserError, match=r"after \d0 steps, .* failed in step \d"):
        long_energy_drift(HENON_HEILES, [[3.0, 3.0, 1.0, 1.0]], 0.05, 1000, "stormer-verlet")
