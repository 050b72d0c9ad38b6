"""Runs a job: samples in, model.h5 and result.json out."""

import os
import time

from hnn_hpc.errors import Interruption, NotCertifiedError, OutputError, UserError
from hnn_hpc.evaluation import check_finite, evaluate
from hnn_hpc.job import FileData
from hnn_hpc.parallel.checkpoint import TRIANGLE
from hnn_hpc.parallel.petsc import options_in_petsc
from hnn_hpc.peak_memory import peak_memory_bytes
from hnn_hpc.run_files import CHECKPOINT, check_directory, files_told, finished_result, remove_half_written, write_results
from hnn_hpc.run_place import restarts_by_slurm
from hnn_hpc.run_status import RunStatus
from hnn_hpc.samples import RowRange, SystemSamples
from hnn_hpc.storage import Checkpoint, open_samples
from hnn_hpc.training import fit_source, plan_for

FRUITLESS, MOST_RESTARTS = 45, 3  # seconds of work, and starts by SLURM, that may end with nothing saved and yet be followed by another
STAGES = ("data", "sampling", "solve")
CERTIFICATE = ("stop_reason", "certified", "relative_residual", "normal_residual", "backward_error", "condition_estimate", "rank")
SOLVE = ("iterations", "ridge", "effective_dof", "noise_level", "householder_rows", "flops")


def run_job(job, communicator, force=False, progress=None, resume=False, interruptions=None, say=None, petsc_options=()):
    """Fit, evaluate and write what a job says; return the result that result.json holds, on every rank. Collective.

    Parameters: job (Job); force (bool): replace the files of an earlier run, and remove its checkpoint; progress: see
    `training.fit_source`; resume (bool): go on from the checkpoint of an earlier run, if there is one, and take over its result where
    it has finished; interruptions, say: see `storage.Checkpoint`; petsc_options: words such as ("-ksp_max_it", "30"), for the solver lsqr
    (see `parallel.petsc`).
    Errors, on all ranks: `UserError`, `NotCertifiedError`, `OutputError` and `Interruption`; then no results are written, earlier ones
    stay as they were, and a checkpoint, where there is one, remains in the directory.
    """
    start = time.perf_counter()
    checkpoint = Checkpoint(job.directory / CHECKPOINT, job.checkpoint_seconds, resume, force, interruptions, say)
    try:
        with options_in_petsc(petsc_options, communicator):
            return _run(job, communicator, progress, checkpoint, petsc_options)
    except Interruption:
        raise _with_way_on(checkpoint, time.perf_counter() - start) from None
    except NotCertifiedError as error:
        if not any(TRIANGLE in file for file in checkpoint.files):
            raise
        way_on = f"its factorization is kept in {checkpoint.directory}, and --resume goes on from that with another solver.rcond or ridge"
        raise NotCertifiedError(f"{error}; {way_on}", error.solution) from None


def _with_way_on(checkpoint, seconds):
    """Return an `Interruption` that says how to go on, after so many seconds of work."""
    if not checkpoint.seconds:
        return Interruption("interrupted; nothing is saved, for output.checkpoint_seconds is 0")
    restarts = restarts_by_slurm(os.environ)
    if restarts >= MOST_RESTARTS and seconds > FRUITLESS and not checkpoint.has_saved:
        return Interruption(
            f"interrupted after {seconds:.0f} s without anything to save, at start {restarts + 1} of this job: its time limit is too "
            f"short to get from one save to the next; with a longer one, --resume goes on; {checkpoint.summary()}"
        )
    if checkpoint.problem:
        return Interruption(f"interrupted; {checkpoint.summary()}, for not everything could be saved: {checkpoint.problem}")
    begins = "goes on from there" if checkpoint.files else "begins at the beginning"
    return Interruption(f"interrupted; {checkpoint.summary()}; the same command with --resume {begins}", resumable=True)


