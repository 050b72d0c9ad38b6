"""The calls of SLURM's programs: sinfo tells what there is, sbatch takes a job."""

import os
import shutil
import subprocess

from hnn_hpc.errors import UserError
from hnn_hpc.submission.partitions import FORMAT, parse_partitions

LONGEST = 60  # seconds that SLURM may take to answer
# Of the environment, what goes before the lines of a script (the partition and the account are read by `hnn-hpc submit`), and the number of
# threads, which is that of the cores of a task.
OVERRIDING = {
    "HNN_HPC_THREADS",
    *("SBATCH_ACCOUNT", "SBATCH_ARRAY_INX", "SBATCH_ERROR", "SBATCH_JOB_NAME", "SBATCH_MEM_PER_CPU", "SBATCH_MEM_PER_GPU"),
    *("SBATCH_MEM_PER_NODE", "SBATCH_NO_REQUEUE", "SBATCH_OPEN_MODE", "SBATCH_OUTPUT", "SBATCH_PARTITION", "SBATCH_REQUEUE"),
    *("SBATCH_SIGNAL", "SBATCH_TIMELIMIT", "SBATCH_WAIT"),
}
# Of SLURM's own variables, what a user may have set. The others are of the job that this runs in, if any; the new one would take them for
# its own.
OF_USERS = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_MPI_TYPE", "SLURM_DEBUG_FLAGS", "SLURM_UMASK")


class UnansweredError(UserError):
    """SLURM did not answer in time, and may have done what it was to do."""


def has_slurm():
    """Return whether sbatch is on PATH."""
    return shutil.which("sbatch") is not None


def read_partitions():
    """Return the `Partition`s of the cluster, by name; `UserError` where SLURM does not tell."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SINFO_")}
    return parse_partitions(_run(["sinfo", "--all", "--noheader", "--exact", f"--format={FORMAT}"], "tell what it has", environment)[0])


def send(script, say=lambda text: None):
    """Give a script to sbatch and return the number of the job, a text; say(text) is called with warnings.

    Errors: `UserError` with the words of sbatch where it does not take it.
    """
    told, warned = _run(["sbatch", "--parsable"], "take the job", sending_environment(os.environ), script)
    if warned:
        say(warned)
    return told.split(";")[0]  # followed by the cluster's name where there are several


def sending_environment(environment):
    """Return the environment (a mapping) without what would override the script, and what belongs to the job that this runs in."""
    foreign = ("SLURM_", "PMI") if "SLURM_JOB_ID" in environment else ("SLURM_ARRAY_",)
    return {
        name: value for name, value in environment.items() if name not in OVERRIDING and (name in OF_USERS or not name.startswith(foreign))
    }


def _run(command, what, environment, text=""):
    """Return (stdout, stderr) of a command of SLURM, in one line each where they are short; `UserError` with its words where it fails."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=LONGEST, env=environment)
    except FileNotFoundError:
        raise UserError(f"there is no {command[0]} on PATH, so SLURM cannot {what}") from None
    except subprocess.TimeoutExpired:
        raise UnansweredError(
            f"SLURM did not answer within {LONGEST} s, when it was to {what}; see squeue --me whether it did all the same"
        ) from None
    words = " ".join(done.stderr.split())
    if done.returncode:
        raise UserError(f"SLURM did not {what}: {words or f'{command[0]} ended with {done.returncode}'}")
    return done.stdout.strip(), words
