"""Training: from samples to a certified model. Survey the data, sample the hidden layer, solve for the output layer."""

import os
import time
from dataclasses import asdict, dataclass, replace

import numpy as np

from hnn_hpc.basis import choose_basis
from hnn_hpc.errors import HnnError, UserError
from hnn_hpc.features import ACTIVATIONS, SAMPLERS, check_requirements
from hnn_hpc.least_squares import LeastSquares
from hnn_hpc.models import HamiltonianModel
from hnn_hpc.options import FitOptions
from hnn_hpc.output_layer import FIRST_FIT, REFIT, OutputLayerSolver
from hnn_hpc.parallel.communicator import as_communicator
from hnn_hpc.parallel.dask_rows import DaskCommunicator, is_dask_array
from hnn_hpc.parallel.petsc import start_petsc
from hnn_hpc.parallel.threads import available_threads, single_threaded_blas
from hnn_hpc.peak_memory import peak_memory_bytes
from hnn_hpc.progress import stage
from hnn_hpc.provenance import versions
from hnn_hpc.random_streams import random_stream
from hnn_hpc.refits import Refits, most_fits
from hnn_hpc.samples import (
    MIDPOINT,
    ArrayTrajectories,
    StepSamples,
    check_arrays,
    check_trajectories,
    chunked_samples,
    spread_rows,
    survey_samples,
    total_rows,
)
from hnn_hpc.solvers import Solution, plan
from hnn_hpc.storage import open_samples
from hnn_hpc.symplectic import undamped_gradient
from hnn_hpc.values import finite_number

FEWEST_SAMPLES = 3
# Arguments of `fit` that dask has no use for, and why.
WITHOUT_DASK = {
    "comm": "either ranks or dask's workers compute",
    "checkpoint": "dask computes again by itself what is lost",
    "memory_per_rank": "dask has limits of its own for its workers",
}


@dataclass(frozen=True)
class Fit:
    """What training gives: `model` (HamiltonianModel), `solution` (Solution, with the certificate) and `record`, a dict of plain values:
    samples, dof, sampler_report, basis (the report of `basis.Basis`; None for other samplers than "anchored"), step (of pairs of states:
    rule, size, corrections, order, step_errors, stop_reason) and damping (damping, asked, last_change, settled), each None where there is
    none (see `refits`), threads, seconds {data, sampling, solve, total} and peak_memory_bytes, the largest of all ranks; predicted {seconds
    of all solves, memory_bytes}, told before each (see `solvers.costs`); resumed, whether the fit went on from a checkpoint, and
    blocks_taken_over, how many blocks that had done. With dask `predicted` is None, and threads and memory are those of this process alone.
    """

    model: HamiltonianModel
    solution: Solution
    record: dict

    def energy_deviation(self, x, x0, mean_over=None):
        """Return the standard deviation of Ĥ(x) - Ĥ(x0), shape (...), for x (..., D) and one point x0 (D,): of the noise in the data alone.

        mean_over: an axis of x, such as that of time, for the mean of Ĥ along it. Twice the deviation is an error bar of 95 %. Of a fit
        with covariance=True, and best with ridge="gcv"; the noise counts as independent and of one size in all rows (see
        `solvers.ridge.covariance_factor`), and γ as known.
        Errors: `UserError` where the fit has no covariance, and for rows of pairs of states, whose noise is not independent.
        """
        if self.solution.covariance_factor is None:
            raise UserError("this fit has no covariance of its coefficients, which error bars are made of; pass covariance=True to fit")
        if self.record["step"]:
            raise UserError("error bars need velocities of their own: those made of pairs of states share states, and so their noise")
        features = self.model.feature_map.values(x)
        if mean_over is not None:
            features = features.mean(axis=mean_over)
        return np.linalg.norm((features - self.model.feature_map.values(x0)) @ self.solution.covariance_factor, axis=-1)


