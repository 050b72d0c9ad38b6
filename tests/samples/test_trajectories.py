"""Rows of pairs of states, from trajectories in memory and in files, and what a model frees them of."""

import pickle

import h5py
import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.integrators import accurate_trajectories, integrate
from hnn_hpc.samples import ORDERS, ArraySamples, ArrayTrajectories, RowRange, Step, StepSamples, freed
from hnn_hpc.storage import SampleFile, open_samples
from hnn_hpc.symplectic import undamped, undamped_gradient, vector_field_from_gradient
from hnn_hpc.systems import make_system

T, N, H = 3, 5, 0.125
HENON = make_system("henon-heiles", {})


@pytest.fixture(scope="module")
def trajectories():
    return accurate_trajectories(HENON, np.random.default_rng(1).uniform(-0.3, 0.3, (T, 4)), H, N - 1)


def write(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values
    return path


@pytest.mark.parametrize("rule", ORDERS)
def test_a_row_and_the_step_tell_the_pair_that_it_was_made_of(rule, trajectories):
    step, before, after = Step(rule, H), trajectories[:, 0], trajectories[:, 1]
    points, velocities = step.rows(before, after)
    np.testing.assert_allclose(velocities * H, after - before, rtol=0, atol=1e-15)
    np.testing.assert_allclose(step.before(points, velocities), before, rtol=0, atol=1e-15)


@pytest.mark.parametrize("rule", ORDERS)
def test_the_rules_are_those_of_the_methods_of_the_same_name(rule):
    """A trajectory by the method has rows that are the vector field at their points, to round-off."""
    method = {"midpoint": "implicit-midpoint"}.get(rule, rule)
    states = np.moveaxis(integrate(HENON, np.random.default_rng(2).uniform(-0.3, 0.3, (T, 4)), H, 3, method), 0, 1)
    points, velocities, _ = StepSamples(ArrayTrajectories(states, H), rule).read(0, 3 * T)
    np.testing.assert_allclose(velocities, HENON.vector_field(points), rtol=0, atol=1e-13)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_every_run_of_rows_is_that_of_all_pairs(trajectories, stride):
    source = StepSamples(ArrayTrajectories(trajectories, H), "midpoint", stride)
    before, after = (trajectories[:, part].reshape(-1, 4) for part in (slice(None, N - stride), slice(stride, None)))
    expected = Step("midpoint", stride * H).rows(before, after)
    assert (source.count, source.dimension, source.has_energies) == (T * (N - stride), 4, False) and source.step == ("midpoint", stride * H)
    for start in range(source.count + 1):
        for stop in range(start, source.count + 1):
            points, velocities, energies = source.read(start, stop)
            np.testing.assert_array_equal(points, expected[0][start:stop])
            np.testing.assert_array_equal(velocities, expected[1][start:stop])
            assert energies is None and points.shape == (stop - start, 4)


def test_a_file_of_trajectories_without_velocities(tmp_path, trajectories):
    path = write(tmp_path / "states.h5", trajectories=trajectories, time_step=H)
    source = pickle.loads(pickle.dumps(open_samples(path, stride=2)))
    assert source.step == ("midpoint", 2 * H) and source.reference is None
    assert source.description == {"file": str(path), "rule": "midpoint", "stride": 2} and source.location == str(path)
    expected = StepSamples(ArrayTrajectories(trajectories, H), "midpoint", 2)
    for ours, theirs in zip(source.read(1, 8), expected.read(1, 8), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert RowRange(source, 2, 3).step == source.step


def test_some_energies_of_states_are_told(tmp_path, trajectories):
    energies = HENON.energy(trajectories)
    energies[0, 0] = np.nan
    source = open_samples(write(tmp_path / "states.h5", trajectories=trajectories, time_step=H, energies=energies))
    states, found = source.known_energies
    assert len(found) == T * N - 1
    np.testing.assert_allclose(found, HENON.energy(states))
    assert open_samples(write(tmp_path / "none.h5", trajectories=trajectories, time_step=H)).known_energies is None


def test_a_row_is_told_by_its_states(trajectories):
    source = StepSamples(ArrayTrajectories(trajectories, H), "midpoint", 2)
    assert source.location_of("points", 4) == "the arrays (of the states 1 and 3 of trajectory 1)"


def test_velocities_of_the_file_are_taken_unless_there_is_a_rule(tmp_path, trajectories):
    path = write(tmp_path / "both.h5", trajectories=trajectories, velocities=HENON.vector_field(trajectories), time_step=H)
    assert isinstance(open_samples(path), SampleFile) and open_samples(path).step is None
    assert open_samples(path, "symplectic-euler").step == ("symplectic-euler", H)


@pytest.mark.parametrize(
    "datasets, how, words",
    [
        ({"trajectories": np.zeros((T, N, 4))}, {}, "has /trajectories without /velocities, but no /time_step"),
        ({"trajectories": np.zeros((T, N, 4)), "time_step": -1.0}, {}, "/time_step is -1.0; expected a positive number"),
        ({"trajectories": np.zeros((T, N, 3)), "time_step": H}, {}, "3 columns; expected an even number"),
        ({"trajectories": np.zeros((T, N, 4)), "time_step": H}, {"stride": N}, f"stride = {N} is too long"),
        ({"trajectories": np.zeros((T, 1, 4)), "time_step": H}, {}, "stride = 1 is too long: .* have 1 states each"),
        (
            {"points": np.zeros((T, 4)), "velocities": np.zeros((T, 4))},
            {"rule": "midpoint"},
            "has no /trajectories, of which rule",
        ),
    ],
)
def test_what_no_rows_can_be_made_of(tmp_path, datasets, how, words):
    with pytest.raises(UserError, match=words):
        open_samples(write(tmp_path / "states.h5", **datasets), **how)


@pytest.mark.parametrize("rule", ORDERS)
def test_a_true_model_frees_rows_of_all_of_their_error(rule, trajectories):
    source = StepSamples(ArrayTrajectories(trajectories, H), rule)
    points, velocities, _ = source.read(0, source.count)
    error = np.abs(velocities - HENON.vector_field(points)).max()
    corrected = freed(source, HENON).read(0, source.count)
    np.testing.assert_array_equal(corrected.points, points)
    assert np.abs(corrected.velocities - HENON.vector_field(points)).max() < 1e-10 < 1e-5 < error


@pytest.mark.parametrize("rule, gain", [("midpoint", 2), ("symplectic-euler", 1)])
def test_a_model_with_an_error_leaves_that_error_times_a_power_of_the_step(rule, gain):
    """So much a correction gains: of a model that is wrong by 1 %, h to the rule's order is left."""
    wrong = make_system("henon-heiles", {"alpha": 1.01})
    starts, left = np.random.default_rng(3).uniform(-0.3, 0.3, (20, 4)), []
    for h in (0.1, 0.05):
        source = StepSamples(ArrayTrajectories(accurate_trajectories(HENON, starts, h, 1), h), rule)
        points, velocities, _ = freed(source, wrong).read(0, 20)
        left.append(np.abs(velocities - HENON.vector_field(points)).max())
    assert np.log2(left[0] / left[1]) == pytest.approx(gain, abs=0.2)


def test_damping_is_taken_from_velocities_and_gradients():
    damping, points = np.array([0.3, 0.7]), np.random.default_rng(1).uniform(-1, 1, (6, 4))
    gradient = HENON.gradient(points)
    damped = vector_field_from_gradient(gradient, damping)
    np.testing.assert_allclose(damped[:, 2:], -gradient[:, :2] - damping * gradient[:, 2:], rtol=1e-15)
    np.testing.assert_allclose(undamped(damped, damping), HENON.vector_field(points), rtol=0, atol=1e-15)
    spoilt = np.concatenate([gradient[:, :2] + damping * gradient[:, 2:], gradient[:, 2:]], axis=1)
    np.testing.assert_allclose(undamped_gradient(spoilt, damping), gradient, rtol=0, atol=1e-15)
    source = freed(ArraySamples(points, damped, None, 6), HENON, damping)
    np.testing.assert_allclose(source.read(1, 4).velocities, HENON.vector_field(points[1:4]), rtol=0, atol=1e-15)
    assert source.step is None and source.count == 6 and freed(ArraySamples(points, damped, None, 6), HENON) is not source
