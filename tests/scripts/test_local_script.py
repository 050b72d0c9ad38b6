"""slurm/local.sh: its options, and that the job and its exit code pass through. mpirun is a stand-in that prints its arguments."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def local(tmp_path):
    """Runs a copy of local.sh, in another working directory, on a machine with 16 cores."""
    stand_ins = {"mpirun": 'echo "$PWD" "$@"; exit ${MPIRUN_ENDS:-0}', "nproc": "echo ${OMP_NUM_THREADS:-${CORES:-16}}"}
    for name, script in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm/environment.sh").write_text("export OMP_NUM_THREADS=1\n")
    shutil.copy(ROOT / "slurm/local.sh", tmp_path / "slurm")
    (tmp_path / "jobs of mine").mkdir()

    def run(*arguments, **variables):
        done = subprocess.run(
            ["bash", tmp_path / "slurm/local.sh", *arguments],
            cwd=tmp_path / "jobs of mine",
            env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"} | variables,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout.replace(str(tmp_path), ""), done.stderr

    return run


def test_job_runs_in_the_callers_folder_with_its_options(local):
    arguments = ("-n", "3", "my job.toml", "--set", "features.count=100", "-n")
    assert local(*arguments) == (0, "/jobs of mine -n 3 hnn-hpc fit my job.toml --set features.count=100 -n\n", "")


@pytest.mark.parametrize(("cores", "ranks"), [("1", 1), ("3", 3), ("4", 4), ("16", 4)])
def test_ranks_are_the_cores_but_at_most_four(local, cores, ranks):
    assert local("job.toml", CORES=cores, OMP_NUM_THREADS="1")[1] == f"/jobs of mine -n {ranks} hnn-hpc fit job.toml\n"


@pytest.mark.parametrize("code", [1, 2, 3, 75])
def test_exit_code_passes_through(local, code):
    assert local("job.toml", MPIRUN_ENDS=str(code))[0] == code


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "no job file given"),
        (("-n", "2"), "no job file given"),
        (("-n",), "-n needs a number of ranks"),
        (("-n", "0", "job.toml"), "-n 0: expected a number of ranks, 1 or more"),
        (("-n", "-1", "job.toml"), "-n -1: expected a number of ranks, 1 or more"),
        (("-n", "two", "job.toml"), "-n two: expected a number of ranks, 1 or more"),
        (("-n", "1.5", "job.toml"), "-n 1.5: expected a number of ranks, 1 or more"),
        (("--force", "job.toml"), "unknown option --force (those of hnn-hpc fit go after the job file)"),
        (("-x", "job.toml"), "unknown option -x (those of hnn-hpc fit go after the job file)"),
    ],
)
def test_misuse_is_one_sentence_and_exit_2(local, arguments, complaint):
    assert local(*arguments) == (2, "", f"hnn_hpc: {complaint}; bash slurm/local.sh -h shows the usage\n")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(local, option):
    status, out, err = local(option)
    assert (status, err) == (0, "")
    assert out.startswith("usage: bash slurm/local.sh [-n RANKS] JOB.toml") and "exit code" in out and "set -e" not in out
