"""The random numbers of the tests of the basis, and one thread for BLAS, as a fit has it."""

import numpy as np
import pytest

from hnn_hpc.parallel.threads import single_threaded_blas


@pytest.fixture
def rng(seed):
    return np.random.default_rng(seed)


@pytest.fixture(autouse=True)
def one_thread():
    with single_threaded_blas():
        yield
