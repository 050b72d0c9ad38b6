"""A real SLURM of several nodes on this machine, and what a user, or misfortune, does to the jobs on it."""

import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from processes import environment_of, name_of, parent_of, processes

from hnn_hpc import load_model

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("cluster.sh")
LONGEST = 120  # seconds; a hang is a failure
# A fit of some seconds on two ranks, which saves twice a second.
JOB = """
[data]
system = "henon-heiles"
samples = {samples}
test_samples = 500
[features]
count = {features}
bandwidth = 0.25
supports = "dense"
[solver]
name = "khatri-rao-qr"
[output]
checkpoint_seconds = 0.5
"""


@contextmanager
def cluster_of(nodes, folder):
    """Bring up a cluster whose state is in `folder`, and yield the environment of its user, a dict.

    That has SLURM_CONF, and no traces of a job that this process may itself run in.
    """
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH", "PMI", "HNN_HPC_THREADS"))}
    try:
        subprocess.run(["bash", SCRIPT, "up", folder, str(nodes)], check=True, env=outside)
        # The nodes are one machine, but real ones share no memory; MPICH's UCX would find out, and now and then stumble over it.
        yield outside | {"SLURM_CONF": str(folder / "slurm.conf"), "UCX_TLS": "tcp,self"}
    finally:
        subprocess.run(["bash", SCRIPT, "down", folder], check=True, env=outside)


class User:
    """Somebody who works with a cluster from the project's root; environment: see `cluster_of`."""

    def __init__(self, environment):
        self.environment = environment
        self.folder = Path(environment["SLURM_CONF"]).parent

    def run(self, *words, check=True, **variables):
        """Run a command and return what it prints."""
        done = subprocess.run(
            [str(word) for word in words], cwd=ROOT, env=self.environment | variables, capture_output=True, text=True, timeout=LONGEST
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def submit(self, *words, **variables):
        """Submit a job and return its number, a text."""
        return self.run("sbatch", "--parsable", *words, **variables).strip()

    def fit(self, job_file, output, *words, options=(), **variables):
        """Submit slurm/fit.sbatch on two nodes, with its log in the output directory; return the number of the job."""
        output.mkdir(parents=True, exist_ok=True)
        where = ["--nodes=2", "--ntasks-per-node=1", f"--output={output}/slurm-%j.out", *options]
        return self.submit(*where, "slurm/fit.sbatch", job_file, "--output", output, *words, **variables)

    def state(self, job):
        """Return (state, number of restarts) of a job, such as ("RUNNING", 0)."""
        state, restarts = self.run("squeue", "--noheader", "--states=all", f"--jobs={job}", "--Format=State:30,RestartCnt:9").split()
        return state, int(restarts)

    def wait_for(self, job, *wanted, restarts=None):
        """Wait until a job is in one of the states, after so many restarts or any number; return the state and the restarts."""
        until = time.monotonic() + LONGEST
        while True:
            state, found = self.state(job)
            if state in wanted and restarts in (None, found):
                return state, found
            assert time.monotonic() < until, f"job {job} is {state} after {found} restarts, not {' or '.join(wanted)}"
            time.sleep(0.1)

    def end(self, job):
        """Wait until a job has ended for good; return (its state, its exit code, the number of its restarts)."""
        state, restarts = self.wait_for(job, "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        code = re.search(r" ExitCode=(\d+):", self.run("scontrol", "--oneliner", "show", "job", job))[1]
        return state, int(code), restarts

    def end_well(self, job, restarts=0):
        """Wait until a job has ended well, after so many restarts.

        Or two more: once in some fifty times MPICH fails to start through SLURM's PMI, and the job is queued again (slurm/survive.sh).
        """
        *end, found = self.end(job)
        assert end == ["COMPLETED", 0] and restarts <= found <= restarts + 2, (end, found)

    def lose(self, node, tasks=True):
        """Kill all that runs of SLURM on a node, and what it started there (tasks), as if the power had failed."""
        started = [process for process in processes() if f"SLURMD_NODENAME={node}" in environment_of(process)]
        steps = {parent_of(process) for process in started}
        victims = [int((self.folder / f"run/slurmd-{node}.pid").read_text()), *(step for step in steps if name_of(step) == "slurmstepd")]
        for process in victims + (started if tasks else []):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def bring_back(self, node):
        """Start a lost node again, and wait until the cluster has it."""
        self.run("slurmd", "-f", self.environment["SLURM_CONF"], "-N", node, PATH=f"{self.environment['PATH']}:/usr/sbin:/sbin")
        until = time.monotonic() + LONGEST
        while "idle" not in self.run("sinfo", "--noheader", f"--nodes={node}", "--format=%T"):
            assert time.monotonic() < until
            time.sleep(0.1)


def ranks_of(job):
    """Return the numbers of the processes that are the ranks of a job's step, in their order."""
    found = {}
    for process in processes():
        environment = environment_of(process)
        if f"SLURM_JOB_ID={job}" in environment and name_of(process).startswith(("hnn-hpc", "python")):
            rank = next((text for text in environment if text.startswith("PMI_RANK=")), None)
            if rank:
                found[int(rank.partition("=")[2])] = process
    return [found[rank] for rank in sorted(found)]


def log_of(output):
    """Return what the jobs with an output directory have printed."""
    return "".join(path.read_text() for path in sorted(output.glob("slurm-*.out")))


def assert_same_model(folder, expected):
    """The model in a folder is bit for bit that of another one."""
    model, other = load_model(folder / "model.h5"), load_model(expected / "model.h5")
    for name in ("weights", "biases", "coefficients", "constant"):
        np.testing.assert_array_equal(getattr(model, name), getattr(other, name))
