"""Whether arrays are graphs: checked once where they come from outside, so that nothing indexes by a bond that leads nowhere."""

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.values import LARGEST, SMALLEST

LEAST_LENGTH = 1e-12  # of the longest bond of the graph: two particles nearer than that are on top of one another
WHOLE = 1e-9  # of a period: by so much a shift may miss a whole number of them

# Letters of the docstring of Graphs: P particles, E bonds, d dimensions, K graphs.
SHAPES = {
    "positions": "Pd",
    "momenta": "Pd",
    "masses": "P",
    "species": "P",
    "bonds": "E2",
    "shifts": "Ed",
    "offsets": "O",
    "boxes": "Kd",
}
WHOLE_NUMBERS = ("species", "bonds", "offsets")


def check_graphs(graphs, location):
    """Raise UserError, naming the `location`, unless the arrays are graphs as `Graphs` describes them.

    That is: at least one graph and one particle in each, shapes that fit, finite numbers, positive masses and periods, species >= 0, bonds
    that join two particles of one graph, or one with an image of itself, that come in a run a graph and have a length. A particle and a
    bond are named by their numbers within the graph.
    """
    _check_shapes(graphs, location)
    _check_offsets(graphs, location)
    _check_particles(graphs, location)
    _check_bonds(graphs, location)
    _check_shifts(graphs, location)
    _check_lengths(graphs, location)


def _check_shapes(graphs, location):
    sizes = {"2": 2}
    for name, letters in SHAPES.items():
        array = getattr(graphs, name)
        if name == "shifts" and array is None:
            continue
        kinds, numbers = ("iu", "whole numbers") if name in WHOLE_NUMBERS else ("iuf", "real numbers")
        fits = isinstance(array, np.ndarray) and array.dtype.kind in kinds and array.ndim == len(letters)
        if not fits or (letters == "O" and not len(array)):
            shape, dtype = np.shape(array), getattr(array, "dtype", type(array).__name__)
            axes = ", ".join("K + 1" if letter == "O" else letter for letter in letters) + "," * (len(letters) == 1)
            raise UserError(f"{location}: {name} must be an array of {numbers} of shape ({axes}); got shape {shape}, dtype {dtype}")
        for letter, size in zip(letters, array.shape, strict=True):
            letter, size = ("K", size - 1) if letter == "O" else (letter, size)
            if sizes.setdefault(letter, size) != size:
                known = ", ".join(f"{key} = {value}" for key, value in sizes.items() if key != "2")
                raise UserError(f"{location}: {name} has the shape {array.shape}, which does not fit the arrays before it, with {known}")
    if sizes["K"] < 1 or sizes["d"] < 1:
        raise UserError(f"{location} has {sizes['K']} graphs in {sizes['d']} dimensions; expected at least one of each")


def _check_offsets(graphs, location):
    offsets = graphs.offsets
    if offsets[0] != 0 or offsets[-1] != graphs.particles:
        raise UserError(f"{location}: offsets go from {offsets[0]} to {offsets[-1]}; expected from 0 to the {graphs.particles} particles")
    empty = np.flatnonzero(np.diff(offsets.astype(np.int64)) < 1)
    if len(empty):
        raise UserError(f"{location}: graph {empty[0]} has no particles; expected at least one, and offsets that increase")


def _check_particles(graphs, location):
    for name in ("positions", "momenta"):
        values = getattr(graphs, name).astype(float)
        _refuse(~(np.abs(values) <= LARGEST).all(axis=1), graphs, location, name, values, "finite numbers")
    masses = graphs.masses.astype(float)
    _refuse(~((masses >= SMALLEST) & (masses <= LARGEST)), graphs, location, "masses", masses, "a positive number")
    _refuse(graphs.species < 0, graphs, location, "species", graphs.species, "a whole number of at least 0")
    unusable = np.argwhere(~(graphs.boxes > 0))
    if len(unusable):
        graph, axis = unusable[0]
        raise UserError(
            f"{location}: graph {graph} has the period {graphs.boxes[graph, axis]} along axis {axis}; expected a positive number, or inf "
            "where it is open"
        )


