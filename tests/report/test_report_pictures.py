"""The pictures of a report: what is counted and measured for them against plain loops, and what is said of them."""

import re

import numpy as np
import pytest

from hnn_hpc.features import ACTIVATIONS, FeatureMap, make_coordinates
from hnn_hpc.integrators import accurate_trajectories
from hnn_hpc.models import HamiltonianModel
from hnn_hpc.report import motion
from hnn_hpc.report.energy_pictures import energy_pictures
from hnn_hpc.report.feature_pictures import crossings, place_picture, steepness, steepness_picture
from hnn_hpc.report.figures import plane
from hnn_hpc.report.motion import motion_of, staying_starts
from hnn_hpc.report.motion_pictures import motion_pictures
from hnn_hpc.report.report import PICTURES
from hnn_hpc.report.residuals import residual_pictures, residuals_of
from hnn_hpc.report.section_pictures import Section, energy_shell, section_pictures, sections_of
from hnn_hpc.report.spectrum_picture import spectrum_picture
from hnn_hpc.samples import Samples
from hnn_hpc.systems import make_system
from hnn_hpc.training import fit

OF_ORDER_8 = 1e-8  # relative: the method over 25 oscillations of a pendulum, 64 steps each; it comes out at 1e-10
LEARNED = 1e-6  # of the fixture's model: how far its motion is off


def random_model(dimension=4, features=30, seed=0, coordinates=None, columns=None):
    rng = np.random.default_rng(seed)
    feature_map = FeatureMap(
        rng.standard_normal((features, columns or dimension)), rng.standard_normal(features), ACTIVATIONS["tanh"], coordinates
    )
    return HamiltonianModel(feature_map, rng.standard_normal(features), 0.0, False, np.array([[-1.0, 2.0]] * dimension))


@pytest.fixture(scope="module")
def learned():
    """(model, system): a pendulum, learned well."""
    system = make_system("pendulum", {}, box=[[-3, 3], [-1.5, 1.5]])
    points = np.random.default_rng(0).uniform(*system.box.T, size=(1000, 2))
    result = fit(points, system.vector_field(points), features=300, reference=([0, 0], -1.0))
    return result.model, system


def check(pictures):
    """Every picture is drawn, and said in words with numbers."""
    assert len({picture.name for picture in pictures}) == len(pictures)
    for picture in pictures:
        assert picture.png[:4] == b"\x89PNG" and len(picture.png) < 250_000
        assert re.search(r"\d", picture.seen) and picture.seen.endswith(".") and picture.caption.endswith(".")
        assert not re.search(r"\b(nan|inf)\b", picture.seen + " " + picture.caption)


# Energy


def test_energies_stand_side_by_side_and_the_words_tell_the_largest_difference(learned):
    model, system = learned
    pictures = energy_pictures(model, system, (0, 1), ["q1", "p1"])
    check(pictures)
    _, _, points = plane(model.domain, (0, 1))
    largest = np.abs(model.energy(points) - system.energy(points)).max() / np.abs(system.energy(points)).max()
    assert [picture.name for picture in pictures] == ["energy-learned", "energy-true", "energy-difference"]
    assert f"{largest:.1e} at most" in pictures[2].seen


def test_an_energy_without_a_constant_begins_at_0():
    [picture] = energy_pictures(random_model(), None, (0, 1), ["q1", "q2", "p1", "p2"])
    check([picture])
    assert "it goes from 0 to" in picture.seen


# Features


def test_crossings_are_counted_cell_by_cell():
    model = random_model(features=7)
    _, _, points = plane(model.domain, (0, 3))
    points = points[::20, ::20]
    value = points @ model.weights.T + model.biases
    expected = np.zeros((5, 5), dtype=int)
    for row, column in np.ndindex(5, 5):
        for feature in range(7):
            corners = value[row : row + 2, column : column + 2, feature] > 0
            expected[row, column] += corners.any() and not corners.all()
    np.testing.assert_array_equal(crossings(model.feature_map, points), expected)


