"""The interaction graph of a basis: which coordinates meet in a term of H, and how fast H varies along each.

The units (see `features.Coordinates`) are points on a circle, the larger the larger their bandwidths: on top the positions from left to
right, beneath them their momenta, and at the right, between them, what is derived from them. A line joins two that are together in a
support; supports of three units and more are shaded, for three pairs make a triangle too.
"""

from dataclasses import dataclass
from itertools import chain, combinations, pairwise
from math import ceil, comb, isfinite

import numpy as np

from hnn_hpc.features import Coordinates, plain_coordinates
from hnn_hpc.report.saving import save_figure

# A marker each: readable without colour. Open ones are units that no feature depends on.
KINDS = {"position": ("o", "#0072b2"), "momentum": ("s", "#d55e00"), "derived": ("D", "#009e73")}
HATCHES = ("///", "\\\\\\", "|||", "xx", "++", "--")  # of shaded supports; as many are in the legend
MOST_JOINED = 12  # units of a support between which lines are drawn; of more, the shade tells
SMALLEST_RADIUS, LARGEST_RADIUS, RADIUS_A_UNIT = 0.8, 2.2, 0.25  # inches
MARGIN = 0.8  # inches around the circle
MOST_UPRIGHT, MOST_WITH_BANDWIDTH, MOST_LABELS = 16, 48, 96  # labels around the circle; of more units than that, every second or third
LARGEST_MARKER, LARGEST_FONT, SMALLEST_FONT = 13.0, 9.0, 5.5  # points
LABEL_GAP = 3.0  # points
BEND, LARGEST_BEND = 0.6, 0.3  # of the length of a line, and at most, towards the middle: it shows between neighbours on the circle too
LONGEST_LIST = 5  # names of a support in the legend


@dataclass(frozen=True)
class InteractionGraph:
    """Units and what joins them.

    coordinates  the `Coordinates` whose units are joined
    supports     tuples of units
    bandwidths   floats, one a unit
    is_found     whether the supports were found, not given
    """

    coordinates: Coordinates
    supports: tuple
    bandwidths: tuple
    is_found: bool

    @property
    def pairs(self):
        """The pairs of units, sorted, that are together in a support."""
        return sorted({pair for support in self.supports for pair in combinations(support, 2)})

    @property
    def kinds(self):
        """What each unit is: a key of KINDS."""
        n = self.coordinates.dimension // 2
        return ["position"] * n + ["momentum"] * n + ["derived"] * (len(self.bandwidths) - 2 * n)


def interaction_graph(model):
    """Return the `InteractionGraph` that a model's provenance tells of, or None: only the sampler "anchored" reports a basis."""
    coordinates = model.feature_map.coordinates or plain_coordinates(model.dimension)
    number = {name: unit for unit, name in enumerate(coordinates.names)}
    try:
        basis = model.provenance["basis"]
        supports = tuple(tuple(sorted({number[name] for name in support})) for support in basis["supports"])
        bandwidths = tuple(float(basis["bandwidths"][name]) for name in number)
        is_found = "supports" in basis["searched"]
    except (KeyError, TypeError, ValueError):  # files of somebody else may say anything
        return None
    return InteractionGraph(coordinates, supports, bandwidths, is_found) if all(isfinite(g) and g > 0 for g in bandwidths) else None


def draw_interactions(path, graph, force=False):
    """Draw an `InteractionGraph`; `force`: replace an existing file."""
    save_figure(interaction_figure(graph), path, force)


