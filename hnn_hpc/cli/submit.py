"""`hnn-hpc submit JOB.toml`: a fit as a batch job of SLURM, which asks for the memory and the time that it is predicted to take."""

import os
import shlex
import sys
from pathlib import Path

from hnn_hpc.cli.text import byte_size, table
from hnn_hpc.errors import UserError
from hnn_hpc.forecast import MOST_RANKS, UPPER_BOUND, Forecast
from hnn_hpc.job import load_job
from hnn_hpc.peak_memory import peak_memory_bytes
from hnn_hpc.run import computation_of
from hnn_hpc.run_files import CHECKPOINT, check_directory, make_directory
from hnn_hpc.run_place import told
from hnn_hpc.run_state import RUNNING, WAITING, run_state
from hnn_hpc.storage import Checkpoint
from hnn_hpc.submission import (
    BatchJob,
    Request,
    UnansweredError,
    asks_for_memory,
    check_options,
    checked_limit,
    fitted,
    has_slurm,
    log_file,
    named,
    predicted_told,
    problem_told,
    read_partitions,
    render_script,
    send,
    time_text,
)
from hnn_hpc.values import whole_number

ROOT = Path(__file__).parents[2]
SIZES = ("nodes", "tasks_per_node", "cpus_per_task")
SCRIPTS = ("slurm/survive.sh", "slurm/environment.sh")
VARIABLES = ("HNN_HPC_SITE", "HNN_HPC_MODULES")  # of the environment, that environment.sh reads
HELP = "send a fit to SLURM, with the memory and time that it is predicted to take"
EPILOG = (
    "The job is queued again, and goes on from its checkpoint, when it reaches its time limit or has to make room. Memory and time are "
    "predicted for a core of nominal speed; --time is twice the prediction unless it is given."
)


def add_arguments(parser):
    parser.epilog = EPILOG
    parser.add_argument("job", type=Path, metavar="JOB.toml", help="what to compute")
    parser.add_argument("--nodes", type=int, required=True, metavar="N", help="how many")
    parser.add_argument("--tasks-per-node", type=int, required=True, metavar="T", help="ranks of a node")
    parser.add_argument("--cpus-per-task", type=int, default=1, metavar="C", help="threads of a rank, each on a core; default 1")
    parser.add_argument("--time", metavar="HH:MM:SS", help="limit of one run of the job; one that takes longer is queued again and goes on")
    parser.add_argument("--partition", metavar="P", help="default: $SBATCH_PARTITION, or the cluster's")
    parser.add_argument("--account", metavar="A", help="default: $SBATCH_ACCOUNT, or yours")
    parser.add_argument("--sbatch", action="append", default=[], metavar="OPTION", help="any other of sbatch, as in --sbatch=--qos=long")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="TABLE.KEY=VALUE", help="replace a key of the job")
    parser.add_argument("--output", metavar="DIR", help="directory for the results and the log, in place of output.directory")
    parser.add_argument("--force", action="store_true", help="replace the results of an earlier run, and remove its checkpoint")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint of an interrupted run, if there is one")
    parser.add_argument("--print", action="store_true", dest="print_only", help="print the script and send nothing")


def run(arguments, communicator, progress):
    program = peak_memory_bytes()
    _check_place(arguments, communicator)
    job, request = load_job(arguments.job, arguments.overrides, arguments.output), _request(arguments)
    check_options(arguments.sbatch)
    chosen, sizes = computation_of(job).planned()
    check_directory(job.directory, arguments.force)
    state = run_state(job.directory)
    if state and state["state"] == WAITING:
        _say(f"a job may be waiting for {job.directory} already, whose log is {state['log']}: see squeue --me")
    if state and state["state"] == RUNNING:
        run = told(state["status"])
        raise UserError(f"another run is at work in {job.directory}: {run}; wait for it, end it, or give another --output to this one")
    Checkpoint(job.directory / CHECKPOINT, job.checkpoint_seconds, arguments.resume, arguments.force, say=_say).prepare()

    forecast = Forecast(**sizes, ranks=request.nodes * request.tasks, threads=request.cores, program=program)
    cost = forecast.of(chosen)
    partitions = _partitions(arguments)
    wanted = [] if partitions is None else named(partitions, _of_user(arguments, "partition"))
    request, needs = fitted(request, forecast, chosen, partitions, wanted, with_memory=not asks_for_memory(arguments.sbatch))
    warnings = _warnings(job, needs, request)
    notes = [f"supports {cost['supports']}: {UPPER_BOUND}"] if cost["is_upper_bound"] else []
    script = render_script(_job(arguments, job), request, cost, needs, ROOT, _variables(), notes + warnings)
    for warning in warnings:
        _say(warning)
    number = None if arguments.print_only else _sent(script, job.directory)
    output = os.path.abspath(job.directory)
    predicted = {
        "memory_bytes_per_rank": round(needs.rank),
        "memory_bytes_per_node": round(needs.node(request.tasks)),
        "flops": needs.flops,
        "seconds": needs.seconds,
        "is_upper_bound": cost["is_upper_bound"],
    }
    return {
        "job": number,
        "script": script,
        "output": output,
        "log": log_file(output, number or "%j"),
        "solver": cost["chosen"],
        "predicted": predicted,
        "asked": {"memory": request.memory, "seconds": request.seconds},
        "summary": {"problem": problem_told(cost), "predicted": predicted_told(cost, needs, request)},
    }


