"""`hnn-hpc plan JOB.toml`: what a fit would cost in memory, flops and time, before anything is computed."""

from pathlib import Path

from hnn_hpc.cli.text import byte_size, columns, count, duration, table
from hnn_hpc.errors import UserError
from hnn_hpc.features import ACTIVATIONS
from hnn_hpc.forecast import MOST_RANKS, UPPER_BOUND, Forecast
from hnn_hpc.job import load_job
from hnn_hpc.options import FitOptions
from hnn_hpc.parallel.communicator import available_cores
from hnn_hpc.parallel.threads import available_threads
from hnn_hpc.peak_memory import peak_memory_bytes
from hnn_hpc.run import computation_of
from hnn_hpc.solvers.rates import calibrate, calibrate_network
from hnn_hpc.values import whole_number

HELP = "predict memory, flops and time of a fit, and which solver it takes; reads no samples"
CALIBRATION = {"order": 512, "repeats": 5}  # about a second


def add_arguments(parser):
    parser.add_argument("job", type=Path, metavar="JOB.toml", help="what to compute")
    parser.add_argument("--ranks", type=int, metavar="N", help="default: as many as this runs on")
    parser.add_argument("--threads", type=int, metavar="T", help="of each rank; default: the cores of this machine shared by the ranks")
    parser.add_argument("--memory", metavar="SIZE", help="that a rank may use in all, such as 4GB: what does not fit is refused")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="TABLE.KEY=VALUE", help="replace a key of the job")


def run(arguments, communicator, progress):
    program = max(communicator.all_gather(peak_memory_bytes()))
    with communicator.together():
        job = load_job(arguments.job, arguments.overrides)
        chosen, sizes = computation_of(job).planned()
        ranks = communicator.size if arguments.ranks is None else whole_number(arguments.ranks, "--ranks", 1, MOST_RANKS)
        limit = None if arguments.memory is None else _size(arguments.memory)
    threads = available_threads(communicator)
    if arguments.ranks is not None:
        threads = max(1, len(available_cores()) // ranks)
    with communicator.together():
        threads = threads if arguments.threads is None else whole_number(arguments.threads, "--threads", at_least=1)
    rates = calibrate(ACTIVATIONS[job.options.activation].derivative, **CALIBRATION)
    rates = calibrate_network(rates, communicator)
    with communicator.together():
        forecast = Forecast(**sizes | {"solves": 1}, ranks=ranks, threads=threads, program=program, rates=rates, limit=limit)
        return forecast.of(chosen) | {"network_measured": communicator.size > 1}


def _size(text):
    try:
        return FitOptions(memory_per_rank=text).memory_per_rank
    except UserError as error:
        raise UserError(str(error).replace("memory_per_rank", "--memory")) from None


def describe(result):
    rates, quick = result["rates"], result["if_well_conditioned"]
    sizes = [count(result[name], noun) for name, noun in (("samples", "sample"), ("dimension", "coordinate"), ("features", "feature"))]
    network = f"{rates['network'] / 1e9:.2g} GB/s between ranks, {'measured' if result['network_measured'] else 'assumed'}"
    core = f"{rates['multiply'] / 1e9:.0f} GF/s in products of matrices, {1e9 / rates['activations']:.1f} ns a value of the activation"
    told = [
        ("problem", f"{sizes[0]} of {sizes[1]}, {sizes[2]}"),
        ("supports", f"{result['supports']}: {UPPER_BOUND}" if result["is_upper_bound"] else None),
        ("machine", f"{count(result['ranks'], 'rank')}, {count(result['threads'], 'thread')} each; {network}"),
        ("a core", f"{core}, measured here"),
        ("solver", f"{result['chosen']}: {result['reason']}"),
        ("", quick and f"{quick} in its place where {result['reason_if_well_conditioned']}"),
        ("its time", ", ".join(f"{name} {duration(seconds)}" for name, seconds in _longest(result["solvers"][result["chosen"]]))),
    ]
    rows = [["solver", "threads", "memory a rank", "flops", "time", "fits"]]
    for name, cost in result["solvers"].items():
        memory, flops, fits = byte_size(cost["memory_bytes"]), f"{cost['flops']:.2e}", "yes" if cost["fits"] else "no"
        rows.append([name, cost["threads"], memory, flops, duration(cost["seconds"]), fits])
    return f"{table(told)}\n\n{columns(rows)}"


def _longest(cost):
    """Return (name, seconds) of the stages that take a hundredth of the time or more."""
    return [stage for stage in cost["stages"].items() if stage[1] >= cost["seconds"] / 100]
