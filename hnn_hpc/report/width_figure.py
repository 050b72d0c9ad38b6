"""The picture of a reproduction: error of H against the number of features, a small plot a case, on logarithmic scales."""

from hnn_hpc.report.saving import save_figure

COLUMNS_OF_PLOTS = 4
# A marker and a kind of line each: readable without colour. What is published has the marker of its method, open, and no line.
MARKERS = "*osD^vPX"
LINES = ("-", ":", "--", "-.", (0, (3, 1, 1, 1, 1, 1)), (0, (8, 3)), "-", ":")
COLOURS = ("#000000", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#0072b2", "#7f7f7f")  # Okabe and Ito's


def draw_errors(path, rows, names, force=False):
    """Draw the mean error of H over the seeds, with a bar from the smallest to the largest, and the published errors.

    Parameters: rows (see `reproduction.table_rows`); names, {method: text} of all methods; force: replace an existing file.
    """
    from matplotlib.figure import Figure

    by_case = {}
    for row in rows:
        by_case.setdefault(row["case"], []).append(row)
    columns = min(COLUMNS_OF_PLOTS, len(by_case))
    lines = -(-len(by_case) // columns)
    figure = Figure(figsize=(max(4.5, 2.7 * columns), 2.4 * lines + 1.1), layout="constrained")
    subplots = figure.subplots(lines, columns, squeeze=False)
    styles, drawn = _styles(names), {}
    for subplot, of_case in zip(subplots.flat, by_case.values(), strict=False):
        drawn |= _draw_case(subplot, of_case, names, styles)
        subplot.set_title(of_case[0]["title"], fontsize=9)
    for subplot in subplots.flat[len(by_case) :]:
        subplot.set_axis_off()
    for row in subplots:
        row[0].set_ylabel("relative error of H", fontsize=8)
    order = [label for method in names.values() for label in (method, f"{method}, published") if label in drawn]
    figure.legend(
        [drawn[label] for label in order], order, loc="outside lower center", ncols=min(4, columns + 1), fontsize=8, frameon=False
    )
    save_figure(figure, path, force)


def _styles(names):
    styles = {}
    for index, method in enumerate(names):
        which = index % len(MARKERS)
        styles[method] = {"marker": MARKERS[which], "color": COLOURS[which], "linestyle": LINES[which], "markersize": 5, "linewidth": 1.1}
    return styles


def _draw_case(subplot, rows, names, styles):
    """Draw what is computed and what is published of one case; return the lines by label."""
    drawn, widths = {}, sorted({row["features"] for row in rows})
    for method, style in styles.items():
        own = [row for row in rows if row["method"] == method]
        computed = [(row["features"], row["energy_error"]) for row in own if row["energy_error"] and row["energy_error"]["min"] > 0]
        published = [(row["features"], row["published"]["energy_error"]) for row in own if "energy_error" in (row["published"] or {})]
        if computed:
            x = [features for features, _ in computed]
            mean, least, most = ([error[which] for _, error in computed] for which in ("mean", "min", "max"))
            subplot.vlines(x, least, most, color=style["color"], linewidth=0.8)
            [drawn[names[method]]] = subplot.plot(x, mean, **style)
        if published:
            open_marker = style | {"linestyle": "none", "markerfacecolor": "none", "markersize": 9, "markeredgewidth": 1.1}
            [drawn[f"{names[method]}, published"]] = subplot.plot(*zip(*published, strict=True), **open_marker)
    subplot.set_xscale("log")
    subplot.set_yscale("log")
    subplot.set_xticks(widths, [f"{width:,}".replace(",", " ") for width in widths])
    subplot.set_xticks([], minor=True)
    subplot.set_yticks([], minor=True)
    subplot.tick_params(labelsize=7)
    subplot.grid(which="major", linewidth=0.4, alpha=0.5)
    subplot.set_xlabel("features M", fontsize=8)
    return drawn