def _request(arguments):
    """Return the `Request` of the sizes and the time that are given."""
    nodes, tasks, cores = (whole_number(getattr(arguments, name), _option(name), at_least=1) for name in SIZES)
    if nodes * tasks > MOST_RANKS:
        raise UserError(f"{nodes} nodes of {tasks} tasks are {nodes * tasks} ranks; expected {MOST_RANKS} at most")
    return Request(nodes, tasks, cores, seconds=None if arguments.time is None else checked_limit(arguments.time, "--time"))


def _check_place(arguments, communicator):
    """Raise `UserError` where nothing can be sent from."""
    if communicator.size > 1:
        raise UserError(f"submit sends one job, but it was started as {communicator.size} ranks; run it without mpirun or srun")
    if not (arguments.print_only or has_slurm()):
        raise UserError("there is no sbatch on PATH, so nothing can be sent from here; --print shows the script")
    for name in SCRIPTS:
        if not (ROOT / name).is_file():
            raise UserError(f"the job needs {ROOT / name}, which is not there; run this from a clone of the project")


def _option(name):
    return f"--{name.replace('_', '-')}"


def _partitions(arguments):
    """Return the `Partition`s of the cluster by name, or None where there is none and nothing is to be sent."""
    if not has_slurm():
        return None
    try:
        return read_partitions()
    except UserError as error:
        if not arguments.print_only:
            raise
        _say(f"{error}; so nobody knows whether the job fits")
        return None


def _of_user(arguments, name):
    """Return an option, or what the environment has in its place for sbatch, or None."""
    return getattr(arguments, name) or os.environ.get(f"SBATCH_{name.upper()}") or None


def _variables():
    return {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}


def _warnings(job, needs, request):
    """Return what the user would want to know: that the time limit is below the prediction, if so."""
    if request.seconds >= needs.seconds:
        return []
    way_on = "is queued again there, and goes on" if job.checkpoint_seconds else "ends there with nothing saved: checkpoint_seconds is 0"
    return [f"the time limit, {time_text(request.seconds)}, is below the prediction: the job {way_on}"]


def _job(arguments, job):
    """Return the `BatchJob` of the script."""
    fit = [str(arguments.job)]
    for setting in arguments.overrides:
        fit += ["--set", setting]
    fit += ["--output", arguments.output] if arguments.output else []
    fit += [_option(name) for name in ("force", "resume") if getattr(arguments, name)]
    command = [word for name in SIZES for word in (_option(name), str(getattr(arguments, name)))]
    for name in ("time", "partition", "account"):
        command += [_option(name), getattr(arguments, name)] if getattr(arguments, name) else []
    command += [f"--sbatch={option}" for option in arguments.sbatch]
    return BatchJob(
        command=("hnn-hpc", "submit", fit[0], *command, *fit[1:]),
        fit=("hnn-hpc", "fit", *fit),
        name=arguments.job.stem,
        directory=os.getcwd(),
        output=os.path.abspath(job.directory),
        partition=_of_user(arguments, "partition"),
        account=_of_user(arguments, "account"),
        options=tuple(arguments.sbatch),
    )


def _sent(script, directory):
    """Give the script to SLURM and return the job's number; the directory is made, for SLURM does not make it for the log."""
    made = make_directory(directory)
    try:
        number = send(script, _say)
    except UnansweredError:
        raise
    except UserError:
        for path in reversed(made):
            path.rmdir()
        raise
    Path(log_file(directory, number)).touch()  # by which `hnn-hpc status` knows that a job is to come
    return number


def _say(text):
    print(f"hnn-hpc: {text}", file=sys.stderr, flush=True)


def describe(result):
    if result["job"] is None:
        return result["script"].removesuffix("\n")
    asked = result["asked"]
    memory = "" if asked["memory"] is None else f"{byte_size(asked['memory'])} a node, "
    return table(
        [
            ("job", result["job"]),
            ("problem", result["summary"]["problem"]),
            ("predicted", result["summary"]["predicted"]),
            ("asked for", f"{memory}{time_text(asked['seconds'])}"),
            ("log", result["log"]),
            ("results", result["output"]),
            ("see", shlex.join(["hnn-hpc", "status", result["output"]])),
        ]
    )
