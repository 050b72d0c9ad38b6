"""What became of a run, told from the files that real ones leave."""

import json
import os
import threading
import time

import pytest

from hnn_hpc import run_place, run_state, run_status
from hnn_hpc.errors import Interruption
from hnn_hpc.job import job_from_tables
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.run import run_job
from hnn_hpc.run_status import RunStatus

ABOUT = {"ranks": 2, "samples": 100, "dof": 2, "features": 30}
FEATURES = {"count": 40, "bandwidth": 0.5, "supports": "dense"}
BEAT = 0.05


@pytest.fixture(autouse=True)
def short(monkeypatch):
    for module in (run_status, run_place):
        monkeypatch.setattr(module, "BEAT", BEAT)
    monkeypatch.setattr(run_state, "SILENCE", 4 * BEAT)


@pytest.fixture
def running():
    """A function that makes a run be at work in a directory until the test ends."""
    begun = []

    def begin(directory):
        status = RunStatus(directory, ABOUT, environment={})
        status.begin()
        begun.append(status)
        return status

    yield begin
    for status in begun:
        status.end()


def finish(directory, **how):
    job = job_from_tables({"data": {"system": "pendulum", "samples": 50}, "features": FEATURES}, directory)
    return run_job(job, SerialCommunicator(), **how)


def interrupt(directory, monkeypatch, **how):
    """Make a fit, all of it but the evaluation, and leave its checkpoint in the directory."""

    def evaluate(*_):
        raise Interruption

    tables = {"data": {"system": "pendulum", "samples": 500}, "features": FEATURES, "solver": {"name": "khatri-rao-qr"}}
    job = job_from_tables(tables | {"output": {"checkpoint_seconds": 1e-9}}, directory)
    with monkeypatch.context() as patch, pytest.raises(Interruption):
        patch.setattr("hnn_hpc.sample_run.evaluate", evaluate)
        run_job(job, SerialCommunicator(), **how)


def leave(directory, age=1000.0, **entries):
    """Leave the status of a run that was killed so many seconds ago."""
    directory.mkdir(parents=True, exist_ok=True)
    status = RunStatus(directory, ABOUT, environment={}).as_dict()
    (directory / "status.json").write_text(json.dumps(status | {"updated": time.time() - age} | entries))
    os.utime(directory / "status.json", (time.time() - age, time.time() - age))


def state_of(directory):
    """Return the state, without what is None."""
    found = run_state.run_state(directory)
    assert json.loads(json.dumps(found)) == found
    return {name: value for name, value in found.items() if value is not None}


# One run


@pytest.mark.parametrize("name", ["model.h5", "notes.txt", "slurm-1.out"])
def test_a_directory_without_files_of_a_run_is_none(tmp_path, name):
    assert run_state.run_state(tmp_path) is None
    (tmp_path / name).write_text("some text\n")
    assert run_state.run_state(tmp_path) is None
    assert run_state.run_state(tmp_path / "nowhere") is None
    assert run_state.run_state(tmp_path / name) is None


def test_a_finished_run_has_a_result(tmp_path):
    result = finish(tmp_path)
    found = state_of(tmp_path)
    assert set(found) == {"directory", "state", "result"}
    assert (found["state"], found["directory"]) == ("finished", str(tmp_path))
    assert found["result"]["test"] == result["test"]


def test_a_run_is_at_work_while_its_status_is_new(tmp_path, running):
    running(tmp_path).start("factor", 8)
    start = time.monotonic()
    found = state_of(tmp_path)
    assert set(found) == {"directory", "state", "status"} and found["state"] == "running"
    assert found["status"]["process"] == os.getpid() and found["status"]["samples"] == 100
    assert time.monotonic() - start < BEAT


@pytest.mark.parametrize("offset", [-3600, 3600])
def test_a_run_by_another_clock_is_at_work_while_its_status_changes(tmp_path, running, monkeypatch, offset):
    monkeypatch.setattr(run_state, "time", Late(offset))
    monkeypatch.setattr(run_state, "SILENCE", 60)
    running(tmp_path)
    assert state_of(tmp_path)["state"] == "running"


class Late:
    """`time`, with a clock that is late."""

    def __init__(self, offset):
        self.sleep, self.monotonic, self._offset = time.sleep, time.monotonic, offset

    def time(self):
        return time.time() + self._offset


@pytest.mark.parametrize(("age", "silent"), [(1000, 1000), (-3600, 4 * BEAT)])
def test_a_run_that_was_killed_is_silent(tmp_path, age, silent):
    leave(tmp_path, age)
    start = time.monotonic()
    found = state_of(tmp_path)
    assert time.monotonic() - start >= 4 * BEAT
    assert set(found) == {"directory", "state", "status", "silent_seconds"}
    assert found["state"] == "silent" and found["silent_seconds"] == pytest.approx(silent, abs=20)


