"""The picture of a benchmark: time and peak memory of everybody, against K and against M, on logarithmic scales."""

from hnn_hpc.report.saving import save_figure

# One each; those of our own solvers are filled and joined by whole lines, the peers' open and dashed: readable without colour.
MARKERS = "osD^vPX<>p"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#56b4e9", "#e69f00", "#7f7f7f", "#7b3f00")  # Okabe and Ito's first
LARGEST_MARKER, MARKER_STEP = 8.0, 0.5  # later ones are smaller, so that those beneath still show
FIGURES = {"seconds": "time of the solve (s)", "peak_memory_bytes": "peak memory (MB)"}
UNITS = {"seconds": 1.0, "peak_memory_bytes": 1e6}
SWEPT = {"samples": "samples K", "features": "features M"}


def draw_comparison(path, problems, peers, force=False):
    """Draw two rows of two plots: seconds and megabytes of a process, each against K and against M.

    Parameters: problems, measured (see `benchmark.compare`): for each axis the most of them that differ in nothing but K, or M, are
    drawn; peers: names of the contestants that are not ours; force: replace an existing file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 7.4), layout="constrained")
    subplots = figure.subplots(2, 2, sharey="row", squeeze=False)
    styles, lines, drawn = _styles(problems, peers), {}, []
    for column, swept in enumerate(SWEPT):
        series = longest_series(problems, swept)
        drawn += series
        for row, key in zip(subplots, FIGURES, strict=True):
            lines |= _draw_series(row[column], series, swept, key, styles)
        subplots[0][column].set_title(_held(series, swept), fontsize=10)
    for row, label in zip(subplots, FIGURES.values(), strict=True):
        row[0].set_ylabel(label)
    labels = [name + _remark(drawn, name) for name in lines]
    figure.legend(lines.values(), labels, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    save_figure(figure, path, force)


def longest_series(problems, swept):
    """Return the most problems that differ in nothing but `swept`, ordered by it; the first where several are as many."""
    groups = {}
    for problem in problems:
        rest = tuple(repr(problem[name]) for name in ("system", "parameters", "sampler", "variation", "noise", *SWEPT) if name != swept)
        groups.setdefault(rest, {})[problem[swept]] = problem
    return [problem for _, problem in sorted(max(groups.values(), key=len).items())]


def _styles(problems, peers):
    names = list(dict.fromkeys(name for problem in problems for name in problem["runs"]))
    styles = {}
    for index, name in enumerate(names):
        colour, theirs = COLOURS[index % len(COLOURS)], name in peers
        styles[name] = {
            "marker": MARKERS[index % len(MARKERS)],
            "color": colour,
            "linestyle": "--" if theirs else "-",
            "markerfacecolor": "white" if theirs else colour,
            "linewidth": 1.2,
            "markersize": LARGEST_MARKER - MARKER_STEP * index,
        }
    return styles


def _draw_series(subplot, series, swept, key, styles):
    """Draw one line a contestant, with a bar from the fastest to the slowest round; return the lines by name."""
    from matplotlib.ticker import LogLocator

    lines = {}
    for name, style in styles.items():
        points = [(problem[swept], problem["runs"][name][key]) for problem in series if problem["runs"].get(name, {}).get(key)]
        if points:
            x = [size for size, _ in points]
            median, lowest, highest = ([spread[which] / UNITS[key] for _, spread in points] for which in ("median", "lowest", "highest"))
            subplot.vlines(x, lowest, highest, color=style["color"], linewidth=1)
            [lines[name]] = subplot.plot(x, median, **style)
    subplot.set_xscale("log")
    subplot.set_yscale("log")
    sizes = sorted(problem[swept] for problem in series)
    subplot.set_xticks(sizes, [f"{size:,}".replace(",", " ") for size in sizes])
    subplot.set_xticks([], minor=True)
    subplot.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    subplot.yaxis.set_major_formatter("{x:g}")
    subplot.yaxis.set_minor_locator(LogLocator(subs=range(2, 10)))
    subplot.yaxis.set_minor_formatter("")
    subplot.tick_params(labelsize=8)
    subplot.grid(which="major", linewidth=0.4, alpha=0.5)
    subplot.set_xlabel(SWEPT[swept])
    return lines


def _held(series, swept):
    """What is the same in a series: "henon-heiles, D = 4, M = 200"."""
    first = series[0]
    other = f"M = {first['features']}" if swept == "samples" else f"K = {first['samples']:_}".replace("_", " ")
    return f"{first['system']}, D = {first['dimension']}, {other}"


def _remark(problems, name):
    """What the legend adds to a name: a note that holds for all of its runs, or for a part of them."""
    notes = [run.get("note") for problem in problems if (run := problem["runs"].get(name)) and run["seconds"]]
    different = sorted({note for note in notes if note})
    return f" ({'partly ' if None in notes else ''}{', '.join(different)})" if different else ""
