"""Fits without derivatives, and with damping: orders of convergence, γ, and what is told of them."""

import h5py
import numpy as np
import pytest

from hnn_hpc import UserError, fit, load_model
from hnn_hpc.evaluation import evaluate
from hnn_hpc.integrators import accurate_trajectories
from hnn_hpc.integrators.runge_kutta import runge_kutta_step
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.refits import _Broyden
from hnn_hpc.samples import ArrayTrajectories, StepSamples
from hnn_hpc.symplectic import vector_field_from_gradient
from hnn_hpc.systems import make_system

SERIAL = SerialCommunicator()
PENDULUM = make_system("pendulum", {})
BOX = np.array([[-np.pi, np.pi], [-1.0, 1.0]])
PLAIN = {"features": 150, "bandwidth": [0.5, 0.25], "supports": "dense", "seed": 1, "reference": ([0, 0], 0.0)}


def points_in(box, count, seed):
    return np.random.default_rng(seed).uniform(*np.asarray(box).T, (count, len(box)))


def error_of(model, system, box):
    """Relative L2 error of H on points uniform in the box."""
    points = points_in(box, 2000, 9)
    return np.linalg.norm(model.energy(points) - system.energy(points)) / np.linalg.norm(system.energy(points))


@pytest.fixture(scope="module")
def pairs():
    """A function that gives pairs of states (1000, 2, 2) of the pendulum, h apart."""
    return lambda h: accurate_trajectories(PENDULUM, points_in(BOX, 1000, 1), h, 1)


@pytest.mark.parametrize(
    "rule, corrections, order",
    [("midpoint", 0, 2), ("midpoint", 1, 4), ("midpoint", 2, 6), ("symplectic-euler", 0, 1), ("symplectic-euler", 1, 2)],
)
def test_the_error_falls_with_the_order_that_is_told(pairs, rule, corrections, order):
    errors = []
    for h in (0.4, 0.2):
        found = fit(pairs(h), time_step=h, rule=rule, corrections=corrections, **PLAIN)
        told = found.record["step"]
        assert (told["rule"], told["size"], told["corrections"], told["order"]) == (rule, h, corrections, order)
        assert len(told["step_errors"]) == corrections + 1 and told["stop_reason"] == "done"
        assert told["step_errors"] == sorted(told["step_errors"], reverse=True)
        errors.append(error_of(found.model, PENDULUM, BOX))
    assert np.log2(errors[0] / errors[1]) > order - 0.3


def test_trajectories_of_many_states_and_strides(pairs):
    states = accurate_trajectories(PENDULUM, points_in(BOX, 100, 2), 0.05, 10)
    for stride in (1, 4):
        found = fit(states, time_step=0.05, stride=stride, **PLAIN)
        assert found.record["samples"] == 100 * (11 - stride) and found.record["step"]["size"] == 0.05 * stride
        assert error_of(found.model, PENDULUM, BOX) < 1e-6


@pytest.mark.parametrize(
    "h, rule, fewest, how",
    [
        (0.8, "symplectic-euler", 0, {"dissipation": True}),
        (0.8, "midpoint", 1, {}),
        (0.8, "midpoint", 1, {"dissipation": True}),
        (3.0, "midpoint", 0, {}),
    ],
)
def test_a_correction_that_gains_nothing_is_the_last_and_not_taken(pairs, h, rule, fewest, how):
    result = fit(pairs(h), time_step=h, rule=rule, corrections=5, **PLAIN | how)
    told = result.record["step"]
    assert fewest <= told["corrections"] < 5 and told["stop_reason"] == "another correction gains nothing"
    assert told["corrections"] == int(np.argmin(told["step_errors"]))
    again = fit(pairs(h), time_step=h, rule=rule, corrections=told["corrections"], **PLAIN | how)
    np.testing.assert_array_equal(result.model.coefficients, again.model.coefficients)
    np.testing.assert_array_equal(result.model.weights, again.model.weights)
    assert result.record["damping"] == again.record["damping"]


def test_the_step_error_is_that_of_the_model_s_own_steps(pairs):
    states = pairs(0.4)
    result = fit(states, time_step=0.4, corrections=1, **PLAIN)
    moved = states[:, 0]
    for _ in range(4):
        moved = runge_kutta_step(result.model.vector_field, moved, 0.1)
    error = np.linalg.norm(moved - states[:, 1]) / np.linalg.norm(states[:, 1] - states[:, 0])
    assert result.record["step"]["step_errors"][1] == pytest.approx(error, rel=1e-3)


