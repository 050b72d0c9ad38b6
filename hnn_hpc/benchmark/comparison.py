"""A case measured: its contestants take turns on each problem, round by round, and every figure is a median over the rounds."""

from dataclasses import asdict, dataclass, field
from statistics import median

from hnn_hpc.benchmark.machine import available_memory_bytes
from hnn_hpc.benchmark.measure import DGEMM
from hnn_hpc.benchmark.peers import PEERS
from hnn_hpc.benchmark.process import run_process
from hnn_hpc.errors import HnnError
from hnn_hpc.parallel.communicator import available_cores
from hnn_hpc.progress import stage
from hnn_hpc.solvers import SOLVERS
from hnn_hpc.systems import make_system

USABLE_MEMORY = 0.9  # of what is available; the rest is for whoever else needs some


@dataclass(frozen=True)
class Settings:
    """How to measure.

    repeat        rounds of every case; None: as many as the case says
    limit         seconds that one run may take, assembly and test included
    ranks         of our own solvers, whose threads then share the cores
    dgemm_order   of the matrix product whose rate is measured
    cores         that everybody may use
    """

    repeat: int | None = None
    limit: float = 3600.0
    ranks: int = 1
    dgemm_order: int = 3000
    cores: int = field(default_factory=lambda: len(available_cores()))


def compare(name, case, settings, progress=None, run=run_process):
    """Measure a `Case` and return a dictionary fit for JSON: "name", "measures", "rounds", "dgemm", "problems" and "bars".

    dgemm[i] and dgemm[i + 1] are the rates before and after round i, in flops a second. A problem has "title", the fields of `Problem`
    and "runs", by contestant (see `summary`). Who fails to end well in one round is left out of the next.
    """
    rounds = settings.repeat or case.rounds
    problems = [{"title": problem.title, **asdict(problem), **_size(problem)} for problem in case.problems]
    results = [{contestant: [] for contestant in case.contestants} for _ in problems]
    rates = [_dgemm(settings, run)]
    with stage(progress, name, rounds * len(problems) * len(case.contestants)) as done:
        for _ in range(rounds):
            for problem, of_problem in zip(problems, results, strict=True):
                for contestant, earlier in of_problem.items():
                    if all(result["status"] == "ok" for result in earlier):
                        earlier.append(_run(problem, case.contestants[contestant], settings, run))
                    done()
                _check_same_problem(problem, of_problem)
            rates.append(_dgemm(settings, run))
    for problem, of_problem in zip(problems, results, strict=True):
        problem["runs"] = {contestant: summary(runs, rounds) for contestant, runs in of_problem.items()}
    measured = {"name": name, "measures": case.measures, "rounds": rounds, "dgemm": rates, "problems": problems}
    return measured | {"bars": list(case.bars(measured))}


def summary(results, rounds):
    """Return one dictionary for a contestant's results in the rounds: that of the last, with "seconds" and "peak_memory_bytes" as spreads.

    Where the last did not end well its status and reason stand for all, and what earlier rounds measured is kept under "rounds".
    """
    together = dict(results[-1])
    for name in ("seconds", "peak_memory_bytes"):
        values = [result.get(name) for result in results if result["status"] == "ok"]
        together[name] = spread(values) if len(values) == rounds else None
    return together | {"rounds": results}


def spread(values):
    """Return {"median", "lowest", "highest"} of the values, or None where there are none."""
    return {"median": median(values), "lowest": min(values), "highest": max(values)} if values else None


def _size(problem):
    """What a picture or a table wants to know besides: D."""
    return {"dimension": make_system(problem.system, problem.parameters).dimension}


def _dgemm(settings, run):
    what = {"peer": DGEMM, "order": settings.dgemm_order, "ranks": 1}
    return run(what, 1, settings.cores, settings.limit).get("flops_per_second")


def _run(problem, contestant, settings, run):
    """Return the result of one run, or why there is none."""
    peer = contestant["peer"]
    if reason := why_not(peer, problem):
        return {"status": "skipped", "reason": reason}
    fields = {name: value for name, value in problem.items() if name not in ("title", "dimension")}
    what = {"peer": peer, "problem": fields, "options": {}, "iterations": 1000, "ranks": 1} | contestant
    if peer in PEERS:
        return run(what, 1, settings.cores if PEERS[peer].blas_alone else 1, settings.limit)
    return run(what | {"ranks": settings.ranks}, max(1, settings.cores // settings.ranks), 1, settings.limit)


def why_not(peer, problem, available=None):
    """Return why a peer or solver cannot run on a problem (a dictionary) here and now, or None. `available`: bytes, for tests."""
    if peer not in PEERS:
        return None if peer in SOLVERS else f"this program has no solver {peer!r}"
    its = PEERS[peer]
    if missing := its.missing():
        return f"{missing} is not installed: pip install 'hnn-hpc[{its.extra}]'"
    available = available_memory_bytes() if available is None else available
    needed = its.memory(problem["samples"] * problem["dimension"], problem["features"])
    if needed > USABLE_MEMORY * available:
        return f"needs {needed / 1e9:.3g} GB of memory, and {available / 1e9:.3g} GB are available"
    return None


def _check_same_problem(problem, results):
    digests = {runs[-1]["digest"]: contestant for contestant, runs in results.items() if runs and "digest" in runs[-1]}
    if len(digests) > 1:
        raise HnnError(f"{problem['title']}: {' and '.join(digests.values())} did not solve the same problem, so they cannot be compared")
