"""A fit of dask arrays through dask-jobqueue's SLURMCluster, on a real SLURM on this machine."""

import os

import dask.array as da
import numpy as np
import pytest
from clusters import ROOT, User
from distributed import Client
from processes import wait_until

from hnn_hpc import fit
from hnn_hpc.samples import SystemSamples
from hnn_hpc.systems import make_system


@pytest.fixture
def slurm_cluster(cluster, tmp_path, monkeypatch):
    """A `SLURMCluster` of two jobs of one worker each."""
    from dask_jobqueue import SLURMCluster

    for name, value in cluster.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    how = {"interface": "lo", "scheduler_options": {"dashboard_address": ":0"}, "local_directory": str(tmp_path), "walltime": "00:05:00"}
    with SLURMCluster(cores=1, memory="1GB", job_script_prologue=[f"export PYTHONPATH={ROOT}"], **how) as workers:
        workers.scale(jobs=2)
        yield workers


def test_a_fit_through_slurm_has_the_bits_of_one_process(cluster, slurm_cluster):
    points, velocities, _ = SystemSamples(make_system("henon-heiles", {}), 3000, seed=1).read(0, 3000)
    how = {"features": 120, "bandwidth": 0.25, "supports": "dense", "block_bytes": "200KB"}
    expected = fit(points, velocities, **how).model
    arrays = da.from_array(points, chunks=(700, -1)), da.from_array(velocities, chunks=(900, -1))
    with Client(slurm_cluster, set_as_default=False) as client:
        first = fit(*arrays, client=client, **how).model  # waits for the first worker
        wait_until(lambda: len(client.nthreads()) == 2, "the second worker did not start")
        second = fit(*arrays, client=client, **how).model
        nodes = client.run(os.getenv, "SLURMD_NODENAME")
    jobs = User(cluster).run("squeue", "--noheader", "--states=RUNNING", "--format=%i").split()
    assert len(nodes) == len(jobs) == 2 and set(nodes.values()) <= {"n1", "n2"}
    for model in (first, second):
        np.testing.assert_array_equal(model.coefficients, expected.coefficients)
