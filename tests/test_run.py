"""Where a job's samples come from, what is checked before the fit, and that earlier results survive a failure, and other runs."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hnn_hpc.cli import main
from hnn_hpc.errors import Interruption, OutputError, UserError
from hnn_hpc.job import FileData, Job, job_from_tables
from hnn_hpc.models import load_model
from hnn_hpc.options import FitOptions
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.run import run_job
from hnn_hpc.run_status import RunStatus
from hnn_hpc.sample_run import open_sources
from hnn_hpc.samples import Samples
from hnn_hpc.storage import SampleFileWriter

K = 10
ROOT = Path(__file__).parents[1]
LONGEST = 60  # seconds; a hang is a failure


@pytest.fixture
def file(tmp_path):
    """A file of K samples whose coordinates are their row numbers."""
    rows = np.arange(K, dtype=float)
    path = tmp_path / "samples.h5"
    with SampleFileWriter(path, (K, 2)) as writer:
        writer.write(0, Samples(np.column_stack([rows, rows]), np.ones((K, 2)), rows))
    return path


@pytest.mark.parametrize(("fraction", "kept"), [(0.3, 3), (0.01, 1), (0.99, 10)])
def test_the_last_rows_are_kept_for_the_test(file, fraction, kept):
    train, test, _ = open_sources(Job(FileData(file, test_fraction=fraction), FitOptions(), Path("results")))
    assert (train.count, test.count) == (K - kept, kept)
    assert train.read(0, train.count).energies.tolist() == list(range(K - kept))
    assert test.read(0, kept).points[:, 0].tolist() == list(range(K - kept, K))
    assert test.read(kept - 1, kept).energies.tolist() == [K - 1]


def test_training_and_test_points_of_a_system_differ():
    train, test, _ = open_sources(job_from_tables({"data": {"system": "pendulum", "samples": K}}, None))
    assert not np.isin(train.read(0, K).points, test.read(0, K).points).any()


@pytest.mark.parametrize(
    ("given", "reference"),
    [
        ({}, ([0, 0], 0)),
        ({"reference_point": [0, 2]}, ([0, 2], 2)),  # p^2 / 2
        ({"reference_energy": 5}, ([0, 0], 5)),
        ({"reference_point": [0, 2], "reference_energy": 5}, ([0, 2], 5)),
    ],
)
def test_a_system_knows_its_energy_where_none_is_given(given, reference):
    x0, H0 = open_sources(job_from_tables({"data": {"system": "pendulum", "samples": K, **given}}, None))[2]
    assert (list(x0), H0) == reference


SYSTEM_JOB = {"data": {"system": "pendulum", "samples": 50}, "features": {"count": 40, "bandwidth": 0.5, "supports": "dense"}}


def test_a_bad_test_sample_is_noticed_before_the_fit(tmp_path, monkeypatch):
    monkeypatch.setattr("hnn_hpc.sample_run.fit_source", lambda *_, **__: pytest.fail("fitted"))
    points = np.arange(2.0 * K).reshape(K, 2)
    points[8, 1] = np.nan
    with SampleFileWriter(tmp_path / "samples.h5", (K, 2)) as writer:
        writer.write(0, Samples(points, np.ones((K, 2)), np.ones(K)))
    job = job_from_tables({"data": {"file": str(tmp_path / "samples.h5"), "test_fraction": 0.3}}, tmp_path / "results")
    with pytest.raises(UserError, match=r"row 1 \(p1\) of .*samples\.h5 \(rows counted from its row 7\) is nan"):
        run_job(job, SerialCommunicator())


def test_a_full_disk_leaves_both_earlier_results(tmp_path, full_disk):
    job = job_from_tables(SYSTEM_JOB, tmp_path / "results")
    run_job(job, SerialCommunicator())
    before = {path.name: path.read_bytes() for path in job.directory.iterdir()}
    assert set(before) == {"model.h5", "result.json"} and len(before["model.h5"]) > len(before["result.json"])
    for size in (100, len(before["result.json"]) + 100):  # too little for either file, and for the model only
        with pytest.raises(OutputError, match="File too large"), full_disk() as limit_to:
            limit_to(size)
            run_job(job, SerialCommunicator(), force=True)
        assert {path.name: path.read_bytes() for path in job.directory.iterdir()} == before


def test_the_job_is_added_to_what_the_model_remembers(tmp_path):
    result = run_job(job_from_tables(SYSTEM_JOB, tmp_path / "results"), SerialCommunicator())
    provenance = load_model(tmp_path / "results" / "model.h5").provenance
    assert provenance["job"] == result["job"] == json.loads((tmp_path / "results" / "result.json").read_text())["job"]
    assert provenance["samples"]["system"] == "pendulum"
    assert (provenance["versions"], provenance["seeds"]) == (result["versions"], result["seeds"])


@pytest.mark.parametrize("name", ["a_file/sub/sub", "/proc/hnn-hpc/sub", "a\0b"])
def test_a_directory_that_cannot_be_made_is_named_before_the_fit(tmp_path, monkeypatch, name):
    monkeypatch.setattr("hnn_hpc.sample_run.fit_source", lambda *_, **__: pytest.fail("fitted"))
    (tmp_path / "a_file").touch()
    directory = tmp_path / name
    with pytest.raises(UserError) as caught:
        run_job(job_from_tables(SYSTEM_JOB, directory), SerialCommunicator())
    assert f"the output directory {directory} cannot be made: " in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a_file"]


def finish(process):
    """Return the exit code of a fit and what it said besides its log."""
    _, err = process.communicate(timeout=LONGEST)
    return process.returncode, [line for line in err.splitlines() if line.startswith("hnn-hpc: ")]


def wait_for(pattern):
    deadline = time.monotonic() + LONGEST
    while not list(Path().glob(pattern)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def contents(directory):
    return {path.name: path.read_bytes() for path in Path(directory).iterdir() if path.is_file()}


def remove(directory):
    """Remove a directory into which files are being written."""
    Path(directory).rename("aside")
    while Path("aside").exists():
        shutil.rmtree("aside", ignore_errors=True)


# The end of a disk and of a directory


def test_a_fit_whose_results_find_no_room_is_exit_1_and_leaves_the_earlier_ones(tmp_path, monkeypatch, capsys, full_disk):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.toml").write_text('[data]\nsystem = "pendulum"\nsamples = 60\n[features]\ncount = 30\n')
    assert main(["fit", "job.toml", "--quiet"]) == 0
    before = contents("results/job")
    with full_disk() as limit_to:
        limit_to(500)
        assert main(["fit", "job.toml", "--quiet", "--force"]) == 1
        assert main(["fit", "job.toml", "--quiet", "--output", "results/new/new"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    for line, directory in ((first, "results/job"), (second, "results/new/new")):
        reason = f"cannot write {directory}/result.json: File too large; nothing was written"
        assert line == f"hnn-hpc: error: the fit is done, but its results are lost: {reason}"
    assert contents("results/job") == before and set(before) == {"model.h5", "result.json"}
    assert [path.name for path in Path("results").iterdir()] == ["job"]


@pytest.mark.parametrize("was_there", [False, True])
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_directory_that_goes_while_a_fit_runs_is_told_and_not_made_again(slow_fit, was_there, ranks):
    if was_there:
        Path("results/slow").mkdir(parents=True)
    process = slow_fit("--set", "output.checkpoint_seconds=0.2", ranks=ranks, SLOW_FIT_SECONDS="0.04")
    wait_for("results/slow/checkpoint/*node-*")
    remove("results/slow")
    code, (first, last) = finish(process)
    assert code == 1
    told = "the fit goes on, but its checkpoint is not complete: results/slow has gone; make it again, or nothing can be written there"
    assert first == f"hnn-hpc: {told}"
    lost = "hnn-hpc: error: the fit is done, but its results are lost: cannot write results/slow/result.json: its directory "
    assert last.startswith(lost) and "does not exist" in last
    assert sorted(str(path) for path in Path().rglob("*")) == ["results", "slow.toml"]


def test_a_directory_that_is_made_again_while_a_fit_runs_gets_its_results(slow_fit):
    process = slow_fit("--set", "output.checkpoint_seconds=0.2", SLOW_FIT_SECONDS="0.04")
    wait_for("results/slow/checkpoint/*node-*")
    remove("results/slow")
    time.sleep(0.5)
    Path("results/slow").mkdir()
    code, said = finish(process)
    assert code == 0 and [line for line in said if "has gone; make it again" in line] == said
    assert set(contents("results/slow")) == {"model.h5", "result.json"}


# Two runs in one directory


def test_a_directory_where_a_fit_is_at_work_is_refused_until_that_is_killed(slow_fit):
    process = slow_fit("--set", "output.checkpoint_seconds=0.3")
    wait_for("results/slow/checkpoint/*node-*")
    for how in ("--resume", "--force"):
        command = [sys.executable, "-m", "hnn_hpc", "fit", "slow.toml", "--quiet", how]
        second = subprocess.run(command, stderr=-1, text=True, timeout=LONGEST, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert second.returncode == 2
        host = json.loads(Path("results/slow/status.json").read_text())["host"]
        assert second.stderr == (
            f"hnn-hpc: error: another run is at work in results/slow: process {process.pid} on {host}; "
            "wait for it, end it, or give another --output to this one\n"
        )
    assert process.poll() is None and list(Path("results/slow/checkpoint").glob("*node-*"))
    process.kill()
    process.communicate()
    assert Path("results/slow/status.json").exists()
    start = time.monotonic()
    assert main(["fit", "slow.toml", "--quiet", "--resume"]) == 0
    assert time.monotonic() - start < 5  # at once, for its process has ended
    assert set(contents("results/slow")) == {"model.h5", "result.json"}
    assert json.loads(Path("results/slow/result.json").read_text())["blocks_taken_over"] > 0


def test_the_checkpoint_of_a_fit_at_work_on_a_job_that_is_done_is_left_alone(slow_fit, capsys):
    assert main(["fit", "slow.toml", "--quiet"]) == 0
    before = contents("results/slow")
    process = slow_fit("--force", "--set", "output.checkpoint_seconds=0.2")
    wait_for("results/slow/checkpoint/*node-*")
    assert main(["fit", "slow.toml", "--quiet", "--resume"]) == 2
    assert "another run is at work" in capsys.readouterr().err
    assert list(Path("results/slow/checkpoint").glob("*node-*")) and contents("results/slow").items() >= before.items()
    process.kill()
    process.communicate()
    assert main(["fit", "slow.toml", "--quiet", "--resume"]) == 0
    assert "this job is done already" in capsys.readouterr().err
    assert contents("results/slow") == before and not Path("results/slow/checkpoint").exists()


# A job that is done


def test_to_resume_a_job_that_is_done_is_to_return_its_result(tmp_path, monkeypatch):
    job = job_from_tables(SYSTEM_JOB, tmp_path / "results")
    expected, before = run_job(job, SerialCommunicator()), contents(tmp_path / "results")
    said = []
    with monkeypatch.context() as patch:
        patch.setattr("hnn_hpc.sample_run.fit_source", lambda *_, **__: pytest.fail("fitted again"))
        found = run_job(job, SerialCommunicator(), resume=True, say=said.append)
    assert found == json.loads(json.dumps(expected, default=str)) and contents(tmp_path / "results") == before
    assert said == [f"this job is done already: its results are in {tmp_path / 'results'}, and --force computes them anew"]
    assert run_job(job, SerialCommunicator(), resume=True, force=True)["seconds"] != expected["seconds"]
    with pytest.raises(UserError, match=r"model\.h5 exists; pass --force"):
        run_job(job, SerialCommunicator())
    other = job_from_tables(SYSTEM_JOB | {"data": {"system": "pendulum", "samples": 51}}, tmp_path / "results")
    with pytest.raises(UserError, match=r"model\.h5 exists; pass --force"):
        run_job(other, SerialCommunicator(), resume=True)


def test_a_run_that_was_killed_between_its_two_files_is_done_again(tmp_path):
    job = job_from_tables(SYSTEM_JOB, tmp_path / "results")
    run_job(job, SerialCommunicator())
    model = load_model(tmp_path / "results/model.h5")
    (tmp_path / "results/result.json").unlink()
    with pytest.raises(UserError, match=r"model\.h5 exists; pass --force"):
        run_job(job, SerialCommunicator())
    assert not run_job(job, SerialCommunicator(), resume=True)["resumed"]
    np.testing.assert_array_equal(load_model(tmp_path / "results/model.h5").coefficients, model.coefficients)
    assert set(contents(tmp_path / "results")) == {"model.h5", "result.json"}


def test_what_slurm_starts_again_is_resumed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.toml").write_text('[data]\nsystem = "pendulum"\nsamples = 60\n[features]\ncount = 30\n')
    assert main(["fit", "job.toml", "--quiet"]) == 0
    for restarts, code in (("0", 2), ("1", 0)):
        monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
        assert main(["fit", "job.toml", "--quiet"]) == code
    assert "this job is done already" in capsys.readouterr().err


# What a run leaves


@pytest.mark.parametrize("error", [Interruption, OSError, UserError])
def test_a_run_that_fails_leaves_no_status_and_no_directory_that_it_made(tmp_path, monkeypatch, error):
    seen = []

    def evaluate(*_):
        seen.extend(path.name for path in (tmp_path / "a/b").iterdir())
        raise error("no such luck")

    monkeypatch.setattr("hnn_hpc.sample_run.evaluate", evaluate)
    with pytest.raises(error):
        run_job(job_from_tables(SYSTEM_JOB, tmp_path / "a/b"), SerialCommunicator())
    assert "status.json" in seen and list(tmp_path.iterdir()) == []


def test_the_stages_that_a_fit_reports_are_those_that_it_expects(tmp_path, monkeypatch):
    expected, reported = [], []

    class Remembered(RunStatus):
        def expect(self, stages):
            expected.extend(name for name, _ in stages)
            super().expect(stages)

        def start(self, stage, total):
            reported.append((stage, self.as_dict()["remaining_seconds"]))
            super().start(stage, total)

    monkeypatch.setattr("hnn_hpc.run.RunStatus", Remembered)
    run_job(job_from_tables(SYSTEM_JOB, tmp_path / "results"), SerialCommunicator())
    names = [name for name, _ in reported]
    assert names[:4] == ["check", "survey", "search", "factor"] and names[-1] == "evaluate"
    assert set(expected) == set(names) - {"check", "survey", "search", "evaluate"}
    known = {name for name, remaining in reported if remaining is not None}
    assert "factor" in known and known <= set(expected)


# What SLURM starts again and again


def interrupted_in(stage, monkeypatch, *arguments):
    """Run the fit of job.toml, which a signal meets in a function of `training`; return its exit code."""

    def interrupt(*_):
        raise Interruption

    with monkeypatch.context() as patch:
        patch.setattr(f"hnn_hpc.training.{stage}", interrupt)
        return main(["fit", "job.toml", "--quiet", *arguments])


@pytest.fixture
def job_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("job.toml").write_text('[data]\nsystem = "pendulum"\nsamples = 60\n[features]\ncount = 30\n')


@pytest.mark.parametrize(("restarts", "fruitless", "code"), [("2", -1, 75), ("3", -1, 1), ("3", 45, 75)])
def test_starts_that_save_nothing_come_to_an_end(job_file, monkeypatch, capsys, restarts, fruitless, code):
    monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    monkeypatch.setattr("hnn_hpc.run.FRUITLESS", fruitless)
    assert interrupted_in("survey_samples", monkeypatch) == code
    assert ("without anything to save, at start 4 of this job: its time limit is too short" in capsys.readouterr().err) == (code == 1)


def test_a_start_that_has_saved_something_is_followed_by_another(job_file, monkeypatch):
    monkeypatch.setenv("SLURM_RESTART_COUNT", "9")
    monkeypatch.setattr("hnn_hpc.run.FRUITLESS", -1)
    monkeypatch.setattr("hnn_hpc.solvers.solution.LARGEST_BACKWARD_ERROR", 0)  # no solution is that good
    assert main(["fit", "job.toml", "--quiet", "--set", "solver.rcond=0"]) == 3  # with its triangle saved
    assert interrupted_in("survey_samples", monkeypatch) == 1  # that was an earlier start

    def save(*_):
        Path("results/job/checkpoint/tsqr.node-0-0.h5").touch()
        raise Interruption

    monkeypatch.setattr("hnn_hpc.training.survey_samples", save)
    assert main(["fit", "job.toml", "--quiet"]) == 75


def test_what_force_removes_is_not_in_the_way_of_the_next_start(job_file, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr("hnn_hpc.solvers.solution.LARGEST_BACKWARD_ERROR", 0)
        assert main(["fit", "job.toml", "--quiet", "--set", "solver.rcond=0", "--set", "features.count=20"]) == 3
    assert list(Path("results/job/checkpoint").iterdir())
    assert interrupted_in("survey_samples", monkeypatch, "--force") == 75
    assert "--resume begins at the beginning" in capsys.readouterr().err
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert main(["fit", "job.toml", "--quiet", "--force"]) == 0


def test_results_that_cannot_be_written_leave_the_checkpoint_to_go_on_from(job_file, monkeypatch, capsys):
    def write_results(*_):
        raise OutputError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("hnn_hpc.solvers.solution.LARGEST_BACKWARD_ERROR", 0)
        assert main(["fit", "job.toml", "--quiet", "--set", "solver.rcond=0"]) == 3
    with monkeypatch.context() as patch:
        patch.setattr("hnn_hpc.run.write_results", write_results)
        assert main(["fit", "job.toml", "--quiet", "--resume"]) == 1
    assert "the disk is full; what was computed is kept in results/job/checkpoint: make room, and pass --resume" in capsys.readouterr().err
    assert main(["fit", "job.toml", "--quiet", "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["resumed"]


def test_a_fit_whose_directory_another_one_has_taken_writes_nothing(job_file, monkeypatch, capsys):
    def check_place(status):
        raise OutputError("another run has taken over")

    monkeypatch.setattr("hnn_hpc.run_status.RunStatus.check_place", check_place)
    monkeypatch.setattr("hnn_hpc.run_status.RunStatus.start", lambda *_: None)
    assert main(["fit", "job.toml", "--quiet"]) == 1
    assert capsys.readouterr().err == "hnn-hpc: error: another run has taken over\n" and not Path("results").exists()
