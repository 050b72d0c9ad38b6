"""The certificate in sentences."""

import pytest

from hnn_hpc.report.certificate_text import certificate_rows

RESULT = {
    "features": 100,
    "rank": 80,
    "certified": True,
    "stop_reason": "rank-deficient",
    "backward_error": 2e-16,
    "relative_residual": 1e-9,
    "normal_residual": 1e-3,
    "condition_estimate": None,
    "ridge": 0.0,
    "effective_dof": 80.0,
    "noise_level": 1e-8,
    "iterations": 0,
    "job": {"solver": {"rcond": 1e-15}},
}


def told(**changes):
    return {name: (value, sentence) for name, value, sentence in certificate_rows(RESULT | changes)}


def test_every_figure_has_a_sentence_of_its_own():
    rows = told(ridge=0.1, iterations=12)
    assert len({sentence for _, sentence in rows.values()}) == len(rows) == 11
    assert all(sentence.endswith(".") and value for value, sentence in rows.values())


def test_what_is_0_is_not_told_of():
    assert {"ridge", "effective coefficients", "iterations"}.isdisjoint(told())


@pytest.mark.parametrize(("certified", "word"), [(True, "as good as the arithmetic allows"), (False, "do not trust")])
def test_a_failed_check_is_said_plainly(certified, word):
    assert word in told(certified=certified)["certified"][1]


def test_the_rank_tells_what_was_left_out():
    assert told()["numerical rank"][0] == "80 of 100" and "the other 20, below 1e-15 of the largest" in told()["numerical rank"][1]
    assert "All combinations" in told(rank=100, stop_reason="converged")["numerical rank"][1]


def test_the_condition_is_said_to_tell_less_of_the_energy_than_of_the_coefficients():
    assert told()["condition"][1].endswith("change the coefficients, much more than the learned energy.")


def test_a_figure_that_is_not_a_number_is_a_dash():
    assert told()["condition"][0] == "-"