def interaction_figure(graph):
    """Return the figure of an `InteractionGraph`."""
    from matplotlib.figure import Figure

    places, units = circle(graph.coordinates), len(graph.bandwidths)
    radius = float(np.clip(RADIUS_A_UNIT * units, SMALLEST_RADIUS, LARGEST_RADIUS))
    room = 2 * np.pi * radius * 72 / units  # points from one unit to the next
    largest = min(LARGEST_MARKER, 0.75 * room)
    figure = Figure(figsize=(2 * max(radius + MARGIN, 2), 2 * (radius + MARGIN) + 0.8), layout="constrained")
    subplot = figure.subplots()
    subplot.set(aspect="equal", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
    subplot.set_axis_off()
    handles = _draw_units(subplot, graph, places, largest)
    handles += _shade(subplot, graph, places)
    _join(subplot, graph, places)
    _label(subplot, graph, places, room, 0.7 * largest + LABEL_GAP)
    origin = "found" if graph.is_found else "given"
    figure.suptitle(f"interacting pairs of coordinates: {len(graph.pairs)} of {comb(units, 2)}, {origin}", fontsize=10)
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure


def circle(coordinates):
    """Return the place of every unit on the circle of radius 1, (U, 2)."""
    n, units = coordinates.dimension // 2, len(coordinates.names)
    order = [*range(n), *range(2 * n, units), *reversed(range(n, 2 * n))]  # clockwise from the left
    turns = np.empty(units)
    turns[order] = np.pi * (1 - (2 * np.arange(units) + 1) / units)
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


def _draw_units(subplot, graph, places, largest):
    """Draw the points, their diameter by the logarithm of their bandwidth; return what the legend shows of them."""
    from matplotlib.lines import Line2D

    sizes = np.log(graph.bandwidths)
    span = np.ptp(sizes)
    diameters = largest * (0.5 + 0.5 * (sizes - sizes.min()) / span) if span else np.full(len(sizes), 0.75 * largest)
    used, kinds, handles = {*chain(*graph.supports)}, graph.kinds, []
    for kind, (marker, colour) in KINDS.items():
        for is_used in (True, False):
            units = [unit for unit, of_kind in enumerate(kinds) if of_kind == kind and (unit in used) == is_used]
            if units:
                style = {"marker": marker, "facecolor": colour if is_used else "white", "edgecolor": colour if not is_used else "black"}
                subplot.scatter(*places[units].T, s=diameters[units] ** 2, linewidths=0.6, zorder=3, **style)
                shown = {"marker": marker, "markerfacecolor": style["facecolor"], "markeredgecolor": style["edgecolor"]}
                handles.append(Line2D([], [], linestyle="none", label=kind + ("" if is_used else ", in no feature"), **shown))
    for unit in dict.fromkeys([int(np.argmin(sizes)), int(np.argmax(sizes))]):
        label = f"bandwidth {graph.bandwidths[unit]:.3g}"
        handles.append(Line2D([], [], linestyle="none", marker="o", color="gray", markersize=diameters[unit], label=label))
    return handles


def _shade(subplot, graph, places):
    """Shade the supports of three units and more; return what the legend shows of them."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import PathPatch

    large, handles = [support for support in graph.supports if len(support) > 2], []
    for number, support in enumerate(large):
        around = sorted(support, key=lambda unit: -np.arctan2(*places[unit][::-1]))
        style = {"facecolor": (0, 0, 0, 0.08), "edgecolor": (0, 0, 0, 0.45), "linewidth": 0, "hatch": HATCHES[number % len(HATCHES)]}
        outline = _lines(places, zip(around, [*around[1:], around[0]], strict=True), closed=True)
        shade = PathPatch(outline, zorder=1, **style)
        subplot.add_patch(shade)
        if number < len(HATCHES):
            shade.set_label(_names(graph, support))
            handles.append(shade)
    if len(large) > len(HATCHES):
        handles.append(Line2D([], [], linestyle="none", label=f"and {len(large) - len(HATCHES)} more of three and more"))
    return handles


def _join(subplot, graph, places):
    """Draw a line for each pair, thin where a larger support makes it."""
    from matplotlib.patches import PathPatch

    alone = {support for support in graph.supports if len(support) == 2}
    larger = {pair for support in graph.supports if len(support) <= MOST_JOINED for pair in combinations(support, 2)} - alone
    for pairs, width in ((alone, 1.4), (larger, 0.6)):
        if pairs:
            subplot.add_patch(PathPatch(_lines(places, sorted(pairs)), facecolor="none", edgecolor="black", linewidth=width, zorder=2))


def _lines(places, pairs, closed=False):
    """Return a `Path` of curves between pairs of units, bent towards the middle; closed: one curve goes on where the other ends."""
    from matplotlib.path import Path

    points, codes = [], []
    for a, b in pairs:
        if not (closed and points):
            points.append(places[a])
            codes.append(Path.MOVETO)
        bend = min(BEND * np.linalg.norm(places[a] - places[b]), LARGEST_BEND)
        points += [(1 - bend) * (places[a] + places[b]) / 2, places[b]]
        codes += [Path.CURVE3, Path.CURVE3]
    return Path(points, codes)


def _label(subplot, graph, places, room, distance):
    """Write names and bandwidths around the circle, at a distance in points; where they are many, along the radii and of some units."""
    units, names = len(places), graph.coordinates.names
    font = float(np.clip(0.75 * room, SMALLEST_FONT, LARGEST_FONT))
    step, starts = ceil(units / MOST_LABELS), [0, graph.coordinates.dimension // 2, graph.coordinates.dimension, units]
    for unit in chain(*(range(start, stop, step) for start, stop in pairwise(starts))):
        x, y = places[unit]
        bandwidth = f"{graph.bandwidths[unit]:.3g}"
        if units <= MOST_UPRIGHT:
            text = f"{names[unit]}\n{bandwidth}"
            how = {"ha": ("right", "center", "left")[round(x) + 1], "va": ("top", "center", "bottom")[round(y) + 1]}
        else:
            text = f"{names[unit]}  {bandwidth}" if units <= MOST_WITH_BANDWIDTH else names[unit]
            turn = np.degrees(np.arctan2(y, x)) + (0 if x >= 0 else 180)
            how = {"rotation": turn, "rotation_mode": "anchor", "ha": "left" if x >= 0 else "right", "va": "center"}
        subplot.annotate(text, (x, y), (distance * x, distance * y), textcoords="offset points", fontsize=font, **how)


def _names(graph, support):
    """The names of a support, the first of them where they are many."""
    names = [graph.coordinates.names[unit] for unit in support]
    more = len(names) - LONGEST_LIST
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:LONGEST_LIST])} and {more} more"
