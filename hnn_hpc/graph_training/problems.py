"""The least-squares problems of a graph network: the kinetic energy of each species, and all that depends on positions."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.features import ACTIVATIONS, HiddenLayer
from hnn_hpc.graphs import kinds_of, with_bonds
from hnn_hpc.operators import BondRows, KineticRows
from hnn_hpc.solvers import Plan, joined, plan
from hnn_hpc.version import __version__

PIECE_VALUES, LEAST_PIECE_ROWS = 2**20, 1024  # of rows in memory at a time: the neighbours of many particles are found at once
PLACES_BYTES = 4e4  # moved, as it were, for finding the bonds of a particle and making a sparse matrix of them: 3 µs
PARTICLE_BYTES, BOND_BYTES = 300, 190  # in memory, with what is found of them
REDUCTION = 1  # the meaning of what a checkpoint holds of one: to be raised with every change of it


@dataclass(frozen=True)
class Problem:
    """Which features it has (a slice of all), the operator of its rows, its plan, and its name in a checkpoint."""

    features: slice
    operator: object
    plan: Plan
    name: str


def problems_of(feature_map, own, pool, layout, graph_options, least_squares, threads, location):
    """Return the `Problem`s, that of the bonds last; `UserError` where one has fewer rows than features.

    Parameters: feature_map (GraphFeatureMap), own (OwnGraphs), pool (GraphPool), layout: the blocks of all particles, graph_options,
    least_squares (LeastSquares), threads of this rank, location: names the data in an error.
    """
    options, particles, slices = least_squares.options, layout.rows, feature_map.slices()
    parts = []
    for term, columns in zip(feature_map.kinetic, slices, strict=False):
        parts.append((columns, KineticRows(term, own, particles), pool.particles[term.species], 1.0))
    bonds = slice(slices[len(parts)].start, feature_map.count)
    parts.append((bonds, BondRows(feature_map, own, particles), particles, _evaluations(pool.bonds / particles, graph_options)))
    problems = []
    for number, (columns, operator, having_rows, evaluations) in enumerate(parts):
        check_count(operator.columns, having_rows, operator.rows_per_sample, location)
        shape = particles, operator.rows_per_sample, operator.columns
        how = _how(*shape[1:], evaluations)
        the_plan = plan(*shape, options.solver, options.block_bytes, options.ridge, layout=layout, **how)
        problems.append(Problem(columns, operator, least_squares.limited(the_plan, threads), f"component-{number}-{the_plan.solver}"))
    return problems


def check_count(features, particles, rows_per_particle, location):
    """Raise `UserError` where there are more features than rows."""
    rows = particles * rows_per_particle
    if features > rows:
        raise UserError(
            f"{features} features are more than the {rows} rows that {particles} particles of {location} give, so the output weights would "
            "not be determined; use fewer features or more graphs"
        )


def solve_problems(problems, feature_map, pool, layout, least_squares):
    """Return (the `Solution` of all coefficients, the prediction of `LeastSquares.predicted`). Collective.

    What dq/dt has across p, which rows of the kinetic energy leave out, is in the residual.
    """
    options, communicator = least_squares.options, least_squares.communicator
    shared = {"hidden layers": digest_of(feature_map), "checksum of the graphs": f"{pool.checksum:016x}", "activation": options.activation}
    told = {problem.name: _told(problem, layout) | shared for problem in problems}
    if least_squares.checkpoint:
        least_squares.checkpoint.check_solves(told, lambda name: True, communicator)
    predicted = least_squares.predicted([problem.plan for problem in problems], ACTIVATIONS[options.activation].derivative)
    parts = []
    for problem in problems:
        is_part = problem is not problems[-1]
        solution = least_squares.solve(problem.operator, problem.plan, problem.name, told[problem.name], is_part)
        parts.append((np.arange(problem.features.start, problem.features.stop), solution))
    solution = joined(parts, feature_map.count, sum(layout.rows * problem.operator.rows_per_sample for problem in problems))
    return _with_residual_across(solution, pool.across), predicted


def _with_residual_across(solution, square):
    """Return the `Solution` with so much more in ‖r‖² and ‖f‖²."""
    r, f = (float(np.hypot(norm, np.sqrt(square))) for norm in (solution.residual_norm, solution.target_norm))
    return replace(solution, residual_norm=r, target_norm=f, relative_residual=r / f if f else 0.0)


def usual_plan(source, options, graph_options):
    """Return (the `Plan` of the problem of the bonds, its features, arguments of `solvers.plan` for it, bytes of a particle and its bonds).

    As if all kinds of bonds and particles were in the first graph.
    """
    graphs = _first_graph(source)
    kinds = len(np.unique(kinds_of(graphs, np.arange(len(graphs.bonds))), axis=0))
    species = len(np.unique(graphs.species)) if graph_options.messages else 0
    columns = options.features * max(1, kinds + species)
    check_count(columns, int(source.offsets[-1]), source.dimension, source.location)
    bonds = len(graphs.bonds) / max(1, graphs.particles)
    how = _how(source.dimension, columns, _evaluations(bonds, graph_options))
    chosen = plan(int(source.offsets[-1]), source.dimension, columns, options.solver, options.block_bytes, options.ridge, **how)
    return chosen, columns, how, PARTICLE_BYTES + BOND_BYTES * bonds


def _first_graph(source):
    """Return the first graph of a source; of one that computes the states of a graph that graph at rest, which costs nothing."""
    rest = getattr(source, "rest", None)
    if rest is None:
        return source.read(0, 1).graphs
    return rest if source.cutoff is None else with_bonds(rest, source.cutoff)


def digest_of(feature_map):
    """Return what tells all hidden layers from others, as text."""
    told = " ".join(HiddenLayer(layer.weights, layer.biases).digest for layer in feature_map.layers)
    return hashlib.sha256(told.encode()).hexdigest()


def _how(rows, columns, evaluations):
    """Return the arguments of `solvers.plan` for rows of particles, so many each."""
    piece_rows = max(LEAST_PIECE_ROWS, PIECE_VALUES // columns)
    moved = PLACES_BYTES if rows > 1 else 0.0
    return {"khatri_rao": False, "evaluations": evaluations, "piece_rows": piece_rows, "moved": moved}


def _evaluations(bonds, graph_options):
    """Return how often each feature is evaluated for the rows of a particle that has so many bonds, each counted at one end.

    A many-body feature takes about as long again for each channel of its messages.
    """
    return 1.0 + bonds * (1.0 + graph_options.messages * graph_options.message_steps)


def _told(problem, layout):
    """Return what decides the bits of a problem's reduction, as a checkpoint keeps it."""
    return {
        "program": __version__,
        "solver": problem.plan.solver,
        "particles": layout.rows,
        "features": problem.operator.columns,
        "blocks": layout.blocks,
        "first share": problem.plan.first_share,
        "reduction": REDUCTION,
        "piece": problem.plan.piece_samples,
    }
