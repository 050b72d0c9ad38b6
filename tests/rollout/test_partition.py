"""Who owns which particles, and which are near a block: counts, compactness, ties, and distances by brute force."""

from itertools import product

import numpy as np
import pytest

from hnn_hpc.rollout.partition import near_block, owners, wrapped


def cubic(*sizes):
    return np.array(list(product(*map(range, sizes))), dtype=float)


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 7, 16, 61])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 60, 61, 1000])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_every_rank_owns_as_many_particles_to_within_one(seed, ranks, count, dimension):
    owner = owners(np.random.default_rng(seed).uniform(size=(count, dimension)), ranks)
    assert owner.shape == (count,)
    sizes = np.bincount(owner, minlength=ranks)
    assert len(sizes) == ranks
    assert np.ptp(sizes) <= 1


def test_particles_in_one_place_are_shared_by_their_numbers():
    np.testing.assert_array_equal(owners(np.ones((10, 3)), 4), [0, 0, 1, 1, 1, 2, 2, 3, 3, 3])


def test_a_cube_falls_into_cubes_whatever_the_numbers_of_its_particles(seed):
    positions = cubic(4, 4, 4)
    expected = owners(positions, 8)
    for rank in range(8):
        assert np.ptp(positions[expected == rank], axis=0).tolist() == [1, 1, 1]
    order = np.random.default_rng(seed).permutation(64)
    np.testing.assert_array_equal(owners(positions[order], 8), expected[order])


def test_the_longest_axis_is_cut_first():
    positions = cubic(3, 12, 2)
    owner = owners(positions, 4)
    np.testing.assert_array_equal(owner, positions[:, 1] // 3)


def test_three_ranks_get_a_third_each_side_by_side():
    positions = np.linspace(0, 1, 9)[::-1, None]
    np.testing.assert_array_equal(owners(positions, 3), [2, 2, 2, 1, 1, 1, 0, 0, 0])


def test_blocks_of_uniform_particles_have_no_more_surface_than_cubes_do(seed):
    positions = np.random.default_rng(seed).uniform(size=(4000, 3))
    owner = owners(positions, 8)
    for rank in range(8):
        assert np.ptp(positions[owner == rank], axis=0).max() < 0.56  # half a side, and the spread of 500 particles


def test_wrapping_moves_by_whole_periods_into_the_box(seed):
    box = np.array([2.0, np.inf, 0.5])
    positions = np.random.default_rng(seed).uniform(-20, 20, size=(200, 3))
    before = positions.copy()
    inside = wrapped(positions, box)
    np.testing.assert_array_equal(positions, before)
    np.testing.assert_array_equal(inside[:, 1], positions[:, 1])
    periods = (positions - inside)[:, [0, 2]] / box[[0, 2]]
    np.testing.assert_allclose(periods, np.round(periods), atol=1e-12)
    assert np.abs(periods).max() > 9
    assert (inside[:, [0, 2]] >= 0).all()
    assert (inside[:, [0, 2]] <= box[[0, 2]]).all()


@pytest.mark.parametrize("box", [(np.inf, np.inf), (3.0, 4.0), (3.0, np.inf)])
@pytest.mark.parametrize("distance", [0.0, 0.7, 2.0, 10.0])
def test_what_is_near_a_block_is_found_through_all_sides_of_the_box(seed, box, distance):
    box, rng = np.array(box), np.random.default_rng(seed)
    positions = rng.uniform(0, [3, 4], size=(300, 2))
    owned = np.flatnonzero((positions[:, 0] < 0.9) & (positions[:, 1] > 3.2))
    low, high = positions[owned].min(axis=0), positions[owned].max(axis=0)
    images = [np.where(np.isfinite(box), box, 0) * steps for steps in product((-1, 0, 1), repeat=2)]
    beyond = [np.maximum(low - (positions + image), positions + image - high).max(axis=1) for image in images]
    np.testing.assert_array_equal(near_block(positions, owned, box, distance), np.flatnonzero(np.min(beyond, axis=0) <= distance + 1e-12))
