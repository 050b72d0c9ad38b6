"""Pictures of a report: the learned energy, the true one and their difference, each by itself so that a narrow page can stack them."""

import numpy as np

from hnn_hpc.report.figures import draw_difference, draw_levels, energies_on_plane, levels_of, relative_difference
from hnn_hpc.report.picture import Picture, new_plot


def energy_pictures(model, system, axes, names):
    """Return the list of `Picture`s on the plane of two coordinates, the others in the middle of the model's domain; see `draw_energy`."""
    x, y, learned, true = energies_on_plane(model, system, axes)
    levels = levels_of(learned if true is None else true)
    where = f"over {names[axes[0]]} from {x[0]:.3g} to {x[-1]:.3g} and {names[axes[1]]} from {y[0]:.3g} to {y[-1]:.3g}"
    others = ", the other coordinates in the middle of their ranges" if len(names) > 2 else ""
    pictures = [_levels("energy-learned", "learned energy", x, y, learned, levels, axes, names, where, f"The learned energy{others}.")]
    if system:
        caption = "The true energy, at the same level lines."
        pictures.append(_levels("energy-true", "true energy", x, y, true, levels, axes, names, where, caption))
        pictures.append(_difference(model, x, y, learned, true, axes, names, where))
    return pictures


def _levels(name, title, x, y, energy, levels, axes, names, where, caption):
    figure, subplot = new_plot(title, names[axes[0]], names[axes[1]])
    draw_levels(figure, [subplot], x, y, {title: energy}, levels)
    seen = (
        f"Level lines of the {title} {where}: it goes from {energy.min():.3g} to {energy.max():.3g}, and the {len(levels)} lines "
        f"drawn are at {levels[0]:.3g} to {levels[-1]:.3g}."
    )
    return Picture(name, figure, seen, caption)


def _difference(model, x, y, learned, true, axes, names, where):
    figure, subplot = new_plot("difference, relative", names[axes[0]], names[axes[1]])
    difference = relative_difference(learned, true)
    draw_difference(figure, subplot, x, y, difference)
    row, column = np.unravel_index(difference.argmax(), difference.shape)
    seen = (
        f"Shades of the difference between learned and true energy {where}, relative to the largest true energy: "
        f"{np.median(difference):.1e} in the median and {difference.max():.1e} at most, "
        f"at {names[axes[0]]} = {x[column]:.3g}, {names[axes[1]]} = {y[row]:.3g}."
    )
    free = "" if model.constant_known else ", after the constant that suits best, for the model does not know its own"
    return Picture("energy-difference", figure, seen, f"|learned − true| / max |true|{free}; dark is large, on a logarithmic scale.")
