"""jobs/dask_cluster.py as it stands, on clusters that it starts, and on those that are running already: dask's own, and dask-mpi's."""

import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from hnn_hpc import load_model

JOB = Path(__file__).parents[2] / "jobs/dask_cluster.py"
LONGEST = 120.0  # seconds


def run_job(folder, *arguments):
    """Run the job on 1000 samples; return what it prints, and its model."""
    command = [sys.executable, JOB, "--samples", "1000", "--features", "100", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 0, done.stderr
    return done.stdout, load_model(folder / "chain.h5")


@pytest.fixture(scope="module")
def on_this_machine(tmp_path_factory):
    return run_job(tmp_path_factory.mktemp("local"))


@contextmanager
def running(*commands):
    """Programs that run in the background until the block ends."""
    processes = []
    try:
        for command in commands:
            processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        yield
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(LONGEST)
            finally:
                process.kill()


def test_it_says_how_good_the_model_is_and_writes_it(on_this_machine):
    printed, model = on_this_machine
    assert "certified: True" in printed and "'samples': 1000" in printed
    assert model.dof == 8 and len(model.coefficients) == 100 and np.isfinite(model.coefficients).all()


def test_a_cluster_that_is_running_already(on_this_machine, tmp_path):
    file = tmp_path / "scheduler.json"
    scheduler = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--scheduler-file",
        file,
        "--port",
        "0",
        "--dashboard-address",
        ":0",
    ]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", file, "--nthreads", "1", "--no-dashboard"]
    with running(scheduler, worker):
        _, model = run_job(tmp_path, "--file", file)
    np.testing.assert_array_equal(model.coefficients, on_this_machine[1].coefficients)


def test_a_cluster_of_dask_mpi(on_this_machine, tmp_path):
    file = tmp_path / "scheduler.json"
    ranks = ["mpirun", "-n", "3", "dask-mpi", "--scheduler-file", file, "--worker-class", "distributed.Worker", "--dashboard-address", ":0"]
    with running(ranks):
        _, model = run_job(tmp_path, "--file", file)
    np.testing.assert_array_equal(model.coefficients, on_this_machine[1].coefficients)
