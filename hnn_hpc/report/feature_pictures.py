"""Pictures of a report: where the sampled features sit, and how steep they are.

Feature m is σ(w·z(x) + b), which bends near w·z(x) + b = 0: a hyperplane for z(x) = x. In the plane of two coordinates, the others held in
the middle, that is a line, or nothing where the feature depends on others only. Across the half width of the box along one column of z its
argument changes by |w| times that: far below 1 the feature is nearly a straight line there, far above a step.
"""

import numpy as np

from hnn_hpc.features import plain_coordinates
from hnn_hpc.random_streams import random_stream
from hnn_hpc.report.figures import plane
from hnn_hpc.report.percentile_plot import draw_percentiles
from hnn_hpc.report.picture import Picture, new_plot

MOST_LINES = 40  # drawn one by one; of all, the shade tells
FEATURES_AT_A_TIME = 200
RANGE_POINTS = 4096  # that the range of derived coordinates is told from


def crossings(feature_map, points):
    """Return how many zero lines pass through each cell of a grid of points (R, C, D), (R - 1, C - 1)."""
    z = feature_map.embed(points)
    count = np.zeros((points.shape[0] - 1, points.shape[1] - 1), dtype=int)
    for start in range(0, feature_map.count, FEATURES_AT_A_TIME):
        piece = slice(start, start + FEATURES_AT_A_TIME)
        above = z @ feature_map.weights[piece].T + feature_map.biases[piece] > 0
        corners = above[:-1, :-1].astype(np.int8) + above[1:, :-1] + above[:-1, 1:] + above[1:, 1:]
        count += ((corners > 0) & (corners < 4)).sum(axis=-1)
    return count


def steepness(model):
    """Return |W| times the half width of each column of z over the model's domain, (M, E), and the names of the columns."""
    feature_map = model.feature_map
    lower, upper = model.domain.T
    points = random_stream(0, "checks").uniform(lower, upper, size=(RANGE_POINTS, model.dimension))
    half_widths = np.ptp(feature_map.embed(np.vstack([points, lower, upper])), axis=0) / 2
    return np.abs(feature_map.weights) * half_widths, _column_names(feature_map.coordinates or plain_coordinates(model.dimension))


def _column_names(coordinates):
    names = []
    for name, columns in zip(coordinates.names, coordinates.columns, strict=True):
        names += [name] if len(columns) == 1 else [f"cos {name}", f"sin {name}"]
    return names


def place_picture(model, axes, names):
    """Return the `Picture` of where features sit on the plane of two coordinates."""
    x, y, points = plane(model.domain, axes)
    count = crossings(model.feature_map, points)
    figure, subplot = new_plot("where the features bend", names[axes[0]], names[axes[1]])
    image = subplot.pcolormesh(x, y, count, cmap="gray_r", vmin=0, vmax=max(2 * count.max(), 1), shading="flat")
    figure.colorbar(image, ax=subplot, fraction=0.05, label="features in a cell").ax.set_ylim(0, max(count.max(), 1))
    shown = _draw_lines(subplot, model, x, y, points)
    touching = f"{shown} of them are drawn as lines; " if shown else ""
    seen = (
        f"The plane of {names[axes[0]]} and {names[axes[1]]} in {count.shape[0]} by {count.shape[1]} cells, darker where more "
        f"features bend: {touching}from {count.min()} to {count.max()} pass through a cell, {count.mean():.3g} on average."
    )
    others = (
        " The other coordinates are in the middle of their ranges; features that depend on those alone do not show."
        if len(names) > 2
        else ""
    )
    return Picture("features-places", figure, seen, f"A feature bends along the line where its argument is 0.{others}")


def _draw_lines(subplot, model, x, y, points):
    """Draw the zero lines of some features, spread over all of those that have one in the plane; return how many."""
    feature_map = model.feature_map
    z = feature_map.embed(points[::10, ::10])
    values = z @ feature_map.weights.T + feature_map.biases
    crossing = np.flatnonzero((values.min(axis=(0, 1)) < 0) & (values.max(axis=(0, 1)) > 0))
    chosen = crossing[np.unique(np.linspace(0, len(crossing) - 1, MOST_LINES, dtype=int))] if len(crossing) else crossing
    for feature in chosen:
        value = feature_map.embed(points) @ feature_map.weights[feature] + feature_map.biases[feature]
        subplot.contour(x, y, value, levels=[0], colors="#0072b2", linewidths=0.6)
    return len(chosen)


def steepness_picture(model):
    """Return the `Picture` of how steep features are along each column of z."""
    values, names = steepness(model)
    figure, subplot = new_plot("how steep the features are", "", "change across half the box")
    draw_percentiles(subplot, values, names)
    used = np.count_nonzero(values, axis=0)
    medians = [np.median(column[column > 0]) if column.any() else 0.0 for column in values.T]
    low, high = int(np.argmin(medians)), int(np.argmax(medians))
    seen = (
        f"For each of {len(names)} coordinates the spread of how much a feature's argument changes across half the box: in the median from "
        f"{medians[low]:.2g} along {names[low]} to {medians[high]:.2g} along {names[high]}; from {used.min()} to {used.max()} of "
        f"{model.feature_map.count} features depend on a coordinate."
    )
    return Picture(
        "features-steepness",
        figure,
        seen,
        "How much w·z changes across half the box: below 1 a feature is nearly straight along that coordinate, far above 1 a step.",
    )
