"""Trial fits against numpy.linalg.lstsq on dense rows, and their rows against central differences."""

from itertools import pairwise

import numpy as np
import pytest
from pools import DERIVED, pool_of, trial_samples

from hnn_hpc.basis.trial import SumOfTerms, draw_features, gradient_rows, reduction, touched_by, trial_error, trial_halves
from hnn_hpc.connected import connected
from hnn_hpc.features import ACTIVATIONS, anchored_parameters, plain_coordinates

# Central differences with step 1e-5: truncation 1e-10 times a third derivative, rounding 1e-11.
DIFFERENCE_STEP, DIFFERENCE_TOLERANCE = 1e-5, 1e-7
# Of least squares by QR with a condition number of up to 1e6, and by normal equations, which promise no more.
BY_QR, BY_NORMAL_EQUATIONS = 1e-9, 1e-6
# The fits of the interactions are damped by this times the number of features, relative to the diagonal.
DAMPING = 1e-9
PLAIN = plain_coordinates(6)
SUPPORTS = {
    "plain": (PLAIN, [(0, 1), (1, 2), (4,), (3, 4)]),
    "derived": (DERIVED, [(0, 6), (2, 8), (4, 7), (3,)]),
}  # p3 in plain: untouched
every_kind = pytest.mark.parametrize("kind", SUPPORTS)


def random_samples(coordinates, count, rng):
    """Noise for gradients, to be fitted badly; the first of enough samples to have a width."""
    points, gradients = rng.uniform(-1, 1, (count + 10, coordinates.dimension)), rng.standard_normal((count + 10, coordinates.dimension))
    return trial_samples(points, gradients, coordinates).first(count)


def dense_rows(samples, terms):
    """A (N D, M): each row of each feature, zeros and all."""
    D = samples.coordinates.dimension
    rows = [np.zeros((len(samples), D, features.count)) for features in terms]
    for A, features in zip(rows, terms, strict=True):
        A[:, touched_by(samples.coordinates, features.support)] = gradient_rows(samples, features)
    return np.concatenate(rows, axis=2).reshape(len(samples) * D, -1)


def residual_of(held, terms, w):
    return held.gradients - (dense_rows(held, terms) @ w).reshape(held.gradients.shape)


def some_terms(samples, supports, rng, count=8, bandwidth=2.0):
    return [draw_features(samples, s, count, np.full(len(samples.coordinates.names), bandwidth), rng) for s in supports]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("support", [(0,), (0, 2, 4), (6,), (1, 7, 8), (8,)], ids=str)
def test_rows_are_the_slopes_of_the_features(support, activation, rng):
    x = rng.uniform(-2, 2, (7, 6))
    samples = trial_samples(x, x, DERIVED, activation)
    features = draw_features(samples, support, 5, np.full(9, 0.7), rng)
    columns = DERIVED.columns_of(support)

    def values(points):
        return ACTIVATIONS[activation].value(DERIVED.embed(points)[:, columns] @ features.weights.T + features.biases)

    steps = DIFFERENCE_STEP * np.eye(6)
    slopes = np.stack([(values(x + step) - values(x - step)) / (2 * DIFFERENCE_STEP) for step in steps], axis=1)
    touched = touched_by(DERIVED, support)
    assert not np.delete(slopes, touched, axis=1).any()
    np.testing.assert_allclose(gradient_rows(samples, features), slopes[:, touched], rtol=0, atol=DIFFERENCE_TOLERANCE)
    np.testing.assert_allclose(gradient_rows(samples, features, np.arange(6)), slopes, rtol=0, atol=DIFFERENCE_TOLERANCE)


def test_features_are_anchored_on_their_support_alone(rng):
    samples = random_samples(DERIVED, 50, rng)
    columns, g = DERIVED.columns_of((1, 8)), np.array([4.0, 4.0, 0.25])  # a circle has two columns of one bandwidth
    state = rng.bit_generator.state
    features = draw_features(samples, (1, 8), 20, np.array([9, 4, 9, 9, 9, 9, 9, 9, 0.25]), rng)
    rng.bit_generator.state = state
    weights, biases = anchored_parameters(samples.z[:, columns], samples.scales[columns], g, 20, rng)
    np.testing.assert_array_equal(features.weights, weights)
    np.testing.assert_array_equal(features.biases, biases)
    assert features.support == (1, 8) and features.count == 20


