"""Sample files of known systems hold what they say: the training points of a job, or true trajectories."""

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.generation import write_in_chunks, write_trajectories, write_uniform_samples
from hnn_hpc.integrators import accurate_trajectories
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.samples import Samples, SystemSamples
from hnn_hpc.storage import SampleFile, describe
from hnn_hpc.systems import make_system

SERIAL = SerialCommunicator()
SEED = 5


def assert_equal(samples, others):
    for array, other in zip(samples, others, strict=True):
        np.testing.assert_array_equal(array, other)


@pytest.mark.parametrize("count", [1, 4096, 4097])
def test_uniform_samples_are_the_training_points_of_a_job(tmp_path, count):
    system = make_system("lotka-volterra", {"alpha": 0.5}, [[0, 1], [2, 3]])
    write_uniform_samples(tmp_path / "samples.h5", system, count, SEED, SERIAL)
    file, source = SampleFile(tmp_path / "samples.h5"), SystemSamples(system, count, SEED)
    assert_equal(file.read(0, count), source.read(0, count))
    assert file.count == count and file.description["parameters"] == system.parameters and file.description["seed"] == SEED
    assert file.reference[0].tolist() == [0, 2] and file.reference[1] == system.energy([0, 2])  # the corner nearest to the origin


@pytest.mark.parametrize("steps", [1, 5000])  # many trajectories a chunk, and one longer than a chunk
def test_trajectories_are_those_of_the_accurate_integrator(tmp_path, steps):
    system, trajectories = make_system("pendulum", {}), 18 if steps == 1 else 2
    write_trajectories(tmp_path / "samples.h5", system, trajectories, steps, 0.001, SEED, SERIAL)
    file = SampleFile(tmp_path / "samples.h5")
    assert describe(tmp_path / "samples.h5")["datasets"]["trajectories"]["shape"] == [trajectories, steps + 1, 2]
    starts = SystemSamples(system, trajectories, SEED, stream="trajectory starts").read(0, trajectories).points
    points = accurate_trajectories(system, starts, 0.001, steps).reshape(-1, 2)
    assert_equal(file.read(0, file.count), Samples(points, system.vector_field(points), system.energy(points)))


def test_a_failure_in_the_middle_leaves_no_file(tmp_path):
    def compute(start, stop):
        if start:
            raise UserError("no more")
        return Samples(np.ones((stop, 2)), np.ones((stop, 2)), np.ones(stop))

    with pytest.raises(UserError, match="no more"):
        write_in_chunks(tmp_path / "samples.h5", (10, 2), 5, compute, SERIAL, {})
    assert list(tmp_path.iterdir()) == []
