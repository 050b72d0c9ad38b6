"""`hnn-hpc reproduce` on a real SLURM: the array is sent, awaited and collected, and a member that fails does not harm the others."""

import json
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 60  # seconds; a hang is a failure
JOB = '[data]\nsystem = "pendulum"\nsamples = 60\ntest_samples = 50\n[features]\ncount = 12\n'
PUBLISHED = """
source = "a paper"
figures = "means"
[cases.good]
title = "the pendulum"
job = "pendulum.toml"
[cases.bad]
title = "more features than rows"
job = "pendulum.toml"
set = ["data.samples = 5"]
"""


@pytest.fixture
def folder(tmp_path):
    """Jobs of which one case cannot be computed, in a folder whose name has a space and a per cent."""
    folder = tmp_path / "100% mine"
    folder.mkdir()
    (folder / "published.toml").write_text(PUBLISHED)
    (folder / "pendulum.toml").write_text(JOB)
    return folder


@pytest.fixture
def user(cluster):
    """The environment of a user: one thread a process, and the modules of this tree."""
    return cluster | {"HNN_HPC_THREADS": "1", "PYTHONPATH": str(ROOT)}


def command(*arguments):
    return [sys.executable, "-m", "hnn_hpc", "reproduce", *map(str, arguments)]


def run(words, folder, environment):
    """Return the exit code, the result and stderr."""
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def jobs(environment):
    """The lines of squeue."""
    return subprocess.run(["squeue", "--noheader"], env=environment, capture_output=True, text=True, check=True).stdout.splitlines()


def test_an_array_computes_the_members_and_names_the_one_that_failed(folder, user):
    arguments = [folder, "--samplers", "elm", "--seeds", "2", "--json", "--output", "out"]
    code, result, err = run(command(*arguments), folder, user)
    assert code == 1 and re.search(r"submitted array job \d+", err) and "4 members, 0 of them there already" in err
    assert result["computed"] == 4 and result["array_job"] in err
    assert [(failure["case"], failure["seed"]) for failure in result["failed"]] == [("bad", 0), ("bad", 1)]
    assert "features = 12 is more than the 10 rows" in result["failed"][0]["problem"]
    [good, bad] = result["rows"]
    assert (good["runs"], bad["runs"]) == (2, 0) and good["energy_error"]["mean"] > 0
    logs = sorted((folder / "out/array").iterdir())
    assert [log.name for log in logs] == [f"{result['array_job']}_{task}.out" for task in (1, 2, 3, 4)]
    patience = time.monotonic() + 20  # the last words of a task may come after its end
    while sum("features = 12 is more than the 10 rows" in log.read_text() for log in logs) < 2:
        assert time.monotonic() < patience
        time.sleep(0.1)
    assert (folder / "out/table.md").exists() and jobs(user) == []

    # The same command goes on: of what is there, one file is damaged now, and one member can be computed after all.
    damaged = folder / "out/good/elm-12/seed-1/result.json"
    damaged.write_text(damaged.read_text()[:100])
    (folder / "published.toml").write_text(PUBLISHED.replace("samples = 5", "samples = 50"))
    code, again, err = run(command(*arguments), folder, user)
    assert code == 0 and "4 members, 1 of them there already, 1 damaged" in err and again["failed"] == []
    assert again["rows"][0]["energy_error"] == good["energy_error"]  # to the last bit
    assert len(list((folder / "out/array").glob(f"{again['array_job']}_*.out"))) == 3

    code, last, err = run(command(*arguments), folder, user)
    assert (code, last["array_job"], last["rows"]) == (0, None, again["rows"]) and "submitted" not in err


def test_inside_a_job_its_ranks_compute_and_no_array_is_sent(folder, user):
    arguments = [folder, "--cases", "good", "--samplers", "elm", "--seeds", "2", "--json", "--output", "out"]
    inside = ["srun", "--mpi=pmi2", "--ntasks=2", "--nodes=2", *command(*arguments)]
    for _ in range(3):  # once in some fifty times MPICH fails to start through SLURM's PMI
        with suppress(subprocess.TimeoutExpired, AssertionError):
            code, result, err = run(inside, folder, user | {"SLURM_WAIT": "2"})
            break
    assert code == 0 and result["array_job"] is None and "submitted" not in err
    members = [json.loads((folder / f"out/good/elm-12/seed-{seed}/result.json").read_text()) for seed in (0, 1)]
    assert [member["ranks"] for member in members] == [2, 2]


def test_an_interruption_cancels_the_array(folder, user):
    (folder / "pendulum.toml").write_text(JOB.replace("samples = 60", "samples = 400000", 1))
    words = command(folder, "--cases", "good", "--samplers", "elm", "--seeds", "300", "--output", "out")
    process = subprocess.Popen(words, cwd=folder, env=user, stderr=subprocess.PIPE, text=True)
    while "submitted" not in process.stderr.readline():
        assert process.poll() is None
    assert jobs(user)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=LONGEST)[1]
    assert process.returncode == 75 and "is cancelled" in err and "goes on with the rest" in err and "Traceback" not in err
    patience = time.monotonic() + 20
    while jobs(user):
        assert time.monotonic() < patience, jobs(user)
        time.sleep(0.1)
