"""A fit through dask-jobqueue's SLURMCluster, on a real SLURM on this machine."""

import os
import sys
from pathlib import Path

import pytest
from distributed import Client
from fits import DENSE, SIZES, assert_same_fit

from hnn_hpc import fit

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/slurm"))  # not before the imports of tests here

from clusters import User, cluster_of  # noqa: E402

PATIENCE = 60  # seconds for two jobs to start


@pytest.fixture
def user(tmp_path, monkeypatch):
    """A `User` of a SLURM of two nodes, in whose environment this process is."""
    with cluster_of(2, tmp_path / "cluster") as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield User(environment)


@pytest.fixture
def slurm_cluster(user, tmp_path):
    """A `SLURMCluster` of two jobs of one worker each."""
    from dask_jobqueue import SLURMCluster

    how = {"interface": "lo", "scheduler_options": {"dashboard_address": ":0"}, "log_directory": str(tmp_path), "walltime": "00:05:00"}
    here = [f"cd {ROOT}", f"export PYTHONPATH={ROOT}"]
    with SLURMCluster(cores=1, memory="1GB", local_directory=str(tmp_path), job_script_prologue=here, **how) as cluster:
        cluster.scale(jobs=2)
        yield cluster


def test_a_fit_through_slurm_has_the_bits_of_one_process(user, slurm_cluster, chunked, serial):
    with Client(slurm_cluster) as client:
        ours = fit(**chunked(SIZES["in step with no block"]), client=client, **DENSE)  # waits for the first worker
        client.wait_for_workers(2, PATIENCE)
        assert_same_fit(ours, serial(**DENSE))
        assert_same_fit(fit(**chunked(SIZES["in step with no block"]), **DENSE), serial(**DENSE))  # the client in use
        nodes = set(client.run(os.getenv, "SLURMD_NODENAME").values())
    assert nodes <= {"n1", "n2"} and user.run("squeue", "--noheader", "--states=RUNNING", "--format=%i").count("\n") == 2
