"""`hnn-hpc compare JOB.toml`: how long our fit and a network trained by Adam take for the same error; of graphs by fifteen optimizers."""

import math
from decimal import ROUND_DOWN, Context
from pathlib import Path

from hnn_hpc.baselines import compare, import_torch, published_options
from hnn_hpc.baselines.adam import CAP, PUBLISHED, STEPS, TARGET
from hnn_hpc.baselines.comparison import ROUNDS
from hnn_hpc.benchmark import describe_machine
from hnn_hpc.cli.bench import BUSY
from hnn_hpc.cli.compare_graphs import CAP as GRAPH_CAP
from hnn_hpc.cli.compare_graphs import describe_comparison, optimizers_help, prepare_comparison, write_comparison
from hnn_hpc.cli.text import columns, count, scientific, table
from hnn_hpc.errors import UserError
from hnn_hpc.job import load_job
from hnn_hpc.json_text import json_text
from hnn_hpc.report.compare_figure import draw_time_to_accuracy
from hnn_hpc.report.figures import check_figure_path
from hnn_hpc.sample_run import open_sources
from hnn_hpc.storage import check_writable, written_beside

RESULT_FILE, FIGURE_FILE = "compare.json", "compare.svg"
HELP = "time to accuracy: a job's fit against the same samples learned by Adam in PyTorch, or of graphs by fifteen optimizers"
QUANTITIES = {"energy_error": "H", "gradient_error": "∇H"}
DEFAULT_CAP = 600.0
TWO_DIGITS = Context(prec=2, rounding=ROUND_DOWN)
TIMES = f"times: ours of a whole fit, the last of them the median of {ROUNDS}; Adam's of its steps alone"


def add_arguments(parser):
    def published(name):
        return f"default {PUBLISHED[1][name]:g} for one degree of freedom, else {PUBLISHED[2][name]:g}, as published"

    parser.add_argument("job", type=Path, metavar="JOB.toml", help="what to compute")
    cap = f"that Adam may train; default {DEFAULT_CAP:g}; of graphs that each optimizer may, default {GRAPH_CAP:g}"
    parser.add_argument("--cap", type=float, metavar="SECONDS", help=cap)
    steps = f"that Adam makes at most; {published('steps')}, but 30000 for Lotka-Volterra on [-5, 5]^2 and [0, 8]^2"
    parser.add_argument("--steps", type=int, metavar="N", help=steps)
    parser.add_argument("--width", type=int, metavar="M", help=f"neurons of Adam's network; {published('width')}")
    parser.add_argument("--learning-rate", type=float, metavar="RATE", help=f"of Adam; {published('learning_rate')}")
    parser.add_argument("--optimizers", metavar="NAMES", help=optimizers_help())
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of Adam's first weights and its batches; default 0")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="TABLE.KEY=VALUE", help="replace a key of the job")
    parser.add_argument("--output", metavar="DIR", help=f"directory for {RESULT_FILE} and {FIGURE_FILE}, in place of output.directory")
    parser.add_argument("--force", action="store_true", help="replace the results of an earlier run")


def run(arguments, communicator, progress):
    with communicator.together():
        if communicator.size > 1:
            raise UserError(f"compare trains a network by Adam, which is serial: run it without mpirun, not on {communicator.size} ranks")
        torch = import_torch()
        job = load_job(arguments.job, arguments.overrides, arguments.output)
        cap = DEFAULT_CAP if arguments.cap is None else arguments.cap
        if not (math.isfinite(cap) and cap > 0):
            raise UserError(f"--cap = {cap}: expected a positive number of seconds")
    if job.is_of_graphs:
        return _compare_graphs(job, arguments, communicator, progress, torch)
    with communicator.together():
        train, test, reference = open_sources(job)
        if test is None:
            raise UserError(f"{arguments.job}: compare needs samples to test on; add test_file or test_fraction to [data]")
        if arguments.optimizers is not None:
            raise UserError("--optimizers is for jobs of graphs; samples of phase space are compared with Adam alone")
        changes = {name: getattr(arguments, name) for name in ("steps", "width", "learning_rate", "seed")}
        options = published_options(train.dimension // 2, **changes)
        files = _files(job.directory, arguments.force)
    machine = describe_machine()
    machine["versions"]["torch"] = torch.__version__
    how = {"reference": reference, "cap": cap, "progress": progress}
    result = compare(train, test, job.options, options, communicator, **how) | {"machine": machine, "job": job.as_dict(), "files": files}
    _write(result, arguments.job.stem, files, arguments.force)
    return result


def _compare_graphs(job, arguments, communicator, progress, torch):
    comparison = prepare_comparison(job, arguments, communicator, progress)
    files, machine = _files(job.directory, arguments.force), describe_machine()
    machine["versions"]["torch"] = torch.__version__
    result = comparison() | {"machine": machine, "job": job.as_dict(), "files": files}
    write_comparison(result, arguments.job.stem, files, arguments.force)
    return result


def _files(directory, force):
    """Return the two files to write, Paths, once it is sure that they can be; makes their directory."""
    files = [directory / RESULT_FILE, directory / FIGURE_FILE]
    check_figure_path(files[1])
    if directory.is_dir():
        for file in files:
            check_writable(file, force)
        return files
    try:
        directory.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"the output directory {directory} cannot be made: {error.strerror}") from None
    return files


