"""Training: from samples to a certified model. Survey the data, sample the hidden layer, solve for the output layer."""

import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from hnn_hpc.errors import HnnError, UserError, look_up
from hnn_hpc.features import ACTIVATIONS, SAMPLERS, FeatureMap, check_requirements, checked_bandwidth
from hnn_hpc.models import HamiltonianModel
from hnn_hpc.operators import GradientOperator
from hnn_hpc.parallel.communicator import as_communicator
from hnn_hpc.parallel.threads import available_threads, single_threaded_blas
from hnn_hpc.peak_memory import peak_memory_bytes
from hnn_hpc.random_streams import random_stream
from hnn_hpc.samples import check_arrays, spread_rows, survey_samples, total_rows
from hnn_hpc.solvers import SOLVERS, Solution, plan, solve
from hnn_hpc.values import finite_number, whole_number

FEWEST_SAMPLES = 3
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


@dataclass(frozen=True)
class FitOptions:
    """What to fit and how; the same names and checks in `fit`, in the job file and after `--set`.

    features            M, the number of hidden features
    sampler             name in SAMPLERS
    bandwidth           of the "anchored" sampler, dimensionless: a number, or one a coordinate (D,); the other samplers have none
    activation          name in ACTIVATIONS
    solver              name in SOLVERS
    rcond               singular values below rcond times the largest, of the matrix with columns scaled to norm 1, are dropped
    seed                of the hidden features; an integer >= 0
    block_bytes         size of a row block, for experts: it shapes the fixed blocks and so the last bits of the answer; None: automatic
    memory_per_rank     limit for blocks and triangles of one rank; None: no limit
    Sizes are bytes, or text such as "4GB". Errors: `UserError` naming the option.
    """

    features: int = 2000
    sampler: str = "anchored"
    bandwidth: float | Sequence[float] = 0.25
    activation: str = "tanh"
    solver: str = "auto"
    rcond: float = 1e-15
    seed: int = 0
    block_bytes: int | str | None = None
    memory_per_rank: int | str | None = None

    def __post_init__(self):
        def keep(name, value):
            object.__setattr__(self, name, value)

        look_up(SAMPLERS, self.sampler, "sampler")
        look_up(ACTIVATIONS, self.activation, "activation")
        look_up(SOLVERS, self.solver, "solver")
        keep("features", whole_number(self.features, "features", at_least=1))
        keep("seed", whole_number(self.seed, "seed", at_least=0))
        keep("bandwidth", _bandwidth(self.bandwidth))
        keep("rcond", finite_number(self.rcond, "rcond"))
        if not 0 <= self.rcond < 1:
            raise UserError(f"rcond = {self.rcond}: expected a number of at least 0 and below 1")
        for name in ("block_bytes", "memory_per_rank"):
            if getattr(self, name) is not None:
                keep(name, _bytes(getattr(self, name), name))


@dataclass(frozen=True)
class Fit:
    """What training gives: `model` (HamiltonianModel), `solution` (Solution, with the certificate) and `record`, a dict of plain values:
    samples, dof, sampler_report, threads, seconds {data, sampling, solve, total} and peak_memory_bytes, the largest of all ranks.
    """

    model: HamiltonianModel
    solution: Solution
    record: dict


def fit(points, velocities, *, energies=None, reference=None, comm=None, progress=None, require_certified=True, **options):
    """Learn a Hamiltonian from phase-space samples and return the `Fit`, the same on every rank.

    With a communicator, each rank passes its own rows (any number of them, zero too; the global order is rank after rank) and the same
    options; the fit is bitwise the one that a single rank makes from all rows.

    Parameters
    points             (K, D) states x = (q, p), D = 2n
    velocities         (K, D) dx/dt at the points
    energies           (K,) H at the points; the sampler "swim" needs them, and they fix the constant of Ĥ where there is no reference
    reference          (x0, H0) fixes the constant of Ĥ by Ĥ(x0) = H0; without it and energies it is 0, and `model.constant_known` False
    comm               None, or a communicator of mpi4py
    progress           an object with start(stage, total), advance() and finish(), or None
    require_certified  False returns an uncertified solution instead of raising
    options            those of `FitOptions`: features=2000, sampler="anchored", bandwidth=0.25, solver="auto", rcond=1e-15, seed=0, …

    Errors: `UserError` for input that cannot be used, `NotCertifiedError` where the certificate fails; on all ranks alike.
    """
    communicator = as_communicator(comm)
    with communicator.together():
        options = _options(options)
        points, velocities, energies = check_arrays(points, velocities, energies)
    count = total_rows(points, energies, communicator)
    layout = _plan(count, points.shape[1], options).layout
    source = spread_rows(points, velocities, energies, layout, communicator)
    return fit_source(source, options, communicator, progress, require_certified, reference)


