"""Who may take the directory of a run over, and when."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from run_directories import ABOUT

from hnn_hpc import run_place
from hnn_hpc.errors import UserError
from hnn_hpc.run_place import check_free, read_status, take, told
from hnn_hpc.run_status import RunStatus


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


@pytest.mark.parametrize("dead_there", [True, False])
def test_a_file_system_without_links_will_do(tmp_path, short, left, dead, monkeypatch, dead_there):
    def link(source, target):
        if os.path.lexists(target):
            raise FileExistsError
        raise PermissionError

    monkeypatch.setattr(os, "link", link)
    if dead_there:
        left(process=dead)
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