def fit(
    points,
    velocities=None,
    *,
    features=2000,
    sampler="anchored",
    bandwidth="auto",
    supports="auto",
    separable=False,
    coordinates=None,
    activation="tanh",
    solver="auto",
    rcond=1e-15,
    ridge=0.0,
    time_step=None,
    rule=None,
    stride=1,
    corrections=2,
    dissipation=False,
    seed=0,
    block_bytes=None,
    memory_per_rank=None,
    energies=None,
    reference=None,
    comm=None,
    client=None,
    progress=None,
    require_certified=True,
    covariance=False,
    checkpoint=None,
):
    """Learn a Hamiltonian from phase-space samples and return the `Fit`, the same on every rank.

    With a communicator, each rank passes its own rows (any number of them, zero too; the global order is rank after rank) and the same
    options; the fit is the one that a single rank makes from all rows, bit for bit unless the solver is lsqr.

    With dask arrays, or a file and a client of dask, its workers read the samples and compute what takes long. The fit has those bits too,
    whatever the chunks and the scheduler. The solver lsqr, which `auto` may take for many features, does without PETSc there: its bits are
    the same for all chunks and schedulers, and its answer differs from that of ranks by rounding.

    Parameters
    points             (K, D) states x = (q, p), D = 2n; or trajectories (T, N, D) of states time_step apart, without velocities; or the
                       path of a file of samples or trajectories (see `hnn_hpc.storage`), which is then read slice by slice, has all that
                       follows itself, and must be there on every rank, or here and on every worker
    velocities         (K, D) dx/dt at the points
    time_step          from one state of a trajectory to the next, where points are trajectories; the file of a path tells its own
    features … memory_per_rank    see `FitOptions`, rule … dissipation too
    energies           (K,) H at the points; the sampler "swim" needs them, and they fix the constant of Ĥ where there is no reference
    reference          (x0, H0) fixes the constant of Ĥ by Ĥ(x0) = H0; without it and energies it is 0, and `model.constant_known` False
    comm               None, or a communicator of mpi4py
    client             None, or a `distributed.Client`; with dask arrays None stands for the scheduler that dask is set to
    progress           an object with start(stage, total), advance() and finish(), or None; with dask a stage advances at its end
    require_certified  False returns an uncertified solution instead of raising
    covariance         True gives `solution.covariance_factor`, M² numbers
    checkpoint         a `storage.Checkpoint` that an unfinished fit can go on from, removed at the end, or None

    Errors: `UserError` for input that cannot be used, `NotCertifiedError` where the certificate fails; on all ranks alike.
    """
    communicator = as_communicator(comm)
    with communicator.together():
        no_dask = {"comm": comm, "checkpoint": checkpoint, "memory_per_rank": memory_per_rank}
        kind = _kind_of(points, velocities, energies, time_step, client, no_dask, rule is not None or stride != 1)
        how = {"bandwidth": bandwidth, "supports": supports, "separable": separable, "coordinates": coordinates or {}}
        how |= {"activation": activation, "solver": solver, "rcond": rcond, "ridge": ridge, "seed": seed}
        how |= {"rule": rule, "stride": stride, "corrections": corrections, "dissipation": dissipation}
        options = FitOptions(features, sampler, **how, block_bytes=block_bytes, memory_per_rank=memory_per_rank)
        step = None
        if kind == "dask arrays":
            source, communicator = chunked_samples(points, velocities, energies, client)
        elif kind == "file":
            source = open_samples(points, rule, stride)
            communicator = communicator if client is None else DaskCommunicator(client)
        else:
            if kind == "trajectories":
                rows = StepSamples(ArrayTrajectories(check_trajectories(points), time_step), rule or MIDPOINT, stride)
                step, (points, velocities, _) = rows.step, rows.read(0, rows.count)
            points, velocities, energies = check_arrays(points, velocities, energies)
    if kind in ("arrays", "trajectories"):
        communicator.agree("the options of the fit", (options, step))
        count = total_rows(points, energies, communicator)
        layout = plan_for(count, points.shape[1], options, "the arrays").layout
        source = spread_rows(points, velocities, energies, layout, communicator, step)
    result = fit_source(source, options, communicator, progress, require_certified, reference, covariance, checkpoint)
    if checkpoint and communicator.is_root:
        checkpoint.remove()
    return result


