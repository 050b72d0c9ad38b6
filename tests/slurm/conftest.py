"""A SLURM cluster of two nodes on this machine, up while a module's tests run."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("cluster.sh")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The environment of a user of the cluster, a dict: with SLURM_CONF, and without traces of a job that these tests may run in."""
    folder = tmp_path_factory.mktemp("cluster")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH", "PMI"))}
    try:
        subprocess.run(["bash", SCRIPT, "up", folder], check=True, env=outside)
        yield outside | {"SLURM_CONF": str(folder / "slurm.conf")}
    finally:
        subprocess.run(["bash", SCRIPT, "down", folder], check=True, env=outside)
