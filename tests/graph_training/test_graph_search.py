"""What is found when it is "auto", and what is given and stays: invariants of the bonds and bandwidths."""

from dataclasses import replace

import numpy as np
import pytest
from graph_fits import METAL, MORSE, SERIAL, errors, fitted, small_chain, springs, stars

from hnn_hpc import FitOptions
from hnn_hpc.graph_options import GraphOptions
from hnn_hpc.graph_samples import GeneratedGraphs, SimulatedGraphs, pool, read_own, survey_graphs
from hnn_hpc.graph_training import search, trial
from hnn_hpc.graph_training.drawing import Recipe, draw_terms
from hnn_hpc.graph_training.trial import Trials, fit_to_pool
from hnn_hpc.graphs import fluid, lattice, populated
from hnn_hpc.operators import BondRows, KineticRows
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.particles import make_particle_system

RECIPE = Recipe("anchored", "tanh", 16, ("r",), ("p^2/2m",), 0, 1, 0.25, 0.5, 0.25)


def pool_of(source, reach=1):
    own = read_own(source, RowLayout(source.offsets[-1], 1), SERIAL)
    return survey_graphs(own, source, SERIAL, reach, 0)


def test_the_invariant_that_suits_the_law_is_found():
    lennard_jones = SimulatedGraphs(
        make_particle_system("lennard-jones"), fluid(150, 3, 0.8), 2, 1, time_step=0.004, burn_in=60, states_per_run=1
    )
    for source, names in ((lennard_jones, ["1/r"]), (stars(), ["1/r", "m m"])):
        basis = fitted(source).record["basis"]
        assert basis["edge_invariants"] == names and basis["searched"] == ["edge_invariants", "bandwidth"]
        assert basis["trials"] >= 8 and basis["seconds"] > 0
        assert basis["trial_errors"]["dH/dp"] < 1e-8 and basis["trial_errors"]["dH/dq"] < 1e-4


def test_errors_of_momenta_and_of_bonds_are_told_apart():
    # With given invariants both begin with the same recipe.
    recipe, report = search.choose_recipe(pool_of(springs()), FitOptions(features=16), GraphOptions(edge_invariants=["r^2"]), None)
    expected = Trials(pool_of(springs()), 1).error_of_bonds(
        draw_terms(pool_of(springs()), replace(recipe, kinetic=search.KINETIC), None, 0)
    )
    assert report["trial_errors"]["dH/dq"] == expected > 1e3 * report["trial_errors"]["dH/dp"]


def test_masses_are_tried_where_they_differ_within_a_species():
    assert fitted(stars(masses=1)).record["basis"]["edge_invariants"] == ["1/r"]
    by_species = stars()
    by_species.rest.masses[:] = 1.0 + np.arange(12) % 2  # of each species one
    by_species.rest.species[:] = np.arange(12) % 2
    result = fitted(by_species)
    assert len(result.record["basis"]["edge_invariants"]) == 1 and errors(result.model, by_species)[0] < 1e-8


@pytest.mark.parametrize(
    "options, graph_options, searched",
    [
        ({"bandwidth": 0.7}, {}, ["edge_invariants"]),
        ({}, {"edge_invariants": ["r^2", "1/r"]}, ["bandwidth"]),
        ({"bandwidth": 0.7}, {"edge_invariants": ["r^2"]}, []),
        ({"bandwidth": 0.7}, {"edge_invariants": ["r"], "messages": 2}, []),
        ({"sampler": "elm"}, {}, ["edge_invariants"]),
        ({"sampler": "gradient-swim"}, {"edge_invariants": ["1/r"]}, []),
        ({}, {"messages": 2}, ["edge_invariants", "bandwidth"]),
    ],
    ids=str,
)
def test_what_is_given_stays(options, graph_options, searched):
    result = fitted(springs(), graph_options, features=24, **options)
    basis, feature_map = result.record["basis"], result.model.feature_map
    assert basis["searched"] == searched and (basis["trials"] > 0) == bool(searched)
    given = graph_options.get("edge_invariants", basis["edge_invariants"])
    assert basis["edge_invariants"] == given == list(feature_map.pairs[0].invariants.names)
    if "bandwidth" in options:
        assert set(basis["bandwidths"].values()) == {0.7}
    if "sampler" in options:
        assert basis["bandwidths"] is None


def test_bandwidths_found_are_those_that_the_features_are_drawn_with():
    """The same fit with what was found given has the same features."""
    found = fitted(springs(), features=24)
    basis = found.record["basis"]
    recipe = Recipe("anchored", "tanh", 24, tuple(basis["edge_invariants"]), ("p^2/2m",), 0, 1, **basis["bandwidths"], many_body=1)
    drawn = draw_terms(pool_of(springs()), recipe, None, 0)
    for ours, theirs in zip(found.model.feature_map.layers, drawn.layers, strict=True):
        np.testing.assert_array_equal(ours.weights, theirs.weights)
        np.testing.assert_array_equal(ours.biases, theirs.biases)