def test_steepness_is_the_change_across_half_the_box():
    model = random_model()
    values, names = steepness(model)
    np.testing.assert_allclose(values, np.abs(model.weights) * 1.5, rtol=1e-12)
    assert names == ["q1", "q2", "p1", "p2"]


def test_derived_coordinates_have_columns_of_their_own():
    coordinates = make_coordinates(4, angles=["q1", "q2"], differences=[["q1", "q2"]])
    model = random_model(coordinates=coordinates, columns=coordinates.count)
    values, names = steepness(model)
    assert names[:2] == ["cos q1", "sin q1"] and "q1-q2" in " ".join(names) and values.shape[1] == len(names)
    check([place_picture(model, (0, 1), ["q1", "q2", "p1", "p2"]), steepness_picture(model)])


def test_features_that_do_not_depend_on_the_plane_can_be_drawn():
    model = random_model()
    model.weights[:, :2] = 0
    picture = place_picture(model, (0, 1), ["q1", "q2", "p1", "p2"])
    check([picture, steepness_picture(model)])
    assert "from 0 to 0 pass" in picture.seen


# Spectrum


def test_a_spectrum_tells_what_is_kept_and_what_dropped():
    told = {"kind": "singular values", "numbers": [1, 2, 3], "values": [2.0, 1e-3, 1e-9]}
    picture = spectrum_picture(told, 3, 10, 1e-15)
    check([picture])
    assert "from 2 down to 1.0e-09" in picture.seen and "3 of 10 directions are kept, 7 dropped" in picture.seen
    picture = spectrum_picture(told | {"kind": "pivots"}, 3, 3, 1e-15)
    check([picture])
    assert "pivots stand in" in picture.caption and "blocks" not in picture.caption
    assert "each against the largest; a singular value may lie a little below the line" in picture.caption
    assert "fall into 3 blocks, and directions are dropped block by block" in spectrum_picture(told, 3, 10, 1e-15, blocks=3).caption


@pytest.mark.parametrize(("numbers", "values"), [([], []), ([1], [0.0])])
def test_no_spectrum_is_no_picture(numbers, values):
    assert spectrum_picture({"kind": "pivots", "numbers": numbers, "values": values}, 0, 3, 1e-15) is None


# Residuals


@pytest.mark.parametrize("dof", [1, 2, 20])
def test_residuals_are_those_of_each_component(dof):
    rng = np.random.default_rng(dof)
    model = random_model(2 * dof)
    points = rng.uniform(-1, 2, (300, 2 * dof))
    gradient = model.gradient(points) * (1 + 0.1 * rng.standard_normal((300, 2 * dof)))
    velocities = np.hstack([gradient[:, dof:], -gradient[:, :dof]])
    residuals = residuals_of(model, Samples(points, velocities, None), "points")
    for column in range(2 * dof):
        expected = (model.gradient(points)[:, column] - gradient[:, column]) / np.sqrt(np.mean(gradient[:, column] ** 2))
        np.testing.assert_allclose(residuals.errors[:, column], expected, rtol=1e-12)
    pictures = residual_pictures(residuals, [f"x{index}" for index in range(2 * dof)])
    check(pictures)
    assert f"{np.abs(residuals.errors).max():.1e} at most" in pictures[0].seen


def test_an_exact_model_and_a_single_point_can_be_drawn():
    model = random_model()
    point = np.zeros((1, 4))
    gradient = model.gradient(point)
    samples = Samples(point, np.hstack([gradient[:, 2:], -gradient[:, :2]]), None)
    check(residual_pictures(residuals_of(model, samples, "one point"), ["q1", "q2", "p1", "p2"]))


# Motion


