"""Which pairs are left to be tested where there are many: the numbers by hand, and terms of every shape among all other pairs."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from pools import supports_of, system_pool, trial_samples

from hnn_hpc.basis import screening
from hnn_hpc.basis.screening import most_pairs, shortlist
from hnn_hpc.features import make_coordinates, plain_coordinates

DIMENSION, COUNT = 12, 3000
PAIRS = list(combinations(range(DIMENSION), 2))
# ∂H/∂x_2 and ∂H/∂x_7 of terms of x_2 and x_7 that no function of one of them explains.
TERMS = {
    "product": lambda a, b: (b, a),
    "even": lambda a, b: (2 * a * b**2, 2 * a**2 * b),
    "spring": lambda a, b: (2 * (a - b) ** 3, -2 * (a - b) ** 3),
    "wave": lambda a, b: (np.cos(3 * a) * np.sin(3 * b), np.sin(3 * a) * np.cos(3 * b)),
    "polar": lambda a, b: (b**2, 2 * a * b),
}


@pytest.fixture
def few_pairs(monkeypatch):
    """Only so many pairs stay that a bad order of them is seen."""
    monkeypatch.setattr(screening, "MOST_PAIRS", 3)
    monkeypatch.setattr(screening, "PAIRS_A_UNIT", 0)


def samples_of(rng, coordinates=None, units=1.0):
    coordinates = coordinates or plain_coordinates(DIMENSION)
    points = units * rng.uniform(-1, 1, (COUNT, coordinates.dimension))
    return trial_samples(points, rng.standard_normal(points.shape), coordinates), points


@pytest.mark.parametrize("units, pairs", [(2, 1), (4, 6), (55, comb(55, 2)), (56, 1500), (125, 1500), (126, 1512), (1000, 12_000)])
def test_how_many_pairs_are_tested(units, pairs):
    assert most_pairs(units) == pairs


def test_few_pairs_all_stay(rng):
    samples, points = samples_of(rng)
    assert shortlist(PAIRS, samples, points, 0) is PAIRS


@pytest.mark.parametrize("units", [1.0, 10.0 ** np.arange(-6, 6)], ids=["one unit", "many"])
@pytest.mark.parametrize("term", TERMS)
def test_a_term_hidden_in_noise_stays(term, units, rng, few_pairs):
    samples, points = samples_of(rng, units=units)
    t = points / units
    residual = rng.standard_normal((COUNT, DIMENSION))
    for x, slope in zip((2, 7), TERMS[term](t[:, 2], t[:, 7]), strict=True):
        residual[:, x] = slope / slope.std() + 0.5 * residual[:, x]
    kept = shortlist(PAIRS, samples, residual, 1e-6)
    assert (2, 7) in kept and len(kept) == 3 and kept == sorted(kept)
    without = shortlist([pair for pair in PAIRS if pair != (2, 7)], samples, residual, 1e-6)
    assert (2, 7) not in without and len(without) == 3


def test_what_is_negligible_or_constant_is_no_reason_to_stay(rng, few_pairs):
    """The residual along x_2 and x_7 is all of one term, yet nothing beside the gradients; three others are half of noise."""
    samples, points = samples_of(rng)
    residual = np.zeros((COUNT, DIMENSION))
    residual[:, 5] = 1.0
    for a, b in ((3, 4), (8, 9), (10, 11)):
        residual[:, a] = points[:, b] + 0.5 * rng.standard_normal(COUNT)
    residual[:, [2, 7]] = 1e-9 * points[:, [7, 2]]
    assert (2, 7) in shortlist(PAIRS, samples, residual, 0)
    assert shortlist(PAIRS, samples, residual, 1e-6) == [(3, 4), (8, 9), (10, 11)]
    assert len(shortlist(PAIRS, samples, np.zeros_like(residual), 1e-6)) == 3


def test_a_derived_unit_stays_by_what_it_touches(rng, few_pairs):
    coordinates = make_coordinates(8, ["q1", "q2"], [["q1", "q2"], ["q3", "q4"]])
    samples, points = samples_of(rng, coordinates)
    number = {name: at for at, name in enumerate(coordinates.names)}
    residual = 0.3 * rng.standard_normal((COUNT, 8))
    turn = np.cos(points[:, 0] - points[:, 1])
    residual[:, number["p2"]] += turn * points[:, number["p2"]]
    residual[:, 0] -= np.sin(points[:, 0] - points[:, 1]) * points[:, number["p2"]] ** 2 / 2
    pairs = list(combinations(range(len(coordinates.names)), 2))
    assert (number["p2"], number["q1-q2"]) in shortlist(pairs, samples, residual, 1e-6)


def test_a_chain_is_found_by_few_tests(rng, monkeypatch):
    monkeypatch.setattr(screening, "MOST_PAIRS", 20)
    monkeypatch.setattr(screening, "PAIRS_A_UNIT", 0)
    supports = supports_of(system_pool("fput-chain", 3000, rng, dof=8), features=100)
    assert supports == [(f"q{i}", f"q{i + 1}") for i in range(1, 8)] + [(f"p{i}",) for i in range(1, 9)]
