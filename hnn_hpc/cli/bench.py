"""`hnn-hpc bench`: how this program compares with what a user would pick instead, measured on this machine."""

import math
import shutil
from dataclasses import asdict
from pathlib import Path

from hnn_hpc.benchmark import CASES, DEFAULT_CASES, Settings, compare, describe_machine
from hnn_hpc.benchmark.peers import PEERS
from hnn_hpc.cli.exit_codes import DONE, FAILED
from hnn_hpc.cli.text import byte_size, columns, count, scientific, table
from hnn_hpc.errors import UserError, look_up
from hnn_hpc.json_text import json_text
from hnn_hpc.report.bench_figure import draw_comparison
from hnn_hpc.report.figures import check_figure_path
from hnn_hpc.storage import check_writable, written_beside
from hnn_hpc.values import whole_number

RESULT_FILE, FIGURE_FILE = "bench.json", "bench."
BUSY = 0.5  # processes that want to run, on the average of a minute, where none should
FIGURE_KINDS = ("png", "svg", "none")
HELP = f"compare with other solvers on this machine; without --cases: {' and '.join(DEFAULT_CASES)}, about " + (
    f"{sum(CASES[name].minutes for name in DEFAULT_CASES):g} minutes on two cores"
)


def add_arguments(parser):
    parser.add_argument("--cases", metavar="NAME,..", default=",".join(DEFAULT_CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--list", action="store_true", help="tell what each case measures and how long it takes, and end")
    parser.add_argument("--repeat", type=int, metavar="N", help="rounds of every case; default 5, or 1 where no bar is about time")
    parser.add_argument("--limit", type=float, default=3600, metavar="SECONDS", help="that one run may take; default 3600")
    parser.add_argument(
        "--ranks", type=int, default=1, metavar="N", help="of our own solvers, whose threads then share the cores; default 1"
    )
    parser.add_argument("--check", action="store_true", help="exit code 1 where a bar is missed")
    parser.add_argument("--output", type=Path, default=Path("results/bench"), metavar="DIR", help="default results/bench")
    parser.add_argument("--figure", choices=FIGURE_KINDS, default="png", help="kind of the picture; default png")
    parser.add_argument("--force", action="store_true", help="replace the results of an earlier run")


def run(arguments, communicator, progress):
    with communicator.together():
        if communicator.size > 1:
            raise UserError("bench starts processes of its own: run it without mpirun, and say --ranks N for our solvers to have several")
        if arguments.list:
            return {"list": [{"name": name, "minutes": case.minutes, "measures": case.measures} for name, case in CASES.items()]}
        names = [name.strip() for name in arguments.cases.split(",") if name.strip()]
        cases = {name: look_up(CASES, name, "case") for name in names}
        settings = _settings(arguments)
        files = _files(arguments)
    result = {"machine": describe_machine(), "settings": asdict(settings), "files": files, "cases": []}
    for name, case in cases.items():
        result["cases"].append(compare(name, case, settings, progress))
        missed = [bar["what"] for measured in result["cases"] for bar in measured["bars"] if not bar["met"]]
        result |= {"bars_missed": len(missed), "exit_code": FAILED if missed and arguments.check else DONE}
        _write(result, files, arguments.force or len(result["cases"]) > 1)  # after each case: some take an hour
    return result


def _settings(arguments):
    if not arguments.cases.strip(" ,"):
        raise UserError(f"--cases: expected names with commas between, of {', '.join(CASES)}")
    repeat = None if arguments.repeat is None else whole_number(arguments.repeat, "--repeat", at_least=1)
    if not (math.isfinite(arguments.limit) and arguments.limit > 0):
        raise UserError(f"--limit = {arguments.limit}: expected a positive number of seconds")
    ranks = whole_number(arguments.ranks, "--ranks", at_least=1)
    if ranks > 1 and shutil.which("mpirun") is None:
        raise UserError("--ranks needs mpirun, which is not on PATH: source slurm/environment.sh")
    return Settings(repeat=repeat, limit=arguments.limit, ranks=ranks)


def _files(arguments):
    """Return the files to write, a list of Paths, once it is sure that they can be; makes their directory."""
    files = [arguments.output / RESULT_FILE]
    if arguments.figure != "none":
        files.append(arguments.output / (FIGURE_FILE + arguments.figure))
        check_figure_path(files[-1])
    if arguments.output.is_dir():
        for file in files:
            check_writable(file, arguments.force)
        return files
    try:
        arguments.output.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"the output directory {arguments.output} cannot be made: {error.strerror}") from None
    return files


def _write(result, files, force):
    with written_beside(files[0], force) as path:
        path.write_text(json_text(result, indent=2) + "\n", encoding="utf-8")
    for figure in files[1:]:
        draw_comparison(figure, [problem for case in result["cases"] for problem in case["problems"]], PEERS, force)


def describe(result):
    if "list" in result:
        lines = columns([["case", "minutes", "measures"], *([case["name"], case["minutes"], case["measures"]] for case in result["list"])])
        return f"{lines}\n\nminutes: about, on two cores of 65 GF/s together; without --cases: {', '.join(DEFAULT_CASES)}"
    machine, settings = result["machine"], result["settings"]
    busy = machine["load"] > BUSY
    parts = [
        table(
            [
                ("machine", f"{machine['processor']}, {count(machine['cores'], 'core')}, {byte_size(machine['memory_bytes'])}"),
                ("ours", f"{count(settings['ranks'], 'rank')}, {count(max(1, machine['cores'] // settings['ranks']), 'thread')} each"),
                ("load", f"{machine['load']:.1f} at the start: others use this machine, so its times say little" if busy else None),
            ]
        )
    ]
    for case in result["cases"]:
        rates = [rate / 1e9 for rate in case["dgemm"] if rate]
        dgemm = f"dgemm {min(rates):.0f} to {max(rates):.0f} GF/s on all cores" if rates else "dgemm not measured"
        parts.append(f"{case['name']}: {case['measures']}; {count(case['rounds'], 'round')}, {dgemm}")
        parts += [f"{problem['title']}\n{columns(_runs(problem['runs']))}" for problem in case["problems"]]
        if case["bars"]:
            parts.append(columns([["bar", "measured", "(rounds)", "wanted", "met"], *map(_bar, case["bars"])]))
    parts.append(table([("bars missed", result["bars_missed"]), *(("written", file) for file in result["files"])]))
    return "\n\n".join(parts)


def _runs(runs):
    yield ["", "time", "(rounds)", "memory", "H error", "∇H error", "residual", "rank", "iterations", "note"]
    for name, run in runs.items():
        seconds, memory = run["seconds"], run["peak_memory_bytes"]
        chosen = f"chose {run['solver']}" if run.get("solver") not in (None, name) else None
        ridge = f"ridge {run['ridge']:.1e}" if run.get("ridge") else None
        ended = f"{run['status']}: {run['reason']}" if run["status"] != "ok" else None
        yield [
            name,
            f"{seconds['median']:.3g} s" if seconds else "-",
            f"{seconds['lowest']:.3g}-{seconds['highest']:.3g}" if seconds and len(run["rounds"]) > 1 else "",
            byte_size(memory["median"]) if memory else "-",
            *(scientific(run.get(name)) for name in ("energy_error", "gradient_error", "relative_residual")),
            *("-" if run.get(name) is None else run[name] for name in ("rank", "iterations")),
            "; ".join(filter(None, [chosen, ridge, run.get("note"), ended])),
        ]


def _bar(bar):
    measured, lowest, highest = bar["measured"], bar["lowest"], bar["highest"]
    figure = "not measured" if measured is None else f"{measured:.3g}"
    spread = f"{lowest:.3g}-{highest:.3g}" if measured is not None and lowest != highest else ""
    return [bar["what"], figure, spread, _wanted(bar["at_least"], bar["at_most"]), "yes" if bar["met"] else "MISSED"]


def _wanted(at_least, at_most):
    if at_least == at_most:
        return f"= {at_least:g}"
    return " and ".join(f"{sign} {limit:g}" for sign, limit in (("≥", at_least), ("≤", at_most)) if limit is not None)
