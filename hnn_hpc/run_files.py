"""The directory of a run: which files it holds, whether they may be written, and whether the job has been done there already."""

import json
import os
from contextlib import suppress
from pathlib import Path

from hnn_hpc.errors import OutputError, UserError
from hnn_hpc.json_text import json_text
from hnn_hpc.models import load_model
from hnn_hpc.storage import check_writable, written_beside

MODEL_FILE, RESULT_FILE, CHECKPOINT, STATUS_FILE = "model.h5", "result.json", "checkpoint", "status.json"
DECISIVE = ("data", "coordinates", "features", "solver")  # tables of a job, for its result
LARGEST = 10**8  # bytes of a file of JSON


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
        return result if result and all(isinstance(result["job"][table], dict) for table in DECISIVE) else None
    except (KeyError, TypeError):
        return None


def finished_result(job, petsc_options=()):
    """Return the result of this very job where its directory holds that with the model, else None."""
    result = read_result(job.directory)
    with suppress(UserError):
        if result and _is_of(result, job, petsc_options) and result.get("files") == files_told(job):
            return result if _is_of(load_model(job.directory / MODEL_FILE).provenance, job, petsc_options) else None
    return None


def remove_half_written(job, petsc_options=()):
    """Remove a model of this job without a result: what a run leaves that is killed between the two."""
    model = job.directory / MODEL_FILE
    if os.path.lexists(model) and not os.path.lexists(job.directory / RESULT_FILE):
        with suppress(UserError):
            if _is_of(load_model(model).provenance, job, petsc_options):
                model.unlink()


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
        for key in {**here[table], **tables[table]}:
            if tables[table].get(key) != here[table].get(key):
                return f"{table}.{key}", tables[table].get(key), here[table].get(key)
    return None


def write_results(directory, model, result, force):
    """Write both files; where that fails, neither is there or both are the earlier ones, and `OutputError` says why."""
    try:
        with written_beside(directory / RESULT_FILE, force) as path:
            path.write_text(json_text(result, indent=2) + "\n", encoding="utf-8")
            model.save(directory / MODEL_FILE, force)
    except (UserError, OutputError, OSError) as error:
        raise OutputError(f"the fit is done, but its results are lost: {error}") from None
