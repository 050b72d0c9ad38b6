"""The search of bandwidths: groups against a loop, and errors against those of every bandwidth on the grid."""

import numpy as np
import pytest
from pools import DERIVED, basis_of, trial_samples, uniform_pool

from hnn_hpc.basis.bandwidths import FACTORS, LIMITS, SINGLE_GRID, GroupSearch, groups_of, single_bandwidths
from hnn_hpc.basis.shares import shared_out
from hnn_hpc.basis.trial import draw_features, trial_error
from hnn_hpc.features import plain_coordinates

PLAIN = plain_coordinates(4)


def halves(gradient, rng, coordinates=PLAIN, count=400):
    """Two `TrialSamples`, of points in the box [-1, 1]^D."""
    points = rng.uniform(-1, 1, (2 * count, coordinates.dimension))
    points[[0, 1, count, count + 1]] = np.ones(coordinates.dimension) * [[-1], [1], [-1], [1]]
    return [trial_samples(points[half], gradient(points[half]), coordinates) for half in (slice(count), slice(count, None))]


def wave(x):
    """∇ of sin(12 q1) / 12 + q2² + p1 p2."""
    return np.column_stack([np.cos(12 * x[:, 0]), 2 * x[:, 1], x[:, 3], x[:, 2]])


def group_sets(groups):
    return {(frozenset(group.supports), tuple(group.rows_of.tolist()), tuple(group.units)) for group in groups}


@pytest.mark.parametrize(
    "supports, groups",
    [
        ([(0,), (1,), (3,)], [({(0,)}, (0,)), ({(1,)}, (1,)), ({(3,)}, (3,))]),
        ([(0, 1), (1, 2), (4,), (5, 3)], [({(0, 1), (1, 2)}, (0, 1, 2)), ({(4,)}, (4,)), ({(5, 3)}, (3, 5))]),
        ([(0,), (5,), (0, 5), (1, 2), (2,), (3, 4)], [({(0,), (5,), (0, 5)}, (0, 5)), ({(1, 2), (2,)}, (1, 2)), ({(3, 4)}, (3, 4))]),
        ([(0, 1), (2, 3), (4, 5), (1, 2), (3, 4)], [({(0, 1), (2, 3), (4, 5), (1, 2), (3, 4)}, (0, 1, 2, 3, 4, 5))]),  # joined late
    ],
)
def test_groups_of_plain_coordinates(supports, groups):
    expected = {(frozenset(some), rows, rows) for some, rows in groups}
    assert group_sets(groups_of(supports, plain_coordinates(6))) == expected


def test_groups_of_derived_coordinates_join_by_the_coordinates_of_x():
    """q1-q2 touches q1 and q2, p2-p3 the same of p, and |q3 - p1| a position and a momentum."""
    number = {name: at for at, name in enumerate(DERIVED.names)}
    supports = [tuple(number[name] for name in names) for names in (["q1"], ["q1-q2"], ["q2"], ["p2-p3"], ["|q3 - p1|"], ["q3"])]
    q1, difference, q2, p, distance, q3 = supports
    assert group_sets(groups_of(supports, DERIVED)) == {
        (frozenset([q1, difference, q2]), (0, 1), (*q1, *q2, *difference)),
        (frozenset([p]), (4, 5), p),
        (frozenset([distance, q3]), (2, 3), (*q3, *distance)),
    }


def error_of(group, samples, held, make_rng, features, bandwidths):
    rng = make_rng()
    terms = [
        draw_features(samples, s, n, bandwidths, rng) for s, n in zip(group.supports, shared_out(features, group.supports), strict=True)
    ]
    return trial_error(samples, held, terms, group.rows_of)


@pytest.mark.parametrize("supports", [[(0,)], [(0, 1)], [(0, 1), (1, 2)], [(0, 1, 2, 3)]], ids=str)
def test_no_single_bandwidth_on_the_grid_is_better(supports, rng, seed):
    """With so few samples and features that every trial takes all of them."""
    samples, held = halves(wave, rng, count=50)

    def make_rng():
        return np.random.default_rng(seed)

    [group] = groups_of(supports, PLAIN)
    search = GroupSearch(group, samples, held, make_rng, 24)
    search.search(*single_bandwidths(samples, held, rng))
    arguments = group, samples, held, make_rng, 24
    grid = SINGLE_GRID if len(group.units) == 1 else FACTORS
    errors = [error_of(*arguments, np.full(4, g)) for g in grid]
    assert search.error <= min(errors) and search.trials >= len(grid)
    assert search.error == pytest.approx(error_of(*arguments, search.bandwidths), rel=1e-9)
    assert ((search.bandwidths >= LIMITS[0]) & (search.bandwidths <= LIMITS[1])).all()


def test_threads_do_not_change_the_search(rng, seed):
    samples, held = halves(wave, rng)
    [group] = groups_of([(0, 1, 2)], PLAIN)
    found = []
    for threads in (1, 3):
        search = GroupSearch(group, samples, held, lambda: np.random.default_rng(seed), 60, threads)
        search.search(np.ones(4), np.zeros(4, bool))
        found.append((search.bandwidths.tolist(), search.error, search.trials))
    assert found[0] == found[1]


def test_single_bandwidths_tell_fast_from_slow_and_what_matters_at_all(rng):
    def gradient(x):
        return np.column_stack([np.cos(25 * x[:, 0]), 2 * x[:, 1], rng.standard_normal(len(x)), np.zeros(len(x))])

    bandwidths, told = single_bandwidths(*halves(gradient, rng, count=800), rng)
    assert told.tolist() == [True, True, False, False]
    assert bandwidths[0] >= 8 * bandwidths[1] and bandwidths[3] == 1


def test_a_fit_of_fast_and_slow_coordinates_has_a_bandwidth_for_each(rng):
    basis = basis_of(uniform_pool(wave, 4, 2000, rng), 200)
    found = basis.report["bandwidths"]
    assert found["q1"] > 4 * max(found["p1"], found["p2"])
    assert basis.report["trial_error"] < 1e-3


def test_every_support_has_features_in_every_trial(rng, monkeypatch):
    drawn = []

    def counted(samples, support, count, *rest):
        drawn.append((support, count))
        return draw_features(samples, support, count, *rest)

    monkeypatch.setattr("hnn_hpc.basis.bandwidths.draw_features", counted)
    samples, held = halves(wave, rng, count=30)
    supports = [(0, 1), (1, 2), (2, 3)]
    [group] = groups_of(supports, PLAIN)
    for features, shares in ((3, (1, 1, 1)), (100, (34, 33, 33))):
        search = GroupSearch(group, samples, held, lambda: np.random.default_rng(1), features)
        drawn.clear()
        search.search(np.ones(4), np.zeros(4, bool))
        assert drawn == list(zip(group.supports, shares, strict=True)) * search.trials
        assert np.isfinite(search.error)