def test_samples_with_velocities_are_fitted_once(pairs):
    points = points_in(BOX, 1000, 1)
    found = fit(points, PENDULUM.vector_field(points), corrections=5, **PLAIN)
    assert found.record["step"] is None and found.record["damping"] is None and found.model.damping is None


@pytest.mark.parametrize(
    "name, damping, how, tolerance",
    [  # the first two by features that were looked for anew: those that suited the damped rows leave 1e-4
        ("pendulum", [0.05], {"features": 150}, 1e-7),
        ("henon-heiles", [0.05, 0.05], {"features": 200}, 1e-6),
        ("henon-heiles", [0.0, 0.3], {"features": 200, "supports": "dense", "bandwidth": 0.1}, 1e-3),
    ],
)
def test_damping_is_found(name, damping, how, tolerance, tmp_path):
    system, damping = make_system(name, {}), np.array(damping)
    points = points_in(system.box, 2000, 4)
    velocities = vector_field_from_gradient(system.gradient(points), damping)
    found = fit(points, velocities, dissipation=True, seed=1, require_certified=False, **how)
    np.testing.assert_allclose(found.record["damping"]["damping"], damping, rtol=10 * tolerance, atol=tolerance)
    assert found.record["damping"]["settled"]
    assert (found.model.damping >= 0).all()
    test = points_in(system.box, 500, 5)
    gradient = system.gradient(test)
    assert np.linalg.norm(found.model.gradient(test) - gradient) < tolerance * np.linalg.norm(gradient)
    np.testing.assert_allclose(
        found.model.vector_field(test), vector_field_from_gradient(found.model.gradient(test), found.model.damping), rtol=1e-15
    )
    found.model.save(tmp_path / "model.h5")
    np.testing.assert_array_equal(load_model(tmp_path / "model.h5").vector_field(test), found.model.vector_field(test))


def test_damped_trajectories_without_derivatives(pairs):
    class Damped:
        dimension, dof = 2, 1

        def vector_field(self, x):
            return vector_field_from_gradient(PENDULUM.gradient(x), np.array([0.05]))

    states = accurate_trajectories(Damped(), points_in(BOX, 1000, 1), 0.1, 1)
    found = fit(states, time_step=0.1, dissipation=True, **PLAIN)
    assert found.record["damping"]["damping"] == [pytest.approx(0.05, rel=1e-5)] and found.record["damping"]["settled"]
    assert error_of(found.model, PENDULUM, BOX) < 1e-6
    error = evaluate(found.model, StepSamples(ArrayTrajectories(states, 0.1), "midpoint"), SERIAL)["gradient_error"]
    assert error < 1e-6


def test_each_correction_brings_damping_nearer(pairs):
    class Damped:
        dimension, dof = 2, 1

        def vector_field(self, x):
            return vector_field_from_gradient(PENDULUM.gradient(x), np.array([0.05]))

    states = accurate_trajectories(Damped(), points_in(BOX, 1000, 1), 0.2, 1)
    errors = []
    for corrections in range(3):
        told = fit(states, time_step=0.2, dissipation=True, corrections=corrections, **PLAIN).record["damping"]
        errors.append(abs(told["damping"][0] - 0.05))
    assert errors[0] > 20 * errors[1] > 400 * errors[2]


@pytest.mark.parametrize("damping", [[-0.05, 0.1], [0.0, 0.0]])
def test_damping_that_is_none(damping):
    """Energy that is fed in is told of, and not fitted; no damping at all is found to be none."""
    system, damping = make_system("henon-heiles", {}), np.array(damping)
    points = points_in(system.box, 2000, 4)
    velocities = vector_field_from_gradient(system.gradient(points), damping)
    told = fit(points, velocities, dissipation=True, seed=1, features=200, require_certified=False).record["damping"]
    np.testing.assert_allclose(told["damping"], np.maximum(damping, 0), atol=1e-2)
    np.testing.assert_allclose(told["asked"], damping, atol=1e-2)
    assert min(told["damping"]) >= 0


def test_energies_of_states_fix_the_constant(pairs, tmp_path):
    path = tmp_path / "states.h5"
    states = pairs(0.1)
    with h5py.File(path, "w") as file:
        file["trajectories"], file["time_step"], file["energies"] = states, 0.1, PENDULUM.energy(states) + 7
    model = fit(path, **PLAIN | {"reference": None}).model
    assert model.constant_known
    np.testing.assert_allclose(model.energy(states[:50, 0]), PENDULUM.energy(states[:50, 0]) + 7, rtol=1e-6)


