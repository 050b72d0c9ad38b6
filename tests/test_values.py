"""Single values from a user."""

import math

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.values import finite_number, whole_number


@pytest.mark.parametrize("value", [3, 0.5, np.float32(0.5), np.int64(-2)])
def test_a_finite_number_becomes_a_float(value):
    assert type(finite_number(value, "x")) is float and finite_number(value, "x") == value


@pytest.mark.parametrize("value", [True, "1", None, math.nan, math.inf, 10**400, 1j, [1.0]])
def test_anything_else_is_refused_by_name(value):
    with pytest.raises(UserError, match=r"bandwidth = .*expected a finite number"):
        finite_number(value, "bandwidth")


def test_a_whole_number_within_its_limits_becomes_an_int():
    assert [type(whole_number(value, "x", at_least=1, at_most=3)) for value in (1, np.int64(3))] == [int, int]


@pytest.mark.parametrize("value", [0, 4, 2.0, True, "2", None])
def test_a_number_out_of_limits_or_not_whole_is_refused(value):
    with pytest.raises(UserError, match=r"count = .*at least 1 and at most 3"):
        whole_number(value, "count", at_least=1, at_most=3)
