"""Starts of a given energy lie where they should; an energy that no orbit has is refused."""

import re

import numpy as np
import pytest
from hamiltonians import HENON_HEILES

from hnn_hpc.errors import UserError
from hnn_hpc.prediction import energy_starts, uniform_starts
from hnn_hpc.systems import make_system


@pytest.mark.parametrize("energy", [1e-6, 1 / 12, 1 / 8, 1 / 6])
@pytest.mark.parametrize("coordinate", [0, 1, 3])
def test_starts_have_the_energy_and_lie_on_the_plane_in_the_well(energy, coordinate):
    starts = energy_starts(HENON_HEILES, energy, 50, seed=4, coordinate=coordinate)
    np.testing.assert_allclose(HENON_HEILES.energy(starts), energy, rtol=1e-12)
    assert not starts[:, coordinate].any() and np.abs(starts[:, :2]).max() <= 1  # the corners of the well lie on the unit circle
    assert len(np.unique(starts, axis=0)) == 50


@pytest.mark.parametrize(("name", "energy"), [("pendulum", 1.0), ("lotka-volterra", -3.0), ("double-pendulum", -2.5), ("toda-chain", 0.5)])
def test_any_system_has_them(name, energy):
    system = make_system(name)
    starts = energy_starts(system, energy, 10, seed=0, coordinate=system.dof)
    np.testing.assert_allclose(system.energy(starts), energy, rtol=1e-12)
    assert ((starts >= system.box[:, 0]) & (starts <= system.box[:, 1])).all()


def test_a_plane_beside_the_origin():
    starts = energy_starts(HENON_HEILES, 0.1, 10, seed=0, coordinate=0, value=0.2)
    assert (starts[:, 0] == 0.2).all()
    np.testing.assert_allclose(HENON_HEILES.energy(starts), 0.1, rtol=1e-12)


@pytest.mark.parametrize(("name", "energy"), [("henon-heiles", 1e9), ("pendulum", -1.0), ("lotka-volterra", 5.0)])
def test_an_energy_without_an_orbit_is_refused(name, energy):
    with pytest.raises(UserError, match=rf"{name} has no orbit of energy {re.escape(f'{energy:g}')} around .*: the energy there is"):
        energy_starts(make_system(name), energy, 5, seed=0)


@pytest.mark.parametrize(("name", "energy"), [("henon-heiles", 0.0), ("double-pendulum", None), ("lotka-volterra", None)])
def test_the_energy_of_the_centre_is_only_that_of_a_point_at_rest(name, energy):
    system = make_system(name)
    with pytest.raises(UserError, match=f"{name} has only a point at rest"):
        energy_starts(system, float(system.energy(system.reference_point)) if energy is None else energy, 5, seed=0)


def test_starts_do_not_depend_on_how_many_rays_are_looked_at_together(monkeypatch):
    starts = energy_starts(HENON_HEILES, 1 / 8, 40, seed=5)
    monkeypatch.setattr("hnn_hpc.prediction.starts.RAYS_AT_ONCE", 7)
    np.testing.assert_array_equal(energy_starts(HENON_HEILES, 1 / 8, 40, seed=5), starts)
    np.testing.assert_array_equal(energy_starts(HENON_HEILES, 1 / 8, 20, seed=5), starts[:20])


def test_uniform_starts_fill_the_box_and_depend_on_the_seed_alone():
    box = [[-1, 0], [2, 5]]
    starts = uniform_starts(box, 200, seed=1)
    assert ((starts >= [-1, 2]) & (starts <= [0, 5])).all() and np.ptp(starts, axis=0) == pytest.approx([1, 3], rel=0.1)
    np.testing.assert_array_equal(starts, uniform_starts(box, 200, seed=1))
    assert (starts != uniform_starts(box, 200, seed=2)).any()