def test_an_interrupted_run_has_a_checkpoint(tmp_path, monkeypatch):
    interrupt(tmp_path, monkeypatch)
    found = state_of(tmp_path)
    assert set(found) == {"directory", "state", "saved"} and found["state"] == "interrupted"
    (solve,) = found["saved"]
    assert 0 <= solve.pop("seconds_ago") < 20
    assert solve == {"solve": "khatri-rao-qr", "blocks": solve["of"], "of": solve["of"]} and solve["of"] > 0


def test_a_run_that_was_killed_may_have_a_checkpoint_and_an_older_result(tmp_path, monkeypatch):
    finish(tmp_path)
    interrupt(tmp_path, monkeypatch, force=True)
    leave(tmp_path, age=10)
    os.utime(tmp_path / "result.json", (1, 1))
    found = state_of(tmp_path)
    assert set(found) == {"directory", "state", "status", "silent_seconds", "saved", "result"} and found["state"] == "silent"


def test_a_run_that_came_to_replace_a_result_and_was_interrupted_is_no_finished_one(tmp_path, monkeypatch):
    finish(tmp_path)
    interrupt(tmp_path, monkeypatch, force=True)
    found = state_of(tmp_path)
    assert set(found) == {"directory", "state", "saved", "result"} and found["state"] == "interrupted"


def test_a_run_that_was_killed_after_its_result_is_finished(tmp_path, monkeypatch):
    interrupt(tmp_path, monkeypatch)
    leave(tmp_path)
    checkpoint = (tmp_path / "checkpoint").rename(tmp_path.with_name("aside"))
    (tmp_path / "status.json").rename(tmp_path.with_name("status.json"))
    finish(tmp_path)
    checkpoint.rename(tmp_path / "checkpoint")
    tmp_path.with_name("status.json").rename(tmp_path / "status.json")
    start = time.monotonic()
    found = state_of(tmp_path)
    assert found["state"] == "finished" and "status" not in found and found["saved"]
    assert time.monotonic() - start < 4 * BEAT


def test_a_run_that_ends_while_it_is_watched_is_finished(tmp_path, monkeypatch):
    leave(tmp_path)
    (tmp_path / "status.json").rename(tmp_path / "aside")
    finish(tmp_path)
    (tmp_path / "result.json").rename(tmp_path / "result")
    (tmp_path / "aside").rename(tmp_path / "status.json")

    def end():
        (tmp_path / "result").rename(tmp_path / "result.json")
        (tmp_path / "status.json").unlink()

    monkeypatch.setattr(run_state, "SILENCE", 60)
    timer = threading.Timer(2 * BEAT, end)
    timer.start()
    found = state_of(tmp_path)
    timer.join()
    assert set(found) == {"directory", "state", "result"} and found["state"] == "finished"


def test_a_failed_run_has_the_last_error_of_its_newest_log(tmp_path):
    (tmp_path / "slurm-9.out").write_text("hnn-hpc: error: of long ago\n")
    os.utime(tmp_path / "slurm-9.out", (1, 1))
    (tmp_path / "slurm-10.out").write_text("hnn-hpc: error: the first\nhnn-hpc: the fit\nhnn-hpc: error on rank 3: the last: one\nmore\n")
    assert state_of(tmp_path) == {
        "directory": str(tmp_path),
        "state": "failed",
        "log": f"{tmp_path}/slurm-10.out",
        "problem": "the last: one",
    }
    (tmp_path / "slurm-10.out").write_text("no error\n")
    assert run_state.run_state(tmp_path) is None


def test_what_is_no_log_but_called_so_is_left_out(tmp_path):
    (tmp_path / "slurm-1.out").symlink_to("nowhere")
    os.mkfifo(tmp_path / "slurm-2.out")
    (tmp_path / "slurm-3.out").mkdir()
    assert run_state.run_state(tmp_path) is None