@pytest.mark.parametrize("count, sizes", [(3, (1, 2)), (4, (2, 2)), (100, (20, 20))])
@pytest.mark.parametrize("coordinates", [PLAIN, DERIVED], ids=["plain", "derived"])
def test_halves_have_no_sample_in_common_and_rows_in_units_of_the_box(coordinates, count, sizes, rng):
    units = 10.0 ** np.arange(-60, 60, 20)
    x, gradients = rng.uniform(1, 2, (count, 6)) * units, 1e-90 * rng.standard_normal((count, 6)) / units
    pool = pool_of(x, gradients)
    halves = trial_halves(pool, coordinates, "tanh", 20, rng)
    assert tuple(map(len, halves)) == sizes
    found = []
    for half in halves:
        z = coordinates.embed(x)
        numbers = [int(np.flatnonzero((z == row).all(axis=1))[0]) for row in half.z]
        found += numbers
        h, energy = pool.half_widths, 2.0 ** np.round(np.log2(half.gradients[0, 0] / (gradients[numbers[0], 0] * pool.half_widths[0])))
        np.testing.assert_array_equal(half.gradients, gradients[numbers] * h * energy)
        np.testing.assert_array_equal(half.jacobian, coordinates.jacobian(x[numbers]) * h[coordinates.entry_coordinates])
        few = half.first(1)
        np.testing.assert_array_equal(few.gradients, half.gradients[:1])
        assert len(few) == len(few.z) == len(few.jacobian) == 1
    assert len(set(found)) == sum(sizes)
    assert 0.5 <= max(np.abs(half.gradients).max() for half in halves) < 1


def test_halves_of_constant_energy_are_zero(rng):
    x = rng.uniform(-1, 1, (10, 6))
    assert not any(half.gradients.any() for half in trial_halves(pool_of(x, np.zeros_like(x)), PLAIN, "tanh", 20, rng))


@every_kind
@pytest.mark.parametrize("samples_count, count", [(100, 8), (30, 20), (1, 3)])
def test_trial_error_is_that_of_lstsq(kind, samples_count, count, rng):
    """Down to 1 sample: fewer rows than features, whose shortest solution is taken, with columns of norm 1 as a fit has them."""
    coordinates, supports = SUPPORTS[kind]
    samples, held = random_samples(coordinates, samples_count, rng), random_samples(coordinates, 40, rng)
    terms = some_terms(samples, supports, rng, count, bandwidth=8.0)
    A, f = dense_rows(samples, terms), samples.gradients.ravel()
    norms = np.linalg.norm(A, axis=0)
    values = np.linalg.svd(A / norms, compute_uv=False)
    assert values[0] / values[values > 1e-14 * values[0]][-1] < 1e6 and (len(A) < A.shape[1]) == (samples_count == 1)
    r = residual_of(held, terms, np.linalg.lstsq(A / norms, f, rcond=1e-15)[0] / norms)
    rows_of = np.unique(np.concatenate([touched_by(coordinates, s) for s in supports]))
    expected = np.linalg.norm(r[:, rows_of]) / np.linalg.norm(held.gradients[:, rows_of])
    assert trial_error(samples, held, terms, rows_of) == pytest.approx(expected, rel=BY_QR)


@every_kind
def test_trial_error_of_what_the_features_can_express_is_round_off(kind, rng):
    coordinates, supports = SUPPORTS[kind]
    samples, held = random_samples(coordinates, 100, rng), random_samples(coordinates, 40, rng)
    terms = some_terms(samples, supports, rng)
    w = rng.standard_normal(sum(features.count for features in terms))
    for half in (samples, held):
        half.gradients[:] = (dense_rows(half, terms) @ w).reshape(half.gradients.shape)
    rows_of = np.unique(np.concatenate([touched_by(coordinates, s) for s in supports]))
    assert trial_error(samples, held, terms, rows_of) < BY_QR


def test_trial_error_without_features_or_gradients(rng):
    samples, held = random_samples(PLAIN, 50, rng), random_samples(PLAIN, 40, rng)
    terms, everything = some_terms(samples, [(0,)], rng), np.arange(6)
    held.gradients[:, 0] = 0
    samples.gradients[:, 0] = 0
    assert trial_error(samples, held, terms, everything) == pytest.approx(1, rel=BY_QR)  # of five coordinates nothing is explained
    assert trial_error(samples, held, terms, np.array([0])) == 0


@every_kind
def test_reduction_is_that_of_lstsq(kind, rng):
    coordinates, supports = SUPPORTS[kind]
    samples, held = random_samples(coordinates, 200, rng), random_samples(coordinates, 50, rng)
    features = draw_features(samples, supports[0], 10, np.full(len(coordinates.names), 2.0), rng)
    touched = touched_by(coordinates, supports[0])
    rows, held_rows = (gradient_rows(half, features) for half in (samples, held))
    r, r_held = samples.gradients[:, touched], held.gradients[:, touched]
    A = rows.reshape(-1, 10)
    penalty = np.diag(np.sqrt(10 * DAMPING) * np.linalg.norm(A, axis=0))
    w = np.linalg.lstsq(np.vstack([A, penalty]), np.append(r.ravel(), np.zeros(10)), rcond=None)[0]
    expected = (r_held**2).sum(axis=1) - ((r_held - held_rows @ w) ** 2).sum(axis=1)
    gain, overfit = reduction(rows, r, held_rows, r_held)
    np.testing.assert_allclose(gain, expected, rtol=0, atol=BY_NORMAL_EQUATIONS)
    left = ((r.ravel() - A @ w) ** 2).sum()
    assert overfit == pytest.approx(left / (r.size - 10) ** 2 * 10 * len(touched), rel=1e-3)


