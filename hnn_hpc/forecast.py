"""What a fit would cost on some machine, before anything is computed: memory, flops and seconds of the solvers that it may take."""

from dataclasses import asdict, dataclass, field, replace

from hnn_hpc.errors import UserError
from hnn_hpc.options import AUTO, DENSE, WITHOUT_RIDGE, FitOptions
from hnn_hpc.quantities import byte_size, count, rounded_up
from hnn_hpc.samples import pool_size
from hnn_hpc.solvers import NOMINAL, SOLVERS, plan
from hnn_hpc.solvers.rates import Rates

MOST_RANKS = 2**20
UPPER_BOUND = "predicted is a dense solve, the most that one takes; the search for supports comes on top, some seconds"


@dataclass(frozen=True)
class Forecast:
    """The costs of one fit. Where features may be sparse, those of a dense solve, the most that one takes.

    samples, dimension  K and D
    options             of the fit
    ranks, threads      how many ranks, and threads of each
    program             bytes of a rank before it reads samples
    rates               of a core and the network
    limit               bytes that a rank may use in all, or None
    sample_bytes        of the samples in memory, of all of them and of what one rank holds at least: they are kept where graphs are
    how                 other arguments of `solvers.plan`, such as whether the rows have the Khatri-Rao factors
    solves              how often the same problem is solved, to other targets (see `refits`); the costs are those of one
    """

    samples: int
    dimension: int
    options: FitOptions
    ranks: int
    threads: int
    program: int
    rates: Rates = NOMINAL
    limit: int | None = None
    sample_bytes: tuple = (0, 0)
    how: dict = field(default_factory=dict)
    solves: int = 1

    def of(self, chosen):
        """Return the costs as a dictionary fit for JSON, those of each solver under "solvers"; `chosen`: the `Plan` that the fit takes.

        Errors: `UserError` where dense features do not fit into the memory, with what would.
        """
        costs = {name: self.cost(self.plan(name)) for name in self.solvers}
        if self.supports == DENSE and not self.fits(self.limited(chosen)):
            self._refuse(chosen, [name for name, cost in costs.items() if cost["fits"]])
        quick = chosen.if_well_conditioned
        return {
            "samples": self.samples,
            "dimension": self.dimension,
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
            "rates": asdict(self.rates),
        }

    @property
    def pool(self):
        """The bytes of the pool, the samples that every rank holds."""
        return 8 * pool_size(self.samples, self.options.features) * (2 * self.dimension + 1)

    @property
    def kept(self):
        """The bytes of the pool and of the samples that a rank keeps."""
        of_all, at_least = self.sample_bytes
        return self.pool + max(of_all // self.ranks, at_least)

    @property
    def base(self):
        """The bytes of a rank before it solves anything."""
        return self.program + self.kept

    @property
    def solvers(self):
        """The names of the solvers that the fit may take."""
        if not self.how.get("khatri_rao", True):
            return ["tsqr"]
        return [name for name in SOLVERS if name != "auto" and not (self.options.ridge and name in WITHOUT_RIDGE)]

    @property
    def supports(self):
        """What the features depend on: "dense", or sparse ones that the plan leaves out of account, "auto" or "given"."""
        if self.options.is_dense:
            return DENSE
        return AUTO if self.options.supports == AUTO else "given"

    def plan(self, solver, features=None):
        """Return the `Plan` of a solver, by name, for as many features as the options say, or another number of them."""
        features = features or self.options.features
        block_bytes, ridge = self.options.block_bytes, self.options.ridge
        return plan(self.samples, self.dimension, features, solver, block_bytes, ridge, **self.how)

    def cost(self, the_plan):
        """Return what a plan costs as a dictionary: threads, blocks, memory_bytes of the largest rank, flops, seconds, stages and fits."""
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

    def limited(self, the_plan):
        """Return the plan with as many threads as memory allows; with one where not even that fits."""
        try:
            return the_plan.limited_to(self.threads, self._room, self.ranks)
        except UserError:
            return replace(the_plan, threads=1)

    def fits(self, the_plan):
        """Return whether the memory is enough for a plan with its threads."""
        return self._room is None or the_plan.memory(the_plan.threads, self.ranks) <= self._room

    @property
    def _room(self):
        """The bytes that rows and triangles of a rank may take, or None."""
        limits = [self.options.memory_per_rank, None if self.limit is None else max(1, self.limit - self.base)]
        return min((limit for limit in limits if limit is not None), default=None)

    def _refuse(self, chosen, others):
        """Raise `UserError`: what the plan needs, and what would fit."""
        needed, room = chosen.memory(1, self.ranks), self._room
        by_job = self.limit is None or room == self.options.memory_per_rank
        given = f"solver.memory_per_rank is {byte_size(room)}" if by_job else f"--memory is {byte_size(self.limit)}"
        ways = [f"{byte_size(rounded_up(needed + (0 if by_job else self.base)))} or more"]
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
