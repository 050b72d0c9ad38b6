"""The program as it is started: exit codes, streams, and ranks that end together. Needs an mpirun on PATH."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import children, is_running, wait_until

ROOT = Path(__file__).parents[2]
LONGEST = 60  # seconds; a hang is a failure
JOB = '[data]\nsystem = "pendulum"\nsamples = 300\n[features]\ncount = 30\n'

# A rank that fails alone, between two collectives, while the other waits in the second.
ALONE = """
import sys
import hnn_hpc.run
from hnn_hpc.cli import launch, main
from hnn_hpc.errors import UserError

launch.PATIENCE = 0.2

def evaluate(model, source, communicator, progress):
    if communicator.rank == 1:
        raise {error}("only here")
    communicator.barrier()

hnn_hpc.sample_run.evaluate = evaluate
sys.exit(main(["fit", "job.toml", "--json"]))
"""

# A signal reaches one rank alone, as soon as it knows the others.
EARLY = """
import os, signal, sys
from importlib import import_module

program, launch = import_module("hnn_hpc.cli.main"), import_module("hnn_hpc.cli.launch")
launch.PATIENCE = 0.5
united = program.launched_communicator

def launched_communicator(size):
    communicator = united(size)
    if communicator.rank == 1:
        os.kill(os.getpid(), signal.SIGTERM)
    return communicator

program.launched_communicator = launched_communicator
sys.exit(program.main(["fit", "job.toml"]))
"""

# No solution is good enough to be certified.
STRICT = """
import sys
import hnn_hpc.solvers.solution
from hnn_hpc.cli import main