def fit_source(source, options, communicator, progress=None, require_certified=True, reference=None):
    """Like `fit`, for a `SampleSource` that every rank can read (or that holds this rank's rows), `FitOptions` and a communicator.

    `reference` (x0, H0) takes precedence over the source's own.
    """
    start = time.perf_counter()
    with communicator.together():
        reference = _checked_reference(reference or source.reference, source.dimension)
        check_requirements(options.sampler, has_gradients=True, has_energies=source.has_energies, location=source.location)
        the_plan = _plan(source.count, source.dimension, options)
    threads = available_threads(communicator)
    with communicator.together():
        the_plan = the_plan.limited_to(threads, options.memory_per_rank)
    pool = survey_samples(source, the_plan.layout, communicator, options.features, options.seed)
    surveyed = time.perf_counter()

    def solve_for(layer):
        operator = GradientOperator(FeatureMap(layer.weights, layer.biases, ACTIVATIONS[options.activation]), source)
        return operator.feature_map, solve(operator, the_plan, communicator, options.rcond, require_certified, progress)

    first_sampler = SAMPLERS[options.sampler].energies_from
    if first_sampler:
        feature_map, solution = solve_for(_draw(first_sampler, pool, options, communicator))
        pool = replace(pool, energies=feature_map.energy(pool.points, solution.coefficients))
    layer = _draw(options.sampler, pool, options, communicator)
    sampled = time.perf_counter()
    feature_map, solution = solve_for(layer)
    constant = _constant(feature_map, solution.coefficients, reference, pool if source.has_energies else None)
    domain = np.stack([pool.lower, pool.upper], axis=1)
    model = HamiltonianModel(feature_map, solution.coefficients, constant or 0.0, constant is not None, domain)
    ended = time.perf_counter()
    record = {
        "samples": source.count,
        "dof": source.dimension // 2,
        "sampler_report": layer.report,
        "threads": the_plan.threads,
        "seconds": {"data": surveyed - start, "sampling": sampled - surveyed, "solve": ended - sampled, "total": ended - start},
        "peak_memory_bytes": max(communicator.all_gather(peak_memory_bytes())),
    }
    return Fit(model, solution, record)


def _draw(sampler, pool, options, communicator):
    """Return the `HiddenLayer` of one sampler. Every rank draws it for itself from the shared seed; all must have drawn the same."""
    with communicator.together():
        rng, activation = random_stream(options.seed, "features"), ACTIVATIONS[options.activation]
        with single_threaded_blas():
            layer = SAMPLERS[sampler].draw(pool, options.features, rng, activation=activation, bandwidth=options.bandwidth)
        digest = hashlib.sha256(layer.weights.tobytes() + layer.biases.tobytes()).hexdigest()
    if len(set(communicator.all_gather(digest))) > 1:
        raise HnnError("the ranks drew different hidden features from one seed: use one kind of processor and one version of numpy")
    return layer


def _constant(feature_map, coefficients, reference, pool):
    """Return c = H(x0) - Φ(x0)·w; without a reference the mean of H - Φ·w over the pool's energies; None without those."""
    if reference is not None:
        x0, H0 = reference
        return H0 - float(feature_map.energy(x0, coefficients))
    if pool is None:
        return None
    with single_threaded_blas():
        return float(np.mean(pool.energies - feature_map.energy(pool.points, coefficients)))


def _plan(samples, dimension, options):
    """Return the `Plan` for K samples; `UserError` where K and M do not suit each other."""
    if samples < FEWEST_SAMPLES:
        raise UserError(f"got {samples} samples; at least {FEWEST_SAMPLES} are needed")
    if options.features > samples * dimension:
        raise UserError(
            f"features = {options.features} is more than the {samples * dimension} rows that {samples} samples of {dimension} coordinates "
            "give, so the output weights would not be determined; use fewer features or more samples"
        )
    return plan(samples, dimension, options.features, options.solver, options.block_bytes)


def _checked_reference(reference, dimension):
    """Return (x0 (D,), H0) as floats, or None."""
    if reference is None:
        return None
    x0, H0 = reference
    x0 = np.asarray(x0, dtype=np.float64)
    if x0.shape != (dimension,) or not np.isfinite(x0).all():
        raise UserError(f"the reference point must have {dimension} finite coordinates; got {x0.tolist()}")
    return x0, finite_number(H0, "the reference energy")


def _options(given):
    """Return `FitOptions`; a wrong name raises `UserError` listing the right ones."""
    known = {field.name: field for field in fields(FitOptions)}
    for name in given:
        look_up(known, name, "option")
    return FitOptions(**given)


def _bandwidth(value):
    """Return a bandwidth as a float or a tuple of floats."""
    g = checked_bandwidth(value).tolist()
    return tuple(g) if isinstance(g, list) else g


def _bytes(value, name):
    """Return a size as a number of bytes, from a whole number or text such as "4GB" or "512 MiB"."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", value)
        if not match or match[2].upper() not in UNITS:
            raise UserError(f"{name} = {value!r}: expected bytes, or a size such as '4GB' or '512MiB'")
        value = int(float(match[1]) * UNITS[match[2].upper()])
    return whole_number(value, name, at_least=1)
