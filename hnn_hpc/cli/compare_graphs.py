"""`hnn-hpc compare` for a job of graphs: how long our fit and fifteen optimizers of PyTorch take for the same error."""

from dataclasses import replace

from hnn_hpc.baselines.graph_comparison import compare_optimizers
from hnn_hpc.baselines.optimizers import OPTIMIZERS, chosen_optimizers
from hnn_hpc.cli.text import columns, count, scientific, table
from hnn_hpc.errors import UserError
from hnn_hpc.graph_evaluation import evaluate_graphs
from hnn_hpc.graph_samples import ArrayGraphs
from hnn_hpc.graph_training import fit_graph_source
from hnn_hpc.json_text import json_text
from hnn_hpc.report.optimizer_figure import draw_optimizers
from hnn_hpc.storage import written_beside
from hnn_hpc.values import whole_number

CAP = 60.0
TIMES = "seconds: of ours a whole fit, the median of three; of an optimizer its steps alone, up to its lowest error"


def prepare_comparison(job, arguments, communicator, progress):
    """Return a function that compares and returns what `baselines.graph_comparison` gives, and the sampler. Serial.

    Our seconds are those of a whole fit. Errors: `UserError`, before anything is trained or written, for whatever cannot be compared.
    """
    for name in ("steps", "learning_rate"):
        if getattr(arguments, name) is not None:
            raise UserError(f"--{name.replace('_', '-')} is for Adam on samples of phase space; for graphs each optimizer's rate is found")
    if job.network.messages:
        raise UserError("the network that PyTorch trains passes no messages; compare a job with graph.messages=0")
    train, test = (source and ArrayGraphs(source.read(0, source.count), source.cutoff) for source in job.data.sources())
    if test is None:
        raise UserError(f"{arguments.job}: compare needs graphs to test on; add test_file to [graph]")
    width = job.options.features if arguments.width is None else arguments.width

    def ours(features):
        fit = fit_graph_source(train, replace(job.options, features=features), job.network, communicator)
        return fit.record["seconds"]["total"], evaluate_graphs(fit.model, test, communicator)["mse"]

    names = [name.strip() for name in arguments.optimizers.split(",")] if arguments.optimizers is not None else None
    chosen_optimizers(names)
    whole_number(width, "--width", at_least=1)
    whole_number(arguments.seed, "--seed", at_least=0)
    found = fit_graph_source(train, replace(job.options, features=width), job.network, communicator).record["basis"]  # warms up, too
    edges, nodes = found["edge_invariants"], found["node_invariants"]
    if len(edges) > 1 or len(nodes) > 1:
        raise UserError(f"PyTorch's network knows one invariant of bonds and one of particles, but ours takes {', '.join(edges + nodes)}")
    cap = CAP if arguments.cap is None else arguments.cap
    how = {"ours": ours, "optimizers": names, "cap": cap, "seed": arguments.seed, "progress": progress}
    how |= {"edge_invariant": edges[0], "node_invariant": nodes[0]}
    return lambda: compare_optimizers(train, test, width, communicator, **how) | {"sampler": job.options.sampler}


def write_comparison(result, name, files, force):
    """Write the result and its picture; where that cannot be drawn, neither is there or both are the earlier ones."""
    curves = {run["name"]: [(point["seconds"], point["mse"]) for point in run["curve"]] for run in result["optimizers"]}
    fits = [(fit["seconds"], fit["mse"], fit["width"]) for fit in result["widths"]]
    with written_beside(files[0], force) as path:
        path.write_text(json_text(result, indent=2) + "\n", encoding="utf-8")
        draw_optimizers(files[1], curves, fits, title=f"{name}: ours, and networks of {result['width']} neurons a term", force=force)


def describe_comparison(result):
    """Return the table of optimizers, the best first."""
    best, own = result["best"], result["widths"][-1]
    told = table(
        [
            ("graphs", f"{count(result['graphs'], 'graph')}, {count(result['test_graphs'], 'other')} to test on"),
            ("ours", f"{own['width']} features a term, {result['sampler']}: mse {scientific(own['mse'])} in {own['seconds']:.3f} s"),
            ("best of all", f"{best['name']}: mse {scientific(best['mse'])} after {best['seconds']:.1f} s{_reached(best['ours'])}"),
        ]
    )
    rows = [["optimizer", "rate", "steps", "best mse", "seconds", "ended by", "our M", "seconds", "speed-up"]]
    for run in sorted(result["optimizers"], key=lambda run: run["best"]["mse"]):
        lowest, ours = run["best"], run["ours"]
        figures = ("-", "-", "-") if ours["width"] is None else (ours["width"], f"{ours['seconds']:.3f}", f"{ours['speed_up']:.0f}")
        trained = run["name"], f"{run['learning_rate']:g}", run["steps"], scientific(lowest["mse"]), f"{lowest['seconds']:.1f}"
        rows.append([*trained, run["stop_reason"], *figures])
    written = table([("written", file) for file in result["files"]])
    return f"{told}\n\n{columns(rows)}\n\n{TIMES}\n\n{written}"


def _reached(ours):
    if ours["width"] is None:
        return ", which none of our widths reaches"
    return f"; {ours['width']} of our features reach that in {ours['seconds']:.3f} s, {ours['speed_up']:.0f} times as fast"


def optimizers_help():
    return f"of graphs: names with commas between, of {', '.join(OPTIMIZERS)}; default all"
