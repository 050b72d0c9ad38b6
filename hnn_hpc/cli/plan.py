"""`hnn-hpc plan JOB.toml`: what a fit would cost in memory, flops and time, before anything is computed."""

from dataclasses import asdict, replace
from pathlib import Path

from hnn_hpc.cli.text import byte_size, columns, count, table
from hnn_hpc.errors import UserError
from hnn_hpc.features import ACTIVATIONS
from hnn_hpc.job import load_job
from hnn_hpc.options import AUTO, DENSE, WITHOUT_RIDGE, FitOptions
from hnn_hpc.parallel.communicator import available_cores
from hnn_hpc.parallel.threads import available_threads
from hnn_hpc.peak_memory import peak_memory_bytes
from hnn_hpc.run import open_sources
from hnn_hpc.samples import pool_size
from hnn_hpc.solvers import SOLVERS, plan
from hnn_hpc.solvers.rates import calibrate, calibrate_network
from hnn_hpc.training import plan_for
from hnn_hpc.values import whole_number

HELP = "predict memory, flops and time of a fit, and which solver it takes; reads no samples"
MOST_RANKS = 2**20
UPPER_BOUND = "predicted is a dense solve, the most that one takes; the search for supports comes on top, some seconds"
CALIBRATION = {"order": 512, "repeats": 5}  # about a second


def add_arguments(parser):
    parser.add_argument("job", type=Path, metavar="JOB.toml", help="what to compute")
    parser.add_argument("--ranks", type=int, metavar="N", help="default: as many as this runs on")
    parser.add_argument("--threads", type=int, metavar="T", help="of each rank; default: the cores of this machine shared by the ranks")
    parser.add_argument("--memory", metavar="SIZE", help="that a rank may use in all, such as 4GB: what does not fit is refused")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="TABLE.KEY=VALUE", help="replace a key of the job")


