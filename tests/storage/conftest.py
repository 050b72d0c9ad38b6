"""Small samples to write and read back."""

import numpy as np
import pytest

from hnn_hpc.samples import Samples


@pytest.fixture
def samples(seed):
    """60 samples of 2 degrees of freedom: also 12 trajectories of 5 steps, or 5 of 12."""
    random = np.random.default_rng(seed)
    return Samples(random.normal(size=(60, 4)), random.normal(size=(60, 4)), random.normal(size=60))
