"""How much is left of a run, in seconds computed by hand; its file; and who may take a directory over."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from hnn_hpc import remaining_time, run_place, run_status
from hnn_hpc.errors import OutputError, UserError
from hnn_hpc.run_place import check_free, read_status, take, told
from hnn_hpc.run_status import RunStatus

ABOUT = {"ranks": 1, "samples": 100, "dof": 2, "features": 30}
BEAT = 0.05


class Clock:
    """A clock that the test sets, in the place of `time` in the module."""

    def __init__(self):
        self.now, self.time, self.sleep = 100.0, time.time, time.sleep

    def monotonic(self):
        return self.now

    def remaining(self, status, now):
        """Let it be so late since the start of the test, and return what remains then."""
        self.now = 100.0 + now
        return status.as_dict()["remaining_seconds"]


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in (run_status, remaining_time):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def short(monkeypatch):
    """A beat of 50 ms."""
    for module in (run_status, run_place):
        monkeypatch.setattr(module, "BEAT", BEAT)
    monkeypatch.setattr(run_place, "PATIENCE", 3 * BEAT)


@pytest.fixture
def patient(short, monkeypatch):
    """A beat of 50 ms, however slow the machine is: a run at work is noticed."""
    monkeypatch.setattr(run_place, "PATIENCE", 60)


@pytest.fixture
def status(tmp_path, clock):
    """One that is told of 10 + 1 + 5 seconds, and thus trusts in 0.8 of them."""
    status = RunStatus(tmp_path, ABOUT, environment={})
    status.expect([("factor", 10.0), ("solve", 1.0), ("certify", 5.0)])
    return status


# What remains


def test_nothing_is_known_of_what_nobody_has_predicted(tmp_path, clock):
    status = RunStatus(tmp_path, ABOUT, environment={})
    for stage in ("start", "survey", "search"):
        assert clock.remaining(status, 3) is None
        status.start(stage, 1)
        status.advance()
        status.finish()
    assert clock.remaining(status, 4) is None


def test_until_the_first_step_what_was_predicted_counts_down_by_that_step_at_most(status, clock):
    assert clock.remaining(status, 0) == 16
    status.start("factor", 10)
    assert clock.remaining(status, 0) == 16
    assert clock.remaining(status, 0.7) == pytest.approx(15.3)
    assert clock.remaining(status, 50) == pytest.approx(15)


def test_a_step_tells_the_pace_of_all_that_is_to_come(status, clock):
    status.start("factor", 10)
    clock.now += 3.2
    status.advance()
    pace = (0.8 + 3.2) / (0.8 + 1)  # 1 s a step was predicted
    assert clock.remaining(status, 3.2) == pytest.approx(15 * pace)
    assert clock.remaining(status, 4.2) == pytest.approx(15 * pace - 1)
    assert clock.remaining(status, 90) == pytest.approx(15 * pace - pace)
    status.advance(4)
    pace = (0.8 + 90) / (0.8 + 5)
    assert clock.remaining(status, 90) == pytest.approx((5 + 1 + 5) * pace)


def test_the_stages_done_tell_the_pace_of_those_to_come(status, clock):
    status.start("factor", 10)
    clock.now += 21.6
    status.finish()
    pace = (0.8 + 21.6) / (0.8 + 10)
    assert clock.remaining(status, 21.6) == pytest.approx(6 * pace)
    assert clock.remaining(status, 60) == pytest.approx(6 * pace)  # until something starts
    status.start("solve", 1)
    assert clock.remaining(status, 61.5) == pytest.approx(6 * pace - 1.5)
    assert clock.remaining(status, 99) == pytest.approx(5 * pace)
    status.finish()
    pace = (0.8 + 21.6 + 39) / (0.8 + 11)
    assert clock.remaining(status, 99) == pytest.approx(5 * pace)
    status.start("certify", 4)
    clock.now += 2
    status.advance(2)
    pace = (0.8 + 21.6 + 39 + 2) / (0.8 + 11 + 2.5)
    assert clock.remaining(status, 101) == pytest.approx(2.5 * pace)
    status.advance(2)
    status.finish()
    assert clock.remaining(status, 101) is None


def test_what_a_checkpoint_spares_is_no_part_of_the_pace(status, clock):
    status.start("factor", 10)
    clock.now += 0.5
    status.advance(6)
    assert (status.as_dict()["done"], status.as_dict()["spared"]) == (6, 6)
    assert clock.remaining(status, 0.5) == pytest.approx(4 + 6)
    clock.now += 1.5
    status.advance()
    pace = (0.8 + 2) / (0.8 + 1)
    assert clock.remaining(status, 2) == pytest.approx((3 + 6) * pace)
    clock.now += 6
    status.finish()
    pace = (0.8 + 8) / (0.8 + 4)
    assert clock.remaining(status, 8) == pytest.approx(6 * pace)


def test_several_steps_that_took_their_time_are_not_spared(status, clock):
    status.start("factor", 10)
    clock.now += 0.7
    status.advance(6)
    assert status.as_dict()["spared"] == 0
    assert clock.remaining(status, 0.7) == pytest.approx((4 + 6) * (0.8 + 0.7) / (0.8 + 6))
    status.start("solve", 10)
    status.advance()
    status.advance(6)
    assert (status.as_dict()["done"], status.as_dict()["spared"]) == (7, 0)


def test_where_all_is_spared_that_this_rank_has_to_do_nothing_is_known_of_the_others(status, clock):
    status.start("factor", 10)
    status.advance(10)
    assert clock.remaining(status, 1000) is None
    status.finish()
    assert clock.remaining(status, 1000) == pytest.approx(6)  # the wait is no measure of what is to come


def test_a_stage_that_nobody_expected_is_no_measure(status, clock):
    status.start("keep", 4)
    clock.now += 500
    status.advance(2)
    assert clock.remaining(status, 600) == 16
    status.finish()
    status.start("factor", 10)
    assert clock.remaining(status, 600.5) == 15.5


def test_a_stage_that_is_repeated_takes_nothing_from_the_next_solve(tmp_path, clock):
    status = RunStatus(tmp_path, ABOUT, environment={})
    status.expect([("factor", 1.0), ("solve", 1.0), ("certify", 1.0), ("factor", 50.0), ("solve", 1.0), ("certify", 6.0)])
    for stage in ("factor", "solve", "certify", "certify"):
        status.start(stage, 1)
        status.finish()
    pace = 3.0 / (3.0 + 3)
    assert clock.remaining(status, 0) == pytest.approx(57 * pace)
    status.start("factor", 2)
    status.advance()
    assert clock.remaining(status, 0) == pytest.approx((25 + 7) * 3.0 / (3.0 + 3 + 25))


def test_stages_may_come_in_another_order_and_what_a_solve_leaves_out_is_forgotten_when_the_next_begins(tmp_path, clock):
    status = RunStatus(tmp_path, ABOUT, environment={})
    status.expect([("factor", 0.0), ("iterate", 4.0), ("certify", 2.0), ("keep", 0.0), ("factor", 3.0), ("certify", 1.0)])
    ahead = []
    for stage in ("factor", "certify", "iterate", "certify", "keep", "factor"):
        status.start(stage, 0)
        status.finish()
        ahead.append(sum(seconds for _, seconds in status._work._ahead))
    assert ahead == [10, 8, 4, 4, 4, 1]
    status.expect([("iterate", 4.0), ("certify", 2.0), ("factor", 3.0)])
    status.start("certify", 1)
    status.finish()
    status.start("factor", 1)
    assert clock.remaining(status, 0) == pytest.approx(3 * 0.45 / (0.45 + 2))


# As a progress object


def test_another_progress_object_is_told_all_the_same(tmp_path):
    calls = []
    other = SimpleNamespace(
        start=lambda *all: calls.append(all), advance=lambda n=1: calls.append(n), finish=lambda: calls.append("finish")
    )
    status = RunStatus(tmp_path, ABOUT, other, environment={})
    status.expect([("factor", 1.0)])
    status.start("factor", 3)
    status.advance()
    status.advance(2)
    status.finish()
    assert calls == [("factor", 3), 1, 2, "finish"]


# The file


def test_the_file_tells_all_and_goes_in_the_end_with_the_directories_made_for_it(tmp_path, short):
    status = RunStatus(tmp_path / "a/b", ABOUT, environment={"SLURM_JOB_ID": "12", "SLURM_RESTART_COUNT": "3"})
    status.begin()
    status.start("factor", 7)
    status.advance(2)
    deadline = time.monotonic() + 20
    while read_status(tmp_path / "a/b")["done"] != 2:
        assert time.monotonic() < deadline
    found = json.loads((tmp_path / "a/b/status.json").read_text())
    assert {name: found[name] for name in ABOUT} == ABOUT
    assert (found["process"], found["job"], found["restarts"]) == (os.getpid(), "12", 3)
    assert (found["stage"], found["total"], found["remaining_seconds"]) == ("factor", 7, None)
    assert 0 <= found["stage_seconds"] <= found["updated"] - found["started"] + 0.01 and abs(found["updated"] - time.time()) < 20
    assert told(found) == f"job 12 of SLURM, process {os.getpid()} on {found['host']}"
    assert [path.name for path in (tmp_path / "a/b").iterdir() if "partial" not in path.name] == ["status.json"]
    status.end()
    assert list(tmp_path.iterdir()) == []


def test_what_else_came_into_the_directory_stays(tmp_path, short):
    status = RunStatus(tmp_path / "a/b", ABOUT, environment={})
    status.begin()
    (tmp_path / "a/b/model.h5").touch()
    status.end()
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["model.h5"]
    status = RunStatus(tmp_path / "a", ABOUT, environment={})
    status.begin()
    (tmp_path / "a/b/model.h5").unlink()
    (tmp_path / "a/b").rmdir()
    status.end()
    assert list((tmp_path / "a").iterdir()) == []  # which was there before


def test_a_directory_that_goes_is_not_made_again(tmp_path, short):
    status = RunStatus(tmp_path / "a", ABOUT, environment={})
    status.begin()
    while (tmp_path / "a").exists():
        for path in (tmp_path / "a").iterdir():
            path.unlink(missing_ok=True)
        try:
            (tmp_path / "a").rmdir()
        except OSError:
            continue
    beats = status.as_dict()["beats"]
    deadline = time.monotonic() + 20
    while status.as_dict()["beats"] < beats + 3:
        assert time.monotonic() < deadline
        time.sleep(BEAT)
    status.end()
    assert list(tmp_path.iterdir()) == []


def test_on_a_full_disk_the_older_file_is_marked_as_new(tmp_path, patient, full_disk):
    status = RunStatus(tmp_path, ABOUT, environment={})
    status.begin()
    with full_disk() as limit_to:
        limit_to(10)
        before, deadline = read_status(tmp_path), time.monotonic() + 20
        while (after := read_status(tmp_path)) == before:
            assert time.monotonic() < deadline
        with pytest.raises(UserError, match="another run is at work"):
            check_free(tmp_path, {"SLURM_JOB_ID": "1"})
    status.end()
    assert after["changed"] > before["changed"] and after | {"changed": 0} == before | {"changed": 0}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [{"updated": None}, {"updated": "now"}, {"total": []}, {"samples": "many"}, None, "process", "job"])
def test_a_status_that_lacks_anything_is_none(tmp_path, damage):
    status = RunStatus(tmp_path, ABOUT, environment={})
    whole = status.as_dict()
    (tmp_path / "status.json").write_text(json.dumps(whole))
    assert read_status(tmp_path)["stage"] == "start"
    damaged = [whole] if damage is None else whole | damage if isinstance(damage, dict) else {k: v for k, v in whole.items() if k != damage}
    (tmp_path / "status.json").write_text(json.dumps(damaged))
    assert read_status(tmp_path) is None


# Who may take a directory over


@pytest.fixture
def left(tmp_path):
    """A function that leaves a status in the directory that differs from this process's in some entries."""

    def leave(**entries):
        status = RunStatus(tmp_path, ABOUT, environment={}).as_dict() | entries
        (tmp_path / "status.json").write_text(json.dumps(status))

    return leave


