"""Relative errors by their definition, also where the constant of H is not known."""

import numpy as np
import pytest

from hnn_hpc import UserError
from hnn_hpc.evaluation import ROWS_PER_BLOCK, evaluate
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.samples import ArraySamples, SystemSamples
from hnn_hpc.systems import make_system

PENDULUM = make_system("pendulum", {})
COUNT = 2 * ROWS_PER_BLOCK + 100


class Perturbed:
    """The pendulum with an error of known size in H and its gradient, and a constant."""

    dimension = 2

    def __init__(self, constant, constant_known, size=1e-3):
        self.constant, self.constant_known, self.size = constant, constant_known, size

    def energy(self, x):
        return PENDULUM.energy(x) + self.size * np.sin(3 * x[:, 0]) + self.constant

    def gradient(self, x):
        return PENDULUM.gradient(x) + self.size * np.stack([3 * np.cos(3 * x[:, 0]), 0 * x[:, 0]], axis=1)


def errors(model, source):
    return evaluate(model, source, SerialCommunicator())


def norm(values):
    return np.linalg.norm(values)


@pytest.mark.parametrize("size", [1e-3, 1e-11])
def test_errors_by_definition(size):
    source = SystemSamples(PENDULUM, COUNT, seed=2)
    points, _, energies = source.read(0, COUNT)
    known, unknown = Perturbed(0, True, size), Perturbed(123.0, False, size)
    e = size * np.sin(3 * points[:, 0])
    found = errors(known, source)
    assert found["samples"] == COUNT
    assert found["energy_error"] == pytest.approx(norm(e) / norm(energies), rel=1e-3)
    assert found["gradient_error"] == pytest.approx(size * norm(3 * np.cos(3 * points[:, 0])) / norm(PENDULUM.gradient(points)), rel=1e-3)
    # Round-off in 123 + H is 1.4e-14, a thousandth of the smaller size: a constant far larger than the error must not hide it.
    assert errors(unknown, source)["energy_error"] == pytest.approx(norm(e - e.mean()) / norm(energies - energies.mean()), rel=1e-2)


def test_a_wrong_constant_counts_where_it_is_known():
    source = SystemSamples(PENDULUM, COUNT, seed=2)
    energies = source.read(0, COUNT).energies
    assert errors(Perturbed(0.1, True, 0), source)["energy_error"] == pytest.approx(0.1 * np.sqrt(COUNT) / norm(energies), rel=1e-9)


def test_samples_without_energies_have_no_energy_error():
    points, velocities, _ = SystemSamples(PENDULUM, 50, seed=2).read(0, 50)
    found = errors(Perturbed(0, False), ArraySamples(points, velocities, None, 50))
    assert found["energy_error"] is None and found["gradient_error"] > 0


def test_another_dimension_is_refused():
    source = SystemSamples(make_system("henon-heiles", {}), 50, seed=2)
    with pytest.raises(UserError, match=r"the model has 2 coordinates, but there are 4 in the samples of henon-heiles"):
        errors(Perturbed(0, True), source)