def test_error_bars_of_the_energy():
    system = make_system("henon-heiles", {})
    points = points_in(system.box, 3000, 4)
    noise = 0.05 * np.random.default_rng(1).standard_normal(points.shape)
    found = fit(points, system.vector_field(points) + noise, features=100, ridge="gcv", covariance=True, require_certified=False)
    test, x0 = points_in(system.box, 200, 5), np.zeros(4)
    deviation = found.energy_deviation(test, x0)
    features, C = found.model.feature_map.values, found.solution.covariance_factor
    np.testing.assert_allclose(deviation, np.linalg.norm((features(test) - features(x0)) @ C, axis=-1))
    assert found.energy_deviation(x0, x0) == 0
    along = found.energy_deviation(test.reshape(20, 10, 4), x0, mean_over=1)
    np.testing.assert_allclose(along, np.linalg.norm((features(test).reshape(20, 10, -1).mean(axis=1) - features(x0)) @ C, axis=-1))
    errors = found.model.energy(test) - found.model.energy(x0) - system.energy(test)
    assert np.mean(np.abs(errors) < 3 * deviation) > 0.8


def test_error_bars_that_cannot_be(pairs):
    points = points_in(BOX, 500, 1)
    with pytest.raises(UserError, match="no covariance of its coefficients"):
        fit(points, PENDULUM.vector_field(points), **PLAIN).energy_deviation(points, np.zeros(2))
    with pytest.raises(UserError, match="error bars need velocities of their own"):
        fit(pairs(0.1), time_step=0.1, covariance=True, **PLAIN).energy_deviation(points, np.zeros(2))


def test_evaluation_of_pairs_measures_the_model_and_not_their_rule(pairs):
    class Wrong:
        """1 % too strong."""

        dimension, constant_known = 2, True
        energy = staticmethod(lambda x: 1.01 * PENDULUM.energy(x))
        gradient = staticmethod(lambda x: 1.01 * PENDULUM.gradient(x))
        vector_field = staticmethod(lambda x: 1.01 * PENDULUM.vector_field(x))

    source = StepSamples(ArrayTrajectories(pairs(0.4), 0.4), "midpoint")
    assert evaluate(Wrong(), source, SERIAL)["gradient_error"] == pytest.approx(0.01, rel=0.05)
    assert evaluate(PENDULUM_AS_MODEL, source, SERIAL)["gradient_error"] < 1e-9


class _Model:
    """The pendulum with what a model says of itself."""

    dimension, constant_known = 2, True
    energy, gradient, vector_field = PENDULUM.energy, PENDULUM.gradient, PENDULUM.vector_field


PENDULUM_AS_MODEL = _Model()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_broyden_finds_where_an_affine_map_is_zero(n):
    rng = np.random.default_rng(n)
    matrix, place, broyden = np.eye(n) - 0.3 * rng.uniform(0, 1 / n, (n, n)), np.zeros(n), _Broyden()
    root = rng.uniform(0, 1, n)
    for _ in range(2 * n + 1):
        place = place + broyden.step(place, matrix @ (root - place))
    np.testing.assert_allclose(place, root, rtol=1e-10)
    assert (broyden.step(place, np.zeros(n)) == 0).all()


@pytest.mark.parametrize(
    "change, words",
    [
        (
            {"time_step": None, "velocities": np.zeros((5, 3, 2)), "rule": "midpoint"},
            "rule and stride are for trajectories",
        ),
        ({"energies": np.zeros((5, 3))}, "must be an array of numpy, or a file, and have no energies"),
        ({"time_step": None}, "velocities are missing.*trajectories .* do without where time_step is given"),
        ({"time_step": 0.0}, "time_step = 0: expected a positive number"),
        ({"time_step": float("nan")}, "time_step"),
        ({"velocities": np.zeros((5, 2))}, "time_step = 0.1 is for trajectories"),
        ({"stride": 3}, "stride = 3 is too long"),
        ({"stride": 0}, "stride"),
        ({"rule": "euler"}, "unknown rule 'euler'; the rules are: midpoint, symplectic-euler"),
        ({"corrections": -1}, "corrections"),
        ({"dissipation": "yes"}, "dissipation = 'yes': expected true or false"),
        ({"points": np.zeros((5, 3, 3))}, "even number of columns"),
        ({"points": np.zeros((5, 2))}, r"shape \(T, N, D\)"),
    ],
)
def test_what_does_not_go_together(change, words):
    with pytest.raises(UserError, match=words):
        fit(**{"points": np.zeros((5, 3, 2)), "time_step": 0.1, "features": 5} | change)
