"""The file of a run that tells how far it is, while it lasts and after it was lost."""

import json
import os
import time
from types import SimpleNamespace

import pytest
from run_directories import ABOUT, BEAT

from hnn_hpc.errors import OutputError, UserError
from hnn_hpc.run_place import check_free, read_status, told
from hnn_hpc.run_status import RunStatus


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


def test_a_directory_that_a_full_disk_keeps_from_being_taken_counts_as_nobodys_and_not_as_lost(tmp_path, short, left, full_disk):
    left(host="another", started=1.0)  # of a run that is dead
    status = RunStatus(tmp_path, ABOUT, environment={})
    with full_disk() as limit_to:
        limit_to(10)
        status.begin()
        beats, deadline = status.as_dict()["beats"], time.monotonic() + 20
        while status.as_dict()["beats"] < beats + 3:
            assert time.monotonic() < deadline
            time.sleep(BEAT)
        status.check_place()
        status.start("factor", 3)
    status.end()
    assert read_status(tmp_path)["host"] == "another"