def test_of_a_long_log_the_end_is_read(tmp_path):
    filler = b"\xff" * 80 + b"\n"
    log = b"hnn-hpc: error: too early\n" + filler * (run_state.LOG_BYTES // len(filler) + 1)
    (tmp_path / "slurm-1.out").write_bytes(log)
    assert run_state.run_state(tmp_path) is None
    (tmp_path / "slurm-1.out").write_bytes(log + b"hnn-hpc: error: in time\n")
    assert state_of(tmp_path)["problem"] == "in time"


def test_the_error_of_a_run_that_can_go_on_is_told_and_that_of_a_finished_one_is_not(tmp_path, monkeypatch, running):
    (tmp_path / "slurm-1.out").write_text("hnn-hpc: error: something\n")
    running(tmp_path)
    assert "problem" not in state_of(tmp_path)
    finish(tmp_path / "done")
    (tmp_path / "slurm-1.out").rename(tmp_path / "done/slurm-1.out")
    assert "problem" not in state_of(tmp_path / "done")
    interrupt(tmp_path / "interrupted", monkeypatch)
    (tmp_path / "done/slurm-1.out").rename(tmp_path / "interrupted/slurm-1.out")
    assert (state_of(tmp_path / "interrupted")["state"], state_of(tmp_path / "interrupted")["problem"]) == ("failed", "something")
    (tmp_path / "interrupted/slurm-1.out").write_text("hnn-hpc: error: something\nhnn-hpc: error: interrupted; 3 of 4 blocks are saved\n")
    assert state_of(tmp_path / "interrupted")["state"] == "interrupted" and "problem" not in state_of(tmp_path / "interrupted")


def test_a_job_of_which_the_log_is_empty_is_waited_for(tmp_path):
    (tmp_path / "slurm-7.out").touch()
    assert state_of(tmp_path) == {"directory": str(tmp_path), "state": "waiting", "log": f"{tmp_path}/slurm-7.out"}


def test_a_log_hides_no_run_that_lies_below_it(tmp_path):
    (tmp_path / "slurm-7.out").write_text("hnn-hpc: error: something\n")
    assert [state["state"] for state in run_state.run_states(tmp_path)] == ["failed"]
    finish(tmp_path / "results/a")
    assert [(state["directory"], state["state"]) for state in run_state.run_states(tmp_path)] == [(f"{tmp_path}/results/a", "finished")]


@pytest.mark.parametrize(
    "damage",
    [
        lambda result: result.pop("seconds"),
        lambda result: result["seconds"].pop("solve"),
        lambda result: result.update(test=None),
        lambda result: result["test"].update(energy_error="small"),
        lambda result: result.update(flops=None),
        lambda result: result.update(resumed="no"),
        lambda result: result.update(job=[]),
    ],
)
def test_a_damaged_result_is_none(tmp_path, damage):
    result = finish(tmp_path)
    damage(result)
    (tmp_path / "result.json").write_text(json.dumps(result, default=str))
    assert run_state.run_state(tmp_path) is None


def test_a_damaged_checkpoint_is_told_as_far_as_it_can_be_read(tmp_path, monkeypatch):
    interrupt(tmp_path, monkeypatch)
    files = sorted((tmp_path / "checkpoint").iterdir())
    for path in files:
        path.write_bytes(path.read_bytes()[:100])
    assert run_state.run_state(tmp_path) is None
    (tmp_path / "checkpoint/khatri-rao-qr.node-0-0.h5").mkdir()
    assert run_state.run_state(tmp_path) is None


# Several


def test_the_runs_below_a_folder_are_told_in_order_each_once(tmp_path, running):
    finish(tmp_path / "b/2")
    leave(tmp_path / "b/1")
    finish(tmp_path / "b/2/below")  # of a run: not looked at
    running(tmp_path / "a")
    (tmp_path / "c/empty").mkdir(parents=True)
    found = run_state.run_states(tmp_path)
    told = [(os.path.relpath(run["directory"], tmp_path), run["state"]) for run in found]
    assert told == [("a", "running"), ("b/1", "silent"), ("b/2", "finished")]
    assert [run["state"] for run in run_state.run_states(tmp_path / "b/2")] == ["finished"]
    assert run_state.run_states(tmp_path / "c") == run_state.run_states(tmp_path / "nowhere") == []


@pytest.mark.parametrize("name", ["status.json", "result.json"])
def test_a_file_of_another_program_hides_no_run_below_it(tmp_path, name):
    finish(tmp_path / "run")
    (tmp_path / name).write_text('{"of": "another program"}')
    assert [run["directory"] for run in run_state.run_states(tmp_path)] == [str(tmp_path / "run")]


def test_many_that_were_killed_are_watched_together(tmp_path):
    for number in range(40):
        leave(tmp_path / f"{number:02}")
    start = time.monotonic()
    found = run_state.run_states(tmp_path)
    assert time.monotonic() - start < 10 * 4 * BEAT  # of 40, one after the other
    assert [(os.path.basename(run["directory"]), run["state"]) for run in found] == [(f"{number:02}", "silent") for number in range(40)]


def test_a_link_to_a_directory_is_followed_where_it_is_asked_for(tmp_path):
    finish(tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    assert [run["directory"] for run in run_state.run_states(tmp_path / "link")] == [str(tmp_path / "link")]
    assert [run["directory"] for run in run_state.run_states(tmp_path)] == [str(tmp_path / "real")]
