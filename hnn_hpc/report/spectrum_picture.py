"""The picture of the singular values of the matrix that a fit solved for."""

import numpy as np

from hnn_hpc.report.picture import Picture, new_plot
from hnn_hpc.solvers.spectrum import SINGULAR_VALUES


def spectrum_picture(spectrum, rank, features, rcond, blocks=1):
    """Return the `Picture` of a spectrum as `solvers.spectrum` tells it, None where it is empty; blocks: that were solved one by one."""
    numbers, values = np.array(spectrum["numbers"], dtype=int), np.array(spectrum["values"], dtype=float)
    if not len(values) or values[0] <= 0:
        return None
    are_singular = spectrum["kind"] == SINGULAR_VALUES
    relative = values / values[0]
    figure, subplot = new_plot("singular values" if are_singular else "pivots of the QR factorization", "number", "relative to the largest")
    subplot.plot(numbers, relative, "o-", color="#0072b2", markersize=3, linewidth=1, label=f"{rank} directions kept")
    subplot.axhline(rcond, color="black", linestyle="--", linewidth=1, label=f"rcond {rcond:g}")
    if rank < features:
        subplot.axvspan(rank, features, facecolor="none", edgecolor="gray", hatch="///", linewidth=0, label=f"{features - rank} dropped")
    subplot.set_yscale("log")
    subplot.set_xlim(0, features + 1)
    subplot.grid(linewidth=0.4, alpha=0.5)
    subplot.legend(fontsize=8, loc="best")
    what = "The singular values" if are_singular else "The sizes of the pivots, near the singular values,"
    seen = (
        f"{what} of the matrix with columns of norm 1, from {values[0]:.3g} down to {values[-1]:.1e}, on a logarithmic scale: {rank} of "
        f"{features} directions are kept, {features - rank} dropped."
    )
    steep = (
        "Directions far down are decided by the last digits of the data. The rank is decided by the pivots, each against the largest; a "
        "singular value may lie a little below the line."
    )
    stand_in = (
        "" if are_singular else " For so many directions the pivots stand in for the singular values: they come with the factorization."
    )
    by_block = (
        f" Here features fall into {blocks} blocks, and directions are dropped block by block; the line is relative to the largest of all."
        if blocks > 1
        else ""
    )
    return Picture("singular-values", figure, seen, steep + by_block + stand_in)
