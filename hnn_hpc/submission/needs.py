"""What a fit needs of a cluster, as far as it can be told beforehand, and how much to ask for."""

import math
from dataclasses import dataclass, replace

from hnn_hpc.submission.times import WARNING

# Bytes that libraries were measured to take, which a forecast leaves out, for it is made by a process without them.
MPI, PETSC = 20e6, 33e6
# The most bytes that the search for supports and bandwidths took, on rank 0 before the solve: the sum of all terms, which grows with the
# coordinates, and a trial fit a thread, of M features or TRIAL_FEATURES: 8 rows a feature, three times. With 2 to 512 coordinates, on
# 1 to 16 threads; where few supports are found, it takes less.
TERMS, A_COORDINATE = 3e8, 3e7
TRIAL, TRIAL_FEATURES, SMALLEST_TRIAL, MOST_THREADS = 3 * 64, 1000, 3e7, 8
POOLS = 3  # the pool, while it is gathered: the parts of all ranks, their union, and what a rank has read
# A forecast of memory is right within a quarter (`hnn-hpc bench`: 15 %), and samples that are kept take a tenth of what is left.
MARGIN = 1.25
BESIDES = 1e8  # bytes of a node, for the shell, srun and files that are held in memory
DISK = 2e8  # bytes a second that a rank may write
STEP = 100 * 2**20  # memory is asked for in such steps

SLACK = 300  # seconds: to start ranks, to search, to test and to write
SHORTEST_LIMIT, LIMIT_STEP = 600, 300


@dataclass(frozen=True)
class Needs:
    """What a fit is predicted to need.

    rank     bytes of the largest rank, rank 0, which searches and solves
    other    bytes of each other rank
    flops    of all solves
    seconds  of all solves, on cores of the forecast's rates
    warning  seconds from the signal ahead of a time limit to that limit: to end what cannot be interrupted, and to save
    """

    rank: float
    other: float
    flops: float
    seconds: float
    warning: int

    def node(self, tasks):
        """Return the bytes of the node of rank 0 with so many ranks."""
        return self.rank + (tasks - 1) * self.other

    def memory_to_ask(self, tasks):
        """Return the bytes to ask for on every node: a quarter more, and a fixed amount, rounded up."""
        return math.ceil((MARGIN * self.node(tasks) + BESIDES) / STEP) * STEP


def needs_of(forecast, chosen, keep=True):
    """Return the `Needs` of a fit by the `Plan` chosen, or the one in its place for a small condition number, whichever are larger.

    Parameters: forecast (`forecast.Forecast`); keep: whether an iterative solver keeps the σ' that it needs in every iteration, or makes it
    anew where there is no memory.
    """
    plans = [forecast.limited(plan) for plan in (chosen, chosen.if_well_conditioned) if plan]
    kept = [_kept(plan, forecast) if keep else 0 for plan in plans]
    root = max(plan.memory(plan.threads, forecast.ranks) + k for plan, k in zip(plans, kept, strict=True))
    other = max(_memory_of_others(plan, forecast.ranks) + k for plan, k in zip(plans, kept, strict=True))
    libraries = MPI * (forecast.ranks > 1) + PETSC * any(plan.needs_petsc for plan in plans)
    survey = forecast.kept + (POOLS - 1) * forecast.pool
    return Needs(
        rank=forecast.program + libraries + max(survey, forecast.kept + max(_search(forecast), root)),
        other=forecast.program + libraries + max(survey, forecast.kept + other),
        flops=forecast.solves * plans[0].flops,
        seconds=forecast.solves * plans[0].seconds(forecast.ranks, forecast.rates),
        warning=max(_warning(plan, forecast) for plan in plans),
    )


def time_to_ask(seconds):
    """Return the time limit, in seconds, for a fit that is predicted to take so many: twice as long and some minutes for what is not."""
    return max(SHORTEST_LIMIT, math.ceil((2 * seconds + SLACK) / LIMIT_STEP) * LIMIT_STEP)


def _warning(plan, forecast):
    """Return for how many seconds a job has to be told ahead: twice what the longest step takes, and to write three triangles."""
    ranks, threads = forecast.ranks, plan.threads
    # A stage may end between two leaves of a thread.
    longest = max(stage.seconds(ranks, threads, forecast.rates) / math.ceil(stage.leaves / (ranks * threads)) for stage in plan.stages)
    return max(WARNING, math.ceil(2 * longest + 3 * 8 * plan.columns**2 / DISK))


def _kept(plan, forecast):
    """Return the bytes of σ' that a rank keeps where there is memory enough."""
    share, limit = plan.keepable_bytes / forecast.ranks, forecast.options.memory_per_rank
    return share if limit is None else min(share, max(0, limit - plan.memory(plan.threads, forecast.ranks)))


def _memory_of_others(plan, ranks):
    """Return the bytes of a rank other than rank 0: where that works alone they wait, and from the solve on its factor is its own."""
    most, is_solved = 0, False
    for stage in plan.stages:
        is_solved = is_solved or stage.name == "solve"
        if stage.leaves > 1:
            most = max(most, replace(stage, held=0 if is_solved else stage.held).memory(ranks, plan.threads))
    return most


def _search(forecast):
    """Return the bytes that rank 0 takes for the search of what is "auto"."""
    options = forecast.options
    if options.sampler != "anchored" or "auto" not in (options.supports, options.bandwidth):
        return 0
    trial = max(SMALLEST_TRIAL, TRIAL * min(options.features, TRIAL_FEATURES) ** 2)
    return min(TERMS, A_COORDINATE * forecast.dimension) + min(forecast.threads, MOST_THREADS) * trial
