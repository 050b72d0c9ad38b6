"""The symplectic methods: measured order, symplecticity, time reversal, bounded energy error, batches, errors."""

import math

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.integrators import INTEGRATORS, accurate_trajectories, energy_drift, integrate
from hnn_hpc.systems import make_system

STARTS = {
    "pendulum": [[0.5, 0.2], [1.5, -1.0]],
    "lotka-volterra": [[0.3, -0.2], [-0.5, 0.4]],
    "henon-heiles": [[0.1, 0.2, 0.1, 0.0], [0.3, -0.1, 0.0, 0.2]],
    "fput-chain": [[0.3, -0.2, 0.1, 0.4, 0.0, 0.1, -0.1, 0.2], [0.0, 0.1, 0.2, 0.3, 0.4, 0.3, 0.2, 0.1]],
    "double-pendulum": [[0.4, -0.3, 0.2, 0.1], [1.0, 0.8, -0.5, 0.3]],
}
ORDERS = {"symplectic-euler": 1, "stormer-verlet": 2, "implicit-midpoint": 2}
REVERSIBLE = ("stormer-verlet", "implicit-midpoint")
CASES = [(method, name) for method in INTEGRATORS for name in STARTS if method == "implicit-midpoint" or name != "double-pendulum"]
every_case = pytest.mark.parametrize(("method", "name"), CASES)


@every_case
def test_the_measured_order_is_the_stated_one(method, name):
    system, starts = make_system(name, {}), STARTS[name]
    end = accurate_trajectories(system, starts, 1.0, 1)[:, -1]
    coarse, fine = (np.linalg.norm(integrate(system, starts, 1 / steps, steps, method)[-1] - end) for steps in (20, 40))
    assert math.log2(coarse / fine) == pytest.approx(ORDERS[method], abs=0.15)  # the next term of the error, relative at h = 1/20


@every_case
def test_a_step_is_a_symplectic_map(method, name):
    system, start = make_system(name, {}), np.array(STARTS[name][0])
    nudges = 1e-5 * np.eye(system.dimension)  # central differences: round-off 1e-11, truncation 1e-10
    M = (integrate(system, start + nudges, 0.1, 1, method)[-1] - integrate(system, start - nudges, 0.1, 1, method)[-1]).T / 2e-5
    J = np.kron([[0, 1], [-1, 0]], np.eye(system.dof))
    np.testing.assert_allclose(M.T @ J @ M, J, atol=1e-8)


@pytest.mark.parametrize(("method", "name"), [case for case in CASES if case[0] in REVERSIBLE])
def test_steps_back_in_time_undo_steps_forward(method, name):
    system, starts = make_system(name, {}), np.array(STARTS[name])
    there = integrate(system, starts, 0.05, 30, method)[-1]
    assert np.abs(there - starts).max() > 0.1
    np.testing.assert_allclose(integrate(system, there, -0.05, 30, method)[-1], starts, atol=1e-13)  # round-off of 60 steps


@pytest.mark.parametrize("method", INTEGRATORS)
def test_the_energy_error_does_not_grow(method):
    system = make_system("pendulum", {})
    path = integrate(system, [[1.0, 0.0], [0.0, 1.8]], 0.3, 400, method)  # 120 units of time: over 10 periods
    early, late = energy_drift(system, path[:100]), energy_drift(system, np.concatenate([path[:1], path[300:]]))
    assert late < 1.05 * early < 0.2  # the phase of a period at which steps fall moves the largest error a little


@every_case
def test_a_state_takes_the_same_path_alone_and_in_a_batch_bit_by_bit(method, name):
    system, starts = make_system(name, {}), np.array(STARTS[name]).reshape(2, 1, -1)
    together = integrate(system, starts, 0.1, 10, method)
    assert together.shape == (11, *starts.shape)
    for index in range(2):
        np.testing.assert_array_equal(together[:, index, 0], integrate(system, starts[index, 0], 0.1, 10, method))


@pytest.mark.parametrize("method", INTEGRATORS)
def test_a_step_leaves_the_states_it_is_given_as_they_were(method):
    x = np.array(STARTS["henon-heiles"])
    INTEGRATORS[method](make_system("henon-heiles", {}), x, 0.1)
    np.testing.assert_array_equal(x, STARTS["henon-heiles"])


@pytest.mark.parametrize("method", INTEGRATORS)
def test_every_so_many_states_are_saved_and_the_start_is_the_first(method):
    system, start = make_system("pendulum", {}), [0.5, 0.2]
    path = integrate(system, start, 0.1, 10, method)
    np.testing.assert_array_equal(integrate(system, start, 0.1, 10, method, save_every=4), path[[0, 4, 8]])
    np.testing.assert_array_equal(integrate(system, start, 0.1, 3, method, save_every=4), [start])
    np.testing.assert_array_equal(integrate(system, start, 0.1, 0, method), [start])


def test_no_states_at_all_have_an_empty_path():
    assert integrate(make_system("pendulum", {}), np.zeros((0, 2)), 0.1, 3).shape == (4, 0, 2)


@pytest.mark.parametrize("method", ["symplectic-euler", "stormer-verlet"])
def test_an_explicit_method_refuses_a_hamiltonian_that_is_not_separable(method):
    with pytest.raises(UserError, match=f"{method} needs a separable Hamiltonian.*use implicit-midpoint"):
        integrate(make_system("double-pendulum", {}), np.zeros(4), 0.1, 1, method)


@pytest.mark.parametrize("method", INTEGRATORS)
def test_an_escaping_state_is_named_with_step_and_time(method):
    starts = [[0.1, 0.1, 0.0, 0.0], [3.0, 3.0, 1.0, 1.0]]
    with pytest.raises(UserError, match=rf"{method} with time_step = 0.02 failed in step 1\d\d \(t = [23]\.\d*\): .*state 1 of 2.*reduce"):
        integrate(make_system("henon-heiles", {}), starts, 0.02, 1000, method)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"time_step": 0}, "time_step = 0"),
        ({"time_step": math.nan}, "time_step = nan"),
        ({"time_step": "0.1"}, "time_step = '0.1'"),
        ({"time_step": True}, "time_step = True"),
        ({"steps": -1}, "steps = -1"),
        ({"steps": 2.5}, "steps = 2.5"),
        ({"steps": 10**400}, "steps = 1000.*at most"),
        ({"time_step": 1e308, "steps": 2}, r"time_step \* steps = inf"),
        ({"save_every": 0}, "save_every = 0"),
        ({"method": "runge-kutta"}, "unknown integration method 'runge-kutta'; .* symplectic-euler, stormer-verlet, implicit-midpoint"),
        ({"start": [0.0, 0.0, 0.0]}, r"start has the shape \(3,\); expected \(..., 2\)"),
        ({"start": 1.0}, "start has the shape"),
        ({"start": "here"}, "start = 'here': expected 2 numbers"),
        ({"start": [[0.0, 0.0], [0.0, math.inf]]}, "state 1 of 2 holds a value that is not finite"),
    ],
)
def test_what_cannot_be_integrated_is_one_clear_sentence(arguments, words):
    usable = {"start": [0.5, 0.2], "time_step": 0.1, "steps": 2}
    with pytest.raises(UserError, match=words):
        integrate(make_system("pendulum", {}), **(usable | arguments))
