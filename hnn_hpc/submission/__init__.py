"""A fit as a batch job of SLURM: `hnn-hpc submit`.

    Forecast ── needs_of ── fitted, to what sinfo tells of the cluster ── render_script ── send, by sbatch

- `needs`: the memory and the time that a fit takes, and how much of both to ask for.
- `partitions`: what the cluster has, and whether a job fits there; pure functions of the text of sinfo. `asking` joins the two.
- `script`: the batch script, a pure function of what to run and what to ask for.
- `cluster`: the calls of sinfo and sbatch, the only ones.
- `times`: time limits as SLURM writes them.

Memory is in bytes here and time in seconds; SLURM counts in MiB and minutes.
"""

from hnn_hpc.submission.asking import fitted
from hnn_hpc.submission.cluster import UnansweredError, has_slurm, read_partitions, send
from hnn_hpc.submission.partitions import Request, named
from hnn_hpc.submission.script import BatchJob, asks_for_memory, check_options, log_file, predicted_told, problem_told, render_script
from hnn_hpc.submission.times import checked_limit, time_text

__all__ = [
    "BatchJob",
    "Request",
    "UnansweredError",
    "asks_for_memory",
    "check_options",
    "checked_limit",
    "fitted",
    "has_slurm",
    "log_file",
    "named",
    "predicted_told",
    "problem_told",
    "read_partitions",
    "render_script",
    "send",
    "time_text",
]
