"""The small problem of these tests, ways to cut it into chunks, and what it means that two fits are the same."""

import numpy as np

COUNT = 3000
SIZES = {
    "one chunk": (COUNT,),
    "even": (500,) * 6,
    "in step with no block": (700, 700, 700, 700, 200),
    "uneven, and some empty": (1, 0, 1499, 0, 0, 900, 600),
    "small": (37,) * 81 + (3,),
}
# In blocks of several pieces, so that rows go to Cholesky QR as well as to Householder QR.
HOW = {"features": 120, "seed": 2, "block_bytes": "200KB"}
DENSE = HOW | {"bandwidth": 0.25, "supports": "dense"}


def assert_same_fit(ours, serial):
    """Every number of two fits is the same to the bit."""
    for name in ("weights", "biases", "coefficients", "constant", "domain"):
        np.testing.assert_array_equal(getattr(ours.model, name), getattr(serial.model, name))
    for name in ("solver", "stop_reason", "relative_residual", "normal_residual", "backward_error", "condition_estimate", "rank"):
        assert getattr(ours.solution, name) == getattr(serial.solution, name), name
    assert ours.solution.householder_rows == serial.solution.householder_rows
