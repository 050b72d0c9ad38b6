"""Training a graph network: survey the graphs, sample the features, solve for the output layer."""

import time
from dataclasses import asdict, dataclass, replace
from math import log2

from hnn_hpc.errors import HnnError
from hnn_hpc.graph_model import GraphModel
from hnn_hpc.graph_options import check_options
from hnn_hpc.graph_samples import check_offsets, read_own, survey_graphs
from hnn_hpc.graph_training.constants import energy_constants
from hnn_hpc.graph_training.drawing import draw_terms
from hnn_hpc.graph_training.problems import check_count, digest_of, problems_of, solve_problems
from hnn_hpc.graph_training.search import choose_recipe
from hnn_hpc.graph_training.trial import fit_to_pool
from hnn_hpc.least_squares import LeastSquares
from hnn_hpc.parallel.layout import RowLayout, plan_layout
from hnn_hpc.parallel.threads import available_threads, single_threaded_blas
from hnn_hpc.peak_memory import peak_memory_bytes
from hnn_hpc.progress import stage
from hnn_hpc.provenance import versions
from hnn_hpc.solvers import Solution

BLOCK_PARTICLES = 256  # at least, or finding neighbours takes longer than what follows


@dataclass(frozen=True)
class GraphFit:
    """What training gives: `model` (GraphModel), `solution` (Solution, with the certificate, of all coefficients) and `record`, a dict of
    plain values: graphs, particles, bonds, dimension of space, features in all, terms (of each its name and features), basis (the report of
    the search), threads, seconds {data, sampling, solve, total}, peak_memory_bytes, predicted, resumed, blocks_taken_over, as in
    `training.Fit`.
    """

    model: GraphModel
    solution: Solution
    record: dict


def fit_graph_source(
    source, options, graph_options, communicator, progress=None, require_certified=True, covariance=False, checkpoint=None
):
    """Learn a Hamiltonian from the graphs of a `GraphSource` and return the `GraphFit`, the same on every rank. Collective.

    H = T + V + F falls apart: the coefficients of the kinetic energy of each species are one least-squares problem, and those of pairs and
    many-body terms another (see `operators.graph_rows`). Each rank reads the graphs of its own particles once and keeps them. The answer is
    bitwise that of one rank.

    Parameters: options (FitOptions; `features` is the number of features of each term); graph_options (GraphOptions); progress,
    require_certified, covariance, checkpoint: see `training.fit_source`.
    Errors: `UserError` for input that cannot be used, `NotCertifiedError`, `Interruption`; on all ranks alike.
    """
    start = time.perf_counter()
    with communicator.together():
        check_options(options)
        check_offsets(source)
        particles, layout = int(source.offsets[-1]), _layout(source, options, graph_options)
        if checkpoint and communicator.is_root:
            checkpoint.prepare()
    about = (
        source.count,
        particles,
        source.dimension,
        source.cutoff,
        source.has_energies,
        options,
        graph_options,
        require_certified,
        covariance,
    )
    communicator.agree("the graphs and options of the fit", about)
    threads = available_threads(communicator)
    least_squares = LeastSquares(options, communicator, covariance, require_certified, progress, checkpoint)
    with single_threaded_blas():
        with stage(progress, "survey", 1) as done:
            own = read_own(source, layout, communicator)
            pool = survey_graphs(own, source, communicator, graph_options.reach, options.seed)
            done()
        surveyed = time.perf_counter()
        with stage(progress, "search", 1) as done, communicator.together():
            check_count(options.features, max(pool.particles.values()), 1, source.location)
            feature_map, report = _drawn(pool, options, graph_options, source.cutoff)
            done()
        if len(set(communicator.all_gather(digest_of(feature_map)))) > 1:
            raise HnnError("the ranks drew different hidden features from one seed: use one kind of processor and one version of numpy")
        sampled = time.perf_counter()
        with communicator.together():
            problems = problems_of(feature_map, own, pool, layout, graph_options, least_squares, threads, source.location)
        solution, predicted = solve_problems(problems, feature_map, pool, layout, least_squares)
        constants, known = energy_constants(feature_map, solution.coefficients, own, source, pool, layout, communicator)
    ranges = {"momenta": pool.momenta, "masses": pool.masses, "lengths": pool.lengths}
    provenance = {"samples": source.description, "options": asdict(options), "graph_options": asdict(graph_options), "basis": report}
    provenance |= {"seeds": {"data": source.description.get("seed"), "features": options.seed}, "versions": versions()}
    provenance |= {"certificate": solution.told}
    model = GraphModel(feature_map, solution.coefficients, constants, known, ranges, source.dimension, provenance)
    ended = time.perf_counter()
    record = {
        "graphs": source.count,
        "particles": particles,
        "bonds": pool.bonds,
        "dimension": source.dimension,
        "features": feature_map.count,
        "terms": {term.name: term.layer.count for term in feature_map.terms},
        "basis": report,
        "threads": max(problem.plan.threads for problem in problems),
        "seconds": {"data": surveyed - start, "sampling": sampled - surveyed, "solve": ended - sampled, "total": ended - start},
        "peak_memory_bytes": max(communicator.all_gather(peak_memory_bytes())),
        "predicted": predicted,
        "resumed": checkpoint is not None and checkpoint.resumed,
        "blocks_taken_over": checkpoint.blocks_taken_over if checkpoint else 0,
    }
    return GraphFit(model, solution, record)


def _layout(source, options, graph_options):
    """Return the blocks of particles that every problem is reduced over."""
    columns = options.features * (2 if graph_options.messages else 1) + 1  # of one species
    layout = plan_layout(int(source.offsets[-1]), columns, source.dimension)
    return RowLayout(layout.rows, min(layout.blocks, 2 ** max(0, int(log2(layout.rows / BLOCK_PARTICLES)))))


def _drawn(pool, options, graph_options, cutoff):
    """Return (GraphFeatureMap, report)."""
    recipe, report = choose_recipe(pool, options, graph_options, cutoff)
    first = None
    if options.sampler == "gradient-swim":
        uniform = draw_terms(pool, replace(recipe, sampler="uniform-swim"), cutoff, options.seed)
        first = uniform, fit_to_pool(uniform, pool)
    return draw_terms(pool, recipe, cutoff, options.seed, first), report
