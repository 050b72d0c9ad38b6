"""`hnn-hpc submit` on a real SLURM of two nodes of eight cores: what is sent runs to its end, and what cannot fit is not sent."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hnn_hpc.graph_model import load_graph_model

ROOT = Path(__file__).parents[2]
LONGEST = 60  # seconds; a hang is a failure
GRAPHS = '[graph]\nsystem = "springs-linear"\nsizes = [2, 2, 2]\ngraphs = 60\n[features]\ncount = 16\n'
JOB = '[data]\nsystem = "pendulum"\nsamples = 60\ntest_samples = 50\n[features]\ncount = 12\n'
SIZE = ["--nodes", "2", "--tasks-per-node", "2"]


@pytest.fixture
def folder(tmp_path):
    """A working directory with a job, in names with what SLURM and shells take for something else."""
    folder = tmp_path / "100% mine's"
    folder.mkdir()
    (folder / "my job.toml").write_text(JOB)
    return folder


@pytest.fixture
def environment(cluster):
    """The environment of somebody who uses the cluster, and the modules of this tree."""
    return cluster | {"PYTHONPATH": str(ROOT)}


def run(words, folder, environment):
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST)


def submit(folder, environment, *arguments):
    """Return (exit code, JSON object, stderr) of the command."""
    done = run([sys.executable, "-m", "hnn_hpc", "submit", "my job.toml", "--json", *arguments], folder, environment)
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def what_slurm_knows(job, environment):
    """The fields of a job, from scontrol, once it has ended."""
    patience = time.monotonic() + LONGEST
    while True:
        told = subprocess.run(["scontrol", "show", "job", job], env=environment, capture_output=True, text=True, check=True).stdout
        if not re.search("JobState=(PENDING|CONFIGURING|RUNNING|COMPLETING)", told):
            return dict(re.findall(r"([\w/]+)=(\S+)", told)) | dict(re.findall(r"^ *(WorkDir)=(.*)$", told, re.MULTILINE))
        assert time.monotonic() < patience, told
        time.sleep(0.1)


def test_a_fit_on_two_nodes_ends_with_its_results_and_its_log_in_its_directory(folder, environment):
    # What would override the script, and the traces of a job that this might run in, do not reach it.
    around = environment | {
        "SBATCH_OUTPUT": "/nowhere/log",
        "SBATCH_TIMELIMIT": "1",
        "SLURM_JOB_ID": "1",
        "SLURM_RESTART_COUNT": "3",
        "SLURM_MEM_PER_CPU": "1",
    }
    arguments = [*SIZE, "--cpus-per-task", "2", "--set", "data.box=[[-1.0, 1.0], [-2, 2]]", "--output", "50% out", "--partition", "main"]
    code, sent, err = submit(folder, around, *arguments)
    assert (code, err) == (0, "")
    known = what_slurm_knows(sent["job"], environment)
    log = folder / "50% out" / f"slurm-{sent['job']}.out"
    assert sent["log"] == str(log) and "energy error" in log.read_text()
    assert (known["JobState"], known["WorkDir"]) == ("COMPLETED", str(folder))
    assert (known["NumNodes"], known["NumTasks"], known["CPUs/Task"], known["TimeLimit"]) == ("2", "4", "2", "00:10:00")
    assert known["MinMemoryNode"] == f"{sent['asked']['memory'] // 2**20}M" and sent["asked"]["seconds"] == 600
    result = json.loads((folder / "50% out/result.json").read_text())
    assert (result["ranks"], result["job"]["data"]["box"]) == (4, [[-1.0, 1.0], [-2.0, 2.0]])
    assert 2 * result["peak_memory_bytes"] < sent["asked"]["memory"]
    assert (folder / "50% out/model.h5").is_file() and sent["output"] == str(folder / "50% out")

    code, refused, err = submit(folder, environment, *SIZE, "--output", "50% out")
    assert code == 2 and "model.h5 exists; pass --force" in refused["error"]


def test_graphs_are_learned_on_two_nodes_as_by_one_rank(folder, environment):
    (folder / "my job.toml").write_text(GRAPHS)
    code, sent, err = submit(folder, environment, *SIZE, "--output", "nodes", "--partition", "main")
    assert (code, err) == (0, "")
    assert what_slurm_knows(sent["job"], environment)["JobState"] == "COMPLETED"
    alone = run([sys.executable, "-m", "hnn_hpc", "fit", "my job.toml", "--output", "alone"], folder, environment)
    assert alone.returncode == 0, alone.stderr
    models = [load_graph_model(folder / name / "model.h5") for name in ("nodes", "alone")]
    assert models[0].coefficients.tobytes() == models[1].coefficients.tobytes()
    result = json.loads((folder / "nodes/result.json").read_text())
    assert result["ranks"] == 4 and result["test"]["mse"] < 1e-20
    assert 2 * result["peak_memory_bytes"] < sent["asked"]["memory"]


def test_a_person_is_told_where_everything_is_and_print_shows_what_is_sent(folder, environment):
    words = [sys.executable, "-m", "hnn_hpc", "submit", "my job.toml", "--nodes", "1", "--tasks-per-node", "1", "--sbatch=--hold"]
    printed = run([*words, "--print"], folder, environment)
    assert (printed.returncode, printed.stderr) == (0, "") and not (folder / "results").exists()
    sent = run(words, folder, environment)
    told = dict(line.split(None, 1) for line in sent.stdout.splitlines())
    assert told["log"] == f"{folder}/results/my job/slurm-{told['job']}.out" and told["results"] == f"{folder}/results/my job"
    assert "12 features" in told["problem"] and "on the largest rank" in told["predicted"] and "00:10:00" in told["asked"]
    kept = subprocess.run(
        ["scontrol", "write", "batch_script", told["job"], "-"], env=environment, capture_output=True, text=True, check=True
    ).stdout
    predicted = re.compile("^# predicted .*$|^#SBATCH --mem=.*$", re.MULTILINE)  # of the program's own size, which may be another
    assert predicted.sub("", kept).rstrip("\n") == predicted.sub("", printed.stdout).rstrip("\n")
    status = run([sys.executable, "-m", "hnn_hpc", "status", "results/my job"], folder, environment)
    assert "waiting" in status.stdout and f"slurm-{told['job']}.out" in status.stdout
    again = run(words, folder, environment)
    assert (
        again.returncode == 0
        and f"a job may be waiting for results/my job already, whose log is results/my job/slurm-{told['job']}.out" in again.stderr
    )
    subprocess.run(["scancel", "--state=PENDING", "--name=my job"], env=environment, check=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nodes", "3"], "--nodes is 3, but the partition main has 2 nodes with 2 cores and "),
        (["--tasks-per-node", "9"], "is 9 cores a node, but a job of the partition main may have 8 at most"),
        (["--tasks-per-node", "3", "--cpus-per-task", "3"], "is 9 cores a node, but a job of the partition main may have 8 at most"),
        (["--partition", "night"], "there is no partition 'night'; the partitions are: main"),
        (["--tasks-per-node", "8", "--set", "data.samples=10_000_000", "--set", "features.count=30_000", "--set", "solver.name=tsqr"],
         "for 8 tasks, but the largest node of the partition main with 8 cores has 68.7 GB; what would fit: "),
        (["--sbatch=--constraint=gpu"], "SLURM did not take the job: sbatch: error: Batch job submission failed: Invalid feature"),
    ],
)  # fmt: skip
def test_what_cannot_fit_is_refused_and_nothing_is_sent(folder, environment, arguments, words):
    before = subprocess.run(["squeue", "--noheader", "--states=all"], env=environment, capture_output=True, text=True, check=True).stdout
    for more in ([], ["--print"]):
        if more and "--sbatch" in arguments[0]:  # what SLURM itself refuses it does only when it is sent
            continue
        code, refused, err = submit(folder, environment, *SIZE, *arguments, *more)
        assert code == 2 and words in refused["error"] and err.count("\n") == 1
    assert (
        subprocess.run(["squeue", "--noheader", "--states=all"], env=environment, capture_output=True, text=True, check=True).stdout
        == before
    )
    assert [path.name for path in folder.iterdir()] == ["my job.toml"]


def test_a_controller_that_does_not_answer_is_told_and_print_shows_the_script_all_the_same(folder, environment, tmp_path):
    (tmp_path / "slurm.conf").write_text("nothing")
    elsewhere = environment | {"SLURM_CONF": str(tmp_path / "slurm.conf")}
    code, refused, _ = submit(folder, elsewhere, *SIZE)
    assert code == 2 and refused["error"].startswith("SLURM did not tell what it has: sinfo: ")
    code, shown, err = submit(folder, elsewhere, *SIZE, "--print")
    assert code == 0 and shown["script"].startswith("#!/usr/bin/env bash") and "so nobody knows whether the job fits" in err