def _write(result, name, files, force):
    """Write both files; where the picture cannot be drawn, neither is there or both are the earlier ones."""
    metric, adam, ours = (result[key] for key in ("metric", "adam", "ours"))
    curve = [(point["seconds"], point[metric]) for point in adam["curve"]]
    best = adam["best"]["seconds"], adam["best"][metric]
    fits = [(fit["seconds"], fit[metric], fit["features"]) for fit in result["widths"]]
    title = f"{name}: {ours['sampler']} features, Adam with {adam['width']} neurons"
    with written_beside(files[0], force) as path:
        path.write_text(json_text(result, indent=2) + "\n", encoding="utf-8")
        draw_time_to_accuracy(files[1], curve, best, fits, quantity=QUANTITIES[metric], title=title, force=force)


def describe(result):
    if "optimizers" in result:
        return describe_comparison(result)
    metric, ours, adam, machine = (result[key] for key in ("metric", "ours", "adam", "machine"))
    error, busy = f"{QUANTITIES[metric]} error", machine["load"] > BUSY
    samples = f"{count(result['samples'], 'sample')} of {count(result['dimension'], 'coordinate')}"
    trained = f"{_seconds(adam['seconds'])}, {count(adam['steps_done'], 'step')}"
    told = table(
        [
            ("samples", f"{samples}, {count(result['test_samples'], 'other')} to test on"),
            ("ours", f"{count(ours['features'], 'feature')}, {ours['sampler']}, {ours['solver']}, {count(ours['threads'], 'thread')}"),
            ("", f"{error} {scientific(ours[metric])} in {_seconds(ours['seconds']['total'])}"),
            ("adam", f"{count(adam['width'], 'neuron')}, learning rate {adam['learning_rate']:g}, {count(adam['threads'], 'thread')}"),
            ("", f"best {error} {scientific(adam['best'][metric])} after {_seconds(adam['best']['seconds'])}; trained {trained}"),
            ("load", f"{machine['load']:.1f} at the start: others use this machine, so its times say little" if busy else None),
        ]
    )
    rows = [["time to", error, "ours", "features", "Adam", "speed-up"], _row_of_our_error(result), _row_of_adams_error(result)]
    written = table([("written", file) for file in result["files"]])
    return f"{told}\n\n{columns(rows)}\n\n{TIMES}\n\n{written}"


def _row_of_our_error(result):
    reached, adam = result["to_our_error"], result["adam"]
    endings = {
        TARGET: _seconds(adam["seconds"]),
        CAP: f"not reached within the cap of {adam['cap']:g} s",
        STEPS: f"not reached in {count(adam['steps'], 'step')}, {_seconds(adam['seconds'])}",
    }
    speed_up = _ratio(reached["speed_up"]) if adam["stop_reason"] == TARGET else f"more than {_ratio(reached['speed_up_above'])}"
    ours = _seconds(reached["seconds"]), result["ours"]["features"]
    return ["our error", scientific(reached["error"]), *ours, endings[adam["stop_reason"]], speed_up]


def _row_of_adams_error(result):
    reached = result["to_adams_error"]
    if reached["features"] is None:
        ours = f"not reached with {count(result['ours']['features'], 'feature')} or fewer", "", _seconds(reached["adam_seconds"]), ""
    else:
        ours = _seconds(reached["seconds"]), reached["features"], _seconds(reached["adam_seconds"]), _ratio(reached["speed_up"])
    return ["Adam's best", scientific(reached["error"]), *ours]


def _seconds(seconds):
    return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:.0f} s"


def _ratio(ratio):
    """Return the first two digits of a ratio, rounded down because some are bounds: "0.12", "5.4", "73", "12 000"."""
    return f"{TWO_DIGITS.create_decimal(repr(ratio)):,f}".replace(",", " ")
