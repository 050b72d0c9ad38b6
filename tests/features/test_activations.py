"""Activations against central differences, in place against out of place, and at the points where SWIM places them."""

import numpy as np
import pytest

from hnn_hpc.features import ACTIVATIONS

# Central differences with step 1e-5 err by 1e-10 (truncation, step² / 6 times a third derivative of order 1) and 1e-11 (rounding).
DIFFERENCE_STEP, DIFFERENCE_TOLERANCE = 1e-5, 1e-9
ROUNDING = 1e-15

every_activation = pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)


@every_activation
def test_derivative_is_the_slope(activation):
    z = np.linspace(-8, 8, 401)
    slope = (activation.value(z + DIFFERENCE_STEP) - activation.value(z - DIFFERENCE_STEP)) / (2 * DIFFERENCE_STEP)
    np.testing.assert_allclose(activation.derivative(z), slope, rtol=0, atol=DIFFERENCE_TOLERANCE)


@every_activation
@pytest.mark.parametrize("member", ["value", "derivative"])
def test_in_place_equals_out_of_place(activation, member):
    function = getattr(activation, member)
    z = np.linspace(-8, 8, 401)
    before = z.copy()
    expected, other = function(z), np.empty_like(z)
    assert function(z, out=other) is other
    np.testing.assert_array_equal(z, before)
    assert function(z, out=z) is z
    np.testing.assert_array_equal(z, expected)
    np.testing.assert_array_equal(other, expected)


@every_activation
def test_nothing_overflows(activation):
    z = np.array([-1e100, -1e4, -750.0, 0.0, 750.0, 1e4, 1e100])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert np.isfinite(activation.value(z)).all()
        assert np.isfinite(activation.derivative(z)).all()


@pytest.mark.parametrize(
    "name, member, first, second",
    [
        ("tanh", "value", -0.5, 0.5),
        ("sigmoid", "value", 0.25, 0.75),
        ("softplus", "derivative", 0.25, 0.75),
        ("sine", "value", -0.5, 0.5),
        ("gaussian", "value", 0.25, 0.75),
        ("erf", "value", -0.5, 0.5),
    ],
)
def test_step_spans_the_middle_half_of_the_rise(name, member, first, second):
    activation = ACTIVATIONS[name]
    ends = np.array([-activation.step_offset, activation.step_scale - activation.step_offset])
    np.testing.assert_allclose(getattr(activation, member)(ends), [first, second], rtol=0, atol=ROUNDING)


def test_tanh_has_the_published_constants():
    assert ACTIVATIONS["tanh"].step_scale == pytest.approx(np.log(3), rel=ROUNDING)
    assert ACTIVATIONS["tanh"].step_offset == pytest.approx(np.log(3) / 2, rel=ROUNDING)


def test_keys_are_the_names():
    assert all(key == activation.name for key, activation in ACTIVATIONS.items())


def test_slopes_of_tanh_keep_their_digits_to_the_smallest():
    z = np.concatenate([np.linspace(-3, 3, 1001), np.linspace(-350, 350, 1001)])
    e = np.exp(-2 * np.abs(z).astype(np.longdouble))
    np.testing.assert_allclose(ACTIVATIONS["tanh"].derivative(z), (4 * e / (1 + e) ** 2).astype(float), rtol=ROUNDING)
    np.testing.assert_array_equal(ACTIVATIONS["tanh"].derivative([0.0, np.inf, -np.inf]), [1, 0, 0])


@every_activation
def test_arrays_of_any_shape_will_do(activation):
    for z in (np.array(0.3), np.empty((0, 2)), np.full((2, 1, 3), 0.3)):
        assert np.shape(activation.derivative(z.copy())) == np.shape(activation.value(z.copy())) == z.shape
        assert activation.derivative(z.copy(), out=z).shape == z.shape
