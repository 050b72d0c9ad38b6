"""Pictures of a report: Poincaré sections of the Hénon-Heiles system, true and learned side by side (see `prediction.section`)."""

from dataclasses import dataclass, replace

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.prediction import energy_starts, section_distances, section_points
from hnn_hpc.report.picture import Picture, new_plot

ENERGIES = (
    1 / 12,
    1 / 8,
    1 / 6,
)  # over alpha²: regular; partly chaotic; as good as all chaotic (Hénon & Heiles, Astronomical Journal 69, 1964)
NAMES = ("1/12", "1/8", "1/6")
STARTS, CROSSINGS = 4, 100  # of each energy
TIME_STEP, LONGEST = 0.2, 800.0  # an orbit comes back after some 6 to 7
SHELL_POINTS = 200
MARGIN = 0.06  # of the shell's width and height, around it
MARKERS = "o+x^"
COLOURS = ("#0072b2", "#d55e00", "#000000", "#009e73")


@dataclass(frozen=True)
class Section:
    """energy, its name; points (STARTS, CROSSINGS, 4) of the true and of the learned orbits, NaN where there is none; shell (2, N): q2 and
    p2 >= 0 of the boundary p2²/2 + V(0, q2) = energy, outside of which no orbit of that energy can cross."""

    energy: float
    name: str
    true: np.ndarray
    learned: np.ndarray
    shell: np.ndarray


def sections_of(model, system):
    """Return the `Section`s q1 = 0 of a model of the Hénon-Heiles system, as far as its domain reaches: a list; none of other systems."""
    if system is None or system.name != "henon-heiles" or not system.alpha:
        return []
    inside, starts = replace(system, box=model.domain), {}
    for energy, name in zip(ENERGIES, NAMES, strict=True):
        try:
            starts[name] = energy_starts(inside, energy / system.alpha**2, STARTS, seed=0)
        except UserError:
            continue
    if not starts:
        return []
    together, steps = np.concatenate(list(starts.values())), round(LONGEST / TIME_STEP)
    true, learned = (
        section_points(hamiltonian, together, CROSSINGS, TIME_STEP, steps, must_cross=False) for hamiltonian in (system, model)
    )
    energies = dict(zip(NAMES, ENERGIES, strict=True))
    return [
        Section(energies[name] / system.alpha**2, name, of_true, of_learned, energy_shell(system, energies[name]))
        for name, of_true, of_learned in zip(starts, np.split(true, len(starts)), np.split(learned, len(starts)), strict=True)
    ]


def energy_shell(system, scaled_energy):
    """Return q2 and p2 >= 0, (2, SHELL_POINTS), where p2²/2 + V(0, q2) = scaled_energy / alpha², in the well around 0.

    With x = alpha q2 and e the scaled energy, 0 < e <= 1/6, V = e / alpha² where x²/2 - x³/3 = e: at three real x, of which the well lies
    between the first two.
    """
    low, high, _ = np.sort(np.roots([-1 / 3, 1 / 2, 0, -scaled_energy]).real)
    angle = np.linspace(0, np.pi, SHELL_POINTS)
    q2 = ((low + high) / 2 - (high - low) / 2 * np.cos(angle)) / system.alpha
    zeros = np.zeros_like(q2)
    below = scaled_energy / system.alpha**2 - system.energy(np.stack([zeros, q2, zeros, zeros], axis=-1))
    return np.stack([q2, np.sqrt(2 * np.maximum(below, 0))])


def picture_name(energy, kind):
    """Return the name of the picture of an energy of NAMES, "true" or "learned"."""
    return f"section-{energy.replace('/', '-')}-{kind}"


def section_pictures(section):
    """Return the two `Picture`s of a `Section`, the true and the learned one."""
    caption = (
        "Each marker is an orbit: points on a curve where it is regular, scattered where it is chaotic. The energy keeps them within the "
        "thin line."
    )
    return [_picture(section, "true", section.true, caption), _picture(section, "learned", section.learned, _compared(section))]


def _compared(section):
    """Return the sentence that tells how far the learned crossings are from the true ones."""
    crosses = np.isfinite(section.true).all(axis=-1).any(axis=-1)
    if not np.isfinite(section.learned).all(axis=-1).any():
        return "The learned orbits never cross q1 = 0."
    if not crosses.any():
        return "The true orbits never cross q1 = 0."
    with np.errstate(all="ignore"):
        distances = np.sort(section_distances(section.true[crosses], section.learned[crosses]))
    apart = distances[(len(distances) - 1) // 2]
    if not np.isfinite(apart):
        return "More than half of the learned orbits miss crossings of the true ones."
    return f"For half of the orbits the n-th crossings stay within {apart:.1e} of the true ones; chaotic ones part, however close."


def _picture(section, kind, points, caption):
    """Draw the crossings within the energy shell, and tell of those outside."""
    figure, subplot = new_plot(f"{kind}, H = {section.energy:.4g}", "q2", "p2")
    q2, p2 = section.shell
    subplot.plot(np.r_[q2, q2[::-1]], np.r_[p2, -p2[::-1]], "-", color="#767676", linewidth=0.8)
    for marker, colour, orbit in zip(MARKERS, COLOURS, points, strict=True):
        hollow = {"markerfacecolor": "none"} if marker in "o^" else {}
        subplot.plot(orbit[:, 1], orbit[:, 3], marker, color=colour, markersize=3, markeredgewidth=0.7, **hollow)
    limits = []
    for set_limits, low, high in ((subplot.set_xlim, q2.min(), q2.max()), (subplot.set_ylim, -p2.max(), p2.max())):
        limits.append((low - MARGIN * (high - low), high + MARGIN * (high - low)))
        set_limits(*limits[-1])
    subplot.set_aspect("equal")
    subplot.grid(linewidth=0.4, alpha=0.5)
    crossings = points[np.isfinite(points).all(axis=-1)][:, [1, 3]]
    lower, upper = np.transpose(limits)
    outside = np.count_nonzero(((crossings < lower) | (crossings > upper)).any(axis=-1))
    beyond = f" {outside} of {len(crossings)} crossings lie outside of the picture." if outside else ""
    seen = f"Poincaré section of the {kind} motion at the energy {section.energy:.4g}: {_told(kind, crossings, len(points))}.{beyond}"
    return Picture(picture_name(section.name, kind), figure, seen, caption + beyond)


def _told(kind, crossings, orbits):
    if not len(crossings):
        return f"the {kind} orbits never cross q1 = 0"
    q2 = crossings[:, 0]
    return f"{len(crossings)} crossings of q1 = 0 with growing q1 by {orbits} orbits, q2 from {q2.min():.3g} to {q2.max():.3g}"
