"""Every known system against energies computed by hand, central differences, and a loop over single points."""

import math
import pickle

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.systems import SYSTEMS, make_system, parameter_names

VARIANTS = [
    ("pendulum", {}),
    ("pendulum", {"frequency": 20}),
    ("lotka-volterra", {}),
    ("lotka-volterra", {"alpha": 3.5, "beta": 0.025, "gamma": 10, "delta": 0.07}),
    ("double-pendulum", {}),
    ("henon-heiles", {}),
    ("henon-heiles", {"alpha": 0.3}),
    ("fput-chain", {"dof": 10}),
    ("fput-chain", {"dof": 1, "alpha": 2, "beta": -1}),
    ("toda-chain", {"dof": 10}),
    ("toda-chain", {"dof": 1}),
]
every_system = pytest.mark.parametrize("system", [make_system(*variant) for variant in VARIANTS], ids=str)


def points_in_box(system, count):
    return np.random.default_rng(0).uniform(*system.box.T, size=(count, system.dimension))


@pytest.mark.parametrize(
    ("name", "parameters", "point", "energy"),
    [
        ("pendulum", {}, [math.pi, 2], 4),
        ("pendulum", {"frequency": 2}, [math.pi / 2, 1], 2.5),
        ("lotka-volterra", {}, [math.log(2), math.log(3)], -2 + 2 * math.log(2) - 3 + math.log(3)),
        ("lotka-volterra", {"alpha": 3.5, "beta": 0.025, "gamma": 10, "delta": 0.07}, [1, 2], 0.025 * math.e - 3.5 + 0.07 * math.e**2 - 20),
        ("double-pendulum", {}, [math.pi / 2, 0, 1, 1], -0.25),
        ("double-pendulum", {}, [math.pi, math.pi, 1, 1], 3.5),
        ("henon-heiles", {}, [1, 2, 3, 4], 15 - 2 / 3),
        ("henon-heiles", {"alpha": 0.5}, [1, 2, 3, 4], 15 - 1 / 3),
        ("fput-chain", {"dof": 2, "alpha": 0.25, "beta": 0.1}, [1, 3, 1, 2], 10.45),  # stretches 1, 2, -3
        ("toda-chain", {"dof": 1}, [math.log(2), 2], 2.5),  # stretches ln 2, -ln 2
    ],
)
def test_the_energy_is_the_one_computed_by_hand(name, parameters, point, energy):
    assert make_system(name, parameters).energy(point) == pytest.approx(energy, rel=1e-14)


@every_system
def test_the_gradient_agrees_with_central_differences(system):
    x = points_in_box(system, 100)
    step = 1e-5  # round-off 1e-11 and truncation 1e-10 f^3/6, f = 20 at most
    nudges = step * np.eye(system.dimension)
    differences = (system.energy(x[:, None] + nudges) - system.energy(x[:, None] - nudges)) / (2 * step)
    gradient = system.gradient(x)
    np.testing.assert_allclose(gradient, differences, atol=1e-8 * np.abs(gradient).max())


@every_system
def test_the_vector_field_obeys_hamiltons_equations(system):
    x = points_in_box(system, 10)
    gradient, field = system.gradient(x), system.vector_field(x)
    np.testing.assert_array_equal(field[:, : system.dof], gradient[:, system.dof :])
    np.testing.assert_array_equal(field[:, system.dof :], -gradient[:, : system.dof])


def test_a_pendulum_past_the_bottom_swings_on_and_is_pulled_back():
    np.testing.assert_allclose(make_system("pendulum", {}).vector_field([math.pi / 2, 3]), [3, -1])


@every_system
def test_a_batch_gives_the_bits_of_one_point_at_a_time(system):
    x = points_in_box(system, 35)
    batch = x.reshape(5, 7, system.dimension)
    np.testing.assert_array_equal(system.energy(batch).ravel(), [system.energy(point) for point in x])
    np.testing.assert_array_equal(system.gradient(batch).reshape(x.shape), [system.gradient(point) for point in x])


@every_system
def test_the_points_are_left_as_they_were_and_none_at_all_are_welcome(system):
    x = points_in_box(system, 3)
    before = x.copy()
    system.energy(x), system.gradient(x)
    np.testing.assert_array_equal(x, before)
    assert system.energy(x[:0]).shape == (0,) and system.gradient(x[:0]).shape == (0, system.dimension)


@every_system
def test_a_system_survives_pickling_and_equals_its_rebuilt_self(system):
    again = make_system(system.name, system.parameters, box=system.box.tolist())
    assert pickle.loads(pickle.dumps(system)) == system == again and hash(again) == hash(system)
    assert again != make_system(system.name, system.parameters, box=system.box * 2)


