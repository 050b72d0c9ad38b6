"""Runs a job: samples in, model.h5 and result.json out."""

import os
import time

from hnn_hpc.errors import Interruption, NotCertifiedError, OutputError
from hnn_hpc.graph_run import GraphRun
from hnn_hpc.parallel.checkpoint import TRIANGLE
from hnn_hpc.parallel.petsc import options_in_petsc
from hnn_hpc.run_files import CHECKPOINT, check_directory, finished_result, remove_half_written, write_results
from hnn_hpc.run_place import restarts_by_slurm
from hnn_hpc.run_status import RunStatus
from hnn_hpc.sample_run import SampleRun
from hnn_hpc.storage import Checkpoint

FRUITLESS, MOST_RESTARTS = 45, 3  # seconds of work, and starts by SLURM, that may end with nothing saved and yet be followed by another


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


def computation_of(job, petsc_options=()):
    """Return what computes a job: a `GraphRun` or a `SampleRun`."""
    return (GraphRun if job.is_of_graphs else SampleRun)(job, petsc_options)


def _run(job, communicator, progress, checkpoint, petsc_options):
    start = time.perf_counter()
    may_be_done = checkpoint.resume and not checkpoint.force
    with communicator.together():
        if communicator.is_root and not may_be_done:
            check_directory(job.directory, checkpoint.force)
        computation = computation_of(job, petsc_options)
    about = {"ranks": communicator.size} | computation.about
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
        model, result = computation.compute(communicator, status or progress, checkpoint, start)
        model.provenance = model.provenance | {name: result[name] for name in ("job", "petsc_options")}
        with communicator.together():
            if status:
                status.check_place()
                _write(job.directory, model, result, checkpoint)
        return result
    finally:
        if status:
            status.end()


def _write(directory, model, result, checkpoint):
    """Write the results and remove the checkpoint, which stays where they cannot be written."""
    try:
        write_results(directory, model, result, checkpoint.force)
    except OutputError as error:
        if not checkpoint.files:
            raise
        raise OutputError(f"{error}; what was computed is kept in {checkpoint.directory}: make room, and pass --resume") from None
    checkpoint.remove()
