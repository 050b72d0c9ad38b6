"""Sources of samples: any slice is the same slice of the whole."""

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.samples import ArraySamples, SystemSamples, check_arrays
from hnn_hpc.samples.generated import CHUNK
from hnn_hpc.systems import make_system


@pytest.fixture
def henon_heiles():
    return make_system("henon-heiles", {"alpha": 0.7})


@pytest.mark.parametrize("start, stop", [(0, 10), (5, 5), (CHUNK - 3, CHUNK + 4), (CHUNK, 2 * CHUNK), (7, 2 * CHUNK + 50)])
def test_slices_of_generated_samples(henon_heiles, start, stop):
    source = SystemSamples(henon_heiles, 3 * CHUNK, seed=4)
    whole, part = source.read(0, 3 * CHUNK), source.read(start, stop)
    np.testing.assert_array_equal(part.points, whole.points[start:stop])
    np.testing.assert_array_equal(part.energies, henon_heiles.energy(part.points))
    np.testing.assert_array_equal(part.velocities, henon_heiles.vector_field(part.points))


def test_generated_points_fill_the_box_and_depend_on_seed_and_stream(henon_heiles):
    points = SystemSamples(henon_heiles, 20_000, seed=4).read(0, 20_000).points
    lower, upper = henon_heiles.box.T
    assert (points >= lower).all() and (points < upper).all()
    # The mean of 20 000 uniform numbers on [-5, 5] has standard deviation 0.02.
    assert np.abs(points.mean(axis=0)).max() < 0.1
    assert len(np.unique(points[:, 0])) == 20_000
    for other in (SystemSamples(henon_heiles, 20_000, 5), SystemSamples(henon_heiles, 20_000, 4, "test points")):
        assert not np.isin(other.read(0, 100).points, points).any()
    np.testing.assert_array_equal(SystemSamples(henon_heiles, 50, seed=4).read(0, 50).points, points[:50])


def test_reference_is_the_energy_at_the_origin(henon_heiles):
    x0, H0 = SystemSamples(henon_heiles, 5, seed=0).reference
    assert not x0.any() and H0 == 0


def test_array_samples_know_their_global_rows():
    points = np.arange(20.0).reshape(10, 2)
    source = ArraySamples(points, -points, points[:, 0], count=100, first=40)
    part = source.read(43, 46)
    np.testing.assert_array_equal(part.points, points[3:6])
    np.testing.assert_array_equal(part.velocities, -points[3:6])
    np.testing.assert_array_equal(part.energies, points[3:6, 0])
    with pytest.raises(AssertionError):
        source.read(39, 42)


@pytest.mark.parametrize(
    "points, velocities, energies, message",
    [
        (np.zeros((5, 3)), np.zeros((5, 3)), None, r"even number of columns.*\(5, 3\)"),
        (np.zeros((5, 4)), np.zeros((6, 4)), None, r"same shape \(K, D\); got \(5, 4\) and \(6, 4\)"),
        (np.zeros(5), np.zeros(5), None, r"points must be an array of real numbers of shape \(K, D\); got shape \(5,\)"),
        (np.zeros((5, 2), complex), np.zeros((5, 2)), None, r"points must be .* dtype complex128"),
        ([["a", "b"]], [[1, 2]], None, r"points must be an array of real numbers"),
        (np.zeros((5, 2)), np.zeros((5, 2)), np.zeros(4), r"energies must have one value a point; got 4 for 5"),
        (np.zeros((5, 2)), np.zeros((5, 2)), np.zeros((5, 1)), r"energies must be .* shape \(K,\)"),
    ],
)
def test_arrays_of_other_shapes_are_refused(points, velocities, energies, message):
    with pytest.raises(UserError, match=message):
        check_arrays(points, velocities, energies)


def test_other_number_types_are_converted():
    points, velocities, _ = check_arrays(np.ones((3, 2), np.float32), [[1, 2], [3, 4], [5, 6]])
    assert points.dtype == velocities.dtype == np.float64 and velocities.flags.c_contiguous
