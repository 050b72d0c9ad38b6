"""One measurement: all peers and all of our solvers come to the same answer, and what goes wrong is labelled."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from hnn_hpc.benchmark.measure import main, measure
from hnn_hpc.benchmark.peers import PEERS, Peer
from hnn_hpc.benchmark.problem import Problem
from hnn_hpc.benchmark.process import run_process
from hnn_hpc.errors import HnnError
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.solvers import SOLVERS

PROBLEM = Problem("henon-heiles", 500, 24)  # of a condition number of 1e3
OWN_PROCESS = ("petsc-lsqr",)  # a PETSc that starts here would take the signals of later tests


def what(peer, problem=PROBLEM, **more):
    return {"peer": peer, "problem": asdict(problem), "options": {}, "iterations": 1000, "ranks": 1} | more


def measured(peer, **more):
    return measure(what(peer, **more), SerialCommunicator())


@pytest.fixture(scope="module")
def expected():
    """What numpy.linalg.lstsq gives."""
    return measured("numpy-lstsq")


@pytest.mark.parametrize("peer", [name for name in (*PEERS, *SOLVERS) if name not in ("numpy-lstsq", *OWN_PROCESS)])
def test_everybody_comes_to_the_same_answer_on_the_same_problem(peer, expected):
    result = measured(peer)
    assert result["status"] == "ok" and result["digest"] == expected["digest"]
    for name in ("energy_error", "gradient_error", "relative_residual"):
        assert result[name] == pytest.approx(expected[name], rel=1e-8)
    assert result["seconds"] > 0 and result["peak_memory_bytes"] > 1e7


def test_plain_lsqr_of_petsc_comes_to_the_same_answer_and_says_where_it_stopped(expected):
    result = run_process(what("petsc-lsqr"), 1, 1, 100)
    assert (result["status"], result["digest"], result["note"]) == ("ok", expected["digest"], None)
    assert result["gradient_error"] == pytest.approx(expected["gradient_error"], rel=1e-6)
    capped = run_process(what("petsc-lsqr", iterations=3), 1, 1, 100)
    assert (capped["iterations"], capped["note"]) == (3, "stopped at the cap of 3 iterations")
    assert capped["gradient_error"] > 1.1 * expected["gradient_error"]


@pytest.mark.parametrize(("variation", "rank"), [("every feature twice", 12), ("a zero feature", 23)])
def test_deficient_problems_are_solved_by_ours_as_by_the_truncated_svd(variation, rank):
    problem = Problem("henon-heiles", 500, 24, variation=variation)
    theirs, ours = (measured(peer, problem=problem) for peer in ("numpy-lstsq", "khatri-rao-qr"))
    assert ours["digest"] == theirs["digest"] and ours["rank"] == theirs["rank"] == rank
    assert ours["gradient_error"] == pytest.approx(theirs["gradient_error"], rel=1e-6)


def test_options_of_the_fit_reach_it():
    problem = Problem("pendulum", 2000, 200, "uniform-swim")  # of a condition number of 1e16
    full, cut = (measured("khatri-rao-qr", problem=problem, options={"rcond": rcond}) for rcond in (1e-15, 1e-6))
    assert cut["rank"] < 0.6 * full["rank"]


def test_a_refusal_of_this_program_is_a_result(monkeypatch):
    def refuse(*_):
        raise HnnError("not at this condition number")

    monkeypatch.setattr("hnn_hpc.benchmark.measure.fitted", refuse)
    assert measured("khatri-rao-qr") == {"status": "refused", "reason": "not at this condition number"}


def test_coefficients_that_are_not_numbers_are_a_result_without_errors(monkeypatch):
    monkeypatch.setitem(PEERS, "numpy-lstsq", Peer(lambda A, f, iterations: (np.full(A.shape[1], np.nan), {}), 1))
    result = measured("numpy-lstsq")
    assert result["status"] == "not finite" and "energy_error" not in result and result["seconds"] >= 0


def test_a_run_prints_its_result_as_the_last_line(capsys):
    main(json.dumps({"peer": "dgemm", "order": 100, "ranks": 1}))
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["flops_per_second"] > 1e6


def test_ranks_are_started_by_mpirun_and_give_the_same_answer():
    one, two = (run_process(what("tsqr", ranks=ranks), 1, 1, 100) for ranks in (1, 2))
    assert (one["status"], two["status"]) == ("ok", "ok")
    assert [two[name] for name in ("digest", "gradient_error")] == [one[name] for name in ("digest", "gradient_error")]


def test_a_run_that_is_too_long_or_fails_is_labelled(monkeypatch):
    assert run_process(what("numpy-lstsq"), 1, 1, 0.05) == {"status": "time limit", "reason": "not done after 0.05 s"}
    failed = run_process({"peer": "dgemm", "order": 10**7, "ranks": 1}, 1, 1, 100)  # 800 TB
    assert failed["status"] == "failed" and "MemoryError" in failed["reason"]


def test_a_run_on_ranks_that_is_too_long_leaves_no_process():
    marker = 987_654_321
    problem = Problem("henon-heiles", 3_000_000, 400, seed=marker)
    result = run_process(what("tsqr", problem=problem, ranks=2), 1, 1, 2.0)
    assert result["status"] == "time limit"
    assert not [command for command in _commands() if str(marker) in command]


def _commands():
    """The command lines of all processes."""
    from pathlib import Path

    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
