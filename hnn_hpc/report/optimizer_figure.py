"""The picture of a comparison with many optimizers: the lowest error so far against seconds of training, on logarithmic scales."""

from itertools import accumulate

from hnn_hpc.report.saving import save_figure

# Each line has a marker and a kind of dashes that no other has together, and its name at its end: readable without colour.
MARKERS = "sD^v<>pPX*dh8+x"
DASHES = ((0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
COLOURS = ("#d55e00", "#009e73", "#cc79a7", "#000000", "#56b4e9", "#e69f00", "#7f7f7f", "#7b3f00")  # Okabe and Ito's, but for that of ours
OURS = "#0072b2"
MARKERS_ON_A_LINE = 3
LABEL_HEIGHT = 0.047  # of the height of the plot: no two names are nearer
LABEL_LEFT = 1.10  # where names begin, in widths of the plot


def draw_optimizers(path, curves, fits, *, title, force=False):
    """Draw a line for each optimizer and a point for each of our fits.

    Parameters: curves, {name: its (seconds, error) as it trains}; fits, ours as (seconds, error, width); title; force: replace an existing
    file. Points without seconds or error are left out, and so is a curve that has none.
    """
    from matplotlib.figure import Figure

    lines = {name: _best_so_far(points) for name, points in curves.items()}
    lines = {name: points for name, points in lines.items() if points}
    fits = list(filter(all, fits))
    figure = Figure(figsize=(7.4, 4.8))
    subplot = figure.subplots()
    figure.subplots_adjust(left=0.1, right=0.72, bottom=0.11, top=0.93)
    subplot.set_xscale("log")
    subplot.set_yscale("log")
    styles = {}
    for index, name in enumerate(lines):
        styles[name] = {"marker": MARKERS[index % len(MARKERS)], "color": COLOURS[index % len(COLOURS)], "markersize": 5}
        every = (_spread(index, len(lines)), 1 / MARKERS_ON_A_LINE)
        dashes = DASHES[index % len(DASHES)]
        subplot.plot(*zip(*lines[name], strict=True), linestyle=dashes, linewidth=1.1, markevery=every, **styles[name])
    if fits:
        subplot.plot([fit[0] for fit in fits], [fit[1] for fit in fits], "o-", color=OURS, linewidth=1.4, markersize=6, zorder=3)
        _label_fits(subplot, fits)
    subplot.set_xlabel("seconds of training")
    subplot.set_ylabel("mean square error of ∇H on test samples, lowest so far")
    subplot.set_title(title, fontsize=10)
    subplot.tick_params(labelsize=8)
    subplot.grid(which="major", linewidth=0.4, alpha=0.5)
    _label_lines(subplot, lines, styles)
    save_figure(figure, path, force)


def _best_so_far(points):
    """Return the (seconds, error) of a curve at which the error was lower than ever, and where the curve ends, for a logarithmic scale."""
    points = [(seconds, error) for seconds, error in points if seconds and error]
    lowest = list(accumulate((error for _, error in points), min))
    kept = [point for point, least in zip(points, lowest, strict=True) if point[1] == least]
    return [*kept, (points[-1][0], lowest[-1])] if points and points[-1] != kept[-1] else kept


def _spread(index, count):
    """Return where the first marker of a line is, in parts of the picture: elsewhere for each line."""
    return index / count / MARKERS_ON_A_LINE


def _label_fits(subplot, fits):
    """Write its width at each point of ours, and at the last what they are."""
    ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
    for seconds, error, width in fits:
        subplot.annotate(f"{width}", (seconds, error), (6, 3), textcoords="offset points", fontsize=7, zorder=4, bbox=ground)
    subplot.annotate("ours, by width M", fits[-1][:2], (24, 3), textcoords="offset points", fontsize=8, color=OURS, weight="bold")


def _label_lines(subplot, lines, styles):
    """Write the name of each line beside its end, in order of the errors, with its marker before and a hair line to it."""
    subplot.autoscale_view()
    to_plot = subplot.transAxes.inverted()
    ends = {name: to_plot.transform(subplot.transData.transform(points[-1])) for name, points in lines.items()}
    order = sorted(ends, key=lambda name: ends[name][1])
    heights = _apart([ends[name][1] for name in order])
    for name, height in zip(order, heights, strict=True):
        x, y = ends[name]
        hair = {"color": styles[name]["color"], "linewidth": 0.5, "transform": subplot.transAxes, "clip_on": False}
        subplot.plot([x, 1.01, LABEL_LEFT - 0.03], [y, y, height], **hair)
        subplot.plot([LABEL_LEFT - 0.01], [height], linestyle="none", transform=subplot.transAxes, clip_on=False, **styles[name])
        subplot.text(LABEL_LEFT + 0.015, height, name, transform=subplot.transAxes, fontsize=8, va="center")


def _apart(heights):
    """Return sorted heights moved apart to LABEL_HEIGHT or more, as little as can be, and inside the plot as far as they fit."""
    groups = []  # [heights that touch each other, the lowest of their places]
    for height in heights:
        groups.append([[height], height])
        while len(groups) > 1 and groups[-1][1] < groups[-2][1] + LABEL_HEIGHT * len(groups[-2][0]):
            members = groups[-2][0] + groups.pop()[0]
            middle = sum(members) / len(members)
            low = middle - LABEL_HEIGHT * (len(members) - 1) / 2
            groups[-1] = [members, min(max(low, 0.0), max(0.0, 1 - LABEL_HEIGHT * (len(members) - 1)))]
    return [low + LABEL_HEIGHT * place for members, low in groups for place in range(len(members))]
