"""The coordinates that features live in: z(x) in R^E, made of the phase-space coordinates x in R^D, and the exact Jacobian J = dz/dx.

    angles       an angle θ becomes the point (cos θ, sin θ) on the circle: features repeat with its period, without a seam at ±π
    differences  adds a - b, or (cos, sin)(a - b) where both are angles
    distances    adds |a - b|, the Euclidean distance between two points, each given by its coordinates

An energy that depends on x through such quantities is smoother in z than in x, and sparse: that of a double pendulum in q1, in q2, and in
(q1 - q2, p1, p2) together; that of particles in their distances. With features phi = sigma(W z + b), W (M, E), the chain rule gives

    grad H(x) = J(x)ᵀ Wᵀ (sigma'(W z + b) ∘ c),

still linear in the coefficients. J is sparse: an entry for each quantity and each coordinate that it is made of.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.features.places import places_of
from hnn_hpc.values import whole_number

TABLE = ("angles", "differences", "distances")
MOST_NAMES = 16  # that an error lists in full


@dataclass(frozen=True)
class Coordinates:
    """z(x) in R^E for x = (q1..qn, p1..pn) in R^D, as `make_coordinates` makes it from names that it checks.

    The things that z is made of are its units, and features may be sparse in them: one for each coordinate of x, in order, then one for
    each difference, then one for each distance. An angle and a difference of angles have two columns of z, (cos, sin); others have one.

    dimension    -- D
    angles       -- names, in the order of x
    differences  -- pairs of names
    distances    -- pairs of points; a point is a tuple of names
    """

    dimension: int
    angles: tuple = ()
    differences: tuple = ()
    distances: tuple = ()

    @property
    def is_plain(self):
        """Whether z = x."""
        return not (self.angles or self.differences or self.distances)

    @property
    def count(self):
        """E, how many columns z has."""
        return len(self.units_of_columns)

    @cached_property
    def names(self):
        """The name of each unit, such as "q1", "q1-q2", "|q1,q2,q3 - q4,q5,q6|"."""
        differences = (f"{a}-{b}" for a, b in self.differences)
        distances = (f"|{','.join(a)} - {','.join(b)}|" for a, b in self.distances)
        return *coordinate_names(self.dimension), *differences, *distances

    @cached_property
    def columns(self):
        """The columns of z of each unit, a tuple of them."""
        found = [[] for _ in self.names]
        for column, unit in enumerate(self.units_of_columns.tolist()):
            found[unit].append(column)
        return tuple(map(tuple, found))

    @cached_property
    def touched(self):
        """The numbers of the coordinates of x that each unit depends on, a sorted tuple of them."""
        number = _numbers(self.dimension)
        derived = [*self.differences, *((*a, *b) for a, b in self.distances)]
        return *((d,) for d in range(self.dimension)), *(tuple(sorted(number[name] for name in names)) for names in derived)

    def is_position(self, unit):
        """Whether a unit depends on q alone."""
        return max(self.touched[unit]) < self.dimension // 2

    def is_momentum(self, unit):
        """Whether a unit depends on p alone."""
        return min(self.touched[unit]) >= self.dimension // 2

    @cached_property
    def units_of_columns(self):
        """The number of the unit of each column of z, (E,)."""
        angles = set(self.angles)
        firsts = [*coordinate_names(self.dimension), *(a for a, _ in self.differences)]
        widths = [2 if name in angles else 1 for name in firsts] + [1 for _ in self.distances]
        return np.repeat(np.arange(len(widths)), widths)

    @cached_property
    def on_circle(self):
        """Whether each column of z is a cosine or sine, (E,)."""
        return np.bincount(self.units_of_columns)[self.units_of_columns] == 2

    def columns_of(self, units):
        """Return the columns of z of several units, in their order, as an array."""
        return np.array([column for unit in units for column in self.columns[unit]], dtype=int)

    @property
    def entry_columns(self):
        """The column of z of each entry of J that may differ from zero, (nnz,)."""
        return self._places.entry_columns

    @property
    def entry_coordinates(self):
        """The coordinate of x of each entry of J that may differ from zero, (nnz,): sorted, and each coordinate has some."""
        return self._places.entry_coordinates

    def entries_of(self, coordinate):
        """Return the slice of the entries of J that belong to one coordinate of x."""
        return slice(*self._places.coordinate_starts[coordinate : coordinate + 2].tolist())

    @cached_property
    def entries_by_column(self):
        """For each column of z, the pairs (number of an entry of J in it, its coordinate of x)."""
        found = [[] for _ in range(self.count)]
        for entry, (column, x) in enumerate(zip(self.entry_columns.tolist(), self.entry_coordinates.tolist(), strict=True)):
            found[column].append((entry, x))
        return tuple(map(tuple, found))

    def embed(self, x):
        """Return z (..., E) for x (..., D); x itself where z = x. Temporary memory: about twice the result."""
        x = np.asarray(x, dtype=float)
        if self.is_plain:
            return x
        points, at = x.reshape(-1, self.dimension), self._places
        turns, (_, distances) = self._turns(points), self._steps(points)
        found = np.concatenate([points, _differences(points, at.shifts), np.cos(turns), np.sin(turns), distances], axis=1)
        return np.take(found, at.sources, axis=1).reshape(*x.shape[:-1], self.count)

    def jacobian(self, x):
        """Return the entries of J = dz/dx at points x (B, D), (B, nnz): those of `entry_columns` and `entry_coordinates`.

        Where the two points of a distance coincide it has no derivative, and 0 stands for it.
        """
        x, at = np.asarray(x, dtype=float), self._places
        turns, (steps, distances) = self._turns(x), self._steps(x)
        lengths = np.take(distances, at.owners, axis=1)
        directions = np.divide(steps, lengths, out=np.zeros_like(steps), where=lengths > 0)
        factors = np.concatenate([np.ones((len(x), 1)), np.sin(turns), np.cos(turns), directions], axis=1)
        return np.take(factors, at.entry_factors, axis=1) * at.entry_signs

    def pull_back(self, x, g):
        """Return Jᵀ g (B, D) for points x (B, D) and g (B, E): the gradient by x of what has the gradient g by z."""
        if self.is_plain:
            return g
        products = self.jacobian(x) * np.take(g, self.entry_columns, axis=1)
        return np.add.reduceat(products, self._places.coordinate_starts[:-1], axis=1)

    def push_forward(self, x, r):
        """Return J r (B, E) for points x (B, D) and r (B, D): the change of z along r."""
        if self.is_plain:
            return r
        products = self.jacobian(x) * np.take(r, self.entry_coordinates, axis=1)
        return np.add.reduceat(np.take(products, self._places.by_column, axis=1), self._places.column_starts, axis=1)

    def as_dict(self):
        """Return {"angles", "differences", "distances"} as lists of names, which `coordinates_from_dict` takes."""
        return {
            "angles": list(self.angles),
            "differences": [list(pair) for pair in self.differences],
            "distances": [[list(point) for point in pair] for pair in self.distances],
        }

    @cached_property
    def _places(self):
        number = _numbers(self.dimension)
        differences = [(number[a], number[b]) for a, b in self.differences]
        distances = [[(number[a], number[b]) for a, b in zip(*points, strict=True)] for points in self.distances]
        return places_of(self.dimension, [number[name] for name in self.angles], differences, distances)

    def _turns(self, points):
        """Return the angles and then the differences of angles at points (B, D)."""
        return np.concatenate([np.take(points, self._places.angles, axis=1), _differences(points, self._places.turns)], axis=1)

    def _steps(self, points):
        """Return the differences of the components of all distances, and the distances, at points (B, D)."""
        steps = _differences(points, self._places.steps)
        if not self.distances:
            return steps, steps
        return steps, np.sqrt(np.add.reduceat(steps * steps, self._places.starts, axis=1))

    def __getstate__(self):
        """What is pickled: the names, from which everything else follows."""
        return {name: getattr(self, name) for name in ("dimension", *TABLE)}


def make_coordinates(dimension, angles=(), differences=(), distances=()):
    """Return the `Coordinates` of D = `dimension` phase-space coordinates, which are called q1..qn, p1..pn.

    angles       -- names of those that are angles, such as ["q1", "q2"]
    differences  -- pairs of names, such as [["q1", "q2"]]: both angles, or neither
    distances    -- pairs of points, such as [[["q1", "q2"], ["q3", "q4"]]]: both of as many coordinates, none of them an angle
    Errors: `UserError` for whatever is not of this form, for a name that does not exist, with those that do, and for anything twice.
    """
    dimension = whole_number(dimension, "dimension", 2)
    if dimension % 2:
        raise UserError(f"dimension = {dimension}: expected an even number, q1..qn and then p1..pn")
    number = _numbers(dimension)
    angles = _names("angles", angles, 'a list of names, such as ["q1", "q2"]', number)
    _refuse_repeated("angles", angles, angles)
    form = 'a list of pairs of names, such as [["q1", "q2"]]'
    differences = [_difference(pair, angles, form, number) for pair in _list("differences", differences, form)]
    form = 'a list of pairs of points, such as [[["q1", "q2"], ["q3", "q4"]]]'
    distances = [_distance(pair, angles, form, number) for pair in _list("distances", distances, form)]
    for key, pairs in (("differences", differences), ("distances", distances)):
        _refuse_repeated(key, [frozenset(pair) for pair in pairs], pairs)  # b - a is that of a - b mirrored
    return Coordinates(dimension, tuple(sorted(angles, key=number.get)), tuple(differences), tuple(distances))


def plain_coordinates(dimension):
    """Return the `Coordinates` z = x of D = `dimension` phase-space coordinates."""
    return make_coordinates(dimension)


def coordinates_from_dict(dimension, table):
    """Return the `Coordinates` that `Coordinates.as_dict` told of, or a job file's table [coordinates]: what is absent is empty.

    Errors: `UserError` where it is no such table, and those of `make_coordinates`.
    """
    if not isinstance(table, dict):
        raise UserError(f"coordinates = {table!r}: expected a table of {', '.join(TABLE)}")
    if unknown := [key for key in table if key not in TABLE]:
        raise UserError(f"coordinates holds {unknown[0]!r}: expected nothing but {', '.join(TABLE)}")
    return make_coordinates(dimension, **table)


def coordinate_names(dimension):
    """Return the names of D phase-space coordinates, q1..qn, p1..pn."""
    return tuple(f"{letter}{number}" for letter in "qp" for number in range(1, dimension // 2 + 1))


def _numbers(dimension):
    """The number of each coordinate by its name."""
    return {name: number for number, name in enumerate(coordinate_names(dimension))}


def _differences(points, pairs):
    """Return x_a - x_b at points (B, D) for pairs (2, count) of coordinates, (B, count)."""
    return np.take(points, pairs[0], axis=1) - np.take(points, pairs[1], axis=1)


def _list(key, value, form):
    if not isinstance(value, list | tuple):
        raise UserError(f"{key}: {value!r} where {form}, is expected")
    return value


def names_told(names):
    """Return a list of names as text for a person, those in the middle of its halves left out where they are many."""
    if len(names) > MOST_NAMES:
        names = [names[0], "...", names[len(names) // 2 - 1], names[len(names) // 2], "...", names[-1]]
    return ", ".join(names)


def _names(key, value, form, number):
    """Return a list of names as a tuple; `UserError` unless it is one, of names that exist."""
    for name in _list(key, value, form):
        if not isinstance(name, str):
            raise UserError(f"{key}: {name!r} where a name is expected, in {form}")
        if name not in number:
            raise UserError(f"{key}: unknown coordinate {name!r}; the coordinates are: {names_told(list(number))}")
    return tuple(value)


def _difference(pair, angles, form, number):
    """Return a pair of names as a tuple; `UserError` for anything else."""
    pair = _names("differences", pair, form, number)
    if len(pair) != 2:
        raise UserError(f"differences: {list(pair)} has {len(pair)} names; expected {form}")
    _refuse_repeated("differences", pair, pair)
    if len(on_circle := [name for name in pair if name in angles]) == 1:
        raise UserError(f"differences: of {list(pair)} only {on_circle[0]} is an angle; expected both or neither")
    return pair


def _distance(pair, angles, form, number):
    """Return a pair of points as a tuple of tuples of names; `UserError` for anything else."""
    points = tuple(_names("distances", point, form, number) for point in _list("distances", pair, form))
    sizes = [len(point) for point in points]
    if len(sizes) != 2 or sizes[0] != sizes[1] or not sizes[0]:
        raise UserError(f"distances: {_as_lists(points)} are points of {sizes} coordinates; expected {form}, both of as many coordinates")
    names = (*points[0], *points[1])
    _refuse_repeated("distances", names, names)
    if on_circle := [name for name in names if name in angles]:
        raise UserError(f"distances: {on_circle[0]} is an angle; expected {form}, none of whose coordinates is an angle")
    return points


def _refuse_repeated(key, values, told):
    for place, value in enumerate(values):
        if value in values[:place]:
            raise UserError(f"{key}: {_as_lists(told[place])} comes twice; expected each once")


def _as_lists(value):
    return [_as_lists(item) for item in value] if isinstance(value, tuple) else value