def test_the_boxes_are_the_published_ones():
    pi = math.pi
    boxes = {
        "pendulum": [[-2 * pi, 2 * pi], [-6, 6]],
        "lotka-volterra": [[-2, 2]] * 2,
        "double-pendulum": [[-pi, pi]] * 2 + [[-1, 1]] * 2,
        "henon-heiles": [[-5, 5]] * 4,
        "fput-chain": [[-1, 1]] * 8,
        "toda-chain": [[-1, 1]] * 8,
    }
    assert {name: make_system(name, {}).box.tolist() for name in SYSTEMS} == boxes
    assert make_system("pendulum", {"frequency": 10}).box.tolist() == [[-pi, pi], [-0.5, 0.5]]
    assert make_system("pendulum", {}, box=[[0, 1], [-2, 3]]).box.tolist() == [[0, 1], [-2, 3]]


def test_a_box_is_a_copy_that_cannot_be_written_to():
    limits = np.array([[0.0, 1.0], [0.0, 1.0]])
    system = make_system("pendulum", {}, box=limits)
    limits[0, 0] = -1
    assert system.box[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        system.box[0, 0] = -1


def test_toda_is_the_fput_chain_with_alpha_one_half_and_beta_one_sixth_up_to_the_fifth_order():
    toda, fput = make_system("toda-chain", {"dof": 3}), make_system("fput-chain", {"dof": 3, "alpha": 1 / 2, "beta": 1 / 6})
    x = 0.1 * points_in_box(toda, 50)
    stretches = np.diff(x[:, :3], axis=-1, prepend=0, append=0)
    np.testing.assert_allclose(toda.energy(x) - fput.energy(x), (stretches**5 / 120).sum(axis=-1), atol=5 * 0.2**6 / 720)


def test_chains_at_rest_have_no_energy_and_small_ones_keep_their_digits():
    for name in ("fput-chain", "toda-chain"):
        chain = make_system(name, {"dof": 1})
        assert chain.energy(chain.reference_point) == 0
        assert chain.gradient([1e-9, 0])[0] == pytest.approx(2e-9, rel=1e-8, abs=0)  # the terms in d^2 cancel, those in d^3 are 1e-18


@pytest.mark.parametrize(
    ("name", "parameters", "box", "words"),
    [
        ("pendullum", {}, None, "unknown system 'pendullum'; the systems are: pendulum, lotka-volterra"),
        (["pendulum"], {}, None, "unknown system"),
        ("henon-heiles", {"beta": 1}, None, "no parameter 'beta'; its parameters are: alpha"),
        ("double-pendulum", {"dof": 2}, None, "its parameters are: none"),
        ("pendulum", {"box": [[0, 1], [0, 1]]}, None, "no parameter 'box'"),
        ("pendulum", {"frequency": "fast"}, None, "frequency = 'fast': expected a finite number"),
        ("pendulum", {"frequency": True}, None, "frequency = True"),
        ("pendulum", {"frequency": math.nan}, None, "frequency = nan"),
        ("fput-chain", {"dof": 2.5}, None, "dof = 2.5: expected a whole number"),
        ("fput-chain", {"dof": True}, None, "dof = True"),
        ("toda-chain", {"dof": 0}, None, "dof = 0"),
        ("toda-chain", {"dof": 10**12}, None, "at most 1000000"),
        ("pendulum", {}, [[0, 1]], "expected 2 pairs"),
        ("pendulum", {}, [[0, 1], [0, 1, 2]], "expected 2 pairs"),
        ("pendulum", {}, [[0, 1], ["0", "1"]], "expected 2 pairs"),
        ("pendulum", {}, "wide", "expected 2 pairs"),
        ("pendulum", {}, [[0, 1], [2, 1]], "holds .2.0, 1.0.: expected finite limits"),
        ("pendulum", {}, [[0, 1], [1, 1]], "low < high"),
        ("pendulum", {}, [[0, 1], [0, math.inf]], "finite limits"),
        ("pendulum", {}, [[0, 1], [math.nan, 1]], "finite limits"),
        ("pendulum", {}, [[0, 1], [-1e308, 1e308]], "finite limits"),
    ],
)
def test_what_cannot_be_a_system_is_one_clear_sentence(name, parameters, box, words):
    with pytest.raises(UserError, match=words):
        make_system(name, parameters, box)


@every_system
def test_points_of_another_dimension_are_refused(system):
    for x in (np.zeros((3, system.dimension + 2)), np.zeros(system.dimension - 1), 1.0):
        with pytest.raises(UserError, match=f"{system.name} takes points"):
            system.energy(x)
        with pytest.raises(UserError, match=f"{system.name} takes points"):
            system.gradient(x)


def test_the_parameter_names_come_in_the_order_of_the_formula():
    assert parameter_names("lotka-volterra") == ("alpha", "beta", "gamma", "delta")
    assert parameter_names("fput-chain") == ("dof", "alpha", "beta")
    assert make_system("fput-chain", {"dof": 2}).parameters == {"dof": 2, "alpha": 0.25, "beta": 0.1}


def test_the_reference_point_is_the_origin_or_the_nearest_point_of_the_box():
    assert not make_system("lotka-volterra", {}, [[0, 8], [0, 8]]).reference_point.any()
    np.testing.assert_array_equal(make_system("pendulum", {}, [[3, 4], [-2, -1]]).reference_point, [3, -1])