hnn_hpc.solvers.solution.LARGEST_BACKWARD_ERROR = 0
sys.exit(main(sys.argv[1:]))
"""


def start(*command, ranks=1, **environment):
    launcher = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.Popen([*launcher, sys.executable, *command], stdout=-1, stderr=-1, text=True, env=environment)


def finish(process):
    out, err = process.communicate(timeout=LONGEST)
    return process.returncode, out, err


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_fit_ends_with_code_0_and_one_json_line(ranks):
    code, out, err = finish(start("-m", "hnn_hpc", "fit", "job.toml", "--json", ranks=ranks))
    assert (code, err) == (0, "")
    assert json.loads(out.splitlines()[-1])["ranks"] == ranks
    assert out.count("stop reason") == 1


@pytest.mark.parametrize(
    ("program", "argument", "expected"),
    [(["-m", "hnn_hpc"], "--fast", 2), (["-m", "hnn_hpc"], "--set=features.count=0", 2), (["-c", STRICT], "--set=solver.rcond=0", 3)],
)
def test_an_error_is_one_line_and_the_code_of_all_ranks(program, argument, expected, folder):
    code, out, err = finish(start(*program, "fit", "job.toml", argument, ranks=2))
    assert (code, out) == (expected, "")
    assert err.startswith("hnn-hpc: error: ") and err.count("\n") == 1
    left = [path.name for path in folder.glob("results/*/*")]
    assert left == (["checkpoint"] if expected == 3 else [])


@pytest.mark.parametrize(("error", "expected"), [("UserError", 2), ("ZeroDivisionError", 1)])
def test_a_rank_that_fails_alone_ends_all(error, expected, folder):
    code, out, err = finish(start("-c", ALONE.format(error=error), ranks=2))
    assert code == expected
    assert json.loads(out)["exit_code"] == expected
    assert "hnn-hpc: error on rank 1: " in err and "only here" in err
    assert [path.name for path in folder.glob("results/*/*")] in ([], ["status.json"])  # the root had no time to remove it


def test_help_is_printed_once():
    code, out, err = finish(start("-m", "hnn_hpc", "fit", "--help", ranks=2))
    assert (code, err, out.count("JOB.toml")) == (0, "", 2)  # once in the usage, once in the list


def test_without_mpi4py_one_process_works_and_two_say_what_to_install(folder):
    (folder / "mpi4py.py").write_text("raise ImportError('there is none')")
    without = {"PYTHONPATH": f"{folder}:{ROOT}"}
    assert finish(start("-m", "hnn_hpc", "fit", "job.toml", "--quiet", **without)) == (0, "", "")
    code, _, err = finish(start("-m", "hnn_hpc", "fit", "job.toml", ranks=2, **without))
    assert code == 2 and "pip install 'hnn-hpc[mpi]'" in err and err.count("\n") == 1


def test_an_interrupted_fit_without_checkpoints_ends_with_code_1_and_leaves_no_file(folder):
    job = ["fit", "job.toml", "--set", "data.samples=2000000", "--set", "features.count=500", "--log"]
    job += ["--set", "output.checkpoint_seconds=0"]
    process = start("-m", "hnn_hpc", *job)
    while "factor" not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert code == 1 and err.endswith("hnn-hpc: error: interrupted; nothing is saved, for output.checkpoint_seconds is 0\n")
    assert "Traceback" not in err
    assert [path.name for path in folder.iterdir()] == ["job.toml"]


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_ranks_and_removes_the_half_written_file(number, ranks, folder):
    size = ["--trajectories", "400000", "--steps", "100", "--time-step", "0.1"]
    process = start("-m", "hnn_hpc", "generate", "pendulum", *size, "--output", "long.h5", "--log", ranks=ranks)
    while "generate starts" not in process.stderr.readline():
        assert process.poll() is None
    while not list(folder.glob(".long.h5.*.partial")):
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)  # until both ranks compute
    process.send_signal(number)
    code, _, err = finish(process)
    assert code == 1 and "interrupted" in err and "Traceback" not in err
    assert [path.name for path in folder.iterdir()] == ["job.toml"]


@pytest.mark.parametrize("ranks", [1, 2])
def test_the_signal_ahead_of_a_time_limit_ends_a_fit_with_code_75_and_a_checkpoint(ranks, folder, slow_fit):
    process = slow_fit(ranks=ranks)
    time.sleep(0.7)
    process.send_signal(signal.SIGUSR1)
    code, out, err = finish(process)
    (error,) = [line for line in err.splitlines() if "rank" not in line.split(":")[2]]
    assert (code, out) == (75, "")
    assert error.startswith("hnn-hpc: error: interrupted; ") and error.endswith("; the same command with --resume goes on from there")
    assert 0 < int(error.split()[3]) < 64
    assert [path.name for path in Path("results/slow").iterdir()] == ["checkpoint"]


def test_ranks_whose_launcher_was_killed_end_soon_and_leave_the_directory_to_the_next(folder, slow_fit):
    process = slow_fit("--set", "output.checkpoint_seconds=0.2", ranks=2, SLOW_FIT_SECONDS="0.5")
    (proxy,) = children(process.pid)
    ranks = children(proxy)
    assert len(ranks) == 2
    wait_until(lambda: len(list(Path("results/slow/checkpoint").glob("*node-*"))) > 1 and Path("results/slow/status.json").exists())
    os.kill(proxy, signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, ranks)), seconds=8)  # of the 16 that the factorization takes
    process.kill()
    assert sorted(path.name for path in Path("results/slow").iterdir() if "partial" not in path.name) == ["checkpoint", "status.json"]
    command = [sys.executable, "-m", "hnn_hpc", "fit", "slow.toml", "--resume", "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=LONGEST, check=True)
    assert json.loads(done.stdout)["blocks_taken_over"] > 0
    assert sorted(path.name for path in Path("results/slow").iterdir() if "partial" not in path.name) == ["model.h5", "result.json"]


def test_a_signal_to_one_rank_at_the_start_ends_all(folder):
    code, _, err = finish(start("-c", EARLY, ranks=2))
    assert code == 75 and "interrupted before the fit began" in err and "Traceback" not in err
    assert [path.name for path in folder.iterdir()] == ["job.toml"]
