"""The report of a finished run, made from what lies in its directory: a page, and its pictures in a folder beside it."""

import os
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.job import job_from_tables
from hnn_hpc.models import load_model
from hnn_hpc.provenance import known_system
from hnn_hpc.report.figures import check_matplotlib
from hnn_hpc.report.findings import find
from hnn_hpc.report.report import PICTURES, render
from hnn_hpc.run_files import CERTIFICATE, MODEL_FILE, RESULT_FILE, SOLVE, files_told, make_directory, read_result
from hnn_hpc.run_state import FINISHED, run_state
from hnn_hpc.sample_run import open_sources
from hnn_hpc.samples import Samples, SystemSamples, freed, read_finite
from hnn_hpc.storage import check_writable, written_beside

PAGE = "report.html"
MOST_POINTS, RUNS = 4096, 16  # at which residuals are drawn; of samples in a file, so many runs of rows from all over it
TOLD = (*CERTIFICATE, *SOLVE, "samples", "dof", "sampler", "basis", "solver", "ranks", "threads", "constant_known", "seconds", "resumed")
TOLD += ("step", "damping", "peak_memory_bytes", "test", "versions", "seeds", "features", "job")  # of a result: what a report tells


def write_report(directory, output=None, force=False):
    """Write the page of the run in a directory, and its pictures; return {"file", "folder", "pictures", "bytes"}.

    Parameters: directory (Path); output (Path): name of the page, report.html in the directory unless given; the pictures go into a folder
    of the page's name without its ending; force (bool): replace those of an earlier report, and remove those that this one does not have.
    Errors: `UserError` where there is no finished run in the directory, or the page cannot be written; `OutputError` where the disk fills
    up. All files appear, or none.
    """
    check_matplotlib()
    output = Path(output or directory / PAGE)
    if output.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--output {output}: expected a name that ends in .html")
    result, model = read_run(directory)
    check_writable(output, force)
    folder = output.with_suffix("")
    if not force and any(os.path.lexists(folder / name) for name in PICTURES):
        raise UserError(
            f"{folder} is the folder of an earlier report, with its pictures; pass --force to replace them (force=True in Python)"
        )
    system = known_system(model)
    system = system and replace(system, box=model.domain)
    samples, where = _samples_to_compare_with(result, model, system)
    name = os.fsencode(directory.resolve().name).decode("utf-8", "replace")
    text, pictures = render(find(name, str(directory / MODEL_FILE), result, model, system, samples, where))
    page = text.encode("utf-8", "backslashreplace")  # the job may name files that are no UTF-8
    _write(output, folder, page, pictures, force)
    return {"file": str(output), "folder": str(folder), "pictures": sorted(pictures), "bytes": len(page)}


def read_run(directory):
    """Return (result, model) of a finished run; `UserError` where the directory does not hold one, or its two files are not of one fit."""
    if not directory.is_dir():
        problem = "is not a directory" if directory.exists() else "does not exist"
        raise UserError(f"{directory} {problem}; expected the output directory of a fit")
    state = run_state(directory)
    if state and state["state"] != FINISHED:
        raise UserError(f"the fit in {directory} is not finished, but {state['state']}; `hnn-hpc status {directory}` tells more")
    result = read_result(directory)
    if result is None:
        problem = "is damaged, or not a result" if (directory / RESULT_FILE).exists() else "does not exist"
        raise UserError(f"{directory / RESULT_FILE} {problem}; expected the output directory of a fit that has finished")
    if "graph" in result["job"]:
        raise UserError(f"{directory} holds a fit of graphs, and a report tells of phase space alone; see `hnn-hpc evaluate`")
    if missing := [name for name in TOLD if name not in result]:
        raise UserError(f"{directory / RESULT_FILE} tells nothing of {missing[0]}: another version wrote it; fit again with --force")
    model = load_model(directory / MODEL_FILE)
    certificate = model.provenance.get("certificate", {})
    same = all(certificate.get(name) == result[name] for name in CERTIFICATE) and model.provenance.get("job") == result["job"]
    if not same or (len(model.biases), model.dof) != (result["features"], result["dof"]):
        raise UserError(f"{directory / MODEL_FILE} and {RESULT_FILE} beside it are of different fits; fit again with --force")
    return result, model


def _samples_to_compare_with(result, model, system):
    """Return (`Samples`, what they are) to draw residuals at, or (None, why there are none)."""
    try:
        job = job_from_tables(result["job"], Path())
        if result["files"] != files_told(job):
            raise UserError(
                f"the file of samples has changed since the fit, or is not to be found from here: {result['job']['data']['file']}"
            )
        train, test, _ = open_sources(job)
    except (KeyError, UserError) as error:
        train = test = None
        problem = str(error)
    if test is None and system is not None:
        test = SystemSamples(system, MOST_POINTS, 0, stream="test points")
        return test.read(0, MOST_POINTS), "fresh points, uniform in the domain of the training samples"
    source = test or train
    if source is None:
        return None, problem
    with suppress(UserError):
        samples = samples_from_all_over(freed(source, model, model.damping))
        return samples, "samples that were kept to test on" if test else "samples that were fitted, for none were kept to test on"
    return None, f"{source.location} cannot be read"


def samples_from_all_over(source):
    """Return at most MOST_POINTS `Samples` of a source, from all over it."""
    rows = MOST_POINTS // RUNS
    if source.count <= MOST_POINTS:
        return read_finite(source, 0, source.count)
    parts = [read_finite(source, first, first + rows) for first in np.linspace(0, source.count - rows, RUNS, dtype=int).tolist()]
    return Samples(*(None if column[0] is None else np.concatenate(column) for column in zip(*parts, strict=True)))


def _write(output, folder, page, pictures, force):
    """Write all files beside their targets, then give all their names, the page last; where that fails there are none of them.

    After it, where `force`, the pictures are removed that an earlier report had and this one has not.
    """
    made = make_directory(folder)
    try:
        with ExitStack() as stack:
            for path, data in [(output, page), *((folder / name, data) for name, data in pictures.items())]:
                stack.enter_context(written_beside(path, force)).write_bytes(data)
    except BaseException:
        for path in reversed(made):
            with suppress(OSError):
                path.rmdir()
        raise
    for name in PICTURES.difference(pictures) if force else ():
        with suppress(OSError):
            (folder / name).unlink()
