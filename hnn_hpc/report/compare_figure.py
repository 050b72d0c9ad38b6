"""The picture of time to accuracy: errors against seconds, Adam's as it trains and ours for every width, on logarithmic scales."""

from hnn_hpc.report.saving import save_figure

# Readable without colour: ours are filled circles on a whole line, Adam's a dashed line with its best error as an open square.
OURS, ADAM = "#0072b2", "#d55e00"
LABEL_OFFSET = (5, 4)  # points
CLOSEST_LABELS = 0.05  # of the width or height of the picture


def draw_time_to_accuracy(path, curve, best, fits, *, quantity, title, force=False):
    """Draw two curves of errors on the test samples against seconds of training.

    Parameters: curve, Adam's (seconds, error) as it trains; best, the lowest of them; fits, ours as (seconds, error, width); quantity:
    what the error is of, such as "H"; title; force: replace an existing file. Points without seconds or error are left out.
    """
    from matplotlib.figure import Figure

    curve, bests, fits = (list(filter(all, points)) for points in (curve, [best], fits))
    figure = Figure(figsize=(5.4, 3.8), layout="constrained")
    subplot = figure.subplots()
    subplot.set_xscale("log")
    subplot.set_yscale("log")
    _draw(subplot, fits, "-o", color=OURS, markersize=5, label="ours, by features M")
    _draw(subplot, curve, "--", color=ADAM, label="Adam, as it trains")
    _draw(subplot, bests, "s", color=ADAM, markerfacecolor="white", markersize=6, label="Adam's best")
    subplot.set_xlabel("seconds of training")
    subplot.set_ylabel(f"relative error of {quantity} on test samples")
    subplot.set_title(title, fontsize=10)
    subplot.tick_params(labelsize=8)
    subplot.grid(which="major", linewidth=0.4, alpha=0.5)
    subplot.legend(fontsize=8, frameon=False)
    _label(subplot, fits)
    save_figure(figure, path, force)


def _draw(subplot, points, form, **style):
    subplot.plot([point[0] for point in points], [point[1] for point in points], form, linewidth=1.2, **style)


def _label(subplot, fits):
    """Write its width at every point of ours, from the widest on, but for those that lie on the one labelled before."""
    last = None
    subplot.autoscale_view()  # otherwise put off until all is drawn
    for seconds, error, width in reversed(fits):
        place = subplot.transAxes.inverted().transform(subplot.transData.transform((seconds, error)))
        if last is None or max(abs(place - last)) > CLOSEST_LABELS:
            subplot.annotate(f"{width}", (seconds, error), LABEL_OFFSET, textcoords="offset points", fontsize=7)
            last = place
