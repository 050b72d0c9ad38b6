"""tests/run.sh and tests/mpi/conftest.py: a failure anywhere is counted, shown and ends in a non-zero exit code; all scripts are clean."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = [ROOT / ".ci/run", ROOT / "tests/run.sh", *sorted((ROOT / "slurm").glob("*.sh"))]

PASSING = "def test_passes():\n    assert 1 + 1 == 2\n"
ON_RANK_1 = """from mpi4py import MPI


def test_passes():
    assert 1 + 1 == 2


def test_rank_0_only():
    assert MPI.COMM_WORLD.rank != 1, "rank one is wrong"
"""


@pytest.fixture
def project(tmp_path):
    """A project with run.sh, the two conftest.py, an environment that is this Python's, and no test yet."""
    for name in ("tests/run.sh", "tests/conftest.py", "tests/mpi/conftest.py", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm/environment.sh").write_text(f"export PATH={Path(sys.executable).parent}:$PATH\n")
    return tmp_path


def run_all(project, *arguments, ranks="1 2", seconds="60"):
    """Exit code, output and its last line of run.sh in `project`."""
    variables = {"HNN_HPC_TEST_RANKS": ranks, "HNN_HPC_TEST_SECONDS": seconds}
    done = subprocess.run(["bash", "tests/run.sh", *arguments], cwd=project, env=os.environ | variables, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stdout.splitlines()[-1]


def test_everything_is_run_and_counted(project):
    not_inherited = 'import os\n\n\ndef test_counts_are_not_for_other_runs():\n    assert "HNN_HPC_TEST_COUNTS" not in os.environ\n'
    (project / "tests/test_serial.py").write_text(not_inherited)
    (project / "tests/mpi/test_ranks.py").write_text(PASSING)
    status, out, last = run_all(project, ranks="1 3")
    assert (status, last) == (0, "3 passed, 0 failed"), out


def test_failure_on_one_rank_is_counted_and_shown(project):
    (project / "tests/mpi/test_ranks.py").write_text(ON_RANK_1)
    status, out, last = run_all(project, "tests/mpi/test_ranks.py")
    assert (status, last) == (1, "3 passed, 1 failed"), out
    assert "On rank 1 of 2:" in out and "rank one is wrong" in out


def test_arguments_reach_pytest_and_unclean_code_fails(project):
    failing = "def test_fails():\n    assert False\ndef test_is_no_test(missing): pass\ndef test_other():\n    import os\n"
    (project / "tests/test_serial.py").write_text(PASSING + failing)
    status, out, last = run_all(project, "-k", "not other", ranks="1")
    assert (status, last) == (1, "1 passed, 4 failed"), out  # two of ruff
    assert "FAILED ruff check" in out and "FAILED ruff format --check" in out


def test_nothing_run_is_a_failure(project):
    status, out, last = run_all(project, ranks="1")
    assert (status, last) == (1, "0 passed, 0 failed") and "no test ran" in out


def test_missing_tool_hanging_test_and_crash_are_failures(project):
    (project / "tests/test_serial.py").write_text("import time\n\n\ndef test_hangs():\n    time.sleep(60)\n")
    (project / "tests/mpi/test_ranks.py").write_text("import os\n\n\ndef test_crashes():\n    os._exit(7)\n")
    for tool in ("python", "ruff", "pytest"):  # the bin folder of an environment without MPI
        (project / tool).write_text(f'#!/bin/sh\nexec "{Path(sys.executable).parent}/{tool}" "$@"\n')
        (project / tool).chmod(0o755)
    for tool in ("awk", "cat", "dirname", "grep", "mktemp", "rm", "timeout"):
        (project / tool).symlink_to(shutil.which(tool))
    (project / "slurm/environment.sh").write_text("PATH=$PWD\n")
    status, out, last = run_all(project, seconds="20", ranks="1")
    assert (status, last) == (1, "0 passed, 3 failed"), out
    assert "FAILED mpirun is not on PATH" in out
    assert "FAILED pytest on 1 ranks: not done after 20 seconds" in out
    assert "FAILED pytest on 1 ranks ended with status 7" in out


def test_ranks_that_wait_for_each_other_end_with_the_failure_shown(project):
    conftest = (project / "tests/mpi/conftest.py").read_text()
    assert "PATIENCE = 60.0" in conftest
    (project / "tests/mpi/conftest.py").write_text(conftest.replace("PATIENCE = 60.0", "PATIENCE = 10.0"))
    (project / "tests/mpi/test_ranks.py").write_text(ON_RANK_1 + "    MPI.COMM_WORLD.Barrier()\n")
    status, out, last = run_all(project, ranks="2")
    assert (status, last) == (1, "0 passed, 1 failed"), out
    assert "rank one is wrong" in out and "another rank did not end this test" in out and "not done after" not in out


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_are_clean(script):
    shellcheck = [Path(sys.executable).with_name("shellcheck"), "--shell=bash", "--exclude=SC1091", script]
    for command in (["bash", "-n", script], shellcheck):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
