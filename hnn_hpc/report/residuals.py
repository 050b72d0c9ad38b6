"""What a learned gradient leaves of the true one, at points that can be drawn."""

from dataclasses import dataclass

import numpy as np

from hnn_hpc.report.percentile_plot import draw_percentiles
from hnn_hpc.report.picture import Picture, new_plot
from hnn_hpc.symplectic import gradient_from_vector_field

BINS, SLICES = 60, 24
MOST_APART = 4  # coordinates that each have a line of their own
LINES = ("-", "--", "-.", ":")
COLOURS = ("#0072b2", "#d55e00", "#000000", "#009e73")
TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class Residuals:
    """points (K, D); errors (K, D): ∇Ĥ - ∇H, each component relative to the root mean square of ∇H there; where: the points' origin."""

    points: np.ndarray
    errors: np.ndarray
    where: str


def residuals_of(model, samples, where):
    """Return the `Residuals` of a model at `Samples`."""
    gradient = gradient_from_vector_field(samples.velocities)
    size = np.sqrt(np.mean(gradient**2, axis=0))
    return Residuals(samples.points, (model.gradient(samples.points) - gradient) / np.where(size > 0, size, 1), where)


def residual_pictures(residuals, names):
    """Return the list of `Picture`s: how large errors are, component by component, and where along each coordinate."""
    return [_histogram(residuals, names), _along(residuals, names)]


def _histogram(residuals, names):
    sizes = np.abs(residuals.errors)
    largest, medians = sizes.max(axis=0), np.median(sizes, axis=0)
    figure, subplot = new_plot("error of each component of ∇H", "relative error" if len(names) <= MOST_APART else "", "")
    if len(names) <= MOST_APART:
        top = max(sizes.max(), TINY)
        edges = np.geomspace(top * 1e-6, top, BINS + 1)
        for line, colour, name, component in zip(LINES, COLOURS, names, sizes.T, strict=False):
            counts, _ = np.histogram(np.maximum(component, edges[0]), edges)
            subplot.stairs(counts, edges, color=colour, linestyle=line, linewidth=1.4, label=f"∂H/∂{name}")
        subplot.set_xscale("log")
        subplot.set_ylabel("points")
        subplot.grid(linewidth=0.4, alpha=0.5)
        subplot.legend(fontsize=8)
    else:
        draw_percentiles(subplot, sizes, [f"{name}" for name in names])
        subplot.set_ylabel("relative error of ∂H/∂…")
    worst = int(np.argmax(medians))
    seen = (
        f"How errors of the components of the gradient are spread over {len(sizes)} points: in the median from {medians.min():.1e} to "
        f"{medians[worst]:.1e}, largest for {names[worst]}, and {largest.max():.1e} at most, relative to the size of the component."
    )
    return Picture("residuals", figure, seen, f"∇Ĥ − ∇H at {residuals.where}, each component relative to its root mean square.")


def _along(residuals, names):
    sizes = np.linalg.norm(residuals.errors, axis=1)
    profiles = np.array([_profile(column, sizes) for column in residuals.points.T])
    unevenness = np.nanmax(profiles, axis=1) / np.maximum(np.nanmin(profiles, axis=1), TINY)
    chosen = np.sort(np.argsort(-unevenness, kind="stable")[:MOST_APART])
    figure, subplot = new_plot("error along each coordinate", "place in the range of the coordinate", "median relative error of ∇H")
    middles = (np.arange(SLICES) + 0.5) / SLICES
    for line, colour, coordinate in zip(LINES, COLOURS, chosen, strict=False):
        subplot.plot(middles, np.maximum(profiles[coordinate], TINY), line, color=colour, linewidth=1.4, label=names[coordinate])
    subplot.set_xticks([0, 0.5, 1], ["lowest", "middle", "highest"])
    subplot.set_yscale("log")
    subplot.grid(linewidth=0.4, alpha=0.5)
    subplot.legend(fontsize=8)
    most = chosen[np.argmax(unevenness[chosen])]
    seen = (
        f"The median error of the gradient in {SLICES} slices of the range of {', '.join(names[c] for c in chosen)}: it changes most along "
        f"{names[most]}, from {np.nanmin(profiles[most]):.1e} to {np.nanmax(profiles[most]):.1e}."
    )
    some = "" if len(names) <= MOST_APART else f" Of {len(names)} coordinates the {MOST_APART} along which it changes most."
    return Picture("residuals-along", figure, seen, f"Where in the box the gradient is less well known; as a rule at its edges.{some}")


def _profile(coordinate, sizes):
    """Return the median size in each of SLICES equal slices of the coordinate's range, (SLICES,), NaN where there is no point."""
    low, width = coordinate.min(), np.ptp(coordinate) or 1.0
    slices = np.minimum((SLICES * (coordinate - low) / width).astype(int), SLICES - 1)
    return np.array([np.median(sizes[slices == number]) if (slices == number).any() else np.nan for number in range(SLICES)])
