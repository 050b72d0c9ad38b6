"""Where trajectories begin, whether their steps are equal, and pieces of equal length, against plain loops."""

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.importing.pieces import RUN, piece_begins, piece_length, states_left_out, time_step, trajectory_rows


def edges_of(lengths):
    return np.concatenate([[0], np.cumsum(lengths)])


def place(row):
    return f"row {row}"


def plain_pieces(lengths, size, shared):
    """The pieces (lists of places) one after the other."""
    pieces = []
    for begin, length in zip(edges_of(lengths), lengths, strict=False):
        first = 0
        while first + size <= length:
            pieces.append([int(begin) + state for state in range(first, first + size)])
            first += size - shared
    return pieces


def whole_runs(lengths, size, shared):
    run = min(RUN, max(lengths))
    return len({tuple(piece[k : k + run]) for piece in plain_pieces(lengths, size, shared) for k in range(size - run + 1)})


@pytest.mark.parametrize("shared", [0, 1])
def test_the_length_keeps_the_most_runs_of_all_lengths(shared, seed):
    random = np.random.default_rng(seed)
    cases = [[2], [3], [9], [1, 2], [5, 5], [61, 54, 47], *(random.integers(1, 30, random.integers(1, 8)) for _ in range(40))]
    for lengths in cases:
        if max(lengths) < 2:
            continue
        size = piece_length(lengths, shared)
        best = max(whole_runs(lengths, other, shared) for other in range(2, max(lengths) + 1))
        assert whole_runs(lengths, size, shared) == best > 0
        assert all(whole_runs(lengths, other, shared) < best for other in range(size + 1, max(lengths) + 1))
        pieces = plain_pieces(lengths, size, shared)
        assert piece_begins(edges_of(lengths), size, shared).tolist() == [piece[0] for piece in pieces]
        assert states_left_out(edges_of(lengths), size, shared) == sum(lengths) - len({state for piece in pieces for state in piece})


@pytest.mark.parametrize(
    ("lengths", "shared", "size", "left_out"),
    [
        ([50], 1, 50, 0),
        ([50] * 7, 0, 50, 0),
        ([101, 51, 201], 1, 51, 0),
        ([100, 50, 200], 0, 50, 0),
        ([1000, 999], 1, 999, 1),
        ([101] * 50 + [37], 1, 101, 37),
        ([2, 1, 1], 1, 2, 2),
    ],
)
def test_pieces_that_people_expect(lengths, shared, size, left_out):
    assert piece_length(lengths, shared) == size
    assert states_left_out(edges_of(lengths), size, shared) == left_out


def test_no_two_states():
    with pytest.raises(UserError, match="none of 3 trajectories has two consecutive states"):
        piece_length([1, 1, 1])


def test_trajectories_begin_where_time_jumps_back():
    order, edges = trajectory_rows(7, np.array([0.0, 1, 2, 0, 1, 0.5, 1.5]))
    assert (order.tolist(), edges.tolist()) == ([*range(7)], [0, 3, 5, 7])


def test_labels_collect_rows_from_anywhere():
    times, labels = np.array([0.0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 0])
    order, edges = trajectory_rows(5, times, labels)
    assert (order.tolist(), edges.tolist()) == ([0, 2, 4, 1, 3], [0, 3, 5])
    assert time_step(times, order, edges, place) == (1, 0)


def test_without_times_or_labels_all_is_one_trajectory():
    order, edges = trajectory_rows(3)
    assert (order.tolist(), edges.tolist()) == ([0, 1, 2], [0, 3])


@pytest.mark.parametrize("step", [0.05, 1e-3, 1 / 3, 0.1, 2.0])
@pytest.mark.parametrize("start", [0.0, 7.0])
def test_the_step_is_the_number_that_was_meant(step, start):
    times = np.tile(start + step * np.arange(1001), 3)
    found, deviation = time_step(times, *trajectory_rows(len(times), times), place)
    assert deviation < 1e-9
    assert found == step if step == float(f"{step:.12g}") else found == pytest.approx(step, rel=1e-14)


@pytest.mark.parametrize(
    ("times", "labels", "words"),
    [
        (
            [0, 1, 2, 3.5, 4.5],
            None,
            "row 3: the step in time is 1.5, but mostly 1 (a relative difference of 5.0e-01; at most 0.001 will do)",
        ),
        (
            [0, 1, 2, 3.5, 4.5],
            None,
            "resample the states to equal steps, or give what follows a gap a trajectory of its own by --trajectory",
        ),
        ([0, 1, 2, 3.01, 4], None, "row 3: the step in time is 1.01, but mostly 1"),
        ([0, 1, 2, 3.01, 4], None, "where the times are equal but for rounding, pass --time-tolerance 0.011"),
        ([0, 1, 0, 1.2, 2.2, 3.2], None, "row 3: the step in time is 1.2, but mostly 1"),
        ([0, 1, 1, 2], None, "row 2: time stands still at 1 within a trajectory"),
        ([0, 0, 1, 1, 0.5], [0, 1, 0, 1, 0], "row 4: time goes back from 1 to 0.5 within a trajectory; sort its rows by time"),
    ],
)
def test_steps_that_are_not_equal(times, labels, words):
    times = np.array(times, float)
    order, edges = trajectory_rows(len(times), times, None if labels is None else np.array(labels))
    with pytest.raises(UserError) as caught:
        time_step(times, order, edges, place)
    assert words in str(caught.value)


def test_what_a_message_advises_is_accepted():
    times = np.round(np.arange(100) / 30, 3)
    rows = trajectory_rows(100, times)
    with pytest.raises(UserError) as caught:
        time_step(times, *rows, place)
    advised = float(str(caught.value).split("--time-tolerance ")[1])
    found, deviation = time_step(times, *rows, place, advised)
    assert found == pytest.approx(1 / 30, rel=1e-4) and 1e-3 < deviation < advised
