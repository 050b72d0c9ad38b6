"""The feature map against a loop over one point, the plain formulas, and central differences; and its bounds on memory."""

import math
import tracemalloc

import numpy as np
import pytest

from hnn_hpc.features import ACTIVATIONS, FeatureMap, make_coordinates, plain_coordinates
from hnn_hpc.features.feature_map import CACHED_VALUES

# Sums of at most 300 products in another order, relative to terms of order 1.
ROUNDING = 1e-13
# Central differences with step 1e-5: truncation 1e-10, rounding 1e-11, times sums of 300 terms.
DIFFERENCE_STEP, DIFFERENCE_TOLERANCE = 1e-5, 1e-8

every_activation = pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)


def make_feature_map(count, dimension, activation="tanh", seed=0):
    rng = np.random.default_rng(seed)
    return FeatureMap(rng.standard_normal((count, dimension)), rng.standard_normal(count), ACTIVATIONS[activation])


def make_derived_feature_map(count, activation="tanh"):
    """Of the double pendulum's coordinates: D = 4, z = (cos, sin of q1, q2; p1; p2; cos, sin of q1 - q2)."""
    features = make_feature_map(count, 8, activation)
    return FeatureMap(features.weights, features.biases, features.activation, make_coordinates(4, ["q1", "q2"], [["q1", "q2"]]))


def random_points(*shape, seed=1):
    return np.random.default_rng(seed).uniform(-1, 1, shape)


def test_values_equal_a_loop_over_one_point():
    features = make_feature_map(7, 4)
    x = random_points(3, 2, 4)
    values = features.values(x)
    assert values.shape == (3, 2, 7) and features.count == 7 and features.dimension == 4
    for index in np.ndindex(3, 2):
        expected = [
            math.tanh(sum(w * x_d for w, x_d in zip(row, x[index], strict=True)) + b)
            for row, b in zip(features.weights, features.biases, strict=True)
        ]
        np.testing.assert_allclose(values[index], expected, rtol=0, atol=ROUNDING)


@every_activation
@pytest.mark.parametrize("count, dimension, block", [(1, 2, 1), (300, 4, 500), (5, 2, 0), (3, 6, CACHED_VALUES + 1), (300, 20, 109)])
def test_derivative_transposed_is_the_plain_formula(activation, count, dimension, block):
    features = make_feature_map(count, dimension, activation.name)
    x = random_points(block, dimension)
    out = np.full((count, block), np.nan)
    assert features.derivative_transposed(x, out) is out
    np.testing.assert_allclose(out.T, activation.derivative(x @ features.weights.T + features.biases), rtol=0, atol=ROUNDING)


def test_derivative_transposed_takes_rows_of_a_larger_array():
    features = make_feature_map(30, 4)
    x = random_points(100, 8)[20:60, 2:6]
    storage = np.zeros((40, 40))
    features.derivative_transposed(x, storage[:30])
    np.testing.assert_allclose(storage[:30], 1 - np.tanh(features.weights @ x.T + features.biases[:, None]) ** 2, rtol=0, atol=ROUNDING)
    assert not storage[30:].any()


