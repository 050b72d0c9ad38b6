"""What a model remembers of where it comes from."""

from types import SimpleNamespace

import pytest

from hnn_hpc.provenance import known_system, versions
from hnn_hpc.systems import make_system


@pytest.mark.parametrize(
    ("provenance", "expected"),
    [
        ({"samples": {"system": "pendulum", "parameters": {"frequency": 2.0}}}, make_system("pendulum", {"frequency": 2.0})),
        ({"samples": {"system": "henon-heiles", "parameters": {}}}, None),  # of another dimension
        ({"samples": {"system": "my lab", "parameters": {}}}, None),
        ({"samples": {"system": "pendulum", "parameters": "none"}}, None),
        ({"samples": {"system": "pendulum"}}, make_system("pendulum", {})),
        ({"samples": "mine"}, None),
        ({"samples": None}, None),
        ({}, None),
    ],
)
def test_a_model_knows_its_system_only_where_its_samples_said_so(provenance, expected):
    assert known_system(SimpleNamespace(provenance=provenance, dimension=2)) == expected


def test_versions_name_what_the_numbers_depend_on():
    assert {"hnn-hpc", "python", "numpy", "scipy", "h5py"} <= set(versions())
