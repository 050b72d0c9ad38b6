"""What `hnn-hpc status` prints of runs in every state. Needs an mpirun on PATH."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hnn_hpc import run_state
from hnn_hpc.cli import main
from hnn_hpc.run_status import RunStatus

ROOT = Path(__file__).parents[2]
LONGEST = 60  # seconds; a hang is a failure
JOB = '[data]\nsystem = "pendulum"\nsamples = 50\n[features]\ncount = 40\nbandwidth = 0.5\nsupports = "dense"\nseed = 3\n'
ABOUT = {"ranks": 2, "samples": 1_200_000, "dof": 2, "features": 700}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_state, "SILENCE", 0.2)
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


@pytest.fixture
def status(capsys):
    """A function that runs `hnn-hpc status` and returns what it prints."""

    def run(*arguments):
        capsys.readouterr()
        assert main(["status", *arguments]) == 0
        output = capsys.readouterr()
        assert output.err == ""
        return output.out

    return run


def rows(text):
    """Return the table of one run as a dictionary."""
    return dict(re.fullmatch(r"(\S+(?: \S+)*|)\s{2,}(\S.*)", line).groups() for line in text.splitlines())


def leave(directory, seconds_ago=50.0, **entries):
    """Leave the status of a run on two ranks."""
    Path(directory).mkdir(parents=True)
    when = {"host": "n1", "process": 123, "started": time.time() - seconds_ago - 180, "updated": time.time() - seconds_ago}
    work = {"stage": "factor", "done": 20, "total": 32, "stage_seconds": 50.0, "remaining_seconds": 40.0}
    whole = RunStatus(Path(directory), ABOUT, environment={}).as_dict()
    Path(directory, "status.json").write_text(json.dumps(whole | when | work | entries))


def interrupt(directory, monkeypatch, *arguments):
    """Make all of a fit but its last step, with checkpoints."""
    with monkeypatch.context() as patch:
        patch.setattr("hnn_hpc.sample_run.evaluate", lambda *_: (_ for _ in ()).throw(OSError("no such luck")))
        options = ["--set", "output.checkpoint_seconds=1e-9", "--set", "data.samples=500", "--set", "solver.name=khatri-rao-qr"]
        assert main(["fit", "job.toml", "--quiet", "--output", directory, *options, *arguments]) == 1


# One run


def test_of_a_run_at_work_the_text_says_what_where_how_far_and_how_long(status):
    leave("results", seconds_ago=0)
    assert rows(status("results")) == {
        "directory": "results",
        "state": "running",
        "fit": "1 200 000 samples of 4 coordinates, 700 features, on 2 ranks",
        "run": "process 123 on n1",
        "running for": "3.0 min",
        "stage": "factor, 20 of 32 steps of the first rank, for 50 s",
        "rate": "0.4 steps a second",
        "remaining": "about 40 s of the solve",
    }


def test_of_a_run_that_slurm_started_again_from_its_checkpoint_that_is_told(status):
    leave("results", seconds_ago=0, job="77", restarts=2, spared=10, remaining_seconds=None)
    found = rows(status("results"))
    assert found["run"] == "job 77 of SLURM, process 123 on n1, started again 2 times"
    assert found["stage"] == "factor, 20 of 32 steps of the first rank, 10 of them from the checkpoint, for 50 s"
    assert found["rate"] == "0.2 steps a second" and "remaining" not in found


@pytest.mark.parametrize("work", [{"stage": "search", "done": 0, "total": 1}, {"done": 0}, {"spared": 20}, {"stage_seconds": 0.0}])
def test_there_is_no_rate_where_there_are_no_steps(status, work):
    leave("results", seconds_ago=0, **work)
    assert "rate" not in rows(status("results"))


def test_of_a_run_that_was_killed_the_text_says_so_and_how_to_go_on(status):
    leave("results")
    text = status("results")
    found = rows(text)
    assert found["state"] == "silent" and re.fullmatch(r"5\d s ago", found["last sign"])
    assert "no sign of life: it was killed, or its node or disk has failed" in found[""] and "--resume" in found[""]
    assert "remaining" not in found


def test_of_an_interrupted_run_the_checkpoint_is_told_and_the_last_error(status, monkeypatch, capsys):
    interrupt("results", monkeypatch)
    Path("results/slurm-5.out").write_text(capsys.readouterr().err)
    found = rows(status("results"))
    assert re.fullmatch(r"(\d+) of \1 blocks of khatri-rao-qr, the latest saved .* s ago", found.pop("checkpoint"))
    assert found == {
        "directory": "results",
        "state": "failed",
        "problem": "OSError: no such luck",
        "": "once that is mended, --resume goes on from its checkpoint",
        "log": "results/slurm-5.out",
    }


def test_of_a_failed_run_the_error_is_told(status):
    Path("results").mkdir()
    Path("results/slurm-5.out").write_text("hnn-hpc: error: job.toml: this job file does not exist\n")
    assert rows(status("results")) == {
        "directory": "results",
        "state": "failed",
        "problem": "job.toml: this job file does not exist",
        "": "once that is mended, --resume begins anew: there is no checkpoint",
        "log": "results/slurm-5.out",
    }


def test_of_a_finished_run_the_result_is_told(status):
    assert main(["fit", "job.toml", "--quiet", "--output", "results"]) == 0
    result = json.loads(Path("results/result.json").read_text())
    found = rows(status("results"))
    assert (found["state"], found["fit"]) == ("finished", "50 samples of 2 coordinates, 40 features")
    assert found["run"].startswith(f"{result['solver']} on 1 rank, ") and found["rate"].endswith(" s") and "GF/s" in found["rate"]
    assert found["energy error"] == f"{result['test']['energy_error']:.2e} relative"
    assert found["gradient error"] == f"{result['test']['gradient_error']:.2e} relative"
    assert {"took", "peak memory"} < set(found) and "problem" not in found


def test_the_rate_of_a_run_that_took_something_over_is_not_told(status, monkeypatch):
    interrupt("results", monkeypatch)
    options = ["--set", "data.samples=500", "--set", "solver.name=khatri-rao-qr"]
    assert main(["fit", "job.toml", "--quiet", "--resume", "--output", "results", *options]) == 0
    found = rows(status("results"))
    assert found["state"] == "finished" and "rate" not in found


def test_an_error_that_is_unknown_is_told_as_such(status):
    size = ["--trajectories", "5", "--steps", "9", "--time-step", "0.1"]
    assert main(["generate", "pendulum", *size, "--output", "samples.h5", "--quiet"]) == 0
    Path("file.toml").write_text('[data]\nfile = "samples.h5"\n[features]\ncount = 20\nbandwidth = 0.5\nsupports = "dense"\n')
    assert main(["fit", "file.toml", "--quiet", "--output", "results"]) == 0
    assert rows(status("results"))["energy error"] == "unknown, for there is nothing to compare with"


def test_a_result_that_a_later_run_came_to_replace_is_an_older_one(status, monkeypatch):
    assert main(["fit", "job.toml", "--quiet", "--output", "results"]) == 0
    interrupt("results", monkeypatch, "--force")
    found = rows(status("results"))
    assert found["state"] == "interrupted" and found["older result"].startswith("energy error ") and "gradient error" not in found


# Several runs


def test_several_runs_are_one_table(status):
    assert main(["fit", "job.toml", "--quiet", "--output", "sweep/b"]) == 0
    leave("sweep/a", seconds_ago=0)
    leave("sweep/d/e")
    Path("sweep/c").mkdir()
    Path("sweep/c/slurm-1.out").write_text("hnn-hpc: error: out of luck\n")
    lines = status("sweep").splitlines()
    header = ["fit", "state", "samples", "features", "sampler", "seed", "energy error", "gradient error", "time", "remaining", "problem"]
    assert re.split(" {2,}", lines[0]) == header
    assert lines[1].split() == ["sweep/a", "running", "1200000", "700", "40", "s"]
    assert lines[2].split()[:6] == ["sweep/b", "finished", "50", "40", "anchored", "3"]
    assert lines[3].split() == ["sweep/c", "failed", "out", "of", "luck"]
    assert lines[4].split() == ["sweep/d/e", "silent", "1200000", "700"]
    assert lines[5:] == ["", "4 fits: 1 failed, 1 finished, 1 running, 1 silent"]
    columns = [lines[0].index(name) for name in ("state", "samples", "problem")]
    assert [lines[1][columns[0] :][:7], lines[4][columns[1] :][:7], lines[3][columns[2] :]] == ["running", "1200000", "out of luck"]


def test_json_is_one_line_with_all_of_the_files(status):
    leave("sweep/a", seconds_ago=0)
    assert main(["fit", "job.toml", "--quiet", "--output", "sweep/b"]) == 0
    (line,) = status("sweep", "--json", "--quiet").splitlines()
    first, second = json.loads(line)["runs"]
    assert set(first) == set(second) == {"directory", "state", "result", "status", "silent_seconds", "saved", "log", "problem"}
    assert (first["state"], first["status"]["done"], first["result"]) == ("running", 20, None)
    assert second["result"] == json.loads(Path("sweep/b/result.json").read_text())


# What cannot be used


@pytest.mark.parametrize(
    ("name", "reason"),
    [("job.toml", "Not a directory"), ("nowhere", "No such file or directory"), ("loop", "Too many levels of symbolic links")],
)
def test_what_is_no_directory_is_refused(capsys, name, reason):
    Path("loop").symlink_to("loop")
    assert main(["status", name]) == 2
    assert capsys.readouterr().err == f"hnn-hpc: error: cannot read {name}: {reason}; expected the output directory of a fit\n"


def test_a_directory_without_a_fit_is_refused(capsys):
    Path("empty/below").mkdir(parents=True)
    assert main(["status", "empty", "--json"]) == 2
    output = capsys.readouterr()
    assert "there is no fit in empty or below it: no whole result, no checkpoint, none at work, no log of SLURM" in output.err
    assert json.loads(output.out)["exit_code"] == 2


# A real run, looked at by two ranks


def test_a_real_fit_on_two_ranks_is_followed_to_its_end(slow_fit, status):
    process = slow_fit(ranks=2, SLOW_FIT_SECONDS="0.2")
    command = [sys.executable, "-m", "hnn_hpc", "status", "results", "--json"]
    while process.poll() is None and json.loads((looked := look(command)).splitlines()[-1])["runs"][0]["status"]["done"] < 4:
        pass
    found = rows("\n".join(looked.splitlines()[:-1]))
    assert (found["directory"], found["state"]) == ("results/slow", "running")
    assert found["fit"] == "20 000 samples of 4 coordinates, 40 features, on 2 ranks"
    assert re.fullmatch(r"factor, \d+ of 32 steps of the first rank, for .* s", found["stage"])
    seconds = re.fullmatch(r"about (.*) s of the solve", found["remaining"])[1]
    assert 0 < float(seconds) < LONGEST and float(found["rate"].split()[0]) <= 1 / 0.2
    process.communicate(timeout=LONGEST)
    assert rows(status("results"))["state"] == "finished"


def look(command):
    """Run a command on two ranks and return what they print."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["mpirun", "-n", "2", *command], capture_output=True, text=True, env=environment, timeout=LONGEST, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
