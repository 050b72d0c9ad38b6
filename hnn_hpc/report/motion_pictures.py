"""Pictures of a report: the learned orbits beside the true ones, how far they part, and how well energy is kept."""

import numpy as np

from hnn_hpc.report.motion import STEPS_A_PERIOD
from hnn_hpc.report.picture import Picture, new_plot

LINES = ("-", "--", ":")
COLOURS = ("#0072b2", "#d55e00", "#000000")
SMALLEST = 1e-17  # that is drawn: a start has an error of 0
SHOWN_PERIODS = 8
MOST_TICKS = 8


def motion_pictures(motion, names):
    """Return the list of `Picture`s of a `Motion`; names: of the coordinates."""
    pictures = [_orbit(motion, names)]
    if motion.errors is not None:
        pictures.append(_errors(motion))
    return [*pictures, _drift(motion)]


def _orbit(motion, names):
    """The first coordinate over the last periods, where errors are largest, from the start with the largest."""
    shown = slice(-SHOWN_PERIODS * STEPS_A_PERIOD, None)
    which = 0 if motion.errors is None else int(np.argmax(motion.errors[:, shown].max(axis=1)))
    figure, subplot = new_plot(f"{names[0]} at the end of the orbit from start {which + 1}", "time t", names[0])
    times, learned = motion.times[shown], motion.learned[which, shown, 0]
    reached = learned[np.isfinite(learned)]
    goes = f"goes from {reached.min():.3g} to {reached.max():.3g}" if len(reached) else "has escaped before"
    seen = f"{names[0]} over time from {times[0]:.4g} to {times[-1]:.4g}: the learned orbit from start {which + 1} {goes}"
    if motion.true is None:
        subplot.plot(times, learned, "-", color="#d55e00", linewidth=1)
        caption = f"The learned motion from start {which + 1}."
    else:
        true = motion.true[which, shown, 0]
        subplot.plot(times, true, "-", color="black", linewidth=1, label="true")
        subplot.plot(times[::4], learned[::4], "o", color="#d55e00", markersize=3.5, markerfacecolor="none", label="learned")
        subplot.margins(y=0.25)
        subplot.legend(fontsize=8, loc="upper right", ncols=2)
        if len(reached):
            apart = np.nanmax(np.abs(learned - true))
            seen += f", and is at most {_told(apart)} from the true one" if len(reached) == len(learned) else ", and escapes then"
        caption = (
            f"The true motion as a line, the learned one as circles, from start {which + 1}, whose error is the largest of all starts."
        )
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
    known = motion.true_drift is not None
    measured, what, letter = (motion.true_drift, "true", "H") if known else (motion.drift, "learned", "Ĥ")
    figure, subplot = new_plot("energy along the learned orbit, largest change so far", "time t", f"|Δ{letter}| / energy exchanged")
    so_far = np.fmax.accumulate(measured, axis=1)
    _draw(subplot, motion.times, so_far)
    _set_decades(subplot, so_far)
    seen = (
        f"How far the {what} energy moves from its first value along the learned orbits from {len(measured)} starts, on a "
        f"logarithmic scale: at most {_told(np.nanmax(measured))} of the energy that is exchanged between kinetic and potential"
    )
    if known:
        seen += f"; the learned energy itself moves by at most {_told(np.nanmax(motion.drift))}"
    if known and not motion.is_damped:
        seen += f", and the true one along the true orbits, by the same steps, by at most {_told(np.nanmax(motion.drift_of_true))}"
    caption = "Relative to the energy exchanged. A motion that comes from some energy keeps it; what changes here is " + (
        "the true energy, by as much as the learned one differs from it, or as the integrator leaves: along the true orbits, by the same "
        f"steps, at most {_told(np.nanmax(motion.drift_of_true))}."
        if known
        else "left by the integrator and by the rounding of the learned energy, whose coefficients are large and cancel."
    )
    if motion.is_damped:
        caption = "Relative to the energy exchanged. Damping takes energy from the motion, and the model knows how much."
    return Picture("energy-drift", figure, f"{seen}.", caption)


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


def _set_decades(subplot, values):
    """Let a logarithmic axis go from a whole decade to a whole decade, with ticks at decades alone."""
    drawn = values[np.isfinite(values) & (values > 0)]
    low, high = (np.floor(np.log10(drawn.min())), np.ceil(np.log10(drawn.max()))) if len(drawn) else (np.log10(SMALLEST),) * 2
    if low == high:
        low, high = low - 1, high + 1
    every = int(np.ceil((high - low) / MOST_TICKS))
    subplot.set_ylim(10.0**low, 10.0**high)
    subplot.set_yticks(10.0 ** np.arange(low, high + 1, every))
    subplot.set_yticks([], minor=True)


def _told(number):
    return f"{number:.1e}" if np.isfinite(number) else "beyond all bounds"