@pytest.mark.parametrize("shape", [(4,), (0, 4), (1, 4), (500, 4), (2, 3, 4)])
def test_energy_and_gradient_are_the_plain_formulas_over_leading_axes(shape):
    features = make_feature_map(300, 4)
    x, c = random_points(*shape), random_points(300, seed=2)
    energy, gradient = features.energy(x, c), features.energy_gradient(x, c)
    assert energy.shape == shape[:-1] and gradient.shape == shape
    z = x @ features.weights.T + features.biases
    np.testing.assert_allclose(energy, np.tanh(z) @ c, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(gradient, ((1 - np.tanh(z) ** 2) * c) @ features.weights, rtol=0, atol=ROUNDING)


@every_activation
def test_gradient_is_the_slope_of_the_energy(activation):
    features = make_feature_map(300, 4, activation.name)
    x, c = random_points(20, 4), random_points(300, seed=2)
    slopes = [(features.energy(x + step, c) - features.energy(x - step, c)) / (2 * DIFFERENCE_STEP) for step in DIFFERENCE_STEP * np.eye(4)]
    np.testing.assert_allclose(features.energy_gradient(x, c), np.stack(slopes, axis=-1), rtol=0, atol=DIFFERENCE_TOLERANCE)


def test_more_features_than_are_handled_at_a_time():
    features = make_feature_map(CACHED_VALUES + 1, 2)
    x, c = random_points(3, 2), random_points(CACHED_VALUES + 1, seed=2) / CACHED_VALUES
    np.testing.assert_allclose(features.energy(x, c), features.values(x) @ c, rtol=0, atol=ROUNDING)


def test_integer_points_are_points():
    features = make_feature_map(5, 2)
    np.testing.assert_array_equal(
        features.energy_gradient(np.array([1, 0]), np.ones(5)), features.energy_gradient(np.array([1.0, 0.0]), np.ones(5))
    )


def test_derived_features_equal_a_loop_over_one_point():
    features = make_derived_feature_map(7)
    x = random_points(3, 2, 4)
    values = features.values(x)
    assert values.shape == (3, 2, 7) and (features.count, features.dimension) == (7, 4)
    for index in np.ndindex(3, 2):
        q1, q2, p1, p2 = x[index]
        z = [math.cos(q1), math.sin(q1), math.cos(q2), math.sin(q2), p1, p2, math.cos(q1 - q2), math.sin(q1 - q2)]
        expected = [
            math.tanh(sum(w * z_e for w, z_e in zip(row, z, strict=True)) + b)
            for row, b in zip(features.weights, features.biases, strict=True)
        ]
        np.testing.assert_allclose(values[index], expected, rtol=0, atol=ROUNDING)


@every_activation
@pytest.mark.parametrize("count, block", [(300, 500), (5, 0), (1, 1)])
def test_derived_derivatives_are_those_at_z(activation, count, block):
    features = make_derived_feature_map(count, activation.name)
    x = random_points(block, 4)
    expected = activation.derivative(features.coordinates.embed(x) @ features.weights.T + features.biases)
    np.testing.assert_allclose(features.derivative(x, np.empty((block, count))), expected, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(features.derivative_transposed(x, np.empty((count, block))).T, expected, rtol=0, atol=ROUNDING)


@every_activation
@pytest.mark.parametrize("shape", [(4,), (0, 4), (500, 4), (2, 3, 4)])
def test_derived_gradient_is_the_slope_of_the_energy(activation, shape):
    """The last shape but one is more points than are handled at a time."""
    features = make_derived_feature_map(300, activation.name)
    x, c = 3 * random_points(*shape), random_points(300, seed=2)
    np.testing.assert_allclose(features.energy(x, c), features.values(x) @ c, rtol=0, atol=ROUNDING)
    slopes = [(features.energy(x + step, c) - features.energy(x - step, c)) / (2 * DIFFERENCE_STEP) for step in DIFFERENCE_STEP * np.eye(4)]
    gradient = features.energy_gradient(x, c)
    assert gradient.shape == shape
    np.testing.assert_allclose(gradient, np.stack(slopes, axis=-1), rtol=0, atol=10 * DIFFERENCE_TOLERANCE)


def test_plain_coordinates_change_no_bit():
    features = make_feature_map(300, 4)
    named = FeatureMap(features.weights, features.biases, features.activation, plain_coordinates(4))
    x, c = random_points(500, 4), random_points(300, seed=2)
    assert named.is_plain and features.is_plain and named.dimension == 4 and not make_derived_feature_map(3).is_plain
    for work in (
        lambda found: found.values(x),
        lambda found: found.energy(x, c),
        lambda found: found.energy_gradient(x, c),
        lambda found: found.derivative(x, np.empty((500, 300))),
        lambda found: found.derivative_transposed(x, np.empty((300, 500))),
    ):
        np.testing.assert_array_equal(work(named), work(features))


def test_weights_fit_the_coordinates():
    with pytest.raises(AssertionError):
        FeatureMap(np.ones((3, 7)), np.ones(3), ACTIVATIONS["tanh"], make_coordinates(4, ["q1", "q2"], [["q1", "q2"]]))


def peak_memory(function):
    """Bytes that `function` allocates at its highest, beyond what was there before."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@every_activation
def test_memory_stays_bounded(activation):
    """A block of 3000 points and 500 features is 12 MB; no product of those two sizes may be allocated."""
    features = make_feature_map(500, 4, activation.name)
    x, c, out = random_points(3000, 4), np.ones(500), np.empty((500, 3000))
    bound = x.nbytes + 3 * 8 * CACHED_VALUES
    assert bound < out.nbytes / 4
    for work in (
        lambda: features.derivative_transposed(x, out),
        lambda: features.energy(x, c),
        lambda: features.energy_gradient(x, c),
    ):
        assert peak_memory(work) < bound


def test_memory_stays_bounded_in_derived_coordinates():
    """J of all 28 distances of 8 points has 112 entries a sample, twice as many as there are features."""
    pairs = [[[f"q{i}", f"p{i}"], [f"q{j}", f"p{j}"]] for i in range(1, 9) for j in range(1, i)]
    coordinates = make_coordinates(16, distances=pairs)
    plain = make_feature_map(50, coordinates.count)
    features = FeatureMap(plain.weights, plain.biases, plain.activation, coordinates)
    x, c = random_points(20_000, 16), np.ones(50)
    bound = x.nbytes + 5 * 8 * CACHED_VALUES
    assert bound < 8 * len(x) * len(coordinates.entry_columns) / 2
    assert peak_memory(lambda: features.energy(x, c)) < bound
    assert peak_memory(lambda: features.energy_gradient(x, c)) < bound
