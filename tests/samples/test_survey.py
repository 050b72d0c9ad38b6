"""The survey sees every row once, names the bad one, and collects the same pool whatever the slices."""

import numpy as np
import pytest

from hnn_hpc.checksum import checksum
from hnn_hpc.errors import UserError
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.samples import ArraySamples, SystemSamples, survey_samples
from hnn_hpc.samples.survey import SMALLEST_POOL, coordinate_name
from hnn_hpc.systems import make_system


def survey_of(source, features=10, seed=0):
    return survey_samples(source, RowLayout(source.count, min(7, source.count)), SerialCommunicator(), features, seed)


def array_source(K=30, D=4):
    rng = np.random.default_rng(2)
    return ArraySamples(rng.standard_normal((K, D)), rng.standard_normal((K, D)), rng.standard_normal(K), K)


def test_few_samples_are_all_in_the_pool():
    source = array_source()
    pool = survey_of(source)
    np.testing.assert_array_equal(pool.points, source.points)
    np.testing.assert_array_equal(pool.energies, source.energies)
    np.testing.assert_array_equal(pool.gradients, np.concatenate([-source.velocities[:, 2:], source.velocities[:, :2]], axis=1))
    np.testing.assert_array_equal(pool.lower, source.points.min(axis=0))
    np.testing.assert_array_equal(pool.upper, source.points.max(axis=0))


def test_many_samples_give_a_bounded_pool_from_all_over(monkeypatch):
    count = 5 * SMALLEST_POOL
    source = SystemSamples(make_system("pendulum", {}), count, seed=3)
    pool = survey_of(source)
    everything = source.read(0, count)
    assert pool.points.shape == (SMALLEST_POOL, 2)
    # One row of each run of five: the p-coordinates identify the rows, which must come in order, one a run.
    rows = np.searchsorted(np.sort(everything.points[:, 1]), pool.points[:, 1])
    rows = np.argsort(everything.points[:, 1])[rows]
    np.testing.assert_array_equal(rows // 5, np.arange(SMALLEST_POOL))
    np.testing.assert_array_equal(pool.lower, everything.points.min(axis=0))
    other_seed = survey_of(source, seed=1)
    assert not np.array_equal(pool.points, other_seed.points)
    monkeypatch.setattr("hnn_hpc.samples.survey.SLICE_BYTES", 10**5)
    np.testing.assert_array_equal(survey_of(source).points, pool.points)
    assert len(survey_of(source, features=SMALLEST_POOL).points) == 2 * SMALLEST_POOL


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("array, coordinate, name", [("points", 0, "q1"), ("velocities", 3, "p2"), ("energies", None, None)])
def test_the_row_of_a_bad_number_is_named(array, coordinate, name, value):
    source = array_source()
    getattr(source, array)[17 if coordinate is None else (17, coordinate)] = value
    where = rf" \({name}\)" if name else ""
    with pytest.raises(UserError, match=rf"{array} must be finite; row 17{where} of the arrays is {value}"):
        survey_of(source)


def test_the_checksum_is_that_of_every_number_in_its_place(monkeypatch):
    source = array_source(K=1000)
    expected = survey_of(source).checksum
    assert survey_samples(source, RowLayout(1000, 48), SerialCommunicator(), 10, 1).checksum == expected
    monkeypatch.setattr("hnn_hpc.samples.survey.SLICE_BYTES", 5000)
    assert survey_of(source).checksum == expected
    for array in (source.points, source.velocities):
        array[500, 2] = np.nextafter(before := array[500, 2], 9)
        assert survey_of(source).checksum != expected
        array[500, 2] = before
        array[[3, 900]] = array[[900, 3]]
        assert survey_of(source).checksum != expected
        array[[3, 900]] = array[[900, 3]]
    assert survey_of(source).checksum == expected
    swapped = ArraySamples(source.velocities, source.points, None, 1000)
    assert survey_of(swapped).checksum != expected


def test_numbers_with_few_digits_have_different_checksums():
    sums = {checksum(np.roll(np.arange(64.0) // 8, shift), 0) for shift in range(8)} | {checksum(np.arange(64.0) // 8, 1)}
    assert len(sums) == 9


def test_a_constant_coordinate_is_named():
    source = array_source()
    source.points[:, 2] = 0.5
    with pytest.raises(UserError, match=r"coordinate p1 of the arrays is constant \(0.5 in all 30 samples\)"):
        survey_of(source)


def test_coordinates_have_the_names_of_the_ordering():
    assert [coordinate_name(d, 6) for d in range(6)] == ["q1", "q2", "q3", "p1", "p2", "p3"]


@pytest.mark.parametrize(
    "points, velocities, sentence",
    [
        (1e300, 1.0, "the largest coordinate of .* is [0-9.]+e.299; expected a number from 1e-100 to 1e.100: choose other units"),
        (1e-200, 1.0, "the largest coordinate of .* is [0-9.]+e-201"),
        (1.0, 1e160, "the largest velocity of .* is [0-9.]+e.1(59|60)"),
        (1.0, 1e-200, "the largest velocity of .* is [0-9.]+e-20[01]"),
    ],
)
def test_sizes_whose_squares_are_no_numbers_are_refused(seed, points, velocities, sentence):
    rng = np.random.default_rng(seed)
    source = ArraySamples(points * rng.uniform(-1, 1, (50, 2)), velocities * rng.uniform(-1, 1, (50, 2)), None, 50)
    with pytest.raises(UserError, match=sentence):
        survey_samples(source, RowLayout(50, 3), SerialCommunicator(), 10, 0)


def test_velocities_may_all_be_zero(seed):
    points = np.random.default_rng(seed).uniform(-1, 1, (50, 2))
    survey_samples(ArraySamples(points, np.zeros((50, 2)), None, 50), RowLayout(50, 3), SerialCommunicator(), 10, 0)
