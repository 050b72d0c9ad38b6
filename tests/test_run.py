"""Where a job's samples come from, and what a model remembers of it."""

from types import SimpleNamespace

import numpy as np
import pytest

from hnn_hpc.job import FileData, job_from_tables
from hnn_hpc.run import known_system, open_sources, versions
from hnn_hpc.samples import Samples
from hnn_hpc.storage import SampleFileWriter
from hnn_hpc.systems import make_system

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


@pytest.mark.parametrize(
    ("provenance", "expected"),
    [
        ({"samples": {"system": "pendulum", "parameters": {"frequency": 2.0}}}, make_system("pendulum", {"frequency": 2.0})),
        ({"samples": {"system": "henon-heiles", "parameters": {}}}, None),  # of another dimension
        ({"samples": {"system": "my lab", "parameters": {}}}, None),
        ({"samples": {"system": "pendulum", "parameters": "none"}}, None),
        ({"samples": "mine"}, None),
        ({}, None),
    ],
)
def test_a_model_knows_its_system_only_where_its_samples_said_so(provenance, expected):
    assert known_system(SimpleNamespace(provenance=provenance, dimension=2)) == expected


def test_versions_name_what_the_numbers_depend_on():
    assert {"hnn-hpc", "python", "numpy", "scipy", "h5py"} <= set(versions())
