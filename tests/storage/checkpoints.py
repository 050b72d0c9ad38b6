"""What the tests of checkpoints have in common."""

import numpy as np

from hnn_hpc.parallel.communicator import SerialCommunicator

SERIAL = SerialCommunicator()
PROBLEM = {"program": "1.0", "coordinates": 4, "features": 3, "blocks": 8, "hidden layer": "5f" * 32}
BLOCKS = PROBLEM["blocks"]


def node(level, index):
    """Some value of a node."""
    return (level, index), np.full((2, 2), level + index / 10)


def files(tmp_path):
    """Return the names of the files of a checkpoint, sorted."""
    return sorted(path.name for path in (tmp_path / "checkpoint").iterdir())
