"""The reproduction as one array job of SLURM, each of whose tasks computes a share of the members."""

import os
import subprocess
import tempfile
from pathlib import Path

from hnn_hpc.errors import Interruption, UserError

MOST_TASKS = 64
ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "slurm" / "reproduce.sbatch"
LOOK_EVERY = 2.0  # seconds


def array_command(script, root, logs, tasks, arguments):
    """Return the command line that submits the array and waits for all of its tasks, as a list of words.

    Parameters: script (Path of slurm/reproduce.sbatch); root: the project's, where the tasks run; logs: folder for what they print, one
    file a task; tasks: how many; arguments (words): those of `hnn-hpc reproduce`, to which the script adds --share I/tasks.
    """
    pattern = str(logs).replace("%", "%%") + "/%A_%a.out"  # SLURM fills in the numbers of job and task
    options = [f"--array=1-{tasks}", f"--chdir={root}", f"--output={pattern}"]
    return ["sbatch", "--parsable", "--wait", *options, str(script), *arguments]


def share_arguments(folder, cases, samplers, seeds, widths, output):
    """Return the arguments of `hnn-hpc reproduce` that a task needs, with paths that hold in any working directory."""
    lists = ["--cases", ",".join(cases), "--samplers", ",".join(samplers)]
    return [os.path.abspath(folder), *lists, "--seeds", str(seeds), "--widths", widths, "--output", os.path.abspath(output)]


def run_array(command, look=lambda: None, say=lambda text: None):
    """Submit the array, wait for its end and return the job's number; whether its tasks did their work is told by what they leave.

    Parameters: command (see `array_command`); look, called every LOOK_EVERY seconds; say, called with what there is to say to the user.
    An interruption cancels the array. Errors: `UserError` where it was not accepted.
    """
    job, streams = "", {"stdout": subprocess.PIPE, "stdin": subprocess.DEVNULL, "text": True}
    with tempfile.TemporaryFile("w+") as told:
        # A session of its own: Ctrl-C is for us, who then cancel.
        with subprocess.Popen(command, stderr=told, start_new_session=True, **streams) as process:
            try:
                job = _job_number(process)
                if job:
                    say(f"submitted array job {job}; an interruption of this command cancels it")
                while job and not _ended(process):
                    look()
            except BaseException as error:
                job = job or _job_number(process)
                process.kill()
                if job:
                    subprocess.run(["scancel", job], check=False)
                if not (job and isinstance(error, Interruption)):
                    raise
                way_on = "what its tasks have computed stays, and the same command, without --force, goes on with the rest"
                raise Interruption(f"interrupted; the array job {job} is cancelled, {way_on}", resumable=True) from None
        told.seek(0)
        words = " ".join(told.read().split())
    if not job:
        raise UserError(f"SLURM did not accept the array: {words}; edit {SCRIPT.relative_to(ROOT)} for this site, or pass --here")
    if words:
        say(words)
    return job


def _job_number(process):
    """Read the number that --parsable prints first, followed by ";cluster" where there are several."""
    return process.stdout.readline().strip().split(";")[0]


def _ended(process):
    try:
        process.wait(LOOK_EVERY)
    except subprocess.TimeoutExpired:
        return False
    return True
