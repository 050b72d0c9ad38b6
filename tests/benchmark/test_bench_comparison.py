"""Rounds, medians, ratios and labels, with runs that only pretend to measure."""

import pytest

from hnn_hpc.benchmark.cases import CASES, DEFAULT_CASES, Case, plain
from hnn_hpc.benchmark.comparison import Settings, compare, spread, why_not
from hnn_hpc.benchmark.peers import PEERS
from hnn_hpc.benchmark.problem import Problem
from hnn_hpc.errors import HnnError
from hnn_hpc.solvers import SOLVERS

CASE = Case("what", 1, (Problem("pendulum", 100, 10),), plain("numpy-lstsq", "auto"))
SETTINGS = Settings(repeat=3, cores=4, limit=7.0)


class Runs:
    """Stands for `run_process`: gives the results of each peer in turn and keeps what it was asked."""

    def __init__(self, **results):
        self.results = {name.replace("_", "-"): list(values) for name, values in results.items()}
        self.asked = []

    def __call__(self, what, threads, blas_threads, limit):
        self.asked.append((what["peer"], what["ranks"], threads, blas_threads, limit))
        if what["peer"] == "dgemm":
            return {"status": "ok", "flops_per_second": 1e9 * len(self.asked)}
        return self.results[what["peer"]].pop(0)


def ok(seconds, memory=100, **more):
    return {"status": "ok", "seconds": seconds, "peak_memory_bytes": memory, "digest": "same", **more}


def test_contestants_take_turns_and_figures_are_medians():
    run = Runs(numpy_lstsq=[ok(5, rank=9), ok(1), ok(3)], auto=[ok(1), ok(4), ok(2)])
    measured = compare("name", CASE, SETTINGS, run=run)
    assert [peer for peer, *_ in run.asked] == ["dgemm", *["numpy-lstsq", "auto", "dgemm"] * 3]
    assert measured["dgemm"] == [1e9, 4e9, 7e9, 10e9]
    [problem] = measured["problems"]
    assert (problem["samples"], problem["dimension"], problem["features"]) == (100, 2, 10)
    assert problem["runs"]["numpy-lstsq"]["seconds"] == {"median": 3, "lowest": 1, "highest": 5}
    assert problem["runs"]["auto"]["peak_memory_bytes"]["median"] == 100
    assert [result["seconds"] for result in problem["runs"]["auto"]["rounds"]] == [1, 4, 2]


def test_a_case_has_its_own_number_of_rounds_unless_told_otherwise():
    for repeat, rounds in ((None, 5), (2, 2)):
        run = Runs(numpy_lstsq=[ok(1)] * 5, auto=[ok(1)] * 5)
        assert compare("name", CASE, Settings(repeat=repeat), run=run)["rounds"] == rounds
        assert len(run.asked) == 3 * rounds + 1


@pytest.mark.parametrize(("ranks", "threads"), [(1, 4), (2, 2), (8, 1)])
def test_everybody_gets_all_cores(ranks, threads):
    case = Case("what", 1, CASE.problems, plain("numpy-lstsq", "dask-lstsq", "auto"))
    run = Runs(numpy_lstsq=[ok(1)], dask_lstsq=[ok(1)], auto=[ok(1)])
    compare("name", case, Settings(repeat=1, ranks=ranks, cores=4, limit=7.0), run=run)
    peers = [("numpy-lstsq", 1, 1, 4, 7.0), ("dask-lstsq", 1, 1, 1, 7.0)]
    assert run.asked == [("dgemm", 1, 1, 4, 7.0), *peers, ("auto", ranks, threads, 1, 7.0), ("dgemm", 1, 1, 4, 7.0)]


def test_who_fails_is_labelled_and_not_asked_again():
    late = {"status": "time limit", "reason": "not done after 7 s"}
    run = Runs(numpy_lstsq=[ok(1), late], auto=[ok(1), ok(2), ok(3)])
    runs = compare("name", CASE, SETTINGS, run=run)["problems"][0]["runs"]
    assert (runs["numpy-lstsq"]["status"], runs["numpy-lstsq"]["reason"]) == ("time limit", "not done after 7 s")
    assert runs["numpy-lstsq"]["seconds"] is None and len(runs["numpy-lstsq"]["rounds"]) == 2
    assert runs["auto"]["seconds"]["median"] == 2


def test_different_problems_are_not_compared():
    run = Runs(numpy_lstsq=[ok(1)], auto=[ok(1) | {"digest": "another"}])
    with pytest.raises(HnnError, match="numpy-lstsq and auto did not solve the same problem"):
        compare("name", CASE, SETTINGS, run=run)


def test_what_cannot_run_is_skipped_with_the_reason(monkeypatch):
    problem = {"samples": 2 * 10**6, "dimension": 4, "features": 1000}  # A takes 64 GB
    assert why_not("numpy-lstsq", problem, available=128e9) == "needs 135 GB of memory, and 128 GB are available"
    assert why_not("scipy-gelsy", problem, available=128e9) is None
    assert why_not("auto", problem, available=1e9) is None  # ours has no matrix in memory
    assert why_not("magic", problem, available=128e9) == "this program has no solver 'magic'"
    monkeypatch.setattr("hnn_hpc.benchmark.peers.find_spec", lambda name: None if name == "dask" else object())
    assert why_not("dask-lstsq", problem, available=1e12) == "dask is not installed: pip install 'hnn-hpc[dask]'"
    run = Runs(auto=[ok(1)] * 3)
    monkeypatch.setattr("hnn_hpc.benchmark.comparison.available_memory_bytes", lambda: 0)
    runs = compare("name", CASE, SETTINGS, run=run)["problems"][0]["runs"]
    assert runs["numpy-lstsq"]["status"] == "skipped" and runs["auto"]["status"] == "ok"


def test_spread():
    assert spread([4, 1, 2, 9]) == {"median": 3, "lowest": 1, "highest": 9} and spread([]) is None


def test_the_cases_name_peers_and_solvers_that_there_are():
    known = {*PEERS, *SOLVERS}
    assert set(DEFAULT_CASES) <= set(CASES)
    for case in CASES.values():
        assert {contestant["peer"] for contestant in case.contestants.values()} <= known
        assert all(problem.title for problem in case.problems)
