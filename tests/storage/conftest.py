"""Small samples to write and read back, and a disk that is full."""

import resource
from contextlib import contextmanager

import numpy as np
import pytest

from hnn_hpc.samples import Samples


@pytest.fixture
def samples(seed):
    """60 samples of 2 degrees of freedom: also 12 trajectories of 5 steps, or 5 of 12."""
    random = np.random.default_rng(seed)
    return Samples(random.normal(size=(60, 4)), random.normal(size=(60, 4)), random.normal(size=60))


@pytest.fixture
def full_disk():
    """A context that yields a function; from its call to the end of the context the system lets no file grow above so many bytes."""

    @contextmanager
    def limited():
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited
