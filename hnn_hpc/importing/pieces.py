"""Trajectories in the rows of a table: where they begin, whether their states are equally far apart in time, and pieces of equal length.

R rows hold T trajectories; row order[edges[i]:edges[i + 1]] are the states of trajectory i in time. A sample file wants trajectories of N
states each. Where theirs differ in length, each is cut into as many pieces of N states as it has, from its beginning on; pieces may share
the state at which they meet, so that no step between two states is lost there, and what is left at the end fills no piece.
"""

import math

import numpy as np

from hnn_hpc.errors import UserError

TOLERANCE = 1e-3  # of a step, of one step from the others
RUN = 3  # states: the fewest that tell velocities to fourth order
ROUNDED = 0.1  # a larger deviation is no rounding of what was printed
EXACT = 1e-14  # relative; times such as 0.05 k differ that much from their decimal step


def trajectory_rows(rows, times=None, labels=None):
    """Return (order, edges): int arrays (R,) and (T + 1,), the rows of one trajectory after the other.

    Parameters: rows (int): R; times (R,): where they jump back a new trajectory begins; labels (R,) of numbers 0, 1 …: those with the
    same are one trajectory, wherever they are, and then times say nothing. Without either all rows are one trajectory.
    """
    order = np.arange(rows)
    if labels is not None:
        order = np.argsort(labels, kind="stable")
        begins = np.flatnonzero(np.diff(labels[order])) + 1
    else:
        begins = np.flatnonzero(np.diff(times) < 0) + 1 if times is not None else []
    return order, np.concatenate([[0], begins, [rows]]).astype(np.int64)


def time_step(times, order, edges, place, tolerance=TOLERANCE):
    """Return (h, deviation): the step between two states, and the largest relative difference of one from it.

    Parameters: times (R,), order and edges of `trajectory_rows`, place(row) -> text: where a row is, tolerance: the largest deviation.
    Raises `UserError` naming the first row where time stands still, goes back or makes a step of another size.
    """
    ordered = times[order]
    steps = np.diff(ordered)
    ends = np.arange(1, len(edges) - 1)
    inside = np.ones(len(steps), bool)
    inside[edges[ends] - 1] = False
    for where in np.flatnonzero(inside & (steps <= 0))[:1]:
        before, row = order[where : where + 2]
        how = "stands still at" if steps[where] == 0 else f"goes back from {times[before]:.10g} to"
        raise UserError(
            f"{place(row)}: time {how} {times[row]:.10g} within a trajectory; "
            "sort its rows by time, or tell trajectories apart by --trajectory"
        )
    usual = np.sort(steps[inside])[np.count_nonzero(inside) // 2]  # one that there is
    deviations = np.where(inside, np.abs(steps / usual - 1), 0)
    largest = float(deviations.max())
    for where in np.flatnonzero(deviations > tolerance)[:1]:
        advice = "resample the states to equal steps" + (
            f", or, where the times are equal but for rounding, pass --time-tolerance {_rounded_up(largest)}"
            if largest < ROUNDED
            else ", or give what follows a gap a trajectory of its own by --trajectory"
        )
        raise UserError(
            f"{place(order[where + 1])}: the step in time is {steps[where]:.6g}, but mostly {usual:.6g} "
            f"(a relative difference of {deviations[where]:.1e}; at most {tolerance:g} will do); {advice}"
        )
    return _decimal(float(steps[inside].mean())), largest


def piece_length(lengths, shared=0):
    """Return N, the states of a piece: of all lengths the one by which the most runs of 3 consecutive states stay whole, or else of as
    many as the longest trajectory has; the largest of those.

    Parameters: lengths (T,): states of the trajectories; shared: states that consecutive pieces share, 0 or 1.
    Raises `UserError` where no trajectory has two states.
    """
    longest = int(max(lengths))
    if longest < 2:
        raise UserError(
            f"none of {len(lengths):,} trajectories has two consecutive states, so that nothing tells how they move; "
            "check the columns of --time and --trajectory, and the order of the rows"
        )
    run, runs = min(RUN, longest), np.zeros(longest + 1, np.int64)
    for length, number in zip(*np.unique(lengths, return_counts=True), strict=True):
        size = np.arange(run, length + 1)
        runs[run : length + 1] += number * pieces_in(length, size, shared) * (size - run + 1)
    return longest - int(np.argmax(runs[::-1]))


def pieces_in(length, size, shared=0):
    """Return how many pieces of `size` states a trajectory of `length` states gives; arrays or ints."""
    return np.maximum(length - shared, 0) // (size - shared)


def piece_begins(edges, size, shared=0):
    """Return the places in `order` (P,) at which the pieces of `size` states of all trajectories begin."""
    lengths = np.diff(edges)
    pieces = pieces_in(lengths, size, shared)
    number = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)  # of a piece in its trajectory
    return np.repeat(edges[:-1], pieces) + number * (size - shared)


def states_left_out(edges, size, shared=0):
    """Return how many states are in no piece."""
    lengths = np.diff(edges)
    pieces = pieces_in(lengths, size, shared)
    return int((lengths - np.where(pieces > 0, pieces * (size - shared) + shared, 0)).sum())


def _decimal(step):
    """Return a step as the decimal number that it is but for rounding, if it is one."""
    short = float(f"{step:.12g}")
    return short if math.isclose(short, step, rel_tol=EXACT) else step


def _rounded_up(deviation):
    scale = 10.0 ** math.floor(math.log10(deviation))
    return f"{math.ceil(deviation / scale * 1.0001) * scale:g}"