def test_the_learned_motion_follows_the_true_one(learned):
    model, system = learned
    found = motion_of(model, system)
    assert found.learned.shape == found.true.shape == (3, motion.STEPS + 1, 2)
    low, high = model.domain.T
    assert ((found.true >= low) & (found.true <= high)).all()
    np.testing.assert_array_equal(found.learned[:, 0], found.true[:, 0])
    assert np.isinf(found.valid).all() and found.errors.max() < LEARNED and found.true_drift.max() < LEARNED
    np.testing.assert_allclose(found.errors[:, -1], _normalized(found.true, found.learned)[:, -1], rtol=1e-10)
    exact = accurate_trajectories(system, found.true[:, 0], found.times[1], motion.STEPS)
    np.testing.assert_allclose(found.true, exact, atol=OF_ORDER_8)
    assert found.drift_of_true.shape == found.true_drift.shape and found.drift_of_true.max() < OF_ORDER_8
    pictures = motion_pictures(found, ["q1", "p1"])
    check(pictures)
    assert f"by the same steps, by at most {found.drift_of_true.max():.1e}" in pictures[2].seen


def test_the_orbit_shown_is_that_of_the_largest_error_which_is_named(learned):
    found = motion_of(*learned)
    found.learned[1, -5:, 0] += 0.25
    found.errors[1, -5:] += 0.25
    picture = motion_pictures(found, ["q1", "p1"])[0]
    assert "from start 2 goes from" in picture.seen and "at most 2.5e-01 from the true one" in picture.seen and "start 2" in picture.caption
    assert picture.figure.axes[0].get_title().endswith("start 2")


@pytest.mark.parametrize("factor", [1.0, 0.0, 1e200])
def test_an_axis_of_drifts_has_whole_decades_as_limits_and_ticks(learned, factor):
    found = motion_of(*learned)
    found.true_drift[:] *= factor
    axes = motion_pictures(found, ["q1", "p1"])[2].figure.axes[0]
    decades = np.log10([*axes.get_ylim(), *axes.get_yticks()])
    np.testing.assert_allclose(decades, np.round(decades), atol=1e-9)
    assert axes.get_ylabel() == "|ΔH| / energy exchanged" and 2 <= len(axes.get_yticks()) <= 9 and not len(axes.get_yticks(minor=True))


def _normalized(true, learned):
    size = np.sqrt(np.mean(np.sum(true**2, axis=2), axis=1))
    return np.sqrt(np.sum((learned - true) ** 2, axis=2)) / size[:, None]


def test_without_a_known_system_the_learned_motion_stands_alone(learned):
    found = motion_of(learned[0])
    assert found.true is None and found.valid is None and found.drift.max() < OF_ORDER_8
    pictures = motion_pictures(found, ["q1", "p1"])
    check(pictures)
    assert [picture.name for picture in pictures] == ["orbit", "energy-drift"]
    assert "the rounding of the learned energy, whose coefficients are large and cancel" in pictures[1].caption


def test_a_learned_motion_that_escapes_is_drawn_as_far_as_it_goes(learned):
    model, system = learned

    class Exploding:
        domain, dof, dimension = model.domain, 1, 2

        def vector_field(self, x):
            return 1e3 * x**3

        def energy(self, x):
            return (x**2).sum(axis=-1)

    found = motion_of(Exploding(), system)
    assert not np.isfinite(found.learned).all() and np.isfinite(found.valid).all()
    pictures = motion_pictures(found, ["q1", "p1"])
    check(pictures)
    assert "has escaped before" in pictures[0].seen and "nowhere" not in pictures[0].seen


def test_where_no_orbit_stays_there_is_no_motion():
    class Drifting:
        domain, dof, dimension = np.array([[0.0, 1.0], [5.0, 6.0]]), 1, 2

        def vector_field(self, x):
            return np.stack([x[..., 1], np.zeros_like(x[..., 0])], axis=-1)

    assert len(staying_starts(Drifting(), Drifting.domain, 1.0)) == 0 and motion_of(Drifting()) is None


# Sections