def _kind_of(points, velocities, energies, time_step, client, no_dask, pairs):
    """Return what the samples of `fit` are: "arrays", "trajectories", "dask arrays" or "file"; `UserError` for what does not go together.

    no_dask: {argument: its value} of those that dask has no use for; pairs: whether anything is said of pairs of states.
    """
    if isinstance(points, str | os.PathLike):
        if velocities is not None or energies is not None:
            raise UserError("points is the path of a file, which has velocities, and energies if they are known, itself; leave both out")
        kind = "file"
    else:
        kind = "dask arrays" if any(map(is_dask_array, (points, velocities, energies))) else "arrays"
        if kind == "arrays" and velocities is None and energies is None and time_step is not None:
            kind = "trajectories"
        elif velocities is None and time_step is not None:
            raise UserError("trajectories (T, N, D) without velocities must be an array of numpy, or a file, and have no energies")
        elif velocities is None:
            raise UserError(
                "velocities are missing: dx/dt at the points, of the same shape; a file of samples has its own, and trajectories (T, N, D) "
                "do without where time_step is given"
            )
    if pairs and kind not in ("trajectories", "file"):
        raise UserError("rule and stride are for trajectories without velocities, and these samples have some; leave them out")
    if time_step is not None and kind != "trajectories":
        raise UserError(f"time_step = {time_step!r} is for trajectories (T, N, D) without velocities and energies; leave it out")
    if kind in ("arrays", "trajectories") and client is not None:
        raise UserError(
            "a client computes with dask arrays, or with the path of a file that its workers can read; got "
            f"{type(points).__name__}: use dask.array.from_array(points, chunks=(10_000, -1)), or leave the client out"
        )
    with_dask = kind == "dask arrays" or client is not None
    for name, given in no_dask.items():
        if with_dask and given is not None:
            raise UserError(f"{name} does not go with dask: {WITHOUT_DASK[name]}; leave {name} out")
    for name, given in {"points": points, "velocities": velocities, "energies": energies}.items():
        if kind != "file" and not is_dask_array(given) and getattr(given, "__dask_graph__", lambda: None)() is not None:
            raise UserError(
                f"{name} is a {type(given).__name__} that dask has not computed yet; expected a dask array: pass its .data where it is one "
                "of xarray's, and .to_dask_array(lengths=True) of a table"
            )
    return kind


def fit_source(source, options, communicator, progress=None, require_certified=True, reference=None, covariance=False, checkpoint=None):
    """Like `fit`, for a `SampleSource` that every rank can read (or that holds this rank's rows), `FitOptions` and a communicator.

    `reference` (x0, H0) takes precedence over the source's own. The checkpoint is left to the caller to remove.
    """
    start = time.perf_counter()
    with communicator.together():
        reference = _checked_reference(source.reference if reference is None else reference, source.dimension)
        check_requirements(options.sampler, source.has_energies, source.location)
        the_plan = plan_for(source.count, source.dimension, options, source.location, communicator.reads_samples)
    communicator.agree("the options of the fit", (options, reference, require_certified, covariance, the_plan.solver, the_plan.layout))
    threads = available_threads(communicator)
    with communicator.together():
        the_plan = the_plan.limited_to(threads, options.memory_per_rank if options.is_dense else None, communicator.size)
        if the_plan.needs_petsc:
            start_petsc()  # a missing one is to be noticed now
        if checkpoint and communicator.is_root:
            solvers = [some.solver for some in (the_plan, the_plan.if_well_conditioned) if some]
            refits = ["", *(REFIT.format(number) for number in range(1, most_fits(source, options)))]
            checkpoint.prepare([prefix + solver for solver in solvers for prefix in (*refits, *(refit + FIRST_FIT for refit in refits))])

    with single_threaded_blas():
        with stage(progress, "survey", 1) as done:
            pool = survey_samples(source, the_plan.layout, communicator, options.features, options.seed)
            done()
        surveyed = time.perf_counter()
        how = {"covariance": covariance, "require_certified": require_certified, "progress": progress, "checkpoint": checkpoint}
        solver = OutputLayerSolver(source, pool, the_plan, threads, LeastSquares(options, communicator, **how))
        searched, predictions = [], []

        def search(damping, number):
            told = pool if damping is None else replace(pool, gradients=undamped_gradient(pool.gradients, damping))
            begun = time.perf_counter()
            found = _searched_layer(replace(solver, pool=told), REFIT.format(number) if number else "")
            searched.append(time.perf_counter() - begun)
            return found

        def solve(layer, targets_of, digest, number):
            renewed = replace(solver, source=targets_of, targets=digest)
            feature_map, solution, predicted = renewed.solve(layer, REFIT.format(number) if number else "")
            predictions.append(predicted)
            return feature_map, solution

        refits = Refits(source, pool, options, search, solve, the_plan.layout, communicator, threads)
        fitted = refits.run()
        basis, layer, feature_map, solution = fitted.basis, fitted.layer, fitted.feature_map, fitted.solution
        constant = _constant(feature_map, solution.coefficients, reference, pool, source)
    seconds, most = sum(each["seconds"] for each in predictions), max(each["memory_bytes"] for each in predictions)
    predicted, domain = {"seconds": seconds, "memory_bytes": most}, np.stack([pool.lower, pool.upper], axis=1)
    provenance = _provenance(source, options, solution, basis)
    known = constant is not None
    model = HamiltonianModel(feature_map, solution.coefficients, constant or 0.0, known, domain, provenance, fitted.damping)
    ended = time.perf_counter()
    record = {
        "samples": source.count,
        "dof": source.dimension // 2,
        "sampler_report": layer.report,
        "basis": basis and basis.report,
        "step": refits.step,
        "damping": refits.damping,
        "threads": the_plan.threads,
        "seconds": {"data": surveyed - start, "sampling": sum(searched), "solve": ended - surveyed - sum(searched), "total": ended - start},
        "peak_memory_bytes": max(communicator.all_gather(peak_memory_bytes())),
        "predicted": predicted if communicator.reads_samples else None,
        "resumed": checkpoint is not None and checkpoint.resumed,
        "blocks_taken_over": checkpoint.blocks_taken_over if checkpoint else 0,
    }
    return Fit(model, solution, record)


