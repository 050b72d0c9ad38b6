"""The features that are drawn from the pool: placed in the data, alike on alike pools, and refused where there is nothing to draw from."""

from dataclasses import replace

import numpy as np
import pytest
from graph_fits import METAL, MORSE, Alloy, errors, fitted, springs, stars
from test_graph_search import pool_of

from hnn_hpc.errors import UserError
from hnn_hpc.graph_samples import GeneratedGraphs
from hnn_hpc.graph_training.drawing import Recipe, draw_terms
from hnn_hpc.graphs import chain, joined, lattice, populated, with_bonds

RECIPE = Recipe("anchored", "tanh", 40, ("1/r",), ("p^2/2m",), 4, 2, 0.25, 0.5, 0.25)
PAIRS = replace(RECIPE, channels=0, steps=0)


def alloy(count=20):
    return GeneratedGraphs(Alloy(), populated(lattice([5, 4]), (0.5, 2), 2), count, 1, displacement=0.2)


def test_a_term_for_each_species_and_kind_of_bonds():
    feature_map = draw_terms(pool_of(alloy(), 4), RECIPE, None, 0)
    names = ["kinetic 0", "kinetic 1", "pair 0-0", "pair 0-1", "pair 1-1", "many-body 0", "many-body 1"]
    assert [term.name for term in feature_map.terms] == names and {term.layer.count for term in feature_map.terms} == {40}
    messages = feature_map.many_body[0].messages
    assert messages is feature_map.many_body[1].messages and (messages.steps, messages.channels) == (2, 4)
    assert [sorted(step) for step in messages.layers] == [[(0, 0), (0, 1), (1, 1)]] * 2
    assert [layer.weights.shape for layer in messages.layers[0].values()] == [(4, 1)] * 3
    assert [layer.weights.shape for layer in messages.layers[1].values()] == [(4, 1 + 4)] * 3
    assert [term.layer.weights.shape for term in feature_map.many_body] == [(40, 2 * 4)] * 2


def test_anchored_features_turn_where_data_are():
    """Each hyperplane of a pair's features crosses 1/r of a bond of its kind, and each of what is heard a particle's."""
    the_pool = pool_of(alloy(), 4)
    feature_map, graphs = draw_terms(the_pool, RECIPE, None, 0), the_pool.own.samples.graphs
    kinds = np.sort(graphs.species[graphs.bonds], axis=1)
    for term in feature_map.pairs:
        z = 1 / graphs.bond_lengths[(kinds == term.kind).all(axis=1)]
        turns = -term.layer.biases / term.layer.weights[:, 0]
        assert np.abs(turns[:, None] - z).min(axis=1).max() < 1e-12
        assert np.abs(term.layer.weights).max() < 5 * 0.5 / (np.ptp(z) / 2)
    heard = feature_map.many_body[0].messages.heard(graphs).sums
    for term in feature_map.many_body:
        values = heard[graphs.species == term.species] @ term.layer.weights.T + term.layer.biases
        assert np.abs(values).min(axis=0).max() < 1e-10


def test_the_seed_decides_the_features():
    the_pool = pool_of(springs(), 4)
    first, again, other = (draw_terms(the_pool, RECIPE, None, seed) for seed in (0, 0, 1))
    for one, two, three in zip(first.layers, again.layers, other.layers, strict=True):
        np.testing.assert_array_equal(one.weights, two.weights)
        np.testing.assert_array_equal(one.biases, two.biases)
        assert not np.isin(one.weights, three.weights).any()


def test_a_term_does_not_depend_on_those_after_it():
    the_pool = pool_of(springs(), 4)
    pairs, messages = draw_terms(the_pool, PAIRS, None, 0), draw_terms(the_pool, RECIPE, None, 0)
    for one, two in zip(pairs.layers, messages.layers, strict=False):
        np.testing.assert_array_equal(one.weights, two.weights)


@pytest.mark.parametrize("channels", [0, 4])
def test_gradient_swim_looks_at_slopes_at_the_same_places(channels):
    """The messages of the fit before are those of the fit itself, or the slopes would be of another F."""
    the_pool = pool_of(springs(), 4)
    recipe = replace(RECIPE, sampler="uniform-swim", channels=channels, steps=2 if channels else 0)
    uniform = draw_terms(the_pool, recipe, None, 0)
    c = np.random.default_rng(0).normal(size=uniform.count)
    steep = draw_terms(the_pool, replace(recipe, sampler="gradient-swim"), None, 0, (uniform, c))
    own = [term.layer.count for term in uniform.terms]
    for one, two in list(zip(uniform.layers, steep.layers, strict=True))[len(own) :]:
        np.testing.assert_array_equal(one.weights, two.weights)
    assert all((one.layer.weights != two.layer.weights).any() for one, two in zip(uniform.terms, steep.terms, strict=True))


