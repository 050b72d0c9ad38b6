"""A range of rows is a source like the one it is taken from."""

import pickle

import numpy as np

from hnn_hpc.samples import RowRange, SystemSamples
from hnn_hpc.systems import make_system

WHOLE = SystemSamples(make_system("pendulum", {}), 20, seed=3)
RANGE = RowRange(WHOLE, 5, 7)


def test_its_rows_are_those_of_the_source_from_the_first_on():
    for part, expected in zip(RANGE.read(2, 6), WHOLE.read(7, 11), strict=True):
        np.testing.assert_array_equal(part, expected)
    assert RANGE.count == 7


def test_the_rest_is_the_source_s():
    for name in ("dimension", "has_energies", "description"):
        assert getattr(RANGE, name) == getattr(WHOLE, name)
    np.testing.assert_array_equal(RANGE.reference[0], WHOLE.reference[0])
    assert RANGE.location == "the samples of pendulum (rows counted from its row 5)"
    assert RowRange(WHOLE, 0, 5).location == WHOLE.location


def test_it_can_be_sent_to_another_process():
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(RANGE)).read(0, 7).points, RANGE.read(0, 7).points)
