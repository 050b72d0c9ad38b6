"""What lies in the directory of a run: whole, damaged, of this job or of another."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from hnn_hpc import run_files
from hnn_hpc.errors import OutputError, UserError
from hnn_hpc.job import job_from_tables
from hnn_hpc.models import load_model
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.run import run_job
from hnn_hpc.run_files import difference, finished_result, make_directory, read_dictionary, read_result, remove_half_written, write_results
from hnn_hpc.samples import Samples
from hnn_hpc.storage import SampleFileWriter

FEATURES = {"count": 40, "bandwidth": 0.5, "supports": "dense"}


def job_in(directory, **features):
    return job_from_tables({"data": {"system": "pendulum", "samples": 50}, "features": FEATURES | features}, directory)


@pytest.fixture
def done(tmp_path):
    """The job of a finished run, in whose directory its files are."""
    job = job_in(tmp_path / "results")
    run_job(job, SerialCommunicator())
    return job


def names(directory):
    return sorted(path.name for path in directory.iterdir())


# Directories


def test_what_is_made_is_told_from_the_outside_in(tmp_path):
    (tmp_path / "there").mkdir()
    wanted = tmp_path / "there/a/b"
    assert make_directory(wanted) == [tmp_path / "there/a", wanted] and wanted.is_dir()
    assert make_directory(wanted) == []


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="the output directory .*file/below cannot be made: Not a directory"):
        make_directory(tmp_path / "file/below")


# Files of JSON


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"\0" * 50, b"\xff\xfe", b"[" * 200_000, b'{"a": 1} x'])
def test_what_is_no_dictionary_is_none(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    assert read_dictionary(tmp_path / "file") is None


def test_what_is_no_file_is_none(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path in ("pipe", "loop", "nothing", "pipe/below", "."):
        assert read_dictionary(tmp_path / path) is None
    assert read_dictionary(Path("/dev/zero")) is None


def test_a_dictionary_is_read_unless_it_is_absurdly_large(tmp_path, monkeypatch):
    (tmp_path / "file").write_text('{"a": [1]}')
    assert read_dictionary(tmp_path / "file") == {"a": [1]}
    monkeypatch.setattr(run_files, "LARGEST", 9)
    assert read_dictionary(tmp_path / "file") is None


def test_a_result_is_read_where_it_tells_its_job(done):
    result = read_result(done.directory)
    assert result["samples"] == 50 and result["job"]["features"]["count"] == 40
    for damage in ({"job": None}, {"job": []}, {"job": {**result["job"], "solver": 3}}, {"job": {"data": {}}}):
        (done.directory / "result.json").write_text(json.dumps(result | damage))
        assert read_result(done.directory) is None
    (done.directory / "result.json").unlink()
    assert read_result(done.directory) is None


# Whether a job is done


def test_the_result_of_the_very_job_is_found(done):
    found = finished_result(done)
    assert found == json.loads((done.directory / "result.json").read_text())
    assert finished_result(done, ("-ksp_monitor",)) is None
    assert finished_result(job_in(done.directory, count=41)) is None
    assert names(done.directory) == ["model.h5", "result.json"]


def test_neither_the_place_nor_how_often_it_is_saved_makes_another_job(done, tmp_path):
    tables = done.as_dict() | {"output": {"checkpoint_seconds": 7.0}}
    moved = tmp_path / "moved"
    done.directory.rename(moved)
    assert finished_result(job_from_tables(tables, moved))["samples"] == 50


def test_a_model_without_a_result_is_removed_where_it_is_of_this_job(done):
    remove_half_written(done)
    assert names(done.directory) == ["model.h5", "result.json"]
    (done.directory / "result.json").unlink()
    remove_half_written(job_in(done.directory, seed=1))
    remove_half_written(done, ("-ksp_monitor",))
    assert names(done.directory) == ["model.h5"]
    remove_half_written(done)
    assert names(done.directory) == []


def test_other_samples_under_the_same_name_make_another_job(tmp_path):
    rows = np.random.default_rng(1).uniform(-1, 1, (60, 2))
    for name in ("samples.h5", "others.h5"):
        with SampleFileWriter(tmp_path / name, (60, 2), energies=False) as writer:
            writer.write(0, Samples(rows, rows[:, ::-1] * [1, -1], None))
    job = job_from_tables({"data": {"file": str(tmp_path / "samples.h5")}, "features": {"count": 20}}, tmp_path / "results")
    run_job(job, SerialCommunicator())
    assert finished_result(job)["features"] == 20
    (tmp_path / "others.h5").replace(tmp_path / "samples.h5")
    assert finished_result(job) is None


def test_a_damaged_model_stays_where_it_is(done):
    model = done.directory / "model.h5"
    model.write_bytes(model.read_bytes()[:2000])
    for _ in range(2):
        assert finished_result(done) is None
        remove_half_written(done)
        assert model.exists()
        (done.directory / "result.json").unlink(missing_ok=True)


def test_a_model_beside_a_damaged_result_stays(done):
    (done.directory / "result.json").write_text("{")
    assert finished_result(done) is None
    assert names(done.directory) == ["model.h5", "result.json"]


def test_a_result_without_a_model_is_none(done):
    (done.directory / "model.h5").unlink()
    assert finished_result(done) is None


# What tells two jobs apart


def test_two_jobs_differ_in_the_first_key_that_decides(done):
    tables = json.loads(json.dumps(done.as_dict(), default=str))
    assert difference(done, tables) is None
    tables["output"]["directory"] = "elsewhere"
    assert difference(done, tables) is None
    tables["solver"]["rcond"] = 1e-3
    assert difference(done, tables) == ("solver.rcond", 1e-3, 1e-15)
    tables["features"]["count"] = 12
    assert difference(done, tables) == ("features.count", 12, 40)
    del tables["features"]["count"]
    assert difference(done, tables) == ("features.count", None, 40)
    tables["data"]["gravity"] = 2
    assert difference(done, tables)[:2] == ("data.gravity", 2)


# Writing both


def test_both_are_written_or_neither(done, full_disk):
    model, result = load_model(done.directory / "model.h5"), {"a": 1}
    before = {path.name: path.read_bytes() for path in done.directory.iterdir()}
    with pytest.raises(OutputError, match=r"^the fit is done, but its results are lost: .*result\.json exists; pass --force"):
        write_results(done.directory, model, result, force=False)
    with pytest.raises(OutputError, match="File too large"), full_disk() as limit_to:
        limit_to(1000)
        write_results(done.directory, model, result, force=True)
    assert {path.name: path.read_bytes() for path in done.directory.iterdir()} == before
    write_results(done.directory, model, result, force=True)
    assert read_dictionary(done.directory / "result.json") == result and names(done.directory) == ["model.h5", "result.json"]


def test_a_directory_that_has_gone_is_not_made_again(done, tmp_path):
    model = load_model(done.directory / "model.h5")
    with pytest.raises(OutputError, match="its directory .*gone does not exist"):
        write_results(tmp_path / "gone", model, {}, force=False)
    assert names(tmp_path) == ["results"]
