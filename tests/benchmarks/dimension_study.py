"""Measure how errors grow with the dimension and fall with features and samples: python tests/benchmarks/dimension_study.py [options]

Fits of the FPUT and Toda chains on features of all coordinates ("dense"), on those of positions and of momenta by themselves ("separable"),
and on the supports that the search finds ("found"), everything else on auto, over degrees of freedom, features M and samples K. Prints the
errors of H and ∇H on 20 000 other points, relative L2 norms, as Markdown. Five minutes on two cores that are free.
"""

import argparse
import json
import os
import sys

from hnn_hpc import FitOptions
from hnn_hpc.evaluation import evaluate
from hnn_hpc.json_text import json_text
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.report.figures import check_figure_path
from hnn_hpc.report.saving import save_figure
from hnn_hpc.samples import SystemSamples
from hnn_hpc.storage import check_writable, written_beside
from hnn_hpc.systems import make_system
from hnn_hpc.training import fit_source

SERIAL, SEED, TEST_POINTS = SerialCommunicator(), 0, 20_000
CHAINS = {"fput-chain": "FPUT", "toda-chain": "Toda"}
STRUCTURES = {"dense": {"supports": "dense"}, "separable": {"supports": "dense", "separable": True}, "found": {"supports": "auto"}}
MIDDLE = {"dof": 8, "features": 2000, "samples": 20_000}  # what the panels hold but for the size that each sweeps
PANELS = {"dof": [2, 4, 8, 16, 32], "features": [250, 500, 1000, 2000], "samples": [1250, 5000, 20_000]}
LABELS = {"dof": "degrees of freedom n", "features": "features M", "samples": "samples K"}
HELD = {"dof": "n = {}", "features": "M = {}", "samples": "K = {}"}
# Readable without colour: the structure by the kind of line, the chain by the marker.
LINES = {"dense": (":", "#d55e00"), "separable": ("--", "#0072b2"), "found": ("-", "#000000")}
MARKERS = {"fput-chain": {"marker": "o"}, "toda-chain": {"marker": "^", "markerfacecolor": "white"}}


def cases():
    """Every fit once: dicts of system, structure, dof, features and samples."""
    sizes = [MIDDLE | {swept: size} for swept, swept_sizes in PANELS.items() for size in swept_sizes]
    distinct = {tuple(some.values()): some for some in sizes}.values()
    return [{"system": system, "structure": structure} | some for some in distinct for system in CHAINS for structure in STRUCTURES]


def measured(case):
    """Return the case with its errors, and how many of the n - 1 pairs of neighbours the features join, and of others."""
    system, count = make_system(case["system"], {"dof": case["dof"]}), case["samples"]
    options = FitOptions(min(case["features"], count * system.dimension), seed=SEED, **STRUCTURES[case["structure"]])
    fit = fit_source(SystemSamples(system, count, SEED), options, SERIAL)
    errors = evaluate(fit.model, SystemSamples(system, TEST_POINTS, SEED, "test points"), SERIAL)
    joined = {tuple(pair) for pair in fit.record["basis"]["interactions"]}
    true = {(f"q{n}", f"q{n + 1}") for n in range(1, case["dof"])}
    pairs = {"true_pairs": len(joined & true), "false_pairs": len(joined - true)}
    return case | {name: errors[name] for name in ("energy_error", "gradient_error")} | pairs | {"seconds": fit.record["seconds"]["total"]}


def swept_by(rows, swept):
    """The rows of one panel, in order."""
    return sorted((row for row in rows if all(row[name] == MIDDLE[name] for name in MIDDLE if name != swept)), key=lambda row: row[swept])


def spaced(size):
    """Return "20 000"."""
    return f"{size:,}".replace(",", " ")


def held(swept):
    """What a panel holds: "n = 8, K = 20 000"."""
    return ", ".join(HELD[name].format(spaced(size)) for name, size in MIDDLE.items() if name != swept)


def table(rows, swept):
    """Return Markdown: a line a chain and structure, a column a size."""
    lines = [f"| {held(swept)}; {LABELS[swept]} | {' | '.join(map(spaced, PANELS[swept]))} |", "|---" * (1 + len(PANELS[swept])) + "|"]
    for system, name in CHAINS.items():
        for structure in STRUCTURES:
            own = [row for row in swept_by(rows, swept) if (row["system"], row["structure"]) == (system, structure)]
            errors = (f"{row['energy_error']:.0e}, {row['gradient_error']:.0e}" for row in own)
            lines.append(f"| {name}, {structure}: H, ∇H | {' | '.join(errors)} |")
    return "\n".join(lines)


def summary(rows):
    """Return how often the search found what is true."""
    found = [row for row in rows if row["structure"] == "found"]
    right = sum((row["true_pairs"], row["false_pairs"]) == (row["dof"] - 1, 0) for row in found)
    return f"{right} of {len(found)} searches found the n - 1 pairs of neighbours and no other."


def draw(path, rows, force):
    """Draw the errors of H, a plot for each size that is swept, on logarithmic scales."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import LogLocator

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    subplots = figure.subplots(1, len(PANELS), sharey=True)
    for subplot, swept in zip(subplots, PANELS, strict=True):
        for system, marker in MARKERS.items():
            for structure, (line, colour) in LINES.items():
                own = [row for row in swept_by(rows, swept) if (row["system"], row["structure"]) == (system, structure)]
                x, y = [row[swept] for row in own], [row["energy_error"] for row in own]
                subplot.plot(x, y, linestyle=line, color=colour, linewidth=1.3, markersize=5, **marker)
        subplot.set(xscale="log", yscale="log", xlabel=LABELS[swept])
        subplot.set_title(held(swept), fontsize=10)
        subplot.set_xticks(PANELS[swept], [*map(spaced, PANELS[swept])])
        subplot.set_xticks([], minor=True)
        subplot.yaxis.set_major_locator(LogLocator(base=100))
        subplot.yaxis.set_minor_locator(LogLocator(numticks=99))
        subplot.yaxis.set_minor_formatter("")
        subplot.tick_params(labelsize=8)
        subplot.grid(which="major", linewidth=0.4, alpha=0.5)
    subplots[0].set_ylabel("relative error of H")
    handles = [Line2D([], [], linestyle=line, color=colour, label=structure) for structure, (line, colour) in LINES.items()]
    handles += [Line2D([], [], linestyle="none", color="black", label=CHAINS[system], **marker) for system, marker in MARKERS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9, frameon=False)
    save_figure(figure, path, force)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write the figures here")
    parser.add_argument("--read", metavar="FILE", help="take the figures that --json wrote instead of measuring")
    parser.add_argument("--figure", metavar="FILE", help="draw the picture here: svg, png or pdf")
    parser.add_argument("--force", action="store_true", help="replace existing files")
    arguments = parser.parse_args()
    if arguments.figure:
        check_figure_path(arguments.figure)
    for path in filter(None, (arguments.json, arguments.figure)):
        check_writable(path, arguments.force)
    rows = []
    if arguments.read:
        with open(arguments.read, encoding="utf-8") as file:
            rows = json.load(file)
    else:
        print(f"load {os.getloadavg()[0]:.1f}", file=sys.stderr)
        for case in cases():
            rows.append(measured(case))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    print("\n\n".join([*(table(rows, swept) for swept in PANELS), summary(rows)]))
    if arguments.json:
        with written_beside(arguments.json, arguments.force) as path:
            path.write_text(json_text(rows, indent=1) + "\n", encoding="utf-8")
    if arguments.figure:
        draw(arguments.figure, rows, arguments.force)


if __name__ == "__main__":
    main()
