"""The batch script of a fit: text from pure functions, which know no environment, clock or file system."""

import math
import re
import shlex
from dataclasses import dataclass

from hnn_hpc.errors import UserError
from hnn_hpc.quantities import byte_size, count, duration
from hnn_hpc.submission.times import time_text

# Options of sbatch that a script has already, with the way to set them; None: they are not to be changed.
TAKEN = {
    "nodes": "--nodes",
    "ntasks": "--nodes and --tasks-per-node",
    "ntasks-per-node": "--tasks-per-node",
    "cpus-per-task": "--cpus-per-task",
    "time": "--time",
    "partition": "--partition",
    "account": "--account",
    "output": "--output",
    "error": "--output",
    "chdir": None,
    "requeue": None,
    "no-kill": None,
    "no-requeue": None,
    "open-mode": None,
    "signal": None,
    "array": None,
    "wrap": None,
    "parsable": None,
    "test-only": None,
    "wait": None,
}
OF_MEMORY = ("mem", "mem-per-cpu", "mem-per-gpu")


@dataclass(frozen=True)
class BatchJob:
    """What a script runs, and where.

    command    words of the command that makes the script
    fit        words of the command that it runs
    name       of the job
    directory  where it runs, an absolute path
    output     where the results and the log go, an absolute path
    partition, account, options    as they are given: text, text, "--name" or "--name=value"s of sbatch
    """

    command: tuple
    fit: tuple
    name: str
    directory: str
    output: str
    partition: str | None = None
    account: str | None = None
    options: tuple = ()


def render_script(job, request, cost, needs, root, variables=None, notes=()):
    """Return the text of the batch script of a `BatchJob`.

    Parameters: request (`partitions.Request`); cost (what `Forecast.of` returns), needs (`needs.Needs`); root: of the clone of the project,
    an absolute path; variables: of the environment, which the script sets; notes: sentences for the header.
    Errors: `UserError` for names that SLURM cannot read.
    """
    for path in (job.directory, job.output):
        _check_path(path)
    options = {
        "job-name": job.name,
        "nodes": request.nodes,
        "ntasks-per-node": request.tasks,
        "cpus-per-task": request.cores,
        "mem": None if request.memory is None else f"{math.ceil(request.memory / 2**20)}M",
        "time": time_text(request.seconds),
        "partition": job.partition,
        "account": job.account,
        "chdir": job.directory,
        "output": log_file(job.output.replace("%", "%%")),
        "requeue": "",
        "open-mode": "append",
        "signal": f"B:USR1@{needs.warning}",
    }
    options |= dict(map(_split, job.options))
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in (variables or {}).items())
    lines = [
        "#!/usr/bin/env bash",
        *_comments(shlex.join(job.command)),
        *_comments(f"problem    {problem_told(cost)}"),
        *_comments(f"predicted  {predicted_told(cost, needs, request)}"),
        *(line for note in notes for line in _comments(f"           {note}")),
        *(_directive(name, value) for name, value in options.items() if value is not None),
        *([f"export {exports}"] if exports else []),
        f"source {shlex.quote(f'{root}/slurm/survive.sh')} || exit",
        f"source {shlex.quote(f'{root}/slurm/environment.sh')} || exit",
        f"survive srun {shlex.join(job.fit)}",
    ]
    return "\n".join(lines) + "\n"


def problem_told(cost):
    """Return in words what is solved by how many ranks; cost: what `Forecast.of` returns."""
    samples, coordinates = count(cost["samples"], "sample"), count(cost["dimension"], "coordinate")
    quick = cost["if_well_conditioned"]
    solver = f"{cost['chosen']}{f' (or {quick}, if well conditioned)' if quick else ''} in {count(_chosen(cost)['blocks'], 'block')}"
    ranks = f"{count(cost['ranks'], 'rank')}, {count(_chosen(cost)['threads'], 'thread')} each"
    return f"{samples} of {coordinates}, {count(cost['features'], 'feature')}; {solver} on {ranks}"


def predicted_told(cost, needs, request):
    """Return in words what that takes."""
    memory = f"{byte_size(needs.rank)} on the largest rank, {byte_size(needs.node(request.tasks))} a node"
    speed = f"on cores of {cost['rates']['multiply'] / 1e9:.0f} GF/s"
    return f"{memory}; {needs.flops:.1e} flops; solve {duration(needs.seconds)} {speed}"


def log_file(directory, job="%j"):
    """Return the path of the log of a job in a directory; SLURM puts the job's number for %j."""
    return f"{directory}/slurm-{job}.out"


def check_options(options):
    """Raise `UserError` unless options of sbatch, as texts, can be written into a script and are not there already."""
    for option in options:
        if not re.fullmatch(r"--[a-z][a-z-]*(=[^\n\r\\]+)?", option):
            raise UserError(f"--sbatch={option}: expected an option of sbatch as --name or --name=value, such as --sbatch=--qos=long")
        name = _split(option)[0]
        taken = next((known for known in TAKEN if known.startswith(name)), None)  # sbatch knows them by their beginnings too
        if taken:
            instead = f"pass {TAKEN[taken]} in its place" if TAKEN[taken] else "leave it out, for the job could not go on by itself with it"
            raise UserError(f"--sbatch={option}: {instead}")


def asks_for_memory(options):
    """Return whether there is one among options of sbatch that says how much memory a job wants."""
    return any(name.startswith(_split(option)[0]) for option in options for name in OF_MEMORY)


def _chosen(cost):
    return cost["solvers"][cost["chosen"]]


def _split(option):
    """Return (name, value) of "--name=value"; the value of "--name" is empty."""
    name, _, value = option.removeprefix("--").partition("=")
    return name, value


def _directive(name, value):
    """Return a line for sbatch, which takes words in quotes like a shell."""
    return f"#SBATCH {f'--{name}'}{f'={shlex.quote(str(value))}' if value != '' else ''}"


def _comments(text):
    """Return text as lines of a comment, whatever line breaks it has."""
    return [f"# {line}" for line in text.splitlines()]


def _check_path(path):
    if re.search(r"[\n\r\\]", path):
        raise UserError(f"SLURM cannot write into {path!r}: a directory for its jobs may have no backslash and no line break in its path")