@pytest.mark.parametrize(
    "power, found", [(2, search.LEAST), (-2, search.LARGEST), (0.9, None), (-0.9, None)], ids=["down", "up", "hardly down", "hardly up"]
)
def test_a_search_goes_on_while_the_error_falls_clearly(power, found, monkeypatch):
    """An error that falls like g² is followed down to the least bandwidth, one that falls by less than half a step is not at all."""
    monkeypatch.setattr(search._Search, "_error", lambda self, recipe, name: getattr(recipe, name) ** power)
    recipe, _ = search.choose_recipe(pool_of(springs(), 2), FitOptions(features=8), GraphOptions(["r"], messages=2), None)
    begin = (search.KINETIC, search.PAIRS, search.MANY_BODY)
    assert (recipe.kinetic, recipe.pairs, recipe.many_body) == ((found,) * 3 if found else begin)


def test_few_particles_take_the_bandwidths_to_begin_with():
    basis = fitted(small_chain(10), features=12).record["basis"]
    assert basis["edge_invariants"] == ["r"] and basis["searched"] == [] and basis["trials"] == 0
    assert basis["bandwidths"] == {"kinetic": search.KINETIC, "pairs": search.PAIRS}
    assert basis["trial_errors"] == {"dH/dp": None, "dH/dq": None}
    assert fitted(small_chain(11), features=12).record["basis"]["searched"] == ["edge_invariants", "bandwidth"]


@pytest.mark.parametrize("species", [1, 2])
def test_a_trial_is_a_fit_to_one_half_judged_by_the_other(species, monkeypatch):
    monkeypatch.setattr(trial, "PARTICLES", 90)
    source = GeneratedGraphs(MORSE, populated(lattice([4, 4]), (0.5, 2), species), 20, 1)
    the_pool = pool_of(source)
    steep = replace(RECIPE, features=8, kinetic=2.0, pairs=4.0)  # so that round-off hardly counts
    trials, feature_map = Trials(the_pool, 1), draw_terms(the_pool, steep, None, 0)
    halves = [half for half, _ in trials._halves]
    assert [len(half) for half in halves] == [45, 45] and not set(halves[0]) & set(halves[1])
    for half in halves:
        assert set(the_pool.own.samples.graphs.species[half]) == set(range(species))
    graphs = the_pool.own.samples.graphs

    def error(operators):
        left = square = 0.0
        for operator in operators:
            fitted_rows, held = (operator.dense_rows(0, graphs.particles, half) for half in halves)
            r = held[:, -1] - held[:, :-1] @ np.linalg.lstsq(fitted_rows[:, :-1], fitted_rows[:, -1], rcond=1e-15)[0]
            left, square = left + r @ r, square + held[:, -1] @ held[:, -1]
        return np.sqrt(left / square)

    bonds = [BondRows(feature_map, the_pool.own, graphs.particles)]
    kinetic = [KineticRows(term, the_pool.own, graphs.particles) for term in feature_map.kinetic]
    assert trials.error_of_bonds(feature_map) == pytest.approx(error(bonds), rel=1e-3)
    assert trials.error_of_momenta(feature_map) == pytest.approx(error(kinetic), rel=1e-3)


def test_an_error_of_nothing_is_none():
    source = springs()
    the_pool = pool_of(source)
    the_pool.own.samples.forces[:] = 0
    assert Trials(the_pool, 1).error_of_bonds(draw_terms(the_pool, RECIPE, None, 0)) == 0


@pytest.mark.parametrize("channels", [0, 2])
def test_a_fit_to_the_pool_is_a_fit_to_its_particles(channels, monkeypatch):
    monkeypatch.setattr(pool, "POOL", 100)
    source = GeneratedGraphs(METAL, lattice([5, 5]), 10, 1) if channels else springs()
    the_pool = pool_of(source, 2)
    recipe = Recipe("anchored", "tanh", 10, ("r",), ("p^2/2m",), channels, 1, 2.0, 2.0, 2.0)
    feature_map = draw_terms(the_pool, recipe, source.cutoff, 0)
    c, graphs = fit_to_pool(feature_map, the_pool), the_pool.own.samples.graphs
    along_q, along_p = (gradient[the_pool.chosen] for gradient in feature_map.gradient(graphs, c))
    rows = BondRows(feature_map, the_pool.own, graphs.particles).dense_rows(0, graphs.particles, the_pool.chosen)
    expected = rows[:, :-1] @ np.linalg.lstsq(rows[:, :-1], rows[:, -1], rcond=1e-15)[0]
    np.testing.assert_allclose(along_q.ravel(), expected, rtol=0, atol=1e-9 * np.linalg.norm(expected))
    true = the_pool.own.samples.velocities[the_pool.chosen]
    assert np.linalg.norm(along_p - true) < 1e-4 * np.linalg.norm(true)
