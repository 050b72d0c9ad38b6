"""Fits without derivatives, and with damping, on one to four ranks: the bits of one rank, however the rows were spread."""

import numpy as np
import pytest

from hnn_hpc import FitOptions, UserError, fit
from hnn_hpc.integrators import accurate_trajectories
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.samples import ArraySamples, ArrayTrajectories, StepSamples
from hnn_hpc.symplectic import vector_field_from_gradient
from hnn_hpc.systems import make_system
from hnn_hpc.training import fit_source

SERIAL = SerialCommunicator()
HENON = make_system("henon-heiles", {})
DENSE = {"bandwidth": 0.25, "supports": "dense"}


@pytest.fixture(scope="module")
def states():
    """Trajectories (40, 51, 4)."""
    return accurate_trajectories(HENON, np.random.default_rng(1).uniform(-0.3, 0.3, (40, 4)), 0.1, 50)


def assert_same(ours, serial):
    for name in ("weights", "coefficients", "constant"):
        np.testing.assert_array_equal(getattr(ours.model, name), getattr(serial.model, name))
    assert ours.record["step"] == serial.record["step"] and ours.record["damping"] == serial.record["damping"]


@pytest.mark.parametrize(
    "how", [DENSE, DENSE | {"solver": "tsqr", "rule": "symplectic-euler"}, {"stride": 2}, DENSE | {"dissipation": True}], ids=str
)
def test_the_bits_are_those_of_one_rank(communicator, states, how):
    source = StepSamples(ArrayTrajectories(states, 0.1), how.get("rule", "midpoint"), how.get("stride", 1))
    options = FitOptions(features=100, block_bytes="100KB", **how)
    assert_same(*(fit_source(source, options, some, require_certified=False) for some in (communicator, SERIAL)))


def test_each_rank_passes_its_own_trajectories(communicator, states):
    mine = states[communicator.rank :: communicator.size]
    order = np.concatenate([np.arange(len(states))[rank :: communicator.size] for rank in range(communicator.size)])
    how = {"time_step": 0.1, "features": 100, "require_certified": False, **DENSE}
    assert_same(fit(mine, comm=communicator, **how), fit(states[order], **how))


def test_ranks_that_disagree_over_the_step(communicator, states):
    if communicator.size == 1:
        return
    with pytest.raises(UserError, match="every rank must pass the same"):
        fit(states, time_step=0.1 * (1 + communicator.rank), comm=communicator, features=100, **DENSE)


def test_damping_of_samples_with_velocities(communicator):
    points = np.random.default_rng(2).uniform(-1, 1, (2000, 4))
    velocities = vector_field_from_gradient(HENON.gradient(points), np.array([0.1, 0.2]))
    source = ArraySamples(points, velocities, None, 2000)
    ours, serial = (fit_source(source, FitOptions(features=80, dissipation=True), some) for some in (communicator, SERIAL))
    assert_same(ours, serial)
    np.testing.assert_allclose(ours.model.damping, [0.1, 0.2], rtol=1e-4)
