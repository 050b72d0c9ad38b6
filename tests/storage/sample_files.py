"""Sample files of these tests, in all shapes, and what it means that samples are the same."""

import numpy as np

from hnn_hpc.storage import SampleFileWriter

ATTRIBUTES = {"system": "henon-heiles", "parameters": {"alpha": 0.7}, "seed": 3, "units": "dimensionless"}
SHAPES = [(60, 4), (12, 5, 4), (5, 12, 4), (1, 60, 4), (60, 1, 4)]


def write(path, samples, shape=(60, 4), **options):
    with SampleFileWriter(path, shape, energies=samples.energies is not None, **options) as file:
        file.write(0, samples)
    return path


def same(part, whole, rows=slice(None)):
    for found, expected in zip(part, whole, strict=True):
        np.testing.assert_array_equal(found, None if expected is None else expected[rows])
        assert found is None or (found.dtype == np.float64 and found.flags.c_contiguous)
    return True