def test_features_lie_where_the_slopes_are():
    """With a coefficient of one pair feature alone V is a step, and the features drawn by its slope lie about it."""
    the_pool = pool_of(springs(), 1)
    recipe = replace(PAIRS, sampler="uniform-swim", edge_invariants=("r",), features=200)
    uniform = draw_terms(the_pool, recipe, None, 0)
    layer = uniform.pairs[0].layer
    step = int(np.argsort(np.abs(layer.weights[:, 0]))[170])  # one of the steeper ones
    c = np.where(np.arange(uniform.count) == 200 + step, 1.0, 0.0)
    steep = draw_terms(the_pool, replace(recipe, sampler="gradient-swim"), None, 0, (uniform, c)).pairs[0].layer
    middle = -layer.biases[step] / layer.weights[step, 0]
    by_slope, by_chance = (np.abs(each.weights[:, 0] * middle + each.biases).mean() for each in (steep, layer))
    assert by_slope < by_chance / 3


# Where there is nothing to draw from, or nothing that varies


def test_a_species_or_bond_that_the_pool_has_none_of():
    rest = lattice([3000])
    source = GeneratedGraphs(MORSE, replace(rest, species=np.where(np.arange(3000) == 1500, 1, 0)), 1, 1)
    the_pool = pool_of(source)
    there = set(the_pool.own.samples.graphs.species[the_pool.chosen])
    assert list(the_pool.momenta) == [0, 1] and there == {0}
    with pytest.raises(UserError, match="particles of species 1 are so rare that none is among 1024 particles of the pool"):
        draw_terms(the_pool, PAIRS, None, 0)
    known = replace(the_pool, momenta={0: the_pool.momenta[0]})
    if not (the_pool.own.samples.graphs.species == 1).any():
        with pytest.raises(UserError, match=r"bonds between species 0 and 1 are so rare that none is among \d+ bonds of the pool"):
            draw_terms(known, PAIRS, None, 0)


@pytest.mark.parametrize("sampler", ["anchored", "gradient-swim", "uniform-swim"])
def test_particles_that_hear_nothing_have_no_many_body_energy(sampler):
    """A species without bonds: what it hears is 0 in all samples, and no feature could be placed there."""
    graph = joined([lattice([4, 4]), replace(chain(1, 2), species=np.array([1]))])
    graph = replace(graph, offsets=np.array([0, 17]), boxes=graph.boxes[:1])
    source = GeneratedGraphs(MORSE, graph, 40, 1, displacement=0.2)
    result = fitted(source, {"messages": 3}, features=32, sampler=sampler)
    names = ["kinetic 0", "kinetic 1", "pair 0-0", "many-body 0"]
    assert [term.name for term in result.model.feature_map.terms] == names
    assert np.isfinite(result.model.coefficients).all() and max(errors(result.model, source)) < 1e-3


@pytest.mark.parametrize("sampler", ["anchored", "gradient-swim", "elm"])
def test_a_product_of_masses_that_is_the_same_for_one_kind_of_bonds(sampler):
    """Nothing depends on it there, while other kinds need it."""
    result = fitted(stars(species=2), {"edge_invariants": ["1/r", "m m"]}, features=48, sampler=sampler)
    of_kind = {term.kind: term.layer for term in result.model.feature_map.pairs}
    if sampler != "elm":
        assert not of_kind[1, 1].weights[:, 1].any() and of_kind[0, 1].weights[:, 1].all() and of_kind[0, 0].weights[:, 1].all()
    assert errors(result.model, stars(5, 2, species=2))[0] < (1e-8 if sampler == "anchored" else 0.1)


def test_beyond_the_cutoff_no_bond_is_drawn_from():
    class Skin(GeneratedGraphs):
        def read(self, start, stop):
            samples = super().read(start, stop)
            return samples._replace(graphs=with_bonds(samples.graphs, 1.5 * self.cutoff))

    about = METAL, lattice([5, 5]), 10, 1
    exact, more = (draw_terms(pool_of(kind(*about), 2), replace(RECIPE, steps=1), 2.0, 0) for kind in (GeneratedGraphs, Skin))
    for one, two in zip(exact.layers, more.layers, strict=True):
        np.testing.assert_allclose(two.weights, one.weights, rtol=1e-12)
        np.testing.assert_allclose(two.biases, one.biases, rtol=1e-12)