def _run(job, communicator, progress, checkpoint, petsc_options):
    start = time.perf_counter()
    may_be_done = checkpoint.resume and not checkpoint.force
    with communicator.together():
        if communicator.is_root and not may_be_done:
            check_directory(job.directory, checkpoint.force)
        sources = open_sources(job)
        train = sources[0]
        if petsc_options:
            _check_lsqr(train, job.options)
    about = {"ranks": communicator.size, "samples": train.count, "dof": train.dimension // 2, "features": job.options.features}
    status = RunStatus(job.directory, about, progress) if communicator.is_root else None
    with communicator.together():
        if status:
            status.begin()
    try:
        done = None
        with communicator.together():  # now that nobody else is at work there
            if communicator.is_root:
                done = finished_result(job, petsc_options) if may_be_done else None
                if done:
                    checkpoint.say(f"this job is done already: its results are in {job.directory}, and --force computes them anew")
                    checkpoint.remove()  # of a run that was killed after its last step but one
                else:
                    remove_half_written(job, petsc_options)
                    check_directory(job.directory, checkpoint.force)
                    checkpoint.prepare()
                    checkpoint.clear()
        if done := communicator.broadcast(done):
            return done
        model, result = _compute(job, communicator, status or progress, checkpoint, petsc_options, sources, start)
        with communicator.together():
            if status:
                status.check_place()
                _write(job.directory, model, result, checkpoint)
        return result
    finally:
        if status:
            status.end()


def _compute(job, communicator, progress, checkpoint, petsc_options, sources, start):
    """Return the model and the result, on every rank."""
    train, test, reference = sources
    if test:  # before the hours of the fit, not after them
        check_finite(test, communicator, progress)
    fit = fit_source(train, job.options, communicator, progress, reference=reference, checkpoint=checkpoint)
    fitted = time.perf_counter()
    errors = evaluate(fit.model, test, communicator, progress) if test else {}
    ended = time.perf_counter()
    result = {
        "samples": fit.record["samples"],
        "dof": fit.record["dof"],
        "features": job.options.features,
        "sampler": job.options.sampler,
        "sampler_report": fit.record["sampler_report"],
        "basis": fit.record["basis"],
        "step": fit.record["step"],
        "damping": fit.record["damping"],
        "solver": fit.solution.solver,
        "petsc_options": list(petsc_options),
        "ranks": communicator.size,
        "threads": fit.record["threads"],
        **{name: getattr(fit.solution, name) for name in CERTIFICATE + SOLVE},
        "spectrum": fit.solution.spectrum.told(),
        "constant_known": fit.model.constant_known,
        "seconds": {stage: fit.record["seconds"][stage] for stage in STAGES} | {"evaluate": ended - fitted, "total": ended - start},
        "peak_memory_bytes": max(communicator.all_gather(peak_memory_bytes())),
        **{name: fit.record[name] for name in ("predicted", "resumed", "blocks_taken_over")},
        "test": {name: errors.get(name) for name in ("samples", "energy_error", "gradient_error")},
        "versions": fit.model.provenance["versions"],
        "seeds": fit.model.provenance["seeds"],
        "files": files_told(job),
        "job": job.as_dict(),
    }
    fit.model.provenance = fit.model.provenance | {name: result[name] for name in ("job", "petsc_options")}
    return fit.model, result


def _write(directory, model, result, checkpoint):
    """Write the results and remove the checkpoint, which stays where they cannot be written."""
    try:
        write_results(directory, model, result, checkpoint.force)
    except OutputError as error:
        if not checkpoint.files:
            raise
        raise OutputError(f"{error}; what was computed is kept in {checkpoint.directory}: make room, and pass --resume") from None
    checkpoint.remove()


def open_sources(job):
    """Return (training source, test source or None, reference (x0, H0) or None) for a job."""
    data = job.data
    if isinstance(data, FileData):
        return *_open_files(data, job.options), None if data.reference_point is None else (data.reference_point, data.reference_energy)
    if job.options.rule is not None or job.options.stride != 1:
        raise UserError(
            "dynamics.rule and dynamics.stride are for files of trajectories; samples of a system have velocities: leave them out"
        )
    x0 = data.system.reference_point if data.reference_point is None else data.reference_point
    H0 = data.system.energy(x0) if data.reference_energy is None else data.reference_energy
    train = SystemSamples(data.system, data.samples, data.seed)
    return train, SystemSamples(data.system, data.test_samples, data.seed, stream="test points"), (x0, float(H0))


def _open_files(data, options):
    train = open_samples(data.file, options.rule, options.stride)
    if data.test_file:
        test = open_samples(data.test_file, stride=options.stride)
        if test.dimension != train.dimension:
            raise UserError(f"{data.test_file} has {test.dimension} coordinates, but {data.file} has {train.dimension}")
        return train, test
    if data.test_fraction is None:
        return train, None
    kept = max(1, round(train.count * data.test_fraction))
    shared = options.stride if train.step else 0  # rows that have states in common with the first of the test
    return RowRange(train, 0, max(0, train.count - kept - shared)), RowRange(train, train.count - kept, kept)


def _check_lsqr(source, options):
    """Raise UserError unless the samples are sure to be solved by lsqr, and options of PETSc thus to have an effect."""
    plan = plan_for(source.count, source.dimension, options, source.location)
    quick = plan.if_well_conditioned
    if options.solver == "lsqr" or (plan.solver == "lsqr" and not quick and options.is_dense):
        return
    if options.solver == "auto" and not options.is_dense:
        instead = "auto chooses for every part of a sparse problem by itself"
    elif options.solver == "auto":
        instead = f"auto takes {plan.solver}{f', or {quick.solver} if well conditioned,' if quick else ''} for these samples"
    else:
        instead = f"solver.name is {options.solver}"
    raise UserError(f"options of PETSc are for the solver lsqr, but {instead}; leave them out, or set solver.name=lsqr")
