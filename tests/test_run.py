"""Where a job's samples come from, what is checked before the fit, and that earlier results survive a failure."""

import json

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.job import FileData, job_from_tables
from hnn_hpc.models import load_model
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.run import open_sources, run_job
from hnn_hpc.samples import Samples
from hnn_hpc.storage import SampleFileWriter

K = 10


@pytest.fixture
def file(tmp_path):
    """A file of K samples whose coordinates are their row numbers."""
    rows = np.arange(K, dtype=float)
    path = tmp_path / "samples.h5"
    with SampleFileWriter(path, (K, 2)) as writer:
        writer.write(0, Samples(np.column_stack([rows, rows]), np.ones((K, 2)), rows))
    return path


@pytest.mark.parametrize(("fraction", "kept"), [(0.3, 3), (0.01, 1), (0.99, 10)])
def test_the_last_rows_are_kept_for_the_test(file, fraction, kept):
    train, test, _ = open_sources(FileData(file, test_fraction=fraction))
    assert (train.count, test.count) == (K - kept, kept)
    assert train.read(0, train.count).energies.tolist() == list(range(K - kept))
    assert test.read(0, kept).points[:, 0].tolist() == list(range(K - kept, K))
    assert test.read(kept - 1, kept).energies.tolist() == [K - 1]


def test_training_and_test_points_of_a_system_differ():
    train, test, _ = open_sources(job_from_tables({"data": {"system": "pendulum", "samples": K}}, None).data)
    assert not np.isin(train.read(0, K).points, test.read(0, K).points).any()


@pytest.mark.parametrize(
    ("given", "reference"),
    [
        ({}, ([0, 0], 0)),
        ({"reference_point": [0, 2]}, ([0, 2], 2)),  # p^2 / 2
        ({"reference_energy": 5}, ([0, 0], 5)),
        ({"reference_point": [0, 2], "reference_energy": 5}, ([0, 2], 5)),
    ],
)
def test_a_system_knows_its_energy_where_none_is_given(given, reference):
    x0, H0 = open_sources(job_from_tables({"data": {"system": "pendulum", "samples": K, **given}}, None).data)[2]
    assert (list(x0), H0) == reference


SYSTEM_JOB = {"data": {"system": "pendulum", "samples": 50}, "features": {"count": 40, "bandwidth": 0.5, "supports": "dense"}}


def test_a_bad_test_sample_is_noticed_before_the_fit(tmp_path, monkeypatch):
    monkeypatch.setattr("hnn_hpc.run.fit_source", lambda *_, **__: pytest.fail("fitted"))
    points = np.arange(2.0 * K).reshape(K, 2)
    points[8, 1] = np.nan
    with SampleFileWriter(tmp_path / "samples.h5", (K, 2)) as writer:
        writer.write(0, Samples(points, np.ones((K, 2)), np.ones(K)))
    job = job_from_tables({"data": {"file": str(tmp_path / "samples.h5"), "test_fraction": 0.3}}, tmp_path / "results")
    with pytest.raises(UserError, match=r"row 1 \(p1\) of .*samples\.h5 \(rows counted from its row 7\) is nan"):
        run_job(job, SerialCommunicator())


def test_a_full_disk_leaves_both_earlier_results(tmp_path, full_disk):
    job = job_from_tables(SYSTEM_JOB, tmp_path / "results")
    run_job(job, SerialCommunicator())
    before = {path.name: path.read_bytes() for path in job.directory.iterdir()}
    assert set(before) == {"model.h5", "result.json"} and len(before["model.h5"]) > len(before["result.json"])
    for size in (100, len(before["result.json"]) + 100):  # too little for either file, and for the model only
        with pytest.raises(UserError, match="File too large"), full_disk() as limit_to:
            limit_to(size)
            run_job(job, SerialCommunicator(), force=True)
        assert {path.name: path.read_bytes() for path in job.directory.iterdir()} == before


def test_the_job_is_added_to_what_the_model_remembers(tmp_path):
    result = run_job(job_from_tables(SYSTEM_JOB, tmp_path / "results"), SerialCommunicator())
    provenance = load_model(tmp_path / "results" / "model.h5").provenance
    assert provenance["job"] == result["job"] == json.loads((tmp_path / "results" / "result.json").read_text())["job"]
    assert provenance["samples"]["system"] == "pendulum"
    assert (provenance["versions"], provenance["seeds"]) == (result["versions"], result["seeds"])


@pytest.mark.parametrize("name", ["a_file/sub/sub", "/proc/hnn-hpc/sub", "a\0b"])
def test_a_directory_that_cannot_be_made_is_named_before_the_fit(tmp_path, monkeypatch, name):
    monkeypatch.setattr("hnn_hpc.run.fit_source", lambda *_, **__: pytest.fail("fitted"))
    (tmp_path / "a_file").touch()
    directory = tmp_path / name
    with pytest.raises(UserError) as caught:
        run_job(job_from_tables(SYSTEM_JOB, directory), SerialCommunicator())
    assert f"the output directory {directory} cannot be made: " in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a_file"]
