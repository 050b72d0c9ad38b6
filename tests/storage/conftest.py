"""Small samples to write and read back, and checkpoints."""

import numpy as np
import pytest
from checkpoints import PROBLEM, SERIAL

from hnn_hpc.samples import Samples
from hnn_hpc.storage import Checkpoint


@pytest.fixture
def samples(seed):
    """60 samples of 2 degrees of freedom: also 12 trajectories of 5 steps, or 5 of 12."""
    random = np.random.default_rng(seed)
    return Samples(random.normal(size=(60, 4)), random.normal(size=(60, 4)), random.normal(size=60))


@pytest.fixture
def matrix(seed):
    return np.random.default_rng(seed).standard_normal((5, 7))


@pytest.fixture
def said():
    return []


@pytest.fixture
def checkpoint_of(tmp_path, said):
    """Makes the checkpoint of one solve in tmp_path/checkpoint, as one run after the other would."""

    def make(name="tsqr", problem=PROBLEM, **options):
        checkpoint = Checkpoint(tmp_path / "checkpoint", say=said.append, **{"seconds": 1e-9, **options})
        checkpoint.prepare()
        return checkpoint.of_solve(name, problem, problem["blocks"], SERIAL)

    return make
