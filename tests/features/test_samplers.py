"""Samplers: shapes and finiteness over a table, distributions against exact probabilities, duplicates, and what they refuse."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from hnn_hpc.errors import UserError
from hnn_hpc.features import (
    ACTIVATIONS,
    SAMPLERS,
    Pool,
    check_requirements,
    checked_bandwidth,
    feature_scales,
    make_coordinates,
    plain_coordinates,
)

TANH = ACTIVATIONS["tanh"]
PAIR_SAMPLERS = [name for name in SAMPLERS if name.endswith("swim")]
# With fixed seeds a test of a right law either always passes or never; of all seeds, one in 10 000 would give a smaller p-value than this.
SMALLEST_P_VALUE = 1e-4
# Layers drawn for a chi-square test: enough for 10 expected in the rarest class, few enough to take a fraction of a second.
DRAWS = 600
# w·x + b at a point that the feature was built from: a few roundings of terms of order |w| |x| <= 100.
ROUNDING = 1e-13


def make_pool(count, dimension, seed=0):
    """A pool of points uniform in a box of unequal sides, off the origin, with H = sum(x^4) / 4."""
    lower, upper = np.linspace(-0.5, -1, dimension), np.linspace(1, 3, dimension)
    points = np.random.default_rng(seed).uniform(lower, upper, (count, dimension))
    return Pool(points, points**3, (points**4).sum(1) / 4, lower, upper)


def draw(name, pool, count, seed=0, activation=TANH, bandwidth=0.5):
    how = {"bandwidth": bandwidth} if name == "anchored" else {}
    return SAMPLERS[name].draw(pool, count, np.random.default_rng(seed), activation=activation, **how)


def different_features(layer):
    """How many features are different up to sign and rounding."""
    rows = np.column_stack([layer.weights, layer.biases])
    rows *= np.sign(rows[:, :1])
    return len(np.unique(rows.round(9), axis=0))


def chi_square_p_value(observed, probabilities):
    expected = np.asarray(probabilities) * sum(observed)
    assert expected.min() > 5, "too few draws for the test to mean anything"
    return stats.chisquare(observed, expected).pvalue


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("dimension", [2, 4, 64])
@pytest.mark.parametrize("points, count", [(3, 10), (40, 1), (40, 39), (40, 40), (40, 200), (300, 100)])
def test_layer_has_the_shape_and_the_duplicates_it_reports(name, dimension, points, count):
    layer = draw(name, make_pool(points, dimension), count)
    assert layer.weights.shape == (count, dimension) and layer.biases.shape == (count,)
    assert np.isfinite(layer.weights).all() and np.isfinite(layer.biases).all()
    assert different_features(layer) == count - layer.report["duplicates_left"]
    pairs = points * (points - 1) // 2
    assert layer.report["duplicates_left"] == (max(0, count - pairs) if name in PAIR_SAMPLERS else 0)


@pytest.mark.parametrize("name", SAMPLERS)
def test_same_random_stream_same_bits(name):
    pool = make_pool(50, 4)
    first, again, other = draw(name, pool, 20, seed=7), draw(name, pool, 20, seed=7), draw(name, pool, 20, seed=8)
    np.testing.assert_array_equal(first.weights, again.weights)
    np.testing.assert_array_equal(first.biases, again.biases)
    assert not np.array_equal(first.weights, other.weights)


@pytest.mark.parametrize("name", PAIR_SAMPLERS)
@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_each_feature_steps_from_one_sample_to_another(name, activation):
    pool = make_pool(30, 4)
    layer = draw(name, pool, 100, activation=activation)
    z = layer.weights @ pool.points.T + layer.biases[:, None]
    for at_end in (-activation.step_offset, activation.step_scale - activation.step_offset):
        assert np.abs(z - at_end).min(axis=1).max() < ROUNDING
    first, second = np.abs(z + activation.step_offset).argmin(1), np.abs(z + activation.step_offset - activation.step_scale).argmin(1)
    step = pool.points[second] - pool.points[first]
    np.testing.assert_allclose(layer.weights, activation.step_scale * step / (step**2).sum(1, keepdims=True), rtol=1e-12)


def test_tanh_is_minus_and_plus_one_half_at_the_two_samples():
    pool = make_pool(30, 4)
    layer = draw("gradient-swim", pool, 100)
    values = np.tanh(layer.weights @ pool.points.T + layer.biases[:, None])
    assert np.abs(values + 0.5).min(axis=1).max() < ROUNDING
    assert np.abs(values - 0.5).min(axis=1).max() < ROUNDING


def exact_density(name, pool, i, j):
    step = pool.points[j] - pool.points[i]
    rise = {
        "uniform-swim": np.linalg.norm(step),
        "gradient-swim": (pool.gradients[i] + pool.gradients[j]) @ step / 2,
        "swim": pool.energies[j] - pool.energies[i],
    }[name]
    return abs(rise) / np.linalg.norm(step)


@pytest.mark.parametrize("name", ["uniform-swim", "gradient-swim", "swim"])
def test_pairs_are_drawn_by_their_density(name):
    """With 3 points and 3 features all 3 pairs are candidates, so the first feature has exactly the law of the density.

    The seed gives probabilities 0.12, 0.24 and 0.64 for SWIM: uneven, so that arrival times of another law would show.
    """
    pool = make_pool(3, 2, seed=9)
    pairs = list(combinations(range(3), 2))
    density = np.array([exact_density(name, pool, i, j) for i, j in pairs])
    lengths = np.array([np.linalg.norm(pool.points[j] - pool.points[i]) for i, j in pairs])
    rng = np.random.default_rng(1)
    observed = np.zeros(3)
    for _ in range(DRAWS):
        layer = SAMPLERS[name].draw(pool, 3, rng, activation=TANH)
        observed[np.abs(lengths - TANH.step_scale / np.linalg.norm(layer.weights[0])).argmin()] += 1
    assert chi_square_p_value(observed, density / density.sum()) > SMALLEST_P_VALUE


def test_candidates_are_uniform_over_all_pairs():
    """With 6 points and 1 feature there are 6 candidates of 15 pairs; drawn uniformly from them, each pair is equally likely."""
    pool = make_pool(6, 2, seed=3)
    lengths = np.array([np.linalg.norm(pool.points[j] - pool.points[i]) for i, j in combinations(range(6), 2)])
    rng = np.random.default_rng(1)
    observed = np.zeros(15)
    for _ in range(DRAWS):
        layer = SAMPLERS["uniform-swim"].draw(pool, 1, rng, activation=TANH)
        observed[np.abs(lengths - TANH.step_scale / np.linalg.norm(layer.weights[0])).argmin()] += 1
    assert chi_square_p_value(observed, np.full(15, 1 / 15)) > SMALLEST_P_VALUE


def test_constant_energy_falls_back_to_uniform_pairs():
    pool = make_pool(30, 4)
    pool = Pool(pool.points, np.zeros_like(pool.points), np.ones(30), pool.lower, pool.upper)
    for name in ("swim", "gradient-swim"):
        layer = draw(name, pool, 25)
        assert layer.report["zero_density"] == 25 and layer.report["duplicates_left"] == 0
        assert different_features(layer) == 25


def test_pairs_of_density_zero_come_last():
    """H is 1 at one point and 0 at the five others: the 5 pairs with that point come first, then 8 of the 10 others."""
    pool = make_pool(6, 2)
    pool = Pool(pool.points, None, np.eye(6)[2], pool.lower, pool.upper)
    layer = draw("swim", pool, 13)
    assert layer.report == {"candidates": 15, "zero_density": 8, "duplicates_left": 0}
    at_the_point = np.abs(np.tanh(layer.weights @ pool.points[2] + layer.biases))
    np.testing.assert_array_equal(np.abs(at_the_point - 0.5) < ROUNDING, np.arange(13) < 5)


@pytest.mark.parametrize("name", PAIR_SAMPLERS)
def test_repeated_points_count_once(name):
    three = make_pool(3, 4)
    rows = np.arange(60) % 3
    pool = Pool(three.points[rows], three.gradients[rows], three.energies[rows], three.lower, three.upper)
    layer = draw(name, pool, 10)
    assert np.isfinite(layer.weights).all()
    assert layer.report["duplicates_left"] == 7 and different_features(layer) == 3


@pytest.mark.parametrize("name", PAIR_SAMPLERS)
def test_points_closer_than_rounding_make_no_pair(name):
    pool = make_pool(4, 2)
    points = pool.points.copy()
    points[1] = points[0] + 1e-15
    layer = draw(name, Pool(points, points, np.arange(4.0), pool.lower, pool.upper), 10)
    assert np.linalg.norm(layer.weights, axis=1).max() < 100
    assert layer.report["candidates"] == 5 and layer.report["duplicates_left"] == 5


@pytest.mark.parametrize("name", PAIR_SAMPLERS)
def test_points_that_all_coincide_are_refused(name):
    pool = Pool(np.ones((20, 2)), np.ones((20, 2)), np.ones(20), np.zeros(2), np.ones(2))
    with pytest.raises(UserError, match="20 points .* coincide"):
        draw(name, pool, 5)


def test_anchored_hyperplanes_cross_a_sample_and_have_the_bandwidth():
    pool = make_pool(500, 2)
    bandwidth = np.array([4.0, 0.5])
    layer = draw("anchored", pool, 2000, bandwidth=bandwidth)
    z = layer.weights @ pool.points.T + layer.biases[:, None]
    assert np.abs(z).min(axis=1).max() < ROUNDING
    standard = layer.weights * (pool.upper - pool.lower) / 2 / bandwidth
    for column in standard.T:
        assert stats.kstest(column, "norm").pvalue > SMALLEST_P_VALUE
    anchors = np.bincount(np.abs(z).argmin(axis=1), minlength=500)
    assert chi_square_p_value(anchors.reshape(25, 20).sum(1), np.full(25, 1 / 25)) > SMALLEST_P_VALUE


def test_one_bandwidth_is_the_same_for_every_coordinate():
    pool = make_pool(50, 4)
    np.testing.assert_array_equal(draw("anchored", pool, 10, bandwidth=2).weights, draw("anchored", pool, 10, bandwidth=[2.0] * 4).weights)


def test_anchored_features_do_not_depend_on_the_units():
    pool = make_pool(50, 2)
    units = np.array([2.0**20, 2.0**-20])
    scaled = Pool(pool.points * units, None, None, pool.lower * units, pool.upper * units)
    layer, scaled_layer = draw("anchored", pool, 30), draw("anchored", scaled, 30)
    np.testing.assert_array_equal(scaled_layer.weights * units, layer.weights)
    np.testing.assert_array_equal(scaled_layer.biases, layer.biases)


def test_elm_is_normal_with_biases_over_the_widest_limits():
    pool = make_pool(5, 4)
    pool = Pool(pool.points, None, None, np.array([-1.0, -5, 0, 1]), np.array([1.0, 2, 3, 7]))
    layer = draw("elm", pool, 2000)
    assert stats.kstest(layer.weights.ravel(), "norm").pvalue > SMALLEST_P_VALUE
    assert stats.kstest(layer.biases, "uniform", args=(-5, 12)).pvalue > SMALLEST_P_VALUE


@pytest.mark.parametrize(
    "bandwidth", [0, -1.0, np.nan, np.inf, "0.5", None, True, [], [1.0, -1.0], [1.0, "a"], [[1.0, 2.0]], [[1.0], [1.0, 2.0]], {"q": 1}]
)
def test_bad_bandwidth_is_refused(bandwidth):
    with pytest.raises(UserError, match="bandwidth must be 'auto', a positive number"):
        checked_bandwidth(bandwidth)


def test_bandwidth_of_another_dimension_is_refused():
    assert checked_bandwidth([1, 2, 3]).tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(UserError, match=r"bandwidth has 3 values, but there are 4 coordinates \(q1, q2, p1, p2\)"):
        draw("anchored", make_pool(5, 4), 2, bandwidth=[1, 2, 3])


def test_swim_without_energies_says_what_to_use_instead():
    with pytest.raises(UserError, match=r"'swim' needs energies, and there are none in run.h5; use 'gradient-swim', .* 'approximate-swim'"):
        check_requirements("swim", has_energies=False, location="run.h5")


@pytest.mark.parametrize("name", SAMPLERS)
def test_energies_are_read_where_they_are_needed_only(name):
    pool = make_pool(30, 2)
    bare = Pool(pool.points, pool.gradients, pool.energies if SAMPLERS[name].needs_energies else None, pool.lower, pool.upper)
    np.testing.assert_array_equal(draw(name, bare, 20).weights, draw(name, pool, 20).weights)
    check_requirements(name, has_energies=True)
    if name != "swim":
        check_requirements(name, has_energies=False)


def test_unknown_sampler_lists_the_known_ones():
    with pytest.raises(UserError, match=r"unknown sampler 'swin'; .*anchored, gradient-swim, swim, uniform-swim, approximate-swim, elm"):
        check_requirements("swin", has_energies=True)


DERIVED = make_coordinates(6, ["q1", "q2"], [["q1", "q2"], ["p2", "p3"]], [[["q3"], ["p1"]]])
SUPPORTS = ((((0, 6), 30), ((3,), 1), ((2, 7, 8), 40)), (((0,), 5), ((0,), 5), ((4, 1), 5)), ((tuple(range(9)), 12),))


def draw_in(coordinates, pool, count, supports=None, bandwidth=0.5, seed=0):
    options = {"activation": TANH, "bandwidth": bandwidth, "coordinates": coordinates, "supports": supports}
    return SAMPLERS["anchored"].draw(pool, count, np.random.default_rng(seed), **options)


@pytest.mark.parametrize("supports", SUPPORTS, ids=str)
def test_anchored_features_depend_on_their_support_alone(supports):
    """Each on all the columns of its support and on no other, through the place of a sample in these columns."""
    pool, count = make_pool(80, 6), sum(features for _, features in supports)
    layer = draw_in(DERIVED, pool, count, supports)
    expected = np.zeros((count, DERIVED.count), bool)
    start = 0
    for units, features in supports:
        expected[start : start + features, DERIVED.columns_of(units)] = True
        start += features
    np.testing.assert_array_equal(layer.weights != 0, expected)
    assert layer.biases.shape == (count,) and layer.report == {"duplicates_left": 0}
    at_samples = layer.weights @ DERIVED.embed(pool.points).T + layer.biases[:, None]
    assert np.abs(at_samples).min(axis=1).max() < ROUNDING * np.abs(layer.weights).sum(axis=1).max()


def test_anchored_features_of_a_support_are_the_dense_ones_of_its_columns():
    """With the scale and the bandwidth of each: half the width of the data along z, 1 on a circle, one bandwidth for both columns of it."""
    pool, g = make_pool(200, 6), np.arange(1, 10) / 4
    z = DERIVED.embed(pool.points)
    layer = draw_in(DERIVED, pool, 5000, (((2, 7, 8, 1), 5000),), g)
    for unit in (2, 7, 8, 1):
        for column in DERIVED.columns[unit]:
            h = 1 if len(DERIVED.columns[unit]) == 2 else (z[:, column].max() - z[:, column].min()) / 2
            assert stats.kstest(layer.weights[:, column] * h / g[unit], "norm").pvalue > SMALLEST_P_VALUE


@pytest.mark.parametrize("coordinates", [None, plain_coordinates(4)], ids=["none", "plain"])
@pytest.mark.parametrize("supports", [None, (((0, 1, 2, 3), 25),)], ids=["dense", "all"])
def test_one_support_of_all_coordinates_is_the_dense_draw_bit_for_bit(coordinates, supports):
    pool = make_pool(60, 4)
    layer, dense = draw_in(coordinates, pool, 25, supports, [1, 2, 3, 4]), draw("anchored", pool, 25, bandwidth=[1, 2, 3, 4])
    np.testing.assert_array_equal(layer.weights, dense.weights)
    np.testing.assert_array_equal(layer.biases, dense.biases)


def test_dense_draws_have_the_bits_that_they_always_had():
    """w = g∘y / h with all y drawn before all places of samples."""
    pool, rng = make_pool(60, 4), np.random.default_rng(0)
    weights = 0.5 * rng.standard_normal((25, 4)) / ((pool.upper - pool.lower) / 2)
    anchors = pool.points[rng.integers(60, size=25)]
    layer = draw("anchored", pool, 25)
    np.testing.assert_array_equal(layer.weights, weights)
    np.testing.assert_array_equal(layer.biases, -np.einsum("md,md->m", weights, anchors))


def test_bandwidths_are_one_a_unit_of_derived_coordinates():
    for wrong in (6, 12):
        with pytest.raises(
            UserError, match=rf"bandwidth has {wrong} values, but there are 9 coordinates \(q1, .*p3, q1-q2, p2-p3, \|q3 - p1\|\)"
        ):
            draw_in(DERIVED, make_pool(20, 6), 2, bandwidth=np.ones(wrong))
    assert draw_in(DERIVED, make_pool(20, 6), 2, bandwidth=np.ones(9)).weights.shape == (2, 12)


@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize("kind", [{"differences": [["q1", "q2"]]}, {"distances": [[["q1"], ["q2"]]]}], ids=str)
def test_a_derived_coordinate_that_is_the_same_in_all_samples_is_refused(kind, shift):
    rng = np.random.default_rng(1)
    points = rng.standard_normal((50, 4))
    points[:, 1] = points[:, 0] + shift
    pool = Pool(points, points, None, points.min(axis=0), points.max(axis=0))
    with pytest.raises(UserError, match="q1.*q2.* is the same in all samples, so that features cannot depend on it; leave it out"):
        feature_scales(pool, make_coordinates(4, **kind))


def test_scales_are_those_of_the_whole_data_where_they_are_known():
    rng = np.random.default_rng(1)
    points = rng.standard_normal((50, 4))
    pool = Pool(points, points, None, np.full(4, -10.0), np.full(4, 10.0))
    scales = feature_scales(pool, make_coordinates(4, angles=["q1"], differences=[["p1", "p2"]]))
    np.testing.assert_allclose(scales, [1, 1, 10, 10, 10, np.ptp(points[:, 2] - points[:, 3]) / 2])