@pytest.fixture
def dead():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def keep_changing(path, taken, refused):
    """Do what the run does that has taken the directory: write its status again and again, until all others are refused."""
    while len(taken) + len(refused) < 8:
        if taken:
            os.utime(path)
        time.sleep(0.01)


def seconds_to_take(directory, environment=None):
    start = time.monotonic()
    take(directory, lambda path: path.write_text("mine"), environment or {})
    assert [(path.name, path.read_text()) for path in directory.iterdir()] == [("status.json", "mine")]
    return time.monotonic() - start


@pytest.mark.parametrize("process", [None, 10**30, "?"])
def test_that_of_a_process_of_this_host_that_has_ended_is_taken_over_at_once(tmp_path, left, dead, process):
    left(process=process or dead)
    assert seconds_to_take(tmp_path) < run_place.BEAT / 4


def test_that_of_a_process_that_has_ended_and_that_nobody_has_asked_for_its_end_too(tmp_path, left):
    zombie = subprocess.Popen([sys.executable, "-c", ""], stdout=-1)
    zombie.stdout.read()  # until it has ended
    left(process=zombie.pid)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{zombie.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
    assert seconds_to_take(tmp_path) < run_place.BEAT / 4
    zombie.communicate()


def test_that_of_an_earlier_start_of_this_very_job_is_taken_over_at_once(tmp_path, left):
    left(job="7", restarts=0, host="another")
    assert seconds_to_take(tmp_path, {"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "1"}) < run_place.BEAT / 4


@pytest.mark.parametrize(
    ("entries", "environment"),
    [
        ({"host": "another"}, {}),
        ({"process": os.getppid()}, {}),  # which may be another program by now
        ({"job": "7", "restarts": 0, "host": "another"}, {"SLURM_JOB_ID": "7"}),
        ({"job": "7", "restarts": 0, "host": "another"}, {"SLURM_JOB_ID": "8", "SLURM_RESTART_COUNT": "1"}),
    ],
)
def test_any_other_one_is_watched_first(tmp_path, short, left, entries, environment):
    left(**entries)
    assert seconds_to_take(tmp_path, environment) >= run_place.PATIENCE


@pytest.mark.parametrize("environment", [{}, {"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "0"}])
def test_a_directory_where_a_run_is_at_work_is_refused(tmp_path, patient, environment):
    status = RunStatus(tmp_path, ABOUT, environment=environment)
    status.begin()
    before = status.as_dict()["beats"]
    with pytest.raises(UserError) as caught:
        RunStatus(tmp_path, ABOUT, environment=environment).begin()
    assert str(caught.value) == (
        f"another run is at work in {tmp_path}: {told(status.as_dict())}; wait for it, end it, or give another --output to this one"
    )
    assert (tmp_path / "status.json").exists() and status.as_dict()["beats"] > before
    status.end()
    check_free(tmp_path)


def test_one_that_ends_while_it_is_watched_leaves_the_directory_free(tmp_path, short, left, monkeypatch):
    left(host="another")
    monkeypatch.setattr(time, "sleep", lambda _: (tmp_path / "status.json").unlink(missing_ok=True))
    assert seconds_to_take(tmp_path) < run_place.PATIENCE


def test_of_two_that_take_it_at_once_one_succeeds(tmp_path, left, dead):
    """Both have seen that the run before is dead; the second removes nothing of the first."""
    left(process=dead)
    taken, refused = [], []

    def try_to_take(number):
        try:
            take(tmp_path, lambda path: path.write_text((tmp_path / f"of {number}").read_text()), {})
            taken.append(number)
        except UserError as error:
            refused.append(str(error))

    for number in range(8):
        status = RunStatus(tmp_path, ABOUT, environment={}).as_dict() | {"started": float(number)}
        (tmp_path / f"of {number}").write_text(json.dumps(status))
    with ThreadPoolExecutor(8) as pool:
        beats = pool.submit(keep_changing, tmp_path / "status.json", taken, refused)
        for number in range(8):
            pool.submit(try_to_take, number)
    assert len(taken) == 1 and len(refused) == 7 and all("another run is at work" in text for text in refused)
    beats.result()
    assert sorted(path.name for path in tmp_path.iterdir()) == [*(f"of {number}" for number in range(8)), "status.json"]


def test_a_status_that_another_run_has_put_in_place_meanwhile_stays(tmp_path, left):
    left(process=1, host="another", started=2.0)
    (tmp_path / "mine").touch()
    dead = read_status(tmp_path) | {"started": 1.0}
    assert not run_place._replaces(tmp_path / "mine", tmp_path / "status.json", dead)
    assert read_status(tmp_path)["started"] == 2.0 and sorted(os.listdir(tmp_path)) == ["mine", "status.json"]


def test_what_a_run_leaves_that_dies_while_it_takes_a_directory_is_in_nobodys_way(tmp_path, short, left, dead):
    left(process=dead, started=1.0)
    os.link(tmp_path / "status.json", tmp_path / ".status.json.1.0.partial")
    seconds_to_take(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0" * 700])
def test_what_the_crash_of_a_node_leaves_of_a_file_is_nobodys(tmp_path, content):
    (tmp_path / "status.json").write_bytes(content)
    assert seconds_to_take(tmp_path) < run_place.BEAT / 4


@pytest.mark.parametrize("content", ['{"my": "own"}', "[]", "text", None, "pipe"])
def test_what_is_no_status_is_in_the_way_and_stays(tmp_path, content):
    path = tmp_path / "status.json"
    if content is None:
        path.mkdir()
    elif content == "pipe":
        os.mkfifo(path)
    else:
        path.write_text(content)
    with pytest.raises(UserError, match=r"status\.json is in the way: a fit keeps its status there, and this is none; move it"):
        RunStatus(tmp_path, ABOUT, environment={}).begin()
    assert list(tmp_path.iterdir()) == [path]
    assert content in (None, "pipe") or path.read_text() == content


def test_a_run_whose_directory_another_one_has_taken_ends_and_leaves_it_alone(tmp_path, short, left):
    """As after a suspension: the other one has waited long enough."""
    status = RunStatus(tmp_path, ABOUT, environment={})
    status.begin()
    status.check_place()
    left(host="another", started=1.0)
    deadline = time.monotonic() + 20
    while status._taker is None:
        assert time.monotonic() < deadline
        time.sleep(BEAT)
    for act in (status.check_place, lambda: status.start("factor", 3)):
        with pytest.raises(
            OutputError, match=f"another run has taken over {tmp_path}: process .* on another; this one, which gave no sign"
        ):
            act()
    status.end()
    assert read_status(tmp_path)["host"] == "another"
