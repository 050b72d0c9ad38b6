"""Bars are judged from figures that are made up, met by one and missed by the next; what was not measured is missed."""

import pytest

from hnn_hpc.benchmark.bars import GCV, RIDGES, bar, fastest, ratios, ridge_label, worst
from hnn_hpc.benchmark.cases import CASES


def run_of(*rounds, **same):
    return {"rounds": [{"status": "ok", **same, **one} for one in rounds]}


def measured(runs, dgemm=(), **problem):
    return {"problems": [{"system": "henon-heiles", "variation": "none", "runs": runs, **problem}], "dgemm": list(dgemm)}


def judged(name, measured):
    """{what: (measured, met)} of a case's bars."""
    return {bar["what"]: (bar["measured"], bar["met"]) for bar in CASES[name].bars(measured)}


@pytest.mark.parametrize(
    ("values", "limits", "value", "met"),
    [
        ([3, 1, 2], {"at_most": 2}, 2, True),
        ([3, 1, 2], {"at_most": 1.9}, 2, False),
        ([3, 1, 2], {"at_least": 2}, 2, True),
        ([3, 1, 2], {"at_least": 2.1}, 2, False),
        ([3, 1, 2], {"at_least": 2, "at_most": 2}, 2, True),
        ([], {"at_most": 2}, None, False),
    ],
)
def test_a_bar_holds_for_the_median_and_is_missed_without_values(values, limits, value, met):
    judgement = bar("what", values, **limits)
    assert (judgement["measured"], judgement["met"]) == (value, met)
    assert (judgement["lowest"], judgement["highest"]) == ((1, 3) if values else (None, None))


def test_ratios_are_taken_within_a_round():
    runs = {"a": run_of({"seconds": 2}, {"seconds": 40}), "b": run_of({"seconds": 1}, {"seconds": 10})}
    assert ratios({"runs": runs}, "a", "b", "seconds") == [2, 4]
    runs["b"]["rounds"][1]["status"] = "time limit"
    assert ratios({"runs": runs}, "a", "b", "seconds") == []
    assert ratios({"runs": runs}, "a", "a", "energy_error") == []


def test_the_fastest_is_one_that_is_certified():
    runs = {
        "a": run_of({"seconds": 3}, {"seconds": 5}, certified=True),
        "b": run_of({"seconds": 4}, {"seconds": 4}, certified=True),
        "quick": run_of({"seconds": 1}, {"seconds": 1}, certified=False),
        "failed": {"rounds": [{"status": "failed"}]},
    }
    assert fastest({"runs": runs}, runs) == [3, 4]


def test_the_worst_problem_counts_and_a_missing_one_misses():
    assert worst("what", [[1, 2, 3], [1.1]], at_most=2)["met"]
    assert worst("what", [[1, 2, 3], [2.1]], at_most=2)["measured"] == 2.1
    assert not worst("what", [[1], []], at_most=2)["met"]


def test_accuracy():
    theirs = run_of({"energy_error": 1e-6, "gradient_error": 1e-5, "relative_residual": 1e-4})
    good = run_of({"energy_error": 1.05e-6, "gradient_error": 1e-5, "relative_residual": 1e-4 * (1 + 5e-9), "condition_estimate": 5e10})
    bad = run_of({"energy_error": 1.2e-6, "gradient_error": 1e-5, "relative_residual": 1e-4 * (1 - 2e-8)})
    found = judged("accuracy", measured({"numpy-lstsq": theirs, "khatri-rao-qr": good, "lsqr": bad}))
    assert [met for _, met in found.values()] == [True, True, True, True, False, True, False]


def test_deficient():
    theirs = run_of({"energy_error": 1, "gradient_error": 1})
    runs = {"numpy-lstsq": theirs}
    runs |= {"khatri-rao-qr": run_of({"energy_error": 1.9, "gradient_error": 2.1, "rank": 5})}
    runs |= {"lsqr": run_of({"energy_error": 1, "gradient_error": 1, "rank": 6})}
    found = judged("deficient", measured(runs, variation="every feature twice", features=10))
    assert [met for _, met in found.values()] == [True, False, True, True, True, False]
    found = judged("deficient", measured(runs, features=10))
    assert [met for _, met in found.values()] == [True, False, True, True, True, True]


def test_time_and_memory():
    ours = {"seconds": 2, "peak_memory_bytes": 11}
    runs = {"numpy-lstsq": run_of({"seconds": 12, "peak_memory_bytes": 80}), "khatri-rao-qr": run_of(ours), "auto": run_of(ours)}
    assert list(judged("time-4d", measured(runs)).values()) == [(6, True), (pytest.approx(80 / 11), False)]
    runs["tsqr"] = run_of({"seconds": 19})
    assert list(judged("time-20d", measured(runs)).values()) == [(9.5, False)]


def test_rate_is_of_the_mean_of_dgemm_before_and_after_the_round():
    runs = {"khatri-rao-qr": run_of({"seconds": 2}, {"seconds": 1})}
    found = judged("rate", measured(runs, dgemm=[1000, 3000, 1000], samples=20, features=10))  # 4000 flops
    assert list(found.values()) == [(1.5, True)]  # the median of 2000/2000 and 4000/2000
    assert list(judged("rate", measured(runs, dgemm=[1000, None, 1], samples=20, features=10)).values()) == [(None, False)]


def test_lsqr():
    runs = {"lsqr": run_of({"iterations": 26, "seconds": 1}), "khatri-rao-qr": run_of({"seconds": 2})}
    assert list(judged("lsqr", measured(runs)).values()) == [(26, False), (0.5, True)]


def test_auto():
    def problem(seconds, predicted_seconds, predicted_memory):
        predicted = {"seconds": predicted_seconds, "memory_bytes": predicted_memory}
        others = {name: run_of({"seconds": 10, "certified": True}) for name in ("khatri-rao-qr", "lsqr", "gram")}
        auto = {"seconds": seconds, "peak_memory_bytes": 100, "predicted": predicted, "certified": True}
        return {"runs": others | {"auto": run_of(auto)}}

    good, bad = problem(12, 20, 80), problem(13, 6, 130)
    assert [met for _, met in judged("auto", {"problems": [good, good]}).values()] == [True, True, True]
    assert [value for value, _ in judged("auto", {"problems": [good, bad]}).values()] == pytest.approx([1.3, 13 / 6, 0.3])
    good["runs"]["auto"]["rounds"][0] |= {"predicted": None, "certified": False}
    assert [met for _, met in judged("auto", {"problems": [good]}).values()] == [False, False, False]


def test_memory():
    problems = [
        {"runs": {name: run_of({"peak_memory_bytes": size}) for name, size in zip(("khatri-rao-qr", "lsqr", "gram"), sizes, strict=True)}}
        for sizes in ((100, 100, 100), (109, 90, 100), (101, 100, None))
    ]
    found = judged("memory", {"problems": problems})
    assert list(found.values()) == [(1.09, True), (pytest.approx(100 / 90), False), (None, False)]


def test_noise():
    errors = {ridge_label(ridge): 0.5 if ridge == 1e-3 else 1.0 for ridge in RIDGES} | {GCV: 0.59}
    runs = {name: run_of({"gradient_error": error}) for name, error in errors.items()}
    assert list(judged("noise", measured(runs, noise=0.05)).items()) == [
        ("noise 5 %: ∇H error of ridge gcv over that of the best on the grid", (pytest.approx(1.18), True))
    ]
    runs[GCV] = run_of({"gradient_error": 0.61})
    assert not judged("noise", measured(runs, noise=0.05)).popitem()[1][1]
