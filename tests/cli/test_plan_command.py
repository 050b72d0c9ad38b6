"""`hnn-hpc plan`: what it prints, what it refuses, and that it neither reads samples nor counts to K."""

import json
import re
import time

import pytest

from hnn_hpc.cli import main
from hnn_hpc.cli.plan import duration
from hnn_hpc.peak_memory import peak_memory_bytes
from hnn_hpc.samples import Samples, SystemSamples
from hnn_hpc.solvers import SOLVERS
from hnn_hpc.storage import SampleFile, SampleFileWriter

JOB = """
[data]
system = "fput-chain"
dof = 10
samples = 1_000_000
[features]
count = 1000
bandwidth = 0.25
supports = "dense"
"""
HUGE = ["--set", "data.dof=32", "--set", "data.samples=1000000000", "--set", "features.count=10000", "--ranks", "4096", "--threads", "1"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(main.__globals__["plan"].CALIBRATION, "order", 32)
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


@pytest.fixture
def run(capsys):
    """Run `plan` on the job; return its JSON object, or the words of its refusal."""

    def run(*arguments, job="job.toml"):
        code = main(["plan", job, *arguments, "--json"])
        result = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert code == result.get("exit_code", 0)
        return result.get("error", result)

    return run


def test_a_person_gets_a_row_for_every_solver_and_the_reason(capsys):
    assert main(["plan", "job.toml", "--ranks", "2", "--threads", "3"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^problem +1 000 000 samples of 20 coordinates, 1 000 features$", out, re.MULTILINE)
    assert re.search(r"^machine +2 ranks, 3 threads each; 1 GB/s between ranks, assumed$", out, re.MULTILINE)
    assert re.search(r"^solver +khatri-rao-qr: the fastest that does for any condition number \(khatri-rao-qr .* s, ", out, re.MULTILINE)
    assert "gram in its place where a probe of the features finds a condition number of 2e+07 or less" in out
    assert re.search(r"^its time .*factor [\d.]+ s", out, re.MULTILINE)
    for name in [name for name in SOLVERS if name != "auto"]:
        assert re.search(rf"^{name} +3 +[\d.]+ [MG]B +\d\.\d\de\+1\d +[\d.]+ (s|min|h) +yes$", out, re.MULTILINE), name


def test_the_result_has_it_all(run):
    result = run("--ranks", "2", "--threads", "1")
    assert [result[key] for key in ("samples", "dimension", "features", "ranks", "threads")] == [1_000_000, 20, 1000, 2, 1]
    assert (result["chosen"], result["if_well_conditioned"], result["network_measured"]) == ("khatri-rao-qr", "gram", False)
    assert set(result["solvers"]) == set(SOLVERS) - {"auto"}
    program = peak_memory_bytes()  # of this process: a part of what is predicted, which earlier tests decide
    for cost in result["solvers"].values():
        assert cost["seconds"] == pytest.approx(sum(cost["stages"].values())) and cost["fits"] is True
        assert 10**8 < cost["memory_bytes"] < 10**9 + program and cost["flops"] > 10**11
    assert result["rates"]["multiply"] > 0


@pytest.mark.parametrize(
    "setting", ["features.supports=auto", "features.separable=true", 'features.supports=[["q1", "q2"], ["p1"]]', "features.supports=dense"]
)
def test_sparse_features_are_planned_as_dense_ones_and_that_is_said(run, capsys, setting):
    dense, result = run("--threads", "1"), run("--threads", "1", "--set", setting)
    expected = "auto" if "auto" in setting else "dense" if "dense" in setting else "given"
    assert (dense["supports"], dense["is_upper_bound"]) == ("dense", False)
    assert (result["supports"], result["is_upper_bound"]) == (expected, expected != "dense")
    for name, cost in result["solvers"].items():
        assert [cost[key] for key in ("blocks", "flops", "threads")] == [
            dense["solvers"][name][key] for key in ("blocks", "flops", "threads")
        ]
    assert main(["plan", "job.toml", "--set", setting]) == 0
    lines = re.findall("^supports .*$", capsys.readouterr().out, re.MULTILINE)
    told = (
        []
        if expected == "dense"
        else [f"{expected}: predicted is a dense solve, the most that one takes; the search for supports comes on top, some seconds"]
    )
    assert [line.split(None, 1)[1] for line in lines] == told


def test_a_sampler_of_dense_features_has_no_supports_to_find(run):
    result = run("--set", "features.sampler=elm", "--set", "features.supports=auto")
    assert (result["supports"], result["is_upper_bound"]) == ("dense", False)


def test_derived_coordinates_leave_tsqr_alone(run):
    angles = ["--set", 'coordinates.angles=["q1"]']
    for more in ([], ["--set", "solver.name=tsqr"], ["--set", "solver.ridge=gcv"]):
        result = run(*angles, *more, "--threads", "1")
        assert (result["chosen"], list(result["solvers"]), result["if_well_conditioned"]) == ("tsqr", ["tsqr"], None)
        assert ("asked for by name" if "solver.name=tsqr" in more else "the only one for a matrix") in result["reason"]
    assert "has no Khatri-Rao form, which gram needs; use 'auto' or 'tsqr'" in run(*angles, "--set", "solver.name=gram")
    words = run(*angles, "--threads", "1", "--memory", str(result["solvers"]["tsqr"]["memory_bytes"] // 2))
    assert words.startswith("tsqr does not fit") and "solver.name" not in words
    assert "unknown coordinate 'q11'" in run("--set", 'coordinates.angles=["q11"]')


def test_a_named_solver_is_taken_at_its_word(run):
    result = run("--set", "solver.name=tsqr")
    assert (result["chosen"], result["reason"], result["if_well_conditioned"]) == ("tsqr", "asked for by name", None)


def test_a_ridge_leaves_the_solvers_that_can(run):
    result = run("--set", "solver.ridge=gcv")
    assert "gram" not in result["solvers"] and result["if_well_conditioned"] is None


def test_no_sample_is_read(run, folder, monkeypatch):
    with SampleFileWriter(folder / "samples.h5", (50, 2)) as writer:
        points = SystemSamples.read(SystemSamples(__import__("hnn_hpc").systems.make_system("pendulum"), 50, 1), 0, 50)
        writer.write(0, Samples(*points))
    (folder / "file.toml").write_text('[data]\nfile = "samples.h5"\ntest_fraction = 0.2\n[features]\ncount = 10\n')
    for source in (SystemSamples, SampleFile):
        monkeypatch.setattr(source, "read", lambda *_: pytest.fail("read"))
    assert run()["samples"] == 1_000_000
    result = run(job="file.toml")
    assert (result["samples"], result["dimension"]) == (40, 2)


def test_a_problem_far_larger_than_this_machine_takes_no_longer_to_plan(run):
    start = time.process_time()
    result = run(*HUGE)
    assert time.process_time() - start < 5
    cost = result["solvers"]["khatri-rao-qr"]
    assert cost["blocks"] > 4096 and cost["flops"] > 2e17
    assert 10**9 < cost["memory_bytes"] < 10**10 and 600 < cost["seconds"] < 10**6


def test_memory_lowers_the_threads_first(run):
    wide = run("--threads", "8")["solvers"]["khatri-rao-qr"]
    narrow = run("--threads", "8", "--memory", str(wide["memory_bytes"] - 1))["solvers"]["khatri-rao-qr"]
    assert wide["threads"] == 8 and narrow["threads"] == 7 and narrow["fits"]


def test_what_does_not_fit_is_refused_with_what_would(run, capsys):
    words = run(*HUGE, "--memory", "3GB")
    assert words.startswith("khatri-rao-qr does not fit: with one thread it needs ") and "--memory is 3.0 GB" in words
    enough, features = re.search(r"what would fit: ([\d.]+ GB) or more, or at most (\d+) features", words).groups()
    assert run(*HUGE, "--memory", enough)["solvers"]["khatri-rao-qr"]["fits"]
    assert run(*HUGE, "--memory", "3GB", "--set", f"features.count={features}")["solvers"]["khatri-rao-qr"]["fits"]
    assert "does not fit" in run(*HUGE, "--memory", "3GB", "--set", f"features.count={int(features) + 1}")


def test_more_ranks_are_advised_where_they_help(run, monkeypatch):
    monkeypatch.setattr("hnn_hpc.cli.plan.peak_memory_bytes", lambda: 80_000_000)  # not what the tests before have left
    words = run(*HUGE, "--ranks", "1", "--memory", "7GB")
    ranks = int(re.search(r"or (\d+) ranks", words)[1])
    assert run(*HUGE, "--ranks", str(ranks), "--memory", "7GB")["chosen"] == "khatri-rao-qr"
    assert "does not fit" in run(*HUGE, "--ranks", str(ranks // 2), "--memory", "7GB")


def test_the_limit_of_the_job_counts_too(run):
    words = run("--set", "solver.memory_per_rank=20MB")
    assert "solver.memory_per_rank is 20 MB" in words and "or more" in words
    needed = re.search(r"what would fit: (\d+ MB) or more", words)[1]
    assert run("--set", f"solver.memory_per_rank={needed}")["solvers"]["khatri-rao-qr"]["fits"]


@pytest.mark.parametrize(
    "seconds, text", [(0.123, "0.12 s"), (12.3, "12 s"), (119, "119 s"), (121, "2.0 min"), (7200, "2.0 h"), (2e5, "2.3 days")]
)
def test_durations_are_told_in_the_unit_that_suits(seconds, text):
    assert duration(seconds) == text


def test_fit_tells_what_was_predicted_beside_what_was_measured(capsys, folder, monkeypatch):
    monkeypatch.setenv("HNN_HPC_THREADS", "1")
    job = ["fit", "job.toml", "--set", "data.samples=20000", "--set", "data.test_samples=10", "--set", "features.count=300", "--json"]
    start = time.process_time()
    assert main(job) == 0
    taken = time.process_time() - start
    out = capsys.readouterr().out
    result = json.loads(out.splitlines()[-1])
    assert re.search(r"^predicted +solve \d+\.\d\d s, peak memory \d+ MB$", out, re.MULTILINE)
    assert result["predicted"] == json.loads((folder / "results/job/result.json").read_text())["predicted"]
    # Of the solve alone, on a core that others leave alone: a factor of 2 of it, and 25 % of the memory.
    assert taken / 4 < result["predicted"]["seconds"] < 2 * taken
    assert result["predicted"]["memory_bytes"] == pytest.approx(result["peak_memory_bytes"], rel=0.25)