def _refuse(unusable, graphs, location, name, values, expected):
    if unusable.any():
        number = np.argmax(unusable)
        raise UserError(f"{location}: {name} of {_particle(graphs, number)} are {values[number]}; expected {expected}")


def _particle(graphs, number):
    graph = graphs.graph_of_particles[number]
    return f"particle {number - graphs.offsets[graph]} of graph {graph}"


def _check_bonds(graphs, location):
    """Check where bonds lead to, before anything indexes by them; a graph's first bond is known only once they come in runs."""
    bonds = graphs.bonds
    nowhere = ~((bonds >= 0) & (bonds < graphs.particles))
    if nowhere.any():
        number = np.argmax(nowhere.any(axis=1))
        known = bonds[number][~nowhere[number]]
        graph = f", of graph {graphs.graph_of_particles[known[0]]}," if len(known) else ""
        raise UserError(
            f"{location}: bond {number} of all{graph} joins the particles {bonds[number].tolist()} of all; there are {graphs.particles}, "
            "counted from 0"
        )
    first, second = graphs.graph_of_particles[bonds].T
    between = np.flatnonzero(first != second)
    if len(between):
        number = between[0]
        raise UserError(
            f"{location}: bond {number} of all joins {_particle(graphs, bonds[number, 0])} and {_particle(graphs, bonds[number, 1])}; "
            "expected two of one graph"
        )
    back = np.flatnonzero(np.diff(first) < 0)
    if len(back):
        number = back[0]
        raise UserError(
            f"{location}: bond {number + 1} of all is of graph {first[number + 1]} and comes after one of graph {first[number]}; expected "
            "the bonds of a graph as a run, and the graphs in order"
        )


def _check_shifts(graphs, location):
    joined_to_itself = graphs.bonds[:, 0] == graphs.bonds[:, 1]
    if graphs.shifts is not None:
        periods = graphs.boxes[graphs.graph_of_particles[graphs.bonds[:, 0]]]
        with np.errstate(invalid="ignore"):
            misfit = np.abs(graphs.shifts / periods - np.rint(graphs.shifts / periods))
        misfit = ~np.where(np.isinf(periods), graphs.shifts == 0, misfit <= WHOLE).all(axis=1)
        if misfit.any():
            number = np.argmax(misfit)
            raise UserError(
                f"{location}: the shift of {_bond(graphs, number)} is {graphs.shifts[number].tolist()}; expected whole periods of "
                f"{periods[number].tolist()}, 0 where that is inf"
            )
        joined_to_itself &= ~graphs.shifts.any(axis=1)
    if joined_to_itself.any():
        number = np.argmax(joined_to_itself)
        raise UserError(f"{location}: {_bond(graphs, number)} joins {_particle(graphs, graphs.bonds[number, 0])} to itself")


def _bond(graphs, number):
    graph = graphs.graph_of_particles[graphs.bonds[number, 0]]
    return f"bond {number - graphs.bond_offsets[graph]} of graph {graph}"


def _check_lengths(graphs, location):
    graph_of_bonds = graphs.graph_of_particles[graphs.bonds[:, 0]]
    longest = np.zeros(graphs.count)
    np.maximum.at(longest, graph_of_bonds, graphs.bond_lengths)
    short = graphs.bond_lengths <= LEAST_LENGTH * longest[graph_of_bonds]
    if short.any():
        number = np.argmax(short)
        graph = graph_of_bonds[number]
        first, second = graphs.bonds[number] - graphs.offsets[graph]
        raise UserError(
            f"{location}: the particles {first} and {second} of graph {graph} are on top of one another, {graphs.bond_lengths[number]:.3g} "
            "apart, and have a bond, which so has no direction; move one of them, or leave the bond out"
        )
