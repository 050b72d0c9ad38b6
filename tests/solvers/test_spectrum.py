"""The spectrum that comes with a factor, against numpy's singular values of the whole matrix with columns of norm 1."""

import numpy as np
import pytest
from oracles import ROUND_OFF, column_norms, decaying, with_singular_values

from hnn_hpc.solvers import spectrum
from hnn_hpc.solvers.factor import factor_of
from hnn_hpc.solvers.spectrum import PIVOTS, SINGULAR_VALUES, Spectrum, joined_spectrum, spectrum_of
from hnn_hpc.solvers.triangle import triangle_of

FACTOR_OF_A_PIVOT = 30  # by which the pivots of a pivoted QR miss the singular values of their numbers, at most


def factor(A, rcond=1e-15):
    return factor_of(triangle_of(np.asfortranarray(A)), rcond)


def singular_values(A):
    return np.linalg.svd(A / column_norms(A), compute_uv=False)


def test_of_full_rank_they_are_the_singular_values(seed):
    A = decaying(np.random.default_rng(seed), 200, 40, 1e6)
    kind, values = spectrum_of(factor(A))
    assert kind == SINGULAR_VALUES
    np.testing.assert_allclose(values, singular_values(A), atol=ROUND_OFF)


@pytest.mark.parametrize("zero_columns", [0, 3])
def test_where_directions_are_dropped_they_are_those_of_the_rest(seed, zero_columns):
    A = with_singular_values(np.random.default_rng(seed), 200, np.r_[np.geomspace(1, 1e-3, 30), np.zeros(10)])
    A = np.hstack([A, np.zeros((200, zero_columns))])
    kind, values = spectrum_of(factor(A, 1e-12))
    assert kind == SINGULAR_VALUES and len(values) == 30
    np.testing.assert_allclose(values, singular_values(A)[:30], atol=ROUND_OFF)


def test_of_many_the_pivots_stand_in_for_them(seed, monkeypatch):
    monkeypatch.setattr(spectrum, "LARGEST", 20)
    A = decaying(np.random.default_rng(seed), 200, 100, 1e18)
    found = factor(A)
    kind, values = spectrum_of(found)
    assert kind == PIVOTS and len(values) == found.rank and (np.diff(values) <= 0).all()
    ratio = values / singular_values(A)[: found.rank]
    assert ratio.min() > 1 / FACTOR_OF_A_PIVOT and ratio.max() < FACTOR_OF_A_PIVOT

    B = decaying(np.random.default_rng(seed), 200, 30, 1e3)
    kind, values = spectrum_of(factor(B))
    assert kind == PIVOTS and len(values) == 30 and values[0] == pytest.approx(1) and values[-1] >= singular_values(B)[-1]


def test_nothing_at_all_has_no_spectrum():
    assert len(spectrum_of(factor(np.zeros((5, 3)))).values) == 0
    assert Spectrum(PIVOTS, np.empty(0)).told() == {"kind": PIVOTS, "numbers": [], "values": []}


def test_what_is_not_finite_does_not_end_the_solve(seed):
    found = factor(decaying(np.random.default_rng(seed), 20, 5, 10))
    found.kept[0, 0] = np.nan
    assert spectrum_of(found).kind == PIVOTS


def test_blocks_have_the_values_of_the_whole(seed):
    rng = np.random.default_rng(seed)
    blocks = [decaying(rng, 50, 10, 1e3), decaying(rng, 40, 7, 1e2)]
    whole = np.block([[blocks[0], np.zeros((50, 7))], [np.zeros((40, 10)), blocks[1]]])
    kind, values = joined_spectrum([spectrum_of(factor(block)) for block in blocks])
    assert kind == SINGULAR_VALUES
    np.testing.assert_allclose(values, singular_values(whole), atol=ROUND_OFF)
    assert joined_spectrum([Spectrum(PIVOTS, values), Spectrum(SINGULAR_VALUES, values)]).kind == PIVOTS


def test_at_most_a_hundred_are_told_the_first_and_the_last_among_them():
    told = Spectrum(PIVOTS, np.geomspace(1, 1e-9, 2000)).told()
    assert told["numbers"][0] == 1 and told["numbers"][-1] == 2000 and len(told["numbers"]) == len(told["values"]) == 100
    assert told["values"][0] == 1 and told["values"][-1] == 1e-9
    assert Spectrum(PIVOTS, np.array([1.0, 0.5])).told()["numbers"] == [1, 2]