def _searched_layer(solver, prefix):
    """Return (the `Basis` that suits the pool of an `OutputLayerSolver`, None for other samplers than "anchored"; the `HiddenLayer`).

    For a sampler on learned energies after a first fit, whose name in the checkpoint begins with the prefix.
    """
    pool, options, basis = solver.pool, solver.options, None
    if options.sampler == "anchored":
        with stage(solver.least_squares.progress, "search", 1) as done:
            basis = choose_basis(pool, options, solver.communicator, solver.threads)
            done()
    first_sampler = SAMPLERS[options.sampler].energies_from
    if first_sampler:
        first = _draw(first_sampler, pool, options, solver.communicator)
        feature_map, solution, _ = solver.solve(first, prefix + FIRST_FIT)
        pool = replace(pool, energies=feature_map.energy(pool.points, solution.coefficients))
    return basis, _draw(options.sampler, pool, options, solver.communicator, basis)


def _draw(sampler, pool, options, communicator, basis=None):
    """Return the `HiddenLayer` of one sampler. Every rank draws it for itself from the shared seed; all must have drawn the same."""
    with communicator.together():
        rng, activation = random_stream(options.seed, "features"), ACTIVATIONS[options.activation]
        how = {}
        if basis:
            coordinates = options.coordinates_of(pool.dimension)
            how = {"bandwidth": basis.bandwidths, "supports": basis.supports, "coordinates": coordinates}
        layer = SAMPLERS[sampler].draw(pool, options.features, rng, activation=activation, **how)
    if len(set(communicator.all_gather(layer.digest))) > 1:
        raise HnnError("the ranks drew different hidden features from one seed: use one kind of processor and one version of numpy")
    return layer


def _constant(feature_map, coefficients, reference, pool, source):
    """Return c = H(x0) - Φ(x0)·w; without a reference the mean of H - Φ·w over the pool's energies, or over those that the states of
    trajectories have; None without those."""
    if reference is not None:
        x0, H0 = reference
        return H0 - float(feature_map.energy(x0, coefficients))
    known = (pool.points, pool.energies) if pool.energies is not None else getattr(source, "known_energies", None)
    if known is None:
        return None
    points, energies = known
    return float(np.mean(energies - feature_map.energy(points, coefficients)))


def _provenance(source, options, solution, basis):
    """Return what the model's file says of its origin."""
    seeds = {"data": source.description.get("seed"), "features": options.seed}
    said = {"samples": source.description, "options": asdict(options), "basis": basis and basis.report}
    return said | {"seeds": seeds, "versions": versions(), "certificate": solution.told}


def plan_for(samples, dimension, options, location, with_rows=True):
    """Return the `Plan` for K samples; `UserError` where K and M do not suit each other. with_rows: see `solvers.plan`."""
    if samples < FEWEST_SAMPLES:
        raise UserError(f"{location}: got {samples} samples; at least {FEWEST_SAMPLES} are needed")
    if options.features > samples * dimension:
        raise UserError(
            f"features = {options.features} is more than the {samples * dimension} rows that {samples} samples of {dimension} coordinates "
            "give, so the output weights would not be determined; use fewer features or more samples"
        )
    is_plain = options.coordinates_of(dimension).is_plain
    how = {"khatri_rao": is_plain, "with_rows": with_rows}
    return plan(samples, dimension, options.features, options.solver, options.block_bytes, options.ridge, **how)


def _checked_reference(reference, dimension):
    """Return (x0 (D,), H0) as floats, or None."""
    if reference is None:
        return None
    try:
        x0, H0 = reference
        x0 = np.asarray(x0, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError(f"reference must be (x0, H0), a point and its energy; got {reference!r}") from None
    if x0.shape != (dimension,) or not np.isfinite(x0).all():
        raise UserError(f"the reference point must have {dimension} finite coordinates; got {x0.tolist()}")
    return x0, finite_number(H0, "the reference energy")
