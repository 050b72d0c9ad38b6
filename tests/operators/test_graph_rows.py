"""Rows of particles against dense matrices written as the formulas are, a bond and a feature at a time, and against central differences."""

import math
from dataclasses import replace

import numpy as np
import pytest
from graph_networks import (
    CUTOFF,
    EVERY_EDGE,
    EVERY_NODE,
    bonds_of,
    central_differences,
    edge_invariants,
    network,
    node_invariants,
    some_graphs,
)

from hnn_hpc.graph_samples import GraphSamples, OwnGraphs
from hnn_hpc.operators import BondRows, KineticRows
from hnn_hpc.operators.checks import dot_test

# Sums of some dozen products of numbers of order 1; and central differences of them.
TOLERANCE, DIFFERENCE_TOLERANCE = 1e-12, 1e-7

NETWORKS = {
    "pairs": {"edges": EVERY_EDGE, "nodes": EVERY_NODE},
    "pairs with a cutoff": {"cutoff": CUTOFF},
    "one step": {"steps": 1},
    "two steps with a cutoff": {"steps": 2, "cutoff": CUTOFF},
}
every_network = pytest.mark.parametrize("about", NETWORKS.values(), ids=NETWORKS)
# Within the second graph and those after it: all, one particle, a part that begins and ends within a graph, none; the particle alone.
RUNS = [(9, 20), (12, 13), (12, 17), (11, 11), (9, 10)]
every_run = pytest.mark.parametrize("start, stop", RUNS)


@pytest.fixture
def samples(seed):
    """Some graphs in two dimensions with any velocities and forces; particles at rest among them."""
    graphs, generator = some_graphs(2, seed), np.random.default_rng(seed)
    graphs.momenta[[4, 12, 15]] = 0
    return GraphSamples(graphs, generator.normal(size=graphs.positions.shape), generator.normal(size=graphs.positions.shape))


@pytest.fixture
def own(samples):
    """All graphs but the first, which has nine particles."""
    graphs = samples.graphs
    some = GraphSamples(graphs.run(1, graphs.count), samples.velocities[9:], samples.forces[9:])
    return OwnGraphs(some, 9, range(graphs.count - 1))


def slopes_of(layer, z, dz):
    """dφ_m along dz, a number for each feature of tanh: σ'(w·z + b) w·dz."""
    along = []
    for w, b in zip(layer.weights.tolist(), layer.biases.tolist(), strict=True):
        value = math.tanh(sum(map(math.prod, zip(w, z, strict=True))) + b)
        along.append((1 - value * value) * sum(map(math.prod, zip(w, dz, strict=True))))
    return along


def dense_kinetic(term, samples):
    """A (P, M) and f (P,): what changes with |p|, a particle at a time."""
    graphs = samples.graphs
    A, f = np.zeros((graphs.particles, term.layer.count)), np.zeros(graphs.particles)
    for i in range(graphs.particles):
        size, mass = math.hypot(*graphs.momenta[i]), graphs.masses[i]
        if graphs.species[i] == term.species and size:
            slopes = {"p^2/2m": size / mass, "p^2": 2 * size, "m": 0}
            z = node_invariants(term.invariants.names, graphs.momenta[i], mass)
            A[i] = slopes_of(term.layer, z, [slopes[name] for name in term.invariants.names])
            f[i] = graphs.momenta[i] @ samples.velocities[i] / size
    return A, f


def dense_pairs(term, samples):
    """A (P, d, M): what each bond pulls its two particles by."""
    graphs = samples.graphs
    A = np.zeros((graphs.particles, graphs.dimension, term.layer.count))
    for bond, i, j, r, kind in bonds_of(graphs):
        if kind == term.kind and (term.cutoff is None or r < term.cutoff):
            slopes = {"r": 1, "1/r": -1 / r**2, "r^2": 2 * r, "m m": 0}
            z = edge_invariants(term.invariants.names, r, graphs.masses[i] * graphs.masses[j])
            along = slopes_of(term.layer, z, [slopes[name] for name in term.invariants.names])
            unit = (graphs.positions[j] - graphs.positions[i] + graphs.shifts[bond]) / r
            A[j] += np.outer(unit, along)
            A[i] -= np.outer(unit, along)
    return A


def dense_many_body(feature_map, samples):
    """A (P, d, M) by central differences of the sums of the features."""

    def sums(graphs):
        found = []
        for term in feature_map.many_body:
            found.append(term.layer.values(term.messages.heard(graphs).sums[graphs.species == term.species]).sum(axis=0))
        return np.concatenate(found)

    return central_differences(sums, samples.graphs)[0]


def dense_bonds(feature_map, samples):
    parts = [dense_pairs(term, samples) for term in feature_map.pairs]
    return np.concatenate([*parts, *([dense_many_body(feature_map, samples)] if feature_map.many_body else [])], axis=2)


