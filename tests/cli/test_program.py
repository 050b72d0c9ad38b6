"""The program as it is started: exit codes, streams, and ranks that end together. Needs an mpirun on PATH."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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

hnn_hpc.run.evaluate = evaluate
sys.exit(main(["fit", "job.toml", "--json"]))
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


@pytest.mark.parametrize(("argument", "expected"), [("--fast", 2), ("--set=features.count=0", 2), ("--set=solver.rcond=0.5", 3)])
def test_an_error_is_one_line_and_the_code_of_all_ranks(argument, expected, folder):
    code, out, err = finish(start("-m", "hnn_hpc", "fit", "job.toml", argument, ranks=2))
    assert (code, out) == (expected, "")
    assert err.startswith("hnn-hpc: error: ") and err.count("\n") == 1
    assert not (folder / "results").exists()


@pytest.mark.parametrize(("error", "expected"), [("UserError", 2), ("ZeroDivisionError", 1)])
def test_a_rank_that_fails_alone_ends_all(error, expected, folder):
    code, out, err = finish(start("-c", ALONE.format(error=error), ranks=2))
    assert code == expected
    assert json.loads(out)["exit_code"] == expected
    assert "hnn-hpc: error on rank 1: " in err and "only here" in err
    assert not (folder / "results").exists()


def test_help_is_printed_once():
    code, out, err = finish(start("-m", "hnn_hpc", "fit", "--help", ranks=2))
    assert (code, err, out.count("JOB.toml")) == (0, "", 2)  # once in the usage, once in the list


def test_without_mpi4py_one_process_works_and_two_say_what_to_install(folder):
    (folder / "mpi4py.py").write_text("raise ImportError('there is none')")
    without = {"PYTHONPATH": f"{folder}:{ROOT}"}
    assert finish(start("-m", "hnn_hpc", "fit", "job.toml", "--quiet", **without)) == (0, "", "")
    code, _, err = finish(start("-m", "hnn_hpc", "fit", "job.toml", ranks=2, **without))
    assert code == 2 and "pip install 'hnn-hpc[mpi]'" in err and err.count("\n") == 1


def test_an_interrupt_ends_with_code_1_and_leaves_no_file(folder):
    job = ["fit", "job.toml", "--set", "data.samples=2000000", "--set", "features.count=500", "--log"]
    process = start("-m", "hnn_hpc", *job)
    while "factor" not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert code == 1 and err.endswith("hnn-hpc: error: interrupted\n") and "Traceback" not in err
    assert [path.name for path in folder.iterdir()] == ["job.toml"]
