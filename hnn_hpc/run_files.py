"""The directory of a run: which files it holds, whether they may be written, and whether the job has been done there already."""

import json
import os
from contextlib import suppress
from pathlib import Path

from hnn_hpc.errors import OutputError, UserError
from hnn_hpc.graph_model import load_graph_model
from hnn_hpc.json_text import json_text
from hnn_hpc.models import load_model
from hnn_hpc.peak_memory import peak_memory_bytes
from hnn_hpc.storage import check_writable, written_beside

MODEL_FILE, RESULT_FILE, CHECKPOINT, STATUS_FILE = "model.h5", "result.json", "checkpoint", "status.json"
DECISIVE = ("data", "coordinates", "dynamics", "graph", "features", "solver")  # tables of a job, those that it has, for its result
LARGEST = 10**8  # bytes of a file of JSON
STAGES = ("data", "sampling", "solve")
CERTIFICATE = ("stop_reason", "certified", "relative_residual", "normal_residual", "backward_error", "condition_estimate", "rank")
SOLVE = ("iterations", "ridge", "effective_dof", "noise_level", "householder_rows", "flops")


def check_directory(directory, force):
    """Raise `UserError` unless both files of results can be written to the directory (Path), or it can be made.

    force (bool): files of an earlier run may be replaced.
    """
    if os.path.lexists(directory):
        for name in (MODEL_FILE, RESULT_FILE):
            check_writable(directory / name, force)
        return
    missing = directory
    while not os.path.lexists(missing.parent):
        missing = missing.parent
    try:
        check_writable(missing)
    except UserError as error:
        raise UserError(f"the output directory {directory} cannot be made: {error}") from None


def make_directory(directory):
    """Make a directory with those above it and return the list of those that were not there, the outermost first."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the output directory {directory} cannot be made: {error.strerror}") from None
    return missing[::-1]


def read_dictionary(path):
    """Return the dictionary that a file of JSON holds, or None where there is none, or a damaged one."""
    with suppress(OSError, ValueError, RecursionError):
        if path.is_file() and path.stat().st_size <= LARGEST:  # no pipe, of which the end may never come
            found = json.loads(path.read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else None
    return None


def read_result(directory):
    """Return the dictionary that the result of a directory holds; None where there is none, or a damaged one."""
    result = read_dictionary(Path(directory) / RESULT_FILE)
    try:
        tables = [result["job"][table] for table in ("features", "solver")] + [result["job"].get("data", result["job"].get("graph"))]
        return result if all(isinstance(table, dict) for table in tables) else None
    except (KeyError, TypeError):
        return None


def finished_result(job, petsc_options=()):
    """Return the result of this very job where its directory holds that with the model, else None."""
    result = read_result(job.directory)
    with suppress(UserError):
        if result and _is_of(result, job, petsc_options) and result.get("files") == files_told(job):
            return result if _is_of(_load_model(job).provenance, job, petsc_options) else None
    return None


def remove_half_written(job, petsc_options=()):
    """Remove a model of this job without a result: what a run leaves that is killed between the two."""
    model = job.directory / MODEL_FILE
    if os.path.lexists(model) and not os.path.lexists(job.directory / RESULT_FILE):
        with suppress(UserError):
            if _is_of(_load_model(job).provenance, job, petsc_options):
                model.unlink()


def _load_model(job):
    """Return the model that the directory of a job holds."""
    return (load_graph_model if job.is_of_graphs else load_model)(job.directory / MODEL_FILE)


def told_of_fit(fit, job, petsc_options, communicator, seconds):
    """Return what a result says of every fit, of samples or graphs, a dictionary of plain values. Collective.

    Parameters: fit (`Fit` or `GraphFit`); seconds: of the stages after it.
    """
    return {
        "solver": fit.solution.solver,
        "petsc_options": list(petsc_options),
        "ranks": communicator.size,
        "threads": fit.record["threads"],
        **{name: getattr(fit.solution, name) for name in CERTIFICATE + SOLVE},
        "spectrum": fit.solution.spectrum.told(),
        "seconds": {stage: fit.record["seconds"][stage] for stage in STAGES} | seconds,
        "peak_memory_bytes": max(communicator.all_gather(peak_memory_bytes())),
        **{name: fit.record[name] for name in ("predicted", "resumed", "blocks_taken_over")},
        "versions": fit.model.provenance["versions"],
        "seeds": fit.model.provenance["seeds"],
        "files": files_told(job),
        "job": job.as_dict(),
    }


def files_told(job):
    """Return {path: [bytes, time of the last change in nanoseconds]} of the files of samples that a job reads, as JSON has it."""
    names = [job.data.as_dict().get(key) for key in ("file", "test_file")]
    with suppress(OSError):
        return {name: [os.stat(name).st_size, os.stat(name).st_mtime_ns] for name in names if name}
    return None


def _is_of(record, job, petsc_options):
    """Return whether a result, or the provenance of a model, is that of a job."""
    try:
        return difference(job, record["job"]) is None and list(record["petsc_options"]) == list(petsc_options)
    except (KeyError, TypeError):
        return False


def difference(job, tables):
    """Return (key, value there, value here) of the first key that decides a result and is another in `tables`, a job's; None: none is."""
    here = json.loads(json_text(job.as_dict()))
    for table in DECISIVE:
        own, other = here.get(table, {}), tables.get(table, {})
        for key in {**own, **other}:
            if other.get(key) != own.get(key):
                return f"{table}.{key}", other.get(key), own.get(key)
    return None


def write_results(directory, model, result, force):
    """Write both files; where that fails, neither is there or both are the earlier ones, and `OutputError` says why."""
    try:
        with written_beside(directory / RESULT_FILE, force) as path:
            path.write_text(json_text(result, indent=2) + "\n", encoding="utf-8")
            model.save(directory / MODEL_FILE, force)
    except (UserError, OutputError, OSError) as error:
        raise OutputError(f"the fit is done, but its results are lost: {error}") from None