def check_run(operator, A, f, start, stop, tolerance):
    """Check all that an operator can do with a run; A (P, r, M) and f (P, r) are those of all particles."""
    r, M = operator.rows_per_sample, operator.columns
    rng, rows, target = np.random.default_rng(6), A[start:stop].reshape(-1, M), f[start:stop].ravel()
    block = operator.dense_rows(start, stop)
    np.testing.assert_allclose(block, np.column_stack([rows, target]), rtol=0, atol=tolerance)
    assert block.flags.f_contiguous and operator.samples == len(A)
    for places in (slice(1, None, 2), np.arange(stop - start)[:3], np.arange(0)):
        some = A[start:stop][places].reshape(-1, M), f[start:stop][places].ravel()
        np.testing.assert_allclose(operator.dense_rows(start, stop, places), np.column_stack(some), rtol=0, atol=tolerance)
    vector, R = rng.standard_normal(M), rng.standard_normal((stop - start, r))
    product = operator.multiply(start, stop, vector)
    assert product.shape == (stop - start, r)
    np.testing.assert_allclose(product.ravel(), rows @ vector, rtol=0, atol=10 * tolerance)
    np.testing.assert_allclose(operator.multiply_transposed(start, stop, R), rows.T @ R.ravel(), rtol=0, atol=10 * tolerance)
    residual, At_r, F = operator.residual(start, stop, vector)
    np.testing.assert_allclose(residual.ravel(), target - rows @ vector, rtol=0, atol=10 * tolerance)
    np.testing.assert_allclose(At_r, rows.T @ (target - rows @ vector), rtol=0, atol=100 * tolerance)
    np.testing.assert_allclose(F, f[start:stop], rtol=1e-15)
    residual, At_r, F = operator.residual(start, stop, vector, R)
    np.testing.assert_allclose(residual.ravel(), R.ravel() - rows @ vector, rtol=0, atol=10 * tolerance)
    np.testing.assert_allclose(At_r, rows.T @ (R.ravel() - rows @ vector), rtol=0, atol=100 * tolerance)
    assert F is R


@every_run
@pytest.mark.parametrize("nodes", [("p^2/2m",), ("p^2",), EVERY_NODE], ids=str)
@pytest.mark.parametrize("species", [0, 1])
def test_kinetic_rows(samples, own, nodes, species, start, stop, seed):
    term = network(seed, nodes=nodes).kinetic[species]
    operator = KineticRows(term, own, samples.graphs.particles)
    A, f = dense_kinetic(term, samples)
    assert (operator.rows_per_sample, operator.columns) == (1, term.layer.count)
    check_run(operator, A[:, None], f[:, None], start, stop, TOLERANCE)


@every_run
@every_network
def test_rows_of_bonds(samples, own, about, start, stop, seed):
    feature_map = network(seed, **about)
    operator = BondRows(feature_map, own, samples.graphs.particles)
    A = dense_bonds(feature_map, samples)
    assert (operator.rows_per_sample, operator.columns) == A.shape[1:]
    check_run(operator, A, -samples.forces, start, stop, DIFFERENCE_TOLERANCE if feature_map.many_body else TOLERANCE)


@pytest.mark.parametrize("dimension", [1, 3])
@every_network
def test_rows_of_bonds_in_other_dimensions(dimension, about, seed):
    graphs, feature_map = some_graphs(dimension, seed), network(seed, **about)
    samples = GraphSamples(graphs, 0 * graphs.positions, np.random.default_rng(seed).normal(size=graphs.positions.shape))
    operator = BondRows(feature_map, OwnGraphs(samples, 0, range(graphs.count)), graphs.particles)
    tolerance = DIFFERENCE_TOLERANCE if feature_map.many_body else TOLERANCE
    check_run(operator, dense_bonds(feature_map, samples), -samples.forces, 1, graphs.particles, tolerance)


@every_network
def test_rows_do_not_depend_on_what_they_are_asked_with(samples, own, about, seed):
    """However a run cuts graphs, and whatever graphs are in memory besides."""
    feature_map, particles = network(seed, **about), samples.graphs.particles
    whole = OwnGraphs(samples, 0, range(samples.graphs.count))
    for kind, of in ((KineticRows, feature_map.kinetic[0]), (BondRows, feature_map)):
        operator, alone = kind(of, whole, particles), kind(of, own, particles)
        rows, r = operator.dense_rows(0, particles), operator.rows_per_sample
        parts = [operator.dense_rows(start, stop) for start, stop in ((0, 5), (5, 6), (6, 16), (16, particles))]
        np.testing.assert_allclose(np.concatenate(parts), rows, rtol=0, atol=TOLERANCE)
        np.testing.assert_array_equal(alone.dense_rows(12, 17), operator.dense_rows(12, 17))
        np.testing.assert_allclose(alone.dense_rows(9, particles), rows[9 * r :], rtol=0, atol=TOLERANCE)


