"""`hnn-hpc reproduce`: the paper's table, published beside computed, on this machine or by an array job of SLURM."""

import os
import shutil
import sys
from pathlib import Path

from hnn_hpc.cli.exit_codes import DONE, FAILED
from hnn_hpc.cli.progress import WIPE
from hnn_hpc.cli.text import count, table
from hnn_hpc.errors import UserError, look_up
from hnn_hpc.json_text import json_text
from hnn_hpc.progress import stage
from hnn_hpc.report.figures import check_figure_path
from hnn_hpc.report.width_figure import draw_errors
from hnn_hpc.reproduction import (
    COLUMNS,
    PUBLISHED,
    PUBLISHED_FILE,
    SAMPLER_COLUMNS,
    WIDTHS,
    array_command,
    compute,
    figures_of,
    is_there,
    make_members,
    markdown,
    problem_of,
    read_cases,
    remove_results,
    run_array,
    share,
    share_arguments,
    table_rows,
)
from hnn_hpc.reproduction.array import MOST_TASKS, ROOT, SCRIPT
from hnn_hpc.storage import check_writable, written_beside
from hnn_hpc.values import whole_number

RESULT_FILE, TABLE_FILE, FIGURE_FILE, LOGS = "reproduce.json", "table.md", "errors.svg", "array"
HELP = "compute the paper's table again and put it beside the published one; goes on where an earlier run ended"
EPILOG = (
    "Where there is SLURM (sbatch on PATH, and not inside one of its jobs) the fits are computed by one array job, slurm/reproduce.sbatch; "
    "otherwise, or with --here, by this process and its ranks."
)


def add_arguments(parser):
    parser.epilog = EPILOG
    parser.add_argument("folder", nargs="?", type=Path, default=Path("jobs/paper"), help=f"with {PUBLISHED_FILE}; default jobs/paper")
    parser.add_argument("--cases", metavar="NAME,..", help="default: all")
    parser.add_argument("--samplers", metavar="NAME,..", default=",".join(SAMPLER_COLUMNS), help=f"of {', '.join(SAMPLER_COLUMNS)}")
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="runs of each, with seeds 0 to N-1; default 10")
    parser.add_argument("--widths", choices=WIDTHS, default=PUBLISHED, help="numbers of features: the published ones, or the picture's too")
    parser.add_argument("--output", type=Path, default=Path("results/paper"), metavar="DIR", help="default results/paper")
    parser.add_argument("--force", action="store_true", help="compute the members anew that are there already")
    parser.add_argument("--here", action="store_true", help="compute here, although there is SLURM")
    parser.add_argument("--share", metavar="I/N", help="compute here the share I of N, and make no table")


def run(arguments, communicator, progress):
    with communicator.together():
        origin, cases = read_cases(arguments.folder)
        names = list(cases) if arguments.cases is None else _chosen(arguments.cases, cases, "case")
        samplers = _chosen(arguments.samplers, SAMPLER_COLUMNS, "sampler")
        seeds = whole_number(arguments.seeds, "--seeds", at_least=1)
        members = make_members([cases[name] for name in names], samplers, seeds, arguments.widths, arguments.output)
        if arguments.share is not None:
            members = share(members, *_share(arguments.share))
        files = [] if arguments.share else _files(arguments.output)
        missing = _missing(arguments, members, files) if communicator.is_root else None
    pending = [members[index] for index in communicator.broadcast(missing)]
    array_job = None
    if pending and _through_slurm(arguments, communicator):
        array_job = _run_array(arguments, names, samplers, pending, progress)
    else:
        compute(pending, communicator, progress)
    with communicator.together():
        result = _collect(arguments, cases, members, origin, files) if communicator.is_root else None
    return communicator.broadcast(result) | {"computed": len(pending), "array_job": array_job}


