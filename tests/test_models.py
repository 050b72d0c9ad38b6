"""A model has the interface of a system: energies, gradients and vector fields of any batch."""

import numpy as np
import pytest

from hnn_hpc import HamiltonianModel, UserError, load_model
from hnn_hpc.features import ACTIVATIONS, FeatureMap, make_coordinates, plain_coordinates


@pytest.fixture
def model():
    rng = np.random.default_rng(8)
    feature_map = FeatureMap(rng.standard_normal((30, 4)), rng.standard_normal(30), ACTIVATIONS["tanh"])
    return HamiltonianModel(feature_map, rng.standard_normal(30), 0.5, True, np.tile([-1.0, 1.0], (4, 1)))


def test_energy_is_the_networks(model):
    x = np.random.default_rng(9).standard_normal(4)
    expected = sum(c * np.tanh(w @ x + b) for c, w, b in zip(model.coefficients, model.weights, model.biases, strict=True)) + 0.5
    assert model.energy(x) == pytest.approx(expected, rel=1e-13)
    assert (model.dimension, model.dof) == (4, 2)


def test_gradient_is_that_of_the_energy(model):
    x, step = np.random.default_rng(9).standard_normal((6, 4)), 1e-6
    differences = [(model.energy(x + step * e) - model.energy(x - step * e)) / (2 * step) for e in np.eye(4)]
    np.testing.assert_allclose(model.gradient(x), np.stack(differences, axis=-1), atol=1e-8)
    np.testing.assert_array_equal(model.vector_field(x), np.concatenate([model.gradient(x)[:, 2:], -model.gradient(x)[:, :2]], axis=1))


@pytest.fixture
def derived():
    """A model in angles, a difference and a distance: D = 4, E = 9."""
    rng, coordinates = np.random.default_rng(8), make_coordinates(4, ["q1", "q2"], [["q1", "q2"]], [[["p1"], ["p2"]]])
    feature_map = FeatureMap(rng.standard_normal((30, 9)), rng.standard_normal(30), ACTIVATIONS["tanh"], coordinates)
    return HamiltonianModel(feature_map, rng.standard_normal(30), 0.5, True, np.tile([-1.0, 1.0], (4, 1)))


def test_a_model_in_derived_coordinates_is_one_of_x(derived):
    x, step = np.random.default_rng(9).standard_normal((6, 4)), 1e-6
    assert (derived.dimension, derived.dof, derived.weights.shape) == (4, 2, (30, 9))
    differences = [(derived.energy(x + step * e) - derived.energy(x - step * e)) / (2 * step) for e in np.eye(4)]
    np.testing.assert_allclose(derived.gradient(x), np.stack(differences, axis=-1), atol=1e-8)
    np.testing.assert_allclose(derived.energy(x + np.array([2 * np.pi, -2 * np.pi, 0, 0])), derived.energy(x), rtol=1e-12)
    with pytest.raises(UserError, match=r"the model has 4 coordinates, so points must have shape \(..., 4\)"):
        derived.energy(np.zeros(9))


def test_a_saved_model_in_derived_coordinates_is_loaded_as_it_was(derived, tmp_path):
    derived.save(tmp_path / "model.h5")
    loaded, x = load_model(tmp_path / "model.h5"), np.random.default_rng(9).standard_normal((5, 4))
    assert loaded.feature_map.coordinates == derived.feature_map.coordinates
    np.testing.assert_array_equal(loaded.energy(x), derived.energy(x))
    np.testing.assert_array_equal(loaded.gradient(x), derived.gradient(x))


def test_plain_coordinates_leave_no_trace_in_a_file(model, tmp_path):
    model.save(tmp_path / "a.h5")
    plain = FeatureMap(model.weights, model.biases, ACTIVATIONS["tanh"], plain_coordinates(4))
    HamiltonianModel(plain, model.coefficients, 0.5, True, model.domain).save(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert load_model(tmp_path / "b.h5").feature_map.coordinates is None


def test_any_batch_shape(model):
    x = np.random.default_rng(9).standard_normal((2, 3, 5, 4))
    assert model.energy(x).shape == (2, 3, 5) and model.gradient(x).shape == x.shape
    np.testing.assert_allclose(model.energy(x)[1, 2, 3], model.energy(x[1, 2, 3]), rtol=1e-13)
    assert model.energy(np.empty((0, 4))).shape == (0,)
    assert model.energy([0, 0, 0, 0]).shape == ()


@pytest.mark.parametrize("shape", [(), (3,), (4, 5)])
def test_points_of_another_width_are_refused(model, shape):
    with pytest.raises(UserError, match=r"the model has 4 coordinates, so points must have shape \(..., 4\)"):
        model.energy(np.zeros(shape))


def test_a_saved_model_is_loaded_as_it_was(model, tmp_path):
    model.domain[1], model.provenance = [-0.1, 1 / 3], {"seeds": {"features": 4}}
    model.save(tmp_path / "model.h5")
    loaded = load_model(tmp_path / "model.h5")
    for name in ("weights", "biases", "coefficients", "domain"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name), strict=True)
    for name in ("constant", "constant_known", "provenance"):
        assert getattr(loaded, name) == getattr(model, name)
    x = np.random.default_rng(9).standard_normal((5, 4))
    np.testing.assert_array_equal(loaded.energy(x), model.energy(x))
