"""Checks of single values that a user gives, so that every part of the package says the same about the same mistake."""

import math
from numbers import Integral, Real

from hnn_hpc.errors import UserError

# Of what is squared and divided on the way to an answer: far from the ends of the range of floating-point numbers, and of any physics.
SMALLEST, LARGEST = 1e-100, 1e100
MOST_SAMPLES = 10**15  # whose numbers are exact as floating-point numbers, with room to spare
LARGEST_SEED = 2**63 - 1  # of samples: an attribute of their HDF5 file holds it as a number, and a larger one as text


def finite_number(value, what):
    """Return `value` as a float; UserError, naming it as `what`, unless it is a finite real number (a bool is none)."""
    try:
        if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:  # an int beyond the largest float
        pass
    raise UserError(f"{what} = {value!r}: expected a finite number")


def whole_number(value, what, at_least, at_most=math.inf):
    """Return `value` as an int; UserError, naming it as `what`, unless it is an integer in [at_least, at_most] (a bool is none)."""
    if isinstance(value, Integral) and not isinstance(value, bool) and at_least <= value <= at_most:
        return int(value)
    limit = "" if at_most == math.inf else f" and at most {at_most}"
    raise UserError(f"{what} = {value!r}: expected a whole number of at least {at_least}{limit}")