def _chosen(text, known, kind):
    """Return the names in a text with commas between, each once."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise UserError(f"--{kind}s: expected names with commas between, of {', '.join(known)}")
    for name in names:
        look_up(known, name, kind)
    return names


def _share(text):
    """Return (I, N) from the text "I/N"."""
    index, _, number = text.partition("/")
    if not (index.isdecimal() and number.isdecimal() and 1 <= int(index) <= int(number)):
        raise UserError(f"--share {text}: expected I/N, the share I = 1 … N of N shares, such as 2/8")
    return int(index), int(number)


def _files(output):
    """Return the files that sum up, once it is sure that they can be made."""
    files = [output / name for name in (RESULT_FILE, TABLE_FILE, FIGURE_FILE)]
    check_figure_path(files[-1])
    return files


def _missing(arguments, members, files):
    """Return the indices of the members that are to be computed, once it is sure that all can be written; clears their folders."""
    try:
        arguments.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the output directory {arguments.output} cannot be made: {error.strerror}") from None
    for file in files:  # an earlier summary of ours is replaced
        check_writable(file, arguments.force or (arguments.output / RESULT_FILE).exists())
    if arguments.force:
        remove_results(members)
    missing = [index for index, member in enumerate(members) if figures_of(member) is None]
    damaged = sum(is_there(members[index]) for index in missing)
    _say(
        f"{count(len(members), 'member')}, {len(members) - len(missing)} of them there already{f', {damaged} damaged' if damaged else ''}",
        arguments,
    )
    remove_results([members[index] for index in missing])
    return missing


def _through_slurm(arguments, communicator):
    """Whether an array of SLURM is to compute, and not this process: neither asked for, nor inside a job, nor under mpirun."""
    here = arguments.here or arguments.share or communicator.size > 1 or "SLURM_JOB_ID" in os.environ
    return not here and shutil.which("sbatch") is not None


def _run_array(arguments, names, samplers, pending, progress):
    """Let an array of tasks compute, and return its number."""
    if not SCRIPT.is_file():
        raise UserError(f"SLURM is there, but {SCRIPT} is not: run this from a clone of the project, or pass --here")
    logs = (arguments.output / LOGS).resolve()
    logs.mkdir(exist_ok=True)
    words = share_arguments(arguments.folder, names, samplers, arguments.seeds, arguments.widths, arguments.output)
    command = array_command(SCRIPT, ROOT, logs, min(MOST_TASKS, len(pending)), words)
    waiting = list(pending)
    with stage(progress, "members", len(pending)) as on_members:

        def look():
            still = [member for member in waiting if figures_of(member) is None]
            on_members(len(waiting) - len(still))
            waiting[:] = still

        return run_array(command, look, lambda text: _say(text, arguments))


def _collect(arguments, cases, members, origin, files):
    """Return the result of what is there by now, and write its files."""
    figures = [figures_of(member) for member in members]
    failed = [_failure(member) for member, figure in zip(members, figures, strict=True) if figure is None]
    rows = [] if arguments.share else table_rows(cases, members, figures)
    about = {"folder": arguments.folder, "output": arguments.output, "share": arguments.share, "published": origin, "files": files}
    result = {**about, "members": len(members), "failed": failed, "rows": rows, "exit_code": FAILED if failed else DONE}
    if files:
        json_file, table_file, figure_file = files
        with written_beside(json_file, force=True) as path:
            path.write_text(json_text(result, indent=2) + "\n", encoding="utf-8")
        with written_beside(table_file, force=True) as path:
            path.write_text(_markdown(result) + "\n", encoding="utf-8")
        draw_errors(figure_file, rows, COLUMNS, force=True)
    return result


def _failure(member):
    told = {name: getattr(member, name) for name in ("case", "sampler", "features", "seed")}
    return told | {"problem": problem_of(member)}


def _failures(result):
    """Return (member, problem) pairs of texts."""
    return [("{case}, {sampler}, M={features}, seed {seed}".format(**failure), failure["problem"]) for failure in result["failed"]]


def _markdown(result):
    return markdown(result["rows"], result["published"], _failures(result))


def _say(text, arguments):
    """Print a line on stderr, in the place of a progress bar where there is one, unless nobody is to be told."""
    if not arguments.quiet:
        print(f"{WIPE if sys.stderr.isatty() else ''}hnn-hpc: {text}", file=sys.stderr, flush=True)


def describe(result):
    failed = count(len(result["failed"]), "member")
    told = [
        ("share", result["share"]),
        ("members", f"{result['members']}, {result['computed']} of them computed now"),
        ("failed", f"{failed}; the same command tries again" if result["failed"] else None),
        *(("written", file) for file in result["files"]),
    ]
    if result["share"]:
        return "\n".join([table(told), *(f"{member}: {problem}" for member, problem in _failures(result))])
    return f"{_markdown(result)}\n\n{table(told)}"