def run(arguments, communicator, progress):
    base = max(communicator.all_gather(peak_memory_bytes()))
    with communicator.together():
        job = load_job(arguments.job, arguments.overrides)
        source = open_sources(job.data)[0]
        ranks = communicator.size if arguments.ranks is None else whole_number(arguments.ranks, "--ranks", 1, MOST_RANKS)
        limit = None if arguments.memory is None else _size(arguments.memory)
        chosen = plan_for(source.count, source.dimension, job.options, source.location)
    threads = available_threads(communicator)
    if arguments.ranks is not None:
        threads = max(1, len(available_cores()) // ranks)
    with communicator.together():
        threads = threads if arguments.threads is None else whole_number(arguments.threads, "--threads", at_least=1)
    rates = calibrate(ACTIVATIONS[job.options.activation].derivative, **CALIBRATION)
    rates = calibrate_network(rates, communicator)
    base += 8 * pool_size(source.count, job.options.features) * (2 * source.dimension + 1)
    with communicator.together():
        forecast = _Forecast(source.count, source.dimension, job.options, ranks, threads, limit, base, rates)
        return forecast.of(chosen) | {"rates": asdict(rates), "network_measured": communicator.size > 1}


class _Forecast:
    """Costs of solvers for one problem on some machine.

    K samples of D coordinates, options (FitOptions), ranks, threads of a rank, limit: bytes a rank or None, base: bytes of a rank before
    it solves anything, rates (Rates).
    """

    def __init__(self, K, D, options, ranks, threads, limit, base, rates):
        self.K, self.D, self.options = K, D, options
        self.ranks, self.threads, self.limit, self.base, self.rates = ranks, threads, limit, base, rates
        self.is_plain = options.coordinates_of(D).is_plain

    def of(self, chosen):
        """Return the result of the command; `UserError` where the chosen plan does not fit."""
        names = self.solvers
        costs = {name: self.cost(self.plan(name)) for name in names}
        if self.supports == DENSE and not self.fits(self.limited(chosen)):
            self.refuse(chosen, [name for name in names if costs[name]["fits"]])
        quick = chosen.if_well_conditioned
        return {
            "samples": self.K,
            "dimension": self.D,
            "features": self.options.features,
            "ranks": self.ranks,
            "threads": self.threads,
            "memory_limit_bytes": self.limit,
            "supports": self.supports,
            "is_upper_bound": self.supports != DENSE,
            "chosen": chosen.solver,
            "reason": chosen.reason,
            "if_well_conditioned": quick and quick.solver,
            "reason_if_well_conditioned": quick and quick.reason,
            "solvers": costs,
        }

    @property
    def solvers(self):
        """The names of the solvers that the fit may take."""
        if not self.is_plain:
            return ["tsqr"]
        return [name for name in SOLVERS if name != "auto" and not (self.options.ridge and name in WITHOUT_RIDGE)]

    @property
    def supports(self):
        """What the features depend on: "dense", or sparse ones that the plan leaves out of account, "auto" or "given"."""
        if self.options.is_dense:
            return DENSE
        return AUTO if self.options.supports == AUTO else "given"

    def plan(self, name, features=None):
        features = features or self.options.features
        return plan(self.K, self.D, features, name, self.options.block_bytes, self.options.ridge, khatri_rao=self.is_plain)

    def room(self):
        """Return the bytes that rows and triangles of a rank may take, or None."""
        limits = [self.options.memory_per_rank, None if self.limit is None else max(1, self.limit - self.base)]
        return min((limit for limit in limits if limit is not None), default=None)

    def limited(self, the_plan):
        """Return the plan with as many threads as memory allows; with one where not even that fits."""
        try:
            return the_plan.limited_to(self.threads, self.room(), self.ranks)
        except UserError:
            return replace(the_plan, threads=1)

    def fits(self, the_plan):
        return self.room() is None or the_plan.memory(the_plan.threads, self.ranks) <= self.room()

    def cost(self, the_plan):
        the_plan = self.limited(the_plan)
        return {
            "threads": the_plan.threads,
            "blocks": the_plan.layout.blocks,
            "memory_bytes": self.base + the_plan.memory(the_plan.threads, self.ranks),
            "flops": the_plan.flops,
            "seconds": the_plan.seconds(self.ranks, self.rates),
            "stages": {stage.name: stage.seconds(self.ranks, the_plan.threads, self.rates) for stage in the_plan.stages},
            "fits": self.fits(the_plan),
        }

    def refuse(self, chosen, others):
        """Raise `UserError`: what the plan needs, and what would fit."""
        needed, room = chosen.memory(1, self.ranks), self.room()
        by_job = self.limit is None or room == self.options.memory_per_rank
        given = f"solver.memory_per_rank is {byte_size(room)}" if by_job else f"--memory is {byte_size(self.limit)}"
        ways = [f"{byte_size(_rounded_up(needed + (0 if by_job else self.base)))} or more"]
        if features := _largest(lambda M: self.plan(chosen.solver, M).memory(1, self.ranks) <= room, self.options.features):
            ways.append(f"at most {features} features")
        ranks = self.ranks
        while ranks < MOST_RANKS and chosen.memory(1, ranks) > room:
            ranks *= 2
        if chosen.memory(1, ranks) <= room:
            ways.append(f"{ranks} ranks")
        ways += [f"solver.name={name}" for name in others]
        raise UserError(
            f"{chosen.solver} does not fit: with one thread it needs {byte_size(needed)} a rank for rows and triangles on "
            f"{count(self.ranks, 'rank')}, besides {byte_size(self.base)} for the program and its samples, and {given}; "
            f"what would fit: {', or '.join(ways)}"
        )


def _largest(fits, too_many):
    """Return the largest number below `too_many` that fits, by bisection; 0 where none does."""
    low, high = 0, too_many
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _rounded_up(size):
    """Return the next size that `byte_size` tells without rounding."""
    unit = 10**8 if size >= 10**9 else 10**6 if size >= 10**7 else 10**3
    return -(-size // unit) * unit


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


def duration(seconds):
    """Return "0.12 s", "34 s", "5.6 min", "7.8 h" or "9.1 days"."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.2g} s"
