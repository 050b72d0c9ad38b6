"""What the columns of a table are: said by a user, found in the table."""

from dataclasses import dataclass
from typing import NamedTuple

from hnn_hpc.errors import UserError
from hnn_hpc.importing.pieces import TOLERANCE
from hnn_hpc.quantities import count
from hnn_hpc.values import finite_number


@dataclass(frozen=True)
class Wanted:
    """What the columns of a table are, by their names; None for what is not there.

    coordinates: q1..qn, p1..pn; velocities: dx/dt in the same order; energy: H; time: rows are states of trajectories; trajectory: which
    one a row belongs to, by any labels; time_step (float): between two states, in place of their times; time_tolerance (float): the
    largest relative difference of a step from the others. A name may stand for several columns, see `tables.arrays`.
    Raises `UserError` where these do not go together.
    """

    coordinates: tuple[str, ...]
    velocities: tuple[str, ...] | None = None
    energy: str | None = None
    time: str | None = None
    trajectory: str | None = None
    time_step: float | None = None
    time_tolerance: float = TOLERANCE

    def __post_init__(self):
        timed = self.time is not None or self.time_step is not None
        if self.time is not None and self.time_step is not None:
            raise UserError("give either --time, a column, or --time-step, a number, not both")
        if self.trajectory is not None and not timed:
            raise UserError("--trajectory tells apart trajectories, which are states in time: give --time or --time-step too")
        if self.velocities is None and not timed:
            raise UserError("nothing tells how the states move: give --velocities (dx/dt), or --time or --time-step of trajectories")
        for name in ("time_step", "time_tolerance"):
            value, option = getattr(self, name), f"--{name.replace('_', '-')}"
            if value is not None and finite_number(value, option) <= 0:
                raise UserError(f"{option} = {value}: expected a positive number")


class FoundColumns(NamedTuple):
    """The `tables.columns.Column`s to read, in this order; empty lists for what is not there."""

    coordinates: list
    velocities: list
    energy: list
    time: list
    trajectory: list


def find_columns(table, wanted):
    """Return the `FoundColumns` of a table. `UserError`: not there, named twice, or too few or too many."""
    if wanted.trajectory is not None and table.trajectory_shape:
        raise UserError(f"{table.location} holds arrays of trajectories, (T, N, C), already; leave out --trajectory")
    coordinates = table.find(wanted.coordinates)
    if len(coordinates) < 2 or len(coordinates) % 2:
        raise UserError(f"--columns names {count(len(coordinates), 'coordinate')}; expected an even number, q1..qn and then p1..pn")
    velocities = table.find(wanted.velocities or ())
    if wanted.velocities is not None and len(velocities) != len(coordinates):
        raise UserError(f"--velocities names {count(len(velocities), 'column')}; expected {len(coordinates)}, one a coordinate")
    single = (_find_one(table, option, getattr(wanted, option)) for option in ("energy", "time", "trajectory"))
    found = FoundColumns(coordinates, velocities, *single)
    others = [*found.energy, *found.time, *found.trajectory]
    for group in (coordinates, velocities):  # the velocity of a mass of 1 is its momentum, so that a column may be in both
        names = [column.name for column in (*group, *others)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise UserError(
                f"{twice} of {table.location} is named twice among --columns and the other options; give each a column of its own"
            )
    return found


def _find_one(table, option, name):
    if name is None:
        return []
    found = table.find_time(name) if option == "time" else table.find([name])
    if len(found) != 1:
        raise UserError(f"--{option} {name} stands for {len(found)} columns of {table.location}; expected one")
    return found
