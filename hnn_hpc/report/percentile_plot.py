"""How values are spread, for a few coordinates or for hundreds, readable without colour."""

import numpy as np

MOST_NAMED = 16  # coordinates that each have a name on the axis


def draw_percentiles(subplot, values, names):
    """Draw for each column of `values` (N, C) a bar from the 5th to the 95th percentile, a dot at the median and a cross at the largest.

    On a logarithmic scale, so that only what is positive counts; names: of the columns, on the axis as far as there is room.
    """
    low, middle, high, largest = _percentiles(values)
    places = np.arange(len(names))
    subplot.vlines(places, low, high, color="#0072b2", linewidth=max(0.8, 6 - 0.2 * len(names)), alpha=0.6, label="5 % to 95 %")
    subplot.plot(places, middle, "o", color="black", markersize=4 if len(names) <= 64 else 2, label="median")
    subplot.plot(places, largest, "x", color="#d55e00", markersize=4 if len(names) <= 64 else 2, label="largest")
    subplot.set_yscale("log")
    step = -(-len(names) // MOST_NAMED)
    turn = 0 if max(map(len, names[::step])) <= 3 and len(names[::step]) <= 8 else 60
    subplot.set_xticks(places[::step], names[::step], rotation=turn)
    subplot.set_xlim(-0.6, len(names) - 0.4)
    subplot.grid(axis="y", linewidth=0.4, alpha=0.5)
    subplot.legend(fontsize=8, frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.32 if turn else -0.2))


def _percentiles(values):
    """Return the 5th, 50th and 95th percentile and the largest of what is positive in each column, NaN where nothing is."""
    found = np.full((4, values.shape[1]), np.nan)
    for column, column_values in enumerate(values.T):
        positive = column_values[column_values > 0]
        if len(positive):
            found[:, column] = np.percentile(positive, (5, 50, 95, 100))
    return found