@every_network
def test_rows_times_coefficients_are_the_gradient(samples, about, seed):
    feature_map, graphs = network(seed, **about), samples.graphs
    c, own = np.random.default_rng(seed).normal(size=feature_map.count), OwnGraphs(samples, 0, range(graphs.count))
    along_q, along_p = feature_map.gradient(graphs, c)
    first = sum(term.layer.count for term in feature_map.kinetic)
    found = BondRows(feature_map, own, graphs.particles).multiply(0, graphs.particles, c[first:])
    np.testing.assert_allclose(found, along_q, rtol=0, atol=TOLERANCE * np.abs(along_q).max())
    sizes = np.linalg.norm(graphs.momenta, axis=1, keepdims=True)
    found = sum(
        KineticRows(term, own, graphs.particles).multiply(0, graphs.particles, c[columns])
        for term, columns in zip(feature_map.kinetic, feature_map.slices(), strict=False)
    )
    directions = np.divide(graphs.momenta, sizes, out=np.zeros_like(graphs.momenta), where=sizes > 0)
    np.testing.assert_allclose(found * directions, along_p, rtol=0, atol=TOLERANCE * np.abs(along_p).max())


def test_one_row_a_particle_has_the_least_squares_of_d_rows(samples, seed):
    """Features of |p| change along p alone: the other directions of dq/dt are left over whatever the coefficients."""
    term, graphs = network(seed, nodes=EVERY_NODE).kinetic[0], samples.graphs
    rows = KineticRows(term, OwnGraphs(samples, 0, range(graphs.count)), graphs.particles).dense_rows(0, graphs.particles)
    A, f = rows[:, :-1], rows[:, -1]
    own = graphs.species == 0
    gradients = np.zeros((graphs.particles, 2, term.layer.count))
    for number in range(term.layer.count):
        gradients[own, :, number] = term.gradient(graphs, np.flatnonzero(own), np.eye(term.layer.count)[number])
    full, targets = gradients.reshape(-1, term.layer.count), samples.velocities.ravel()
    np.testing.assert_allclose(A.T @ A, full.T @ full, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(A.T @ f, full.T @ targets, rtol=0, atol=TOLERANCE)


@every_network
@pytest.mark.parametrize("run", [1, 7, 1000])
def test_transposes_agree_with_the_operators(samples, about, run, seed):
    feature_map, own = network(seed, **about), OwnGraphs(samples, 0, range(samples.graphs.count))
    operators = [KineticRows(term, own, samples.graphs.particles) for term in feature_map.kinetic]
    for operator in (*operators, BondRows(feature_map, own, samples.graphs.particles)):
        left, right = dot_test(operator, run=run)
        assert left == pytest.approx(right, rel=1e-11), f"<Au, v> = {left!r}, <u, Atv> = {right!r}"


def test_a_run_without_a_species_has_rows_of_zeros(samples, seed):
    graphs = replace(samples.graphs, species=np.where(np.arange(20) < 16, 1, samples.graphs.species))
    own = OwnGraphs(samples._replace(graphs=graphs), 0, range(4))
    operator = KineticRows(network(seed).kinetic[0], own, 20)
    assert not operator.dense_rows(3, 16).any() and not operator.multiply(3, 16, np.ones(operator.columns)).any()
    assert operator.multiply_transposed(3, 16, np.ones((13, 1))).tolist() == [0] * operator.columns


def test_a_bond_to_the_particles_own_image_pulls_nowhere(samples, seed):
    """However its length counts for the energy: the two ends pull against each other."""
    graphs = samples.graphs
    alone = np.flatnonzero(graphs.bonds[:, 0] == graphs.bonds[:, 1])
    assert len(alone) == 1
    without = replace(graphs, bonds=np.delete(graphs.bonds, alone, axis=0), shifts=np.delete(graphs.shifts, alone, axis=0))
    feature_map = network(seed)
    rows = [
        BondRows(feature_map, OwnGraphs(samples._replace(graphs=each), 0, range(4)), 20).dense_rows(0, 20) for each in (graphs, without)
    ]
    np.testing.assert_allclose(rows[0], rows[1], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("steps", [0, 2])
def test_particles_without_bonds_have_rows_of_zeros(samples, steps, seed):
    feature_map, own = network(seed, steps), OwnGraphs(samples, 0, range(4))
    rows = BondRows(feature_map, own, 20).dense_rows(9, 10)
    assert rows.shape == (2, BondRows(feature_map, own, 20).columns + 1) and not rows[:, :-1].any()
    np.testing.assert_array_equal(rows[:, -1], -samples.forces[9])
