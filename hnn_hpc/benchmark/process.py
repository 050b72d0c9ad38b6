"""A measurement as a process of its own: its threads, its time limit, and how it ended."""

import json
import os
import signal
import subprocess
import sys

from hnn_hpc.benchmark.measure import __name__ as MEASURE
from hnn_hpc.json_text import json_text

BLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
LAUNCHERS_VARIABLES = ("PMI_", "PMIX_", "OMPI_COMM_WORLD_")  # they tell a process that it is a rank of somebody's
PATIENCE = 5.0  # seconds that a process has to end by itself once it was told to


def run_process(what, threads, blas_threads, limit):
    """Measure `what` (see `measure`) in a fresh process, under mpirun where `what["ranks"]` are several; return its result.

    Parameters: threads, of each rank of our own solvers; blas_threads, of BLAS in each process; limit, in seconds, for all of it.
    The result's "status" is that of `measure`, or "time limit" or "failed", with the "reason".
    """
    command = [sys.executable, "-m", MEASURE, json_text(what)]
    if what["ranks"] > 1:
        command = ["mpirun", "-n", str(what["ranks"]), *command]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(LAUNCHERS_VARIABLES)}
    environment |= {"HNN_HPC_THREADS": str(threads)} | dict.fromkeys(BLAS_VARIABLES, str(blas_threads))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, text=True, start_new_session=True, **pipes) as process:
        try:
            output, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return {"status": "time limit", "reason": f"not done after {limit:g} s"}
        finally:
            _end(process)
    if process.returncode:
        return {"status": "failed", "reason": _reason(process.returncode, errors)}
    return json.loads(output.splitlines()[-1])


def _end(process):
    """End a process and those that it started, if it has not ended by itself: when its time is up, or when we are interrupted."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                continue


def _reason(code, errors):
    """Return why a process failed: the signal that ended it, or the last line of its traceback."""
    if code < 0:
        return f"ended by {signal.Signals(-code).name}" + (", perhaps for want of memory" if code == -signal.SIGKILL else "")
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    exceptions = [line for line in lines if line.split(":")[0].endswith(("Error", "Exception"))]
    return (exceptions or lines or [f"exit code {code}"])[-1]
