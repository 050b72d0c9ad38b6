"""This program's own solvers as the benchmark calls them: the way of a user, or by hand where the hidden layer is none of a sampler's."""

import time

from hnn_hpc.benchmark.problem import ACTIVATION
from hnn_hpc.operators import GradientOperator
from hnn_hpc.options import FitOptions
from hnn_hpc.parallel.threads import available_threads, single_threaded_blas
from hnn_hpc.peak_memory import peak_memory_bytes
from hnn_hpc.solvers import plan, solve
from hnn_hpc.training import fit_source

TOLD = ("solver", "rank", "iterations", "condition_estimate", "certified", "stop_reason", "ridge", "flops")


def fitted(problem, source, solver, options, communicator):
    """Return (feature map, w (M,), record) of `training.fit_source`; `options` replaces defaults of `FitOptions`. Collective.

    The record has "seconds", of the solve and its certificate, "peak_memory_bytes", of the largest rank, and what else is known.
    """
    wanted = {"features": problem.features, "sampler": problem.sampler, "activation": ACTIVATION, "solver": solver, "seed": problem.seed}
    fit = fit_source(source, FitOptions(**wanted | options), communicator, require_certified=False, reference=problem.reference)
    record = {"seconds": fit.record["seconds"]["solve"], "peak_memory_bytes": fit.record["peak_memory_bytes"]}
    return fit.model.feature_map, fit.solution.coefficients, record | _told(fit.solution, fit.record)


def solved(feature_map, source, solver, communicator):
    """Return (w (M,), record), as `fitted` does, for a hidden layer that is given. Collective."""
    the_plan = plan(source.count, source.dimension, feature_map.count, solver).limited_to(available_threads(communicator))
    start = time.perf_counter()
    with single_threaded_blas():
        solution = solve(GradientOperator(feature_map, source), the_plan, communicator, require_certified=False)
    seconds, memory = time.perf_counter() - start, max(communicator.all_gather(peak_memory_bytes()))
    return solution.coefficients, {"seconds": seconds, "peak_memory_bytes": memory} | _told(solution, {"threads": the_plan.threads})


def _told(solution, record):
    """What a table or a bar may ask of a solution; None for what this solver does not tell."""
    told = {name: getattr(solution, name, None) for name in TOLD}
    note = None if solution.certified else "not certified"
    return told | {"threads": record.get("threads"), "predicted": record.get("predicted"), "note": note}
