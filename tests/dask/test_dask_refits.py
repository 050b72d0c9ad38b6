"""Fits by dask that are made again: trajectories in a file that the workers read, and damped samples in dask arrays."""

import dask.array as da
import h5py
import numpy as np
import pytest
from fits import DENSE, SIZES, assert_same_fit

from hnn_hpc import evaluate_arrays, fit
from hnn_hpc.integrators import accurate_trajectories
from hnn_hpc.symplectic import undamped, vector_field_from_gradient
from hnn_hpc.systems import make_system

HENON = make_system("henon-heiles", {})


@pytest.mark.parametrize("how", [{}, {"dissipation": True, "corrections": 1}], ids=str)
def test_trajectories_without_velocities(client, tmp_path, how):
    states = accurate_trajectories(HENON, np.random.default_rng(1).uniform(-0.3, 0.3, (30, 4)), 0.1, 50)
    with h5py.File(tmp_path / "states.h5", "w") as file:
        file["trajectories"], file["time_step"] = states, 0.1
    how |= DENSE | {"require_certified": False, "reference": (np.zeros(4), 0.0)}
    ours, serial = fit(tmp_path / "states.h5", client=client, **how), fit(states, time_step=0.1, **how)
    assert_same_fit(ours, serial)
    assert ours.record["step"] == serial.record["step"] and ours.record["damping"] == serial.record["damping"]


def test_damped_samples_in_chunks(client, samples):
    velocities = vector_field_from_gradient(HENON.gradient(samples.points), np.array([0.1, 0.2]))
    arrays = [da.from_array(rows, chunks=(SIZES["in step with no block"], -1)) for rows in (samples.points, velocities)]
    how = DENSE | {"dissipation": True, "require_certified": False}
    ours = fit(*arrays, client=client, **how)
    assert_same_fit(ours, fit(samples.points, velocities, **how))
    # The errors of ∇H are those against velocities that are freed of the damping.
    found = evaluate_arrays(ours.model, *arrays).compute()["gradient_error"]
    H = undamped(velocities, ours.model.damping)
    error = ours.model.gradient(samples.points) - np.concatenate([-H[:, 2:], H[:, :2]], axis=1)
    assert found == pytest.approx(np.linalg.norm(error) / np.linalg.norm(H), rel=1e-10)
