"""Pictures of a report: the learned orbits beside the true ones, how far they part, and how well energy is kept."""

import numpy as np

from hnn_hpc.report.motion import STEPS_A_PERIOD
from hnn_hpc.report.picture import Picture, new_plot

LINES = ("-", "--", ":")
COLOURS = ("#0072b2", "#d55e00", "#000000")
SMALLEST = 1e-17  # that is drawn: a start has an error of 0
SHOWN_PERIODS = 8


def motion_pictures(motion, names):
    """Return the list of `Picture`s of a `Motion`; names: of the coordinates."""
    pictures = [_orbit(motion, names)]
    if motion.errors is not None:
        pictures.append(_errors(motion))
    return [*pictures, _drift(motion)]


def _orbit(motion, names):
    """The first coordinate of the first start over the last periods, where learned and true orbit are farthest apart."""
    figure, subplot = new_plot(f"{names[0]} at the end of the first orbit", "time t", names[0])
    shown = slice(-SHOWN_PERIODS * STEPS_A_PERIOD, None)
    times, learned = motion.times[shown], motion.learned[0, shown, 0]
    seen = f"{names[0]} over time from {times[0]:.4g} to {times[-1]:.4g}: the learned orbit goes from {_least(learned)} to {_most(learned)}"
    if motion.true is None:
        subplot.plot(times, learned, "-", color="#d55e00", linewidth=1)
        caption = "The learned motion."
    else:
        true = motion.true[0, shown, 0]
        subplot.plot(times, true, "-", color="black", linewidth=1, label="true")
        subplot.plot(times[::4], learned[::4], "o", color="#d55e00", markersize=3.5, markerfacecolor="none", label="learned")
        subplot.margins(y=0.25)
        subplot.legend(fontsize=8, loc="upper right", ncols=2)
        seen += f", and is at most {_told(np.nanmax(np.abs(learned - true), initial=0))} from the true one"
        caption = "The learned motion as circles on the line of the true one, in the last periods that were followed."
    subplot.grid(linewidth=0.4, alpha=0.5)
    return Picture("orbit", figure, f"{seen}.", caption)


def _errors(motion):
    figure, subplot = new_plot("distance from the true orbit", "time t", "relative to the size of the orbit")
    _draw(subplot, motion.times, motion.errors)
    last = motion.errors[:, -1]
    valid = motion.valid[np.isfinite(motion.valid)]
    told = f"the shortest is {valid.min():.3g}" if len(valid) else f"longer than the {motion.times[-1]:.3g} shown for every start"
    seen = (
        f"The distance between learned and true orbit from {len(motion.errors)} starts, on a logarithmic scale: at the time "
        f"{motion.times[-1]:.3g} it is {_told(last.min())} to {_told(last.max())} of the size of the orbit."
    )
    return Picture("rollout-error", figure, seen, f"Valid time, until the distance is 0.4 of the size of the orbit: {told}.")


def _drift(motion):
    figure, subplot = new_plot("energy along the learned orbit", "time t", "largest change so far")
    measured = motion.drift if motion.true_drift is None else motion.true_drift
    what = "learned" if motion.true_drift is None else "true"
    _draw(subplot, motion.times, np.fmax.accumulate(measured, axis=1))
    seen = (
        f"How far the {what} energy moves from its first value along the learned orbits from {len(measured)} starts, on a "
        f"logarithmic scale: at most {_told(np.nanmax(measured))} of the energy that is exchanged between kinetic and potential; "
        f"the learned energy itself moves by at most {_told(np.nanmax(motion.drift))}."
    )
    caption = "Relative to the energy exchanged. A motion that comes from some energy keeps it; what changes here" + (
        " is the true energy, by as much as the learned one differs from it." if what == "true" else " is left by the integrator alone."
    )
    if motion.is_damped:
        caption = "Relative to the energy exchanged. Damping takes energy from the motion, and the model knows how much."
    return Picture("energy-drift", figure, seen, caption)


def _draw(subplot, times, values):
    for number, (line, colour, series) in enumerate(zip(LINES, COLOURS, values, strict=False), start=1):
        subplot.plot(
            times,
            np.where(series > 0, series, SMALLEST if not series.any() else np.nan),
            line,
            color=colour,
            linewidth=1.2,
            label=f"start {number}",
        )
    subplot.set_yscale("log")
    subplot.grid(linewidth=0.4, alpha=0.5)
    subplot.legend(fontsize=8)


def _least(values):
    return f"{np.nanmin(values):.3g}" if np.isfinite(values).any() else "nowhere"


def _most(values):
    return f"{np.nanmax(values):.3g}" if np.isfinite(values).any() else "nowhere"


def _told(number):
    return f"{number:.1e}" if np.isfinite(number) else "beyond all bounds"