def test_overfit_is_what_noise_costs_on_other_samples(rng):
    """On average over many draws of noise that the features have nothing to do with."""
    samples, held = random_samples(PLAIN, 60, rng), random_samples(PLAIN, 2000, rng)
    features = draw_features(samples, (0, 1), 12, np.full(PLAIN.dimension, 2.0), rng)
    rows, held_rows = (gradient_rows(half, features) for half in (samples, held))
    lost = [reduction(rows, rng.standard_normal((60, 2)), held_rows, rng.standard_normal((2000, 2))) for _ in range(200)]
    assert np.mean([gain.mean() + overfit for gain, overfit in lost]) == pytest.approx(0, abs=0.2 * np.mean([o for _, o in lost]))


def test_reduction_by_features_that_vanish_is_none(rng):
    samples = random_samples(PLAIN, 20, rng)
    rows = np.zeros((20, 1, 3))
    r = samples.gradients[:, :1]
    np.testing.assert_array_equal(reduction(rows, r, rows, r)[0], np.zeros(20))
    rows[:, :, 1] = 1e-160  # whose squares are no numbers
    gain, overfit = reduction(rows, r, rows, r)
    assert np.isfinite(gain).all() and np.isfinite(overfit)


@every_kind
def test_residuals_of_a_sum_of_terms_are_those_of_lstsq(kind, rng):
    """Noise stays as it is to the accuracy that is claimed, and of what the features can express no more than that is left."""
    coordinates, supports = SUPPORTS[kind]
    samples, held = random_samples(coordinates, 300, rng), random_samples(coordinates, 40, rng)
    the_sum, terms = SumOfTerms(samples, held), some_terms(samples, supports, rng)
    for half, r in zip((samples, held), the_sum.residuals(), strict=True):
        np.testing.assert_array_equal(r, half.gradients)  # of nothing so far
    for features in terms:
        the_sum.add(features)
    w = np.linalg.lstsq(dense_rows(samples, terms), samples.gradients.ravel(), rcond=None)[0]
    for half, r in zip((samples, held), the_sum.residuals(), strict=True):
        expected = residual_of(half, terms, w)
        np.testing.assert_allclose(r, expected, rtol=0, atol=BY_NORMAL_EQUATIONS * np.abs(expected).max())
    w = rng.permutation(w)
    for half in (samples, held):
        half.gradients[:] = (dense_rows(half, terms) @ w).reshape(half.gradients.shape)
    for half, r in zip((samples, held), the_sum.residuals(), strict=True):
        assert np.linalg.norm(r) < BY_NORMAL_EQUATIONS * np.linalg.norm(half.gradients)


@pytest.mark.parametrize("bandwidth", [0.25, 256.0])
def test_sums_of_nearly_equal_or_nearly_vanishing_features_have_residuals(bandwidth, rng):
    """Hundreds of features of a condition number far above 1/ε: the Cholesky factor exists; what is smooth is fitted to √damping ‖w̄‖."""
    samples, held = random_samples(PLAIN, 500, rng), random_samples(PLAIN, 40, rng)
    for half in (samples, held):
        half.gradients[:] = half.z
    the_sum = SumOfTerms(samples, held)
    for features in some_terms(samples, [(0, 1), (2, 3), (1, 2), (3, 4, 5)], rng, count=100, bandwidth=bandwidth):
        the_sum.add(features)
    r, r_held = the_sum.residuals()
    assert np.isfinite(r).all() and np.isfinite(r_held).all()
    if bandwidth < 1:
        assert np.linalg.norm(r_held) < 1e-3 * np.linalg.norm(held.gradients)


def test_connected_sets_are_those_of_a_loop(rng):
    for _ in range(50):
        sets = [np.unique(rng.integers(0, 12, rng.integers(1, 4))) for _ in range(rng.integers(1, 9))]
        groups = []
        for number, some in enumerate(sets):
            joined = [g for g in groups if any({*sets[other]} & {*some} for other in g)]
            groups = [g for g in groups if g not in joined] + [sorted([number, *(other for g in joined for other in g)])]
        found = connected(sets)
        assert sorted(found) == sorted(groups)
        assert all(a[0] < b[0] for a, b in pairwise(found))
    assert connected([]) == []
