"""The dot test: an operator and its transpose must agree, ⟨A u, v⟩ = ⟨u, Aᵀ v⟩ (Claerbout, Earth Soundings Analysis, 1992)."""

import numpy as np

from hnn_hpc.random_streams import random_stream


def dot_test(operator, seed=0, run=1000):
    """Return (⟨A u, v⟩, ⟨u, Aᵀ v⟩) for random u, v, summed over runs of `run` samples; they must agree to round-off."""
    rng = random_stream(seed, "checks")
    u = rng.standard_normal(operator.columns)
    left, At_v = 0.0, np.zeros(operator.columns)
    for start in range(0, operator.samples, run):
        stop = min(start + run, operator.samples)
        v = rng.standard_normal((stop - start, operator.rows_per_sample))
        left += np.vdot(operator.multiply(start, stop, u), v)
        At_v += operator.multiply_transposed(start, stop, v)
    return left, u @ At_v
