"""Separability, declared and measured, and the energy drift of trajectories whose drift is known."""

import numpy as np
import pytest

from hnn_hpc.integrators import energy_drift, is_separable, separability_defect
from hnn_hpc.integrators.quality import drift_over_time
from hnn_hpc.systems import SYSTEMS, make_system


class LikeAModel:
    """A system as a trained model shows it, with a `domain` and nothing declared; plus a coupling times q1 p1."""

    def __init__(self, system, coupling=0.0):
        self.system, self.coupling = system, coupling
        self.domain, self.dof, self.dimension = system.box, system.dof, system.dimension

    def gradient(self, x):
        gradient = self.system.gradient(x)
        gradient[..., 0] += self.coupling * x[..., self.dof]
        gradient[..., self.dof] += self.coupling * x[..., 0]
        return gradient


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_a_system_declares_is_what_is_measured(name):
    system = make_system(name, {})
    assert is_separable(system) == is_separable(LikeAModel(system)) == system.separable
    assert (separability_defect(system) == 0) == system.separable


def test_the_defect_grows_with_the_coupling_and_the_tolerance_draws_the_line():
    weak, strong = (LikeAModel(make_system("pendulum", {}), coupling) for coupling in (1e-5, 1e-2))
    assert separability_defect(strong) == pytest.approx(1e3 * separability_defect(weak), rel=1e-2)
    assert is_separable(weak) and not is_separable(strong)
    assert is_separable(strong, tolerance=0.1) and not is_separable(weak, tolerance=1e-7)


def test_a_system_in_a_tiny_box_still_declares_that_it_is_not_separable():
    tiny = make_system("double-pendulum", {}, box=[[-1e-4, 1e-4]] * 4)
    assert not is_separable(tiny)


def test_the_defect_of_a_hamiltonian_without_any_force_is_zero():
    assert separability_defect(make_system("henon-heiles", {"alpha": 0})) == 0
    assert separability_defect(make_system("pendulum", {"frequency": 0})) == 0


def test_the_drift_is_relative_to_the_energy_exchanged():
    oscillator = make_system("henon-heiles", {"alpha": 0})  # H = (|q|^2 + |p|^2) / 2; below V swings by 2, T by 1.62
    assert energy_drift(oscillator, [[2, 0, 0, 0], [0, 0, 1.8, 0]]) == pytest.approx(0.38 / 2)
    assert energy_drift(oscillator, [[0, 0, 0, 0], [2, 0, 0.1, 0]]) == pytest.approx(2.005 / 2)
    free = make_system("pendulum", {"frequency": 0})  # H = p^2/2 exchanges what it loses
    assert energy_drift(free, [[0, 2.0], [1, 2.0], [2, 2.1]]) == pytest.approx(1)


class Raised:
    """A Hamiltonian plus a large constant, as that of a model fitted without any energy."""

    def __init__(self, system, constant):
        self.system, self.constant, self.dof = system, constant, system.dof

    def energy(self, x):
        return self.system.energy(x) + self.constant


def test_the_drift_does_not_depend_on_the_constant_nor_takes_round_off_at_rest_for_drift():
    system, path = make_system("pendulum", {}), [[1.0, 0.0], [0.5, 0.9], [0.0, 1.0]]
    raised = Raised(system, 1e6)  # round-off 1e-10
    assert energy_drift(raised, path) == pytest.approx(energy_drift(system, path), rel=1e-8)
    assert energy_drift(raised, [[0.0, 0.0], [0.0, 2e-5]]) < 1e-7


def test_the_worst_of_many_trajectories_counts_and_none_or_a_resting_one_has_no_drift():
    system = make_system("pendulum", {"frequency": 0})
    one, other = [[0, 2.0], [1, 2.0]], [[0, 1.0], [1, 1.1]]
    assert energy_drift(system, np.stack([one, other], axis=1)) == energy_drift(system, other) > energy_drift(system, one) == 0
    assert energy_drift(system, np.zeros((5, 2))) == 0
    assert energy_drift(system, np.zeros((5, 0, 2))) == 0


def test_the_drift_over_time_has_the_drift_as_its_largest_and_ends_where_an_orbit_escapes():
    system, rng = make_system("henon-heiles", {}), np.random.default_rng(0)
    paths = rng.uniform(-1, 1, (7, 3, 4))
    drift = drift_over_time(system, paths)
    assert drift.shape == (7, 3) and not drift[0].any() and drift.max() == energy_drift(system, paths)
    escaped = paths.copy()
    escaped[4:, 1], escaped[3, 1] = np.nan, 1e200
    found = drift_over_time(system, escaped)
    np.testing.assert_array_equal(found[:, [0, 2]], drift[:, [0, 2]])
    assert np.isnan(found[4:, 1]).all() and np.isinf(found[3, 1]) and np.isfinite(found[:3, 1]).all()


def test_at_rest_the_drift_over_time_is_no_round_off_over_round_off():
    raised = Raised(make_system("pendulum", {}), 1e6)
    assert drift_over_time(raised, [[0.0, 0.0], [0.0, 2e-5]]).max() < 1e-7
