"""A stage tells a progress object, or nobody, of each step."""

import pytest

from hnn_hpc.progress import Watched, expect, stage


class Recorder:
    def __init__(self):
        self.calls = []

    def start(self, name, total):
        self.calls.append((name, total))

    def advance(self, n=1):
        self.calls.append(n)

    def finish(self):
        self.calls.append("finish")


def test_a_stage_starts_advances_and_finishes():
    recorder = Recorder()
    with stage(recorder, "factor", 3) as on_step:
        on_step()
        on_step(2)
    assert recorder.calls == [("factor", 3), 1, 2, "finish"]


def test_who_watches_is_told_after_each_step_whether_or_not_anybody_else_is():
    for recorder in (Recorder(), None):
        steps = []
        with stage(Watched(recorder, lambda steps=steps: steps.append(1)), "certify", 3) as on_step:
            on_step()
            on_step(2)
        assert steps == [1, 1] and (recorder is None or recorder.calls == [("certify", 3), 1, 2, "finish"])


def test_what_is_to_come_is_told_to_those_who_want_to_know():
    class Curious(Recorder):
        def expect(self, stages):
            self.calls.append(stages)

    curious = Curious()
    expect(curious, [("factor", 2.0)])
    assert curious.calls == [[("factor", 2.0)]]
    for other in (None, Recorder()):
        expect(other, [("factor", 2.0)])
    assert other.calls == []


def test_nobody_is_told_nothing():
    with stage(None, "factor", 3) as on_step:
        on_step()
        on_step(2)


def test_a_stage_that_fails_is_not_finished():
    recorder = Recorder()
    with pytest.raises(ZeroDivisionError), stage(recorder, "factor", 3):
        raise ZeroDivisionError
    assert recorder.calls == [("factor", 3)]