def test_sections_are_those_of_henon_heiles_alone(learned, monkeypatch):
    monkeypatch.setattr("hnn_hpc.report.section_pictures.CROSSINGS", 5)
    system = make_system("henon-heiles", {}, box=[[-1, 1]] * 4)
    system_as_model = random_model()
    system_as_model.domain = system.box
    system_as_model.vector_field = system.vector_field
    sections = sections_of(system_as_model, system)
    assert [section.name for section in sections] == ["1/12", "1/8", "1/6"]
    for section in sections:
        np.testing.assert_allclose(system.energy(section.true), section.energy, atol=1e-8)
        np.testing.assert_array_equal(section.true, section.learned)
    pictures = [picture for section in sections for picture in section_pictures(section)]
    check(pictures)
    assert len(pictures) == 6 and PICTURES.issuperset(f"{picture.name}.png" for picture in pictures)
    assert all("For half of the orbits the n-th crossings stay within 0.0e+00" in picture.caption for picture in pictures[1::2])
    assert sections_of(*learned) == [] and sections_of(random_model(), None) == []
    assert sections_of(random_model(), make_system("henon-heiles", {"alpha": 0.0})) == []


@pytest.mark.parametrize("alpha", [1.0, 0.5, -2.0])
@pytest.mark.parametrize("scaled", [1 / 12, 1 / 8, 1 / 6])
def test_the_shell_has_the_energy_and_surrounds_the_well(alpha, scaled):
    system = make_system("henon-heiles", {"alpha": alpha})
    q2, p2 = energy_shell(system, scaled)
    points = np.stack([0 * q2, q2, 0 * q2, p2], axis=-1)
    np.testing.assert_allclose(system.energy(points), scaled / alpha**2, rtol=1e-12)
    assert (p2 >= 0).all() and p2[[0, -1]].max() < 1e-6 * p2.max() and np.ptp(np.sign(q2[[0, -1]])) == 2
    assert np.abs(q2).max() <= (1 + 1e-6) / abs(alpha)  # the saddle is at q2 = 1 / alpha


def section(true, learned):
    shell = energy_shell(make_system("henon-heiles", {}), 1 / 8)
    return Section(1 / 8, "1/8", np.array(true, dtype=float), np.array(learned, dtype=float), shell)


POINTS = np.zeros((4, 3, 4)) + np.linspace(0, 0.3, 4)[:, None, None]
NOWHERE = np.full((4, 3, 4), np.nan)


def drawn(true, learned):
    """Return what is said of both pictures: seen and caption of the true one, then of the learned one."""
    pictures = section_pictures(section(true, learned))
    check(pictures)
    assert all(picture.figure.axes[0].get_aspect() == 1 for picture in pictures)
    return [words for picture in pictures for words in (picture.seen, picture.caption)]


def test_the_distance_is_that_of_half_of_the_orbits():
    apart = POINTS.copy()
    apart[:, 1, 1] += [1e-6, 2e-6, 0.1, np.nan]
    _, _, seen, caption = drawn(POINTS, apart)
    assert "within 2.0e-06 of the true ones" in caption and "11 crossings" in seen and "outside" not in seen


def test_learned_orbits_that_never_cross_or_miss_crossings_are_said_to():
    seen_true, _, seen, caption = drawn(POINTS, NOWHERE)
    assert caption == "The learned orbits never cross q1 = 0." and "the learned orbits never cross" in seen and "12 crossings" in seen_true
    few = POINTS.copy()
    few[1:, 2] = np.nan
    assert drawn(POINTS, few)[3] == "More than half of the learned orbits miss crossings of the true ones."


def test_true_orbits_that_never_cross_are_said_to():
    seen, _, _, caption = drawn(NOWHERE, POINTS)
    assert "the true orbits never cross" in seen and caption == "The true orbits never cross q1 = 0."
    assert "never cross" in drawn(NOWHERE, NOWHERE)[2]


def test_points_outside_of_the_picture_are_counted():
    far = POINTS.copy()
    far[0, :2, 1] = 50.0
    _, true_caption, *words = drawn(POINTS, far)
    assert all("2 of 12 crossings lie outside of the picture." in some for some in words) and "outside" not in true_caption
