"""Pictures of a learned Hamiltonian on a plane of two coordinates. The figures are small and readable without colour."""

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.report.saving import save_figure

RESOLUTION = 101  # grid points an axis
LEVELS = 12
SUFFIXES = (".svg", ".png", ".pdf")


def check_figure_path(path):
    """Raise `UserError` unless a figure can be drawn to a file of this name: its ending, and matplotlib, which is optional."""
    if not str(path).lower().endswith(SUFFIXES):
        raise UserError(f"{path}: expected a name that ends in one of {', '.join(SUFFIXES)}")
    check_matplotlib()


def check_matplotlib():
    """Raise `UserError` where matplotlib, which is optional, is not there."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UserError("figures need matplotlib: pip install 'hnn-hpc[report]'") from None


def draw_energy(path, model, system, axes, names, force=False):
    """Draw the energy over the plane of the coordinates `axes` (two indices), the others held in the middle of the model's domain.

    With the true `system`: learned and true energy side by side, and where they differ, |H_learned - H| / max |H|, on a logarithmic
    scale of three decades. Without (None): the learned energy alone. `names` are those of the D coordinates.
    """
    from matplotlib.figure import Figure

    x, y, learned, true = energies_on_plane(model, system, axes)
    energies = {"learned energy": learned} | ({"true energy": true} if system else {})
    count = 3 if system else 1
    figure = Figure(figsize=(3.6 * count, 3.3), layout="constrained")
    subplots = figure.subplots(1, count, sharex=True, sharey=True, squeeze=False)[0]
    draw_levels(figure, subplots, x, y, energies, levels_of([*energies.values()][-1]))
    if system:
        draw_difference(figure, subplots[-1], x, y, relative_difference(learned, true))
    for subplot in subplots:
        subplot.set_xlabel(names[axes[0]])
        subplot.tick_params(labelsize=8)
    subplots[0].set_ylabel(names[axes[1]])
    save_figure(figure, path, force)


def energies_on_plane(model, system, axes):
    """Return x, y as `plane` and the learned and the true energy there, (RESOLUTION, RESOLUTION) each; None for a system that is None.

    Where the model does not know its constant, the one that suits the true energy best is added; without a true energy the smallest is 0.
    """
    x, y, points = plane(model.domain, axes)
    learned, true = model.energy(points), system.energy(points) if system else None
    if not model.constant_known:
        learned = learned + (np.mean(true - learned) if system else -learned.min())
    return x, y, learned, true


def relative_difference(learned, true):
    """Return |H_learned - H| / max |H|; the difference itself where H = 0."""
    return np.abs(learned - true) / (np.abs(true).max() or 1)


def levels_of(energy):
    """Return at most LEVELS levels of an energy that share its area equally."""
    levels = np.unique(np.quantile(energy, np.linspace(0, 1, LEVELS + 2)[1:-1]))
    return levels if len(levels) > 1 else levels[0] + np.array([-0.5, 0.5])  # a flat energy


def draw_levels(figure, subplots, x, y, energies, levels):
    """Draw shades and level lines of each energy (a dict by title) in a subplot of its own."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    light = ListedColormap(colormaps["cividis"](np.linspace(0.4, 1, 256)))  # black lines show on every shade
    for subplot, (title, energy) in zip(subplots, energies.items(), strict=False):
        shades = subplot.contourf(x, y, energy, levels=levels, cmap=light, extend="both")
        shades.set_rasterized(True)  # in an SVG the level lines are drawn and the shades between them are an image: a quarter of the size
        lines = subplot.contour(x, y, energy, levels=levels, colors="black", linewidths=0.6)
        subplot.clabel(lines, levels[::3], fontsize=7, fmt="%.3g")
        subplot.set_title(title, fontsize=10)
    figure.colorbar(shades, ax=subplots[: len(energies)], fraction=0.05, format="%.3g")


def draw_difference(figure, subplot, x, y, difference):
    """Draw `relative_difference` in shades of three decades."""
    from matplotlib.colors import LogNorm

    largest = max(difference.max(), np.finfo(float).eps)
    scale = LogNorm(largest / 1e3, largest, clip=True)
    image = subplot.pcolormesh(x, y, difference, norm=scale, cmap="gray_r", shading="nearest", rasterized=True)
    subplot.set_title("difference, relative", fontsize=10)
    figure.colorbar(image, ax=subplot, fraction=0.05)


def plane(domain, axes):
    """Return x (RESOLUTION,), y (RESOLUTION,) and the points (RESOLUTION, RESOLUTION, D) of the plane, rows along y."""
    x, y = (np.linspace(*domain[axis], RESOLUTION) for axis in axes)
    points = np.tile(domain.mean(axis=1), (RESOLUTION, RESOLUTION, 1))
    points[..., axes[0]], points[..., axes[1]] = np.meshgrid(x, y)
    return x, y, points
