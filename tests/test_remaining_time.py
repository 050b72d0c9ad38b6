"""How long a computation takes still, in seconds computed by hand."""

import pytest

from hnn_hpc import remaining_time
from hnn_hpc.remaining_time import RemainingTime


class Clock:
    """A clock that the test sets, in the place of `time` in the module."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now

    def remaining(self, work, now):
        """Let it be so late since the start of the test, and return what remains then."""
        self.now = 100.0 + now
        return work.as_dict()["remaining_seconds"]


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(remaining_time, "time", clock)
    return clock


@pytest.fixture
def work(clock):
    """One that is told of 10 + 1 + 5 seconds, and thus trusts in 0.8 of them."""
    work = RemainingTime()
    work.expect([("factor", 10.0), ("solve", 1.0), ("certify", 5.0)])
    return work


def test_nothing_is_known_of_what_nobody_has_predicted(clock):
    work = RemainingTime()
    for stage in ("start", "survey", "search"):
        assert clock.remaining(work, 3) is None
        work.start(stage, 1)
        work.advance()
        work.finish()
    assert clock.remaining(work, 4) is None


def test_until_the_first_step_what_was_predicted_counts_down_by_that_step_at_most(work, clock):
    assert clock.remaining(work, 0) == 16
    work.start("factor", 10)
    assert clock.remaining(work, 0) == 16
    assert clock.remaining(work, 0.7) == pytest.approx(15.3)
    assert clock.remaining(work, 50) == pytest.approx(15)


def test_a_step_tells_the_pace_of_all_that_is_to_come(work, clock):
    work.start("factor", 10)
    clock.now += 3.2
    work.advance()
    pace = (0.8 + 3.2) / (0.8 + 1)  # 1 s a step was predicted
    assert clock.remaining(work, 3.2) == pytest.approx(15 * pace)
    assert clock.remaining(work, 4.2) == pytest.approx(15 * pace - 1)
    assert clock.remaining(work, 90) == pytest.approx(15 * pace - pace)
    work.advance(4)
    pace = (0.8 + 90) / (0.8 + 5)
    assert clock.remaining(work, 90) == pytest.approx((5 + 1 + 5) * pace)


def test_the_stages_done_tell_the_pace_of_those_to_come(work, clock):
    work.start("factor", 10)
    clock.now += 21.6
    work.finish()
    pace = (0.8 + 21.6) / (0.8 + 10)
    assert clock.remaining(work, 21.6) == pytest.approx(6 * pace)
    assert clock.remaining(work, 60) == pytest.approx(6 * pace)  # until something starts
    work.start("solve", 1)
    assert clock.remaining(work, 61.5) == pytest.approx(6 * pace - 1.5)
    assert clock.remaining(work, 99) == pytest.approx(5 * pace)
    work.finish()
    pace = (0.8 + 21.6 + 39) / (0.8 + 11)
    assert clock.remaining(work, 99) == pytest.approx(5 * pace)
    work.start("certify", 4)
    clock.now += 2
    work.advance(2)
    pace = (0.8 + 21.6 + 39 + 2) / (0.8 + 11 + 2.5)
    assert clock.remaining(work, 101) == pytest.approx(2.5 * pace)
    work.advance(2)
    work.finish()
    assert clock.remaining(work, 101) is None


def test_what_a_checkpoint_spares_is_no_part_of_the_pace(work, clock):
    work.start("factor", 10)
    clock.now += 0.5
    work.advance(6)
    assert (work.as_dict()["done"], work.as_dict()["spared"]) == (6, 6)
    assert clock.remaining(work, 0.5) == pytest.approx(4 + 6)
    clock.now += 1.5
    work.advance()
    pace = (0.8 + 2) / (0.8 + 1)
    assert clock.remaining(work, 2) == pytest.approx((3 + 6) * pace)
    clock.now += 6
    work.finish()
    pace = (0.8 + 8) / (0.8 + 4)
    assert clock.remaining(work, 8) == pytest.approx(6 * pace)


def test_several_steps_that_took_their_time_are_not_spared(work, clock):
    work.start("factor", 10)
    clock.now += 0.7
    work.advance(6)
    assert work.as_dict()["spared"] == 0
    assert clock.remaining(work, 0.7) == pytest.approx((4 + 6) * (0.8 + 0.7) / (0.8 + 6))
    work.start("solve", 10)
    work.advance()
    work.advance(6)
    assert (work.as_dict()["done"], work.as_dict()["spared"]) == (7, 0)


def test_where_all_is_spared_that_this_rank_has_to_do_nothing_is_known_of_the_others(work, clock):
    work.start("factor", 10)
    work.advance(10)
    assert clock.remaining(work, 1000) is None
    work.finish()
    assert clock.remaining(work, 1000) == pytest.approx(6)  # the wait is no measure of what is to come


def test_a_stage_that_nobody_expected_is_no_measure(work, clock):
    work.start("keep", 4)
    clock.now += 500
    work.advance(2)
    assert clock.remaining(work, 600) == 16
    work.finish()
    work.start("factor", 10)
    assert clock.remaining(work, 600.5) == 15.5


def test_a_stage_that_is_repeated_takes_nothing_from_the_next_solve(clock):
    work = RemainingTime()
    work.expect([("factor", 1.0), ("solve", 1.0), ("certify", 1.0), ("factor", 50.0), ("solve", 1.0), ("certify", 6.0)])
    for stage in ("factor", "solve", "certify", "certify"):
        work.start(stage, 1)
        work.finish()
    pace = 3.0 / (3.0 + 3)
    assert clock.remaining(work, 0) == pytest.approx(57 * pace)
    work.start("factor", 2)
    work.advance()
    assert clock.remaining(work, 0) == pytest.approx((25 + 7) * 3.0 / (3.0 + 3 + 25))


def test_stages_may_come_in_another_order_and_what_a_solve_leaves_out_is_forgotten_when_the_next_begins(clock):
    work = RemainingTime()
    work.expect([("factor", 0.0), ("iterate", 4.0), ("certify", 2.0), ("keep", 0.0), ("factor", 3.0), ("certify", 1.0)])
    ahead = []
    for stage in ("factor", "certify", "iterate", "certify", "keep", "factor"):
        work.start(stage, 0)
        work.finish()
        ahead.append(sum(seconds for _, seconds in work._ahead))
    assert ahead == [10, 8, 4, 4, 4, 1]
    work.expect([("iterate", 4.0), ("certify", 2.0), ("factor", 3.0)])
    work.start("certify", 1)
    work.finish()
    work.start("factor", 1)
    assert clock.remaining(work, 0) == pytest.approx(3 * 0.45 / (0.45 + 2))
