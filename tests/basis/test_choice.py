"""The choice of a basis: its report, what it depends on, what it costs, and data too few or too flat to choose by."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pools import DOUBLE_PENDULUM, basis_of, pool_of, supports_of, system_pool, uniform_pool

from hnn_hpc.basis import trial
from hnn_hpc.errors import UserError
from hnn_hpc.features import ACTIVATIONS

FOUND, SEARCHED = ("bandwidths", "supports", "features", "interactions"), ("searched", "false_discovery_rate", "tests", "trials")
KEYS = {*FOUND, *SEARCHED, "trial_error", "dense_error", "found_but_more_than_features", "seconds"}
UNITS = [(1e-30, 1e20), (1e20, 1e-30), (1e90, 1e90), (1e-90, 1e-90), (1e-90, 1e90)]


def check(basis, pool, features=300):
    """Assert what holds of every basis with so many features."""
    report, names = basis.report, list(basis.report["bandwidths"])
    assert set(report) == KEYS and json.loads(json.dumps(report, allow_nan=False)) == report
    assert basis.bandwidths == tuple(report["bandwidths"].values()) and len(names) >= pool.dimension
    assert all(np.isfinite(g) and g > 0 for g in basis.bandwidths)
    assert sum(report["features"]) == features and min(report["features"]) >= 1 and report["seconds"] > 0
    if basis.supports is None:
        assert report["supports"] == [names] and report["features"] == [features]
    else:
        told = [([names[unit] for unit in support], count) for support, count in basis.supports]
        assert told == list(zip(report["supports"], report["features"], strict=True))
    numbers = {(names.index(a), names.index(b)) for support in report["supports"] for a in support for b in support}
    assert report["interactions"] == [[names[a], names[b]] for a, b in sorted(numbers) if a < b]
    return report


def test_report_of_a_search(rng):
    pool = system_pool("henon-heiles", 2000, rng)
    report = check(basis_of(pool), pool)
    assert report["supports"] == [["q1", "q2"], ["p1"], ["p2"]] and report["features"] == [238, 31, 31]
    assert report["interactions"] == [["q1", "q2"]] and report["searched"] == ["bandwidth", "supports"]
    assert report["tests"] >= 6 and report["trials"] > 20 and report["false_discovery_rate"] == 1e-3
    assert report["trial_error"] < 1e-9 and report["dense_error"] is None


def test_report_of_what_is_given(rng):
    pool = system_pool("henon-heiles", 200, rng)
    report = check(basis_of(pool, bandwidth=(1, 2, 3, 4), supports=[["p1", "q1"], ["q1", "p1"], ["q2", "p2"]]), pool)
    assert report["bandwidths"] == {"q1": 1, "q2": 2, "p1": 3, "p2": 4} and report["supports"] == [["q1", "p1"], ["q2", "p2"]]
    assert (report["searched"], report["tests"], report["trials"], report["trial_error"]) == ([], 0, 0, None)
    assert report["false_discovery_rate"] is None
    dense = basis_of(pool, bandwidth=2, supports="dense")
    assert check(dense, pool)["searched"] == [] and dense.supports is None
    assert check(basis_of(pool, bandwidth=2, supports="dense", separable=True), pool)["supports"] == [["q1", "q2"], ["p1", "p2"]]


def test_only_what_is_to_be_found_is_searched(rng):
    pool = system_pool("henon-heiles", 1000, rng)
    report = check(basis_of(pool, supports=[["q1", "q2"], ["p1", "p2"]]), pool)
    assert report["searched"] == ["bandwidth"] and report["tests"] == 0 and report["trials"] > 10 and report["trial_error"] < 1e-3
    report = check(basis_of(pool, bandwidth=0.5), pool)
    assert report["searched"] == ["supports"] and report["tests"] >= 6 and set(report["bandwidths"].values()) == {0.5}


def test_the_seed_decides(rng):
    pool = system_pool("toda-chain", 1000, rng, dof=3)
    first, again, other = (basis_of(pool, seed=seed) for seed in (3, 3, 4))
    assert first.bandwidths == again.bandwidths and first.supports == again.supports
    assert {**first.report, "seconds": 0} == {**again.report, "seconds": 0}
    assert first.report["trial_error"] != other.report["trial_error"] and first.supports == other.supports


def work_of(pool, monkeypatch, **options):
    """(report, how many values of σ' were computed, of how many samples at most at a time)."""
    sizes, rows = [], []

    def counted(z, out):
        sizes.append(z.size)
        rows.append(len(z))
        return ACTIVATIONS["tanh"].derivative(z, out=out)

    monkeypatch.setattr(trial, "ACTIVATIONS", {"tanh": replace(ACTIVATIONS["tanh"], derivative=counted)})
    report = basis_of(pool, **options).report
    return report, sum(sizes), max(rows)


def test_cost_does_not_grow_with_samples_or_features(rng, monkeypatch):
    pools = [system_pool("henon-heiles", count, rng) for count in (8000, 40_000)]
    work = [[work_of(pool, monkeypatch, features=features) for features in (3000, 30_000)] for pool in pools]
    for (report, values, rows), (same, same_values, same_rows) in work:
        ignored = {"seconds": 0, "features": 0}
        assert report | ignored == same | ignored and (values, rows) == (same_values, same_rows)
    (first, first_values, first_rows), (second, second_values, second_rows) = work[0][0], work[1][0]
    assert first_rows == second_rows <= 4000 and first["tests"] == second["tests"]
    assert second["trials"] < 2 * first["trials"] and second_values < 1.5 * first_values


@pytest.mark.parametrize("count", [3, 4, 5, 10, 30])
@pytest.mark.parametrize("features", [1, 2, 6])
@pytest.mark.parametrize("options", [{}, {"coordinates": DOUBLE_PENDULUM}, {"supports": "dense"}, {"bandwidth": 1.0}], ids=str)
def test_few_samples_give_some_basis(count, features, options, rng):
    pool = system_pool("double-pendulum", count, rng)
    check(basis_of(pool, features, **options), pool, features)


@pytest.mark.parametrize("count", [3, 10, 500])
@pytest.mark.parametrize("dimension", [2, 4])
def test_flat_energies_give_some_basis(count, dimension, rng):
    flat = uniform_pool(np.zeros_like, dimension, count, rng)
    report = check(basis_of(flat), flat)
    assert report["supports"] == [list(report["bandwidths"])] and report["trial_error"] == (0 if count >= 50 else None)
    cyclic = uniform_pool(lambda x: x * ([0] * (dimension - 1) + [1]), dimension, count, rng)
    check(basis_of(cyclic), cyclic)
    one = uniform_pool(lambda x: x * (np.arange(count) == 1)[:, None], dimension, count, rng)
    check(basis_of(one), one)


def test_repeated_samples_give_some_basis(rng):
    points = np.repeat(rng.uniform(-1, 1, (3, 4)), 50, axis=0)
    pool = pool_of(points, points**3)
    check(basis_of(pool), pool)
    heavy = pool_of(rng.uniform(-1, 1, (300, 4)), rng.standard_cauchy((300, 4)) ** 3)
    check(basis_of(heavy), heavy)


@pytest.mark.parametrize("units", UNITS, ids=str)
@pytest.mark.parametrize("energy", [1e-60, 1.0, 1e60])
def test_units_are_of_no_matter(units, energy, rng):
    """Bit for bit where they are powers of two, of any size."""
    pool, scale = system_pool("pendulum", 500, rng), 2.0 ** np.round(np.log2(units))
    other = pool_of(pool.points * scale, pool.gradients / scale * 2.0 ** round(np.log2(energy)))
    report, same = (basis_of(some, 50).report | {"seconds": 0} for some in (pool, other))
    assert report == same and report["supports"] == [["q1"], ["p1"]]


def test_supports_that_are_more_than_the_features(rng):
    """Found ones give way to dense features; given ones, and the two halves of a separable energy, are refused."""
    pool = system_pool("henon-heiles", 1000, rng)
    basis = basis_of(pool, 2)
    assert basis.supports is None and check(basis, pool, 2)["supports"] == [["q1", "q2", "p1", "p2"]]
    assert check(basis_of(pool, 2, separable=True), pool, 2)["supports"] == [["q1", "q2"], ["p1", "p2"]]
    for bandwidth in ("auto", 1.0):
        with pytest.raises(
            UserError, match="features = 2 is fewer than the 3 supports, each of which needs one at least; use more features"
        ):
            basis_of(pool, 2, bandwidth=bandwidth, supports=[["q1"], ["q2"], ["p1", "p2"]])
        with pytest.raises(UserError, match="features = 1 is fewer than the 2 supports"):
            basis_of(pool, 1, bandwidth=bandwidth, separable=True)


@pytest.mark.parametrize("count", [3, 4, 20, 300])
def test_separable_energies_never_get_features_of_both(count, rng):
    pool = uniform_pool(lambda x: rng.standard_normal(x.shape), 4, count, rng)
    for bandwidth in ("auto", 1.0):
        for support in supports_of(pool, bandwidth, separable=True, features=8):
            assert len({name[0] for name in support}) == 1


def test_a_coordinate_that_supports_leave_out_is_noticed_where_the_energy_depends_on_it(rng):
    pool = system_pool("henon-heiles", 200, rng)
    for searched in ({}, {"bandwidth": 0.5}):
        with pytest.raises(UserError, match=r'no feature depends on p2, along which H changes; add \["p2"\] to the supports'):
            basis_of(pool, supports=[["q1", "q2"], ["p1"]], **searched)
    cyclic = uniform_pool(lambda x: x * [1, 1, 1, 0], 4, 200, rng)
    check(basis_of(cyclic, supports=[["q1", "q2"], ["p1"]]), cyclic)


def test_supports_that_are_more_than_the_features_are_told(rng):
    pool = system_pool("henon-heiles", 2000, rng)
    report = check(basis_of(pool, features=2), pool, 2)
    assert report["found_but_more_than_features"] == 3 and report["supports"] == [["q1", "q2", "p1", "p2"]]
    assert check(basis_of(pool, features=3), pool, 3)["found_but_more_than_features"] is None


def test_coordinates_that_repeat_get_bandwidths_that_interpolate():
    """On a grid held samples have the coordinates of others, so that no bandwidth errs there; the smallest is right in between."""
    axis = np.linspace(-3, 3, 32)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    basis = basis_of(pool_of(points, np.column_stack([np.sin(points[:, 0]), points[:, 1]])), 200)
    assert max(basis.bandwidths) <= 2 and basis.report["supports"] == [["q1"], ["p1"]]


def test_more_interactions_than_the_features_can_share_give_way_to_single_coordinates(rng):
    def gradient(x):
        q, p = np.split(x, 2, axis=1)
        c, s = np.cos(q).sum(axis=1, keepdims=True), np.sin(q).sum(axis=1, keepdims=True)
        return np.column_stack([2 * (s * np.cos(q) - c * np.sin(q)) / 10, p])  # of |p|²/2 + (c² + s²)/10

    pool = uniform_pool(gradient, 20, 2500, rng)
    report = check(basis_of(pool, 100), pool, 100)
    assert report["supports"] == [[name] for name in report["bandwidths"]]


def test_correlated_coordinates_do_not_stand_in_for_one_another(rng):
    x = rng.uniform(-1, 1, (6000, 6))
    x[:, 2] = (x[:, 1] + x[:, 2]) / 2
    gradients = x.copy()
    gradients[:, 0] += np.sin(2 * x[:, 1])
    gradients[:, 1] += 2 * x[:, 0] * np.cos(2 * x[:, 1])
    assert supports_of(pool_of(x, gradients)) == [("q1", "q2"), ("q3",), ("p1",), ("p2",), ("p3",)]
