"""Training on graphs end to end on one rank: what is learned of known systems, carried to others, refused, and recorded."""

import json
from dataclasses import replace

import numpy as np
import pytest
from graph_fits import METAL, MORSE, SERIAL, SPRINGS, Alloy, errors, fitted, small_chain, springs, stars

from hnn_hpc import load_graph_model
from hnn_hpc.errors import UserError
from hnn_hpc.graph_options import SAMPLERS
from hnn_hpc.graph_samples import ArrayGraphs, GeneratedGraphs, GraphSamples, SimulatedGraphs, read_own
from hnn_hpc.graphs import chain, fluid, joined, lattice, populated, with_bonds
from hnn_hpc.operators import BondRows, KineticRows
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.particles import make_particle_system, verlet

# Errors are relative; with 64 features a term they are 1e-14 to 1e-12 where the states tested lie among those of training.
ROUND_OFF, EXTRAPOLATED = 1e-11, 1e-8


@pytest.mark.parametrize("name", ["springs-linear", "springs-anharmonic", "springs-morse"])
def test_springs_of_a_small_lattice_are_those_of_larger_ones(name):
    system = make_particle_system(name)
    model = fitted(springs(system, (2, 2, 2), 100)).model
    for sizes in ((2, 2, 2), (5, 5, 5), (20, 20), (500,)):
        assert max(errors(model, springs(system, sizes, 2, seed=2, displacement=0.15))) < ROUND_OFF
    assert max(errors(model, springs(system, (4, 4, 4), 2, seed=2, displacement=0.15, periodic=True))) < ROUND_OFF


@pytest.mark.parametrize("name", ["springs-linear", "springs-morse"])
def test_a_chain_teaches_lattices(name):
    system = make_particle_system(name)
    model = fitted(GeneratedGraphs(system, chain(8), 60, 1, displacement=0.25, momentum=2)).model
    for sizes in ((6, 6), (4, 4, 4)):
        assert max(errors(model, springs(system, sizes, 3, seed=2, displacement=0.15))) < 10 * ROUND_OFF
    assert model.dimension == 1


def test_a_lennard_jones_fluid():
    fluid_of = make_particle_system("lennard-jones")
    about = {"time_step": 0.004, "burn_in": 80, "interval": 40, "states_per_run": 3}
    result = fitted(SimulatedGraphs(fluid_of, fluid(216, 3, 0.8), 3, 1, **about))
    test = SimulatedGraphs(fluid_of, fluid(343, 3, 0.8), 1, 7, **about | {"states_per_run": 1})
    assert max(errors(result.model, test)) < 1e-7 and result.record["particles"] == 648
    assert result.model.cutoff == 2.5 and result.model.constants == {} and result.model.constants_known


def test_embedded_atoms_need_messages():
    training, test = (
        GeneratedGraphs(METAL, lattice([sites, sites], periodic=True), count, seed, displacement=0.15)
        for sites, count, seed in ((4, 30, 1), (5, 5, 2))
    )
    pairs, messages = fitted(training).model, fitted(training, {"messages": 6}, features=100).model
    assert (pairs.reach, messages.reach) == (1, 2)
    for of_pairs, of_messages in list(zip(errors(pairs, test), errors(messages, test), strict=True))[::2]:
        assert of_messages < of_pairs / 50 and of_messages < 2e-3
    assert messages.constants.keys() == {"particle 0"}


def test_two_steps_of_messages_learn_pairs_too():
    result = fitted(springs(count=30, periodic=True), {"messages": 3, "message_steps": 2}, features=32)
    assert result.model.reach == 4 and result.model.feature_map.many_body[0].messages.steps == 2
    assert max(errors(result.model, springs(count=5, seed=2, displacement=0.15, periodic=True))) < EXTRAPOLATED


@pytest.mark.parametrize("species", [1, 2])
def test_gravity_is_in_proportion_to_the_product_of_the_masses(species):
    """Also where all those of one species are alike: then there are bonds whose product is always the same."""
    source = stars(species=species)
    result = fitted(source, features=100)
    assert result.record["basis"]["edge_invariants"] == ["1/r", "m m"]
    assert max(errors(result.model, stars(5, 2, species))) < ROUND_OFF
    other_masses = stars(5, 2, species, (0.8, 1.7), masses_seed=9)
    assert max(errors(result.model, other_masses)[:2]) < 1e-4
    graphs, _, _, energies = other_masses.read(0, 5)  # no force tells how the energy of a bond at rest depends on the masses
    assert np.ptp(result.model.energy(graphs) - energies) < 1e-4 * np.ptp(energies)
    without = fitted(source, {"edge_invariants": ["1/r"]}, features=100).model
    assert errors(without, source)[0] > 0.01


def test_two_species_have_a_law_for_each_kind_of_bond():
    """In turns on an even number of sites, so that every other particle is of one species."""
    training, test = (
        GeneratedGraphs(Alloy(), populated(lattice(sizes), (0.5, 2), 2), 60, 1, displacement=0.2) for sizes in ([5, 4], [7, 6])
    )
    result = fitted(training)
    assert [term.name for term in result.model.feature_map.terms] == ["kinetic 0", "kinetic 1", "pair 0-0", "pair 0-1", "pair 1-1"]
    assert result.model.constants.keys() == {"bond 0-0", "bond 0-1", "bond 1-1"}
    assert result.record["basis"]["trial_errors"]["dH/dp"] < 1e-10 > result.record["basis"]["trial_errors"]["dH/dq"]
    test = replace(test, displacement=0.15)
    assert (
        max(errors(result.model, test)[:2]) < ROUND_OFF
        and max(errors(result.model, replace(training, seed=2, displacement=0.15))) < ROUND_OFF
    )


@pytest.mark.parametrize("messages", [0, 3])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_learns_springs(sampler, messages):
    result = fitted(springs(count=60), {"messages": messages}, sampler=sampler, features=48)
    assert result.solution.certified and result.model.feature_map.count == 48 * (3 if messages else 2)
    assert max(errors(result.model, springs(count=5, seed=2, displacement=0.15))) < (
        EXTRAPOLATED if sampler in ("anchored", "elm") else 1e-5
    )
    bandwidths = result.record["basis"]["bandwidths"]
    assert bandwidths is None if sampler != "anchored" else set(bandwidths) == {"kinetic", "pairs", *(["many_body"] if messages else [])}


@pytest.mark.parametrize("activation", ["sigmoid", "softplus", "sine", "gaussian", "erf"])
def test_every_activation_learns_springs(activation):
    result = fitted(springs(count=60), activation=activation)
    assert max(errors(result.model, springs(count=5, seed=2, displacement=0.15))) < EXTRAPOLATED


@pytest.mark.parametrize("graph_options", [{}, {"messages": 2, "message_steps": 2}], ids=str)
def test_the_solution_is_that_of_numpys_least_squares(graph_options):
    """Column by column of the gradient: A c to 1e-12 of f, although c itself is less determined."""
    source = springs(count=25)
    result = fitted(source, {"edge_invariants": ["r"]} | graph_options, features=10, bandwidth=2.0)
    own, feature_map = read_own(source, RowLayout(400, 1), SERIAL), result.model.feature_map
    operators = [KineticRows(feature_map.kinetic[0], own, 400), BondRows(feature_map, own, 400)]
    residuals, start = [], 0
    for operator in operators:
        rows = operator.dense_rows(0, 400)
        A, f = rows[:, :-1], rows[:, -1]
        expected = A @ np.linalg.lstsq(A, f, rcond=1e-15)[0]
        found = A @ result.model.coefficients[start : start + operator.columns]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.linalg.norm(f))
        start += operator.columns
        residuals.append((np.linalg.norm(f - found), np.linalg.norm(f)))
    assert start == feature_map.count
    r, f = np.linalg.norm(residuals, axis=0)
    assert result.solution.relative_residual == pytest.approx(r / f, rel=1e-6)


@pytest.mark.parametrize("graph_options", [{}, {"messages": 3}], ids=str)
def test_a_fit_made_twice_has_the_same_bits_on_any_number_of_threads(graph_options, monkeypatch):
    results = []
    for threads in ("1", "1", "3"):
        monkeypatch.setenv("HNN_HPC_THREADS", threads)
        results.append(fitted(springs(count=80), graph_options, features=32, block_bytes="100KB"))
    assert results[2].record["threads"] == 3
    for other in results[1:]:
        np.testing.assert_array_equal(other.model.coefficients, results[0].model.coefficients)
        assert other.model.constants == results[0].model.constants
        for ours, theirs in zip(other.model.feature_map.layers, results[0].model.feature_map.layers, strict=True):
            np.testing.assert_array_equal(ours.weights, theirs.weights)
            np.testing.assert_array_equal(ours.biases, theirs.biases)
    assert not np.array_equal(
        fitted(springs(count=80), graph_options, features=32, seed=1).model.coefficients, results[0].model.coefficients
    )


# Constants of H


def unlike_graphs(energies, system=MORSE, species=1):
    """Ten states each of lattices of unlike shapes side by side, with energies(graphs, H)."""
    parts = []
    for seed, sizes in enumerate([(2, 2), (5, 1), (3, 3), (4, 2), (1, 6)]):
        rest = lattice(list(sizes))
        rest = replace(rest, species=np.arange(rest.particles) % 3 % species)
        parts.append(GeneratedGraphs(system, rest, 10, seed, displacement=0.2).read(0, 10).graphs)
    graphs = joined(parts)
    return ArrayGraphs(GraphSamples(graphs, system.velocities(graphs), system.forces(graphs), energies(graphs, system.energy(graphs))))


def bonds_in(graphs):
    return graphs.sums_of_bonds(np.ones(len(graphs.bonds)))


def test_energies_tell_the_constant_of_a_bond():
    source = unlike_graphs(lambda graphs, H: H + 7 * bonds_in(graphs))
    model = fitted(source).model
    assert model.constants_known and list(model.constants) == ["bond 0-0"]
    assert errors(model, source)[2] < 1e-12
    test = springs(sizes=(9, 9), count=2, displacement=0.1).read(0, 2)
    np.testing.assert_allclose(model.energy(test.graphs) - 7 * 144, test.energies, rtol=1e-9)


def test_energies_tell_the_constant_of_a_particle_where_there_are_messages():
    """Only together with that of a bond: a smooth function of r may as well be a pair's as a neighbourhood's."""
    source = unlike_graphs(lambda graphs, H: H + 7 * np.diff(graphs.offsets) - 3 * bonds_in(graphs))
    model = fitted(source, {"messages": 3}).model
    assert list(model.constants) == ["bond 0-0", "particle 0"] and model.constants_known
    assert errors(model, source)[2] < 1e-9


def test_constants_are_the_least_squares_of_the_energies_of_all_graphs():
    source = unlike_graphs(lambda graphs, H: H + np.random.default_rng(1).normal(size=graphs.count), Alloy(), 2)
    model, graphs = fitted(source, {"messages": 2}, features=16).model, source.samples.graphs
    sizes = model.feature_map.sizes(graphs)
    left = source.samples.energies - graphs.sums_of_particles(model.feature_map.energies_of_particles(graphs, model.coefficients))
    np.testing.assert_allclose(list(model.constants.values()), np.linalg.lstsq(sizes, left, rcond=None)[0], rtol=1e-9)


def test_energies_of_unlike_graphs_tell_the_constants_of_all_kinds():
    source = unlike_graphs(lambda graphs, H: H, Alloy(), 2)
    model = fitted(source).model
    assert list(model.constants) == ["bond 0-0", "bond 0-1", "bond 1-1"] and model.constants_known
    other = GeneratedGraphs(Alloy(), populated(lattice([8, 6]), species=2), 3, 1, displacement=0.15)
    assert max(errors(model, source)) < ROUND_OFF and max(errors(model, other)) < 1e-9


def test_constants_that_the_energies_do_not_tell_apart_are_not_known():
    """States of one graph have as many bonds of each kind: the smallest constants do for it, and for no other."""
    source = GeneratedGraphs(Alloy(), populated(lattice([5, 4]), species=2), 60, 1, displacement=0.2)
    model = fitted(source).model
    assert len(model.constants) == 3 and not model.constants_known
    assert errors(model, source)[2] < ROUND_OFF and errors(model, springs(Alloy(), (6, 6), 3, 2, 0.15))[2] > 0.01
    chains = GeneratedGraphs(Alloy(), populated(chain(6), species=2), 50, 1, displacement=0.2)
    assert fitted(chains).model.constants_known  # of bonds 0-1 alone
    model = fitted(chains, {"messages": 2}).model
    assert list(model.constants) == ["bond 0-1", "particle 0", "particle 1"] and not model.constants_known
    assert model.constants["particle 0"] == pytest.approx(model.constants["particle 1"], rel=1e-6)  # three of each in all states
    assert errors(model, chains)[2] < EXTRAPOLATED


def test_without_energies_differences_are_known_alone():
    with_energies = unlike_graphs(lambda graphs, H: H)
    source = ArrayGraphs(with_energies.samples._replace(energies=None))
    model = fitted(source).model
    assert (model.constants_known, model.constants) == (False, {})
    np.testing.assert_array_equal(model.coefficients, fitted(with_energies).model.coefficients)
    off = model.energy(with_energies.samples.graphs) - with_energies.samples.energies
    for ten in np.split(off, 5):  # ten states of one graph each
        assert np.ptp(ten) < 1e-9 < np.abs(ten).min()


# What a model does with other graphs


def test_what_was_not_in_the_training_data_is_refused():
    model = fitted(springs()).model
    graphs = lattice([3, 3])
    for call in (model.energy, model.gradient, model.energies_of_particles):
        with pytest.raises(UserError, match=r"particles of species 1 were not in the training data, which had \[0\]; train with them"):
            call(replace(graphs, species=np.arange(9) % 2))
    chains = GeneratedGraphs(Alloy(), populated(chain(6), species=2), 50, 1, displacement=0.2)
    model = fitted(chains).model
    with pytest.raises(UserError, match=r"bonds between species 0 and 0 were not in the training data; train with them"):
        model.energy(replace(chain(3), species=np.array([1, 0, 0])))
    assert np.isfinite(model.energy(replace(chain(3), species=np.array([0, 1, 0])))).all()


def test_bonds_beyond_the_cutoff_are_of_no_kind():
    pair_potential = make_particle_system("lennard-jones", {"cutoff": 1.3})
    rest = with_bonds(populated(lattice([4, 4], 1.1), species=2), 1.3)
    model = fitted(GeneratedGraphs(pair_potential, rest, 40, 1, displacement=0.05)).model
    far = with_bonds(replace(lattice([2, 1], 1.5), species=np.array([0, 0])), 2.0)
    assert model.feature_map.pairs[0].kind != (0, 0) or len(model.feature_map.pairs) == 3
    assert len(far.bonds) == 1 and abs(model.energy(far)[0]) < 1e-13


def test_outside_tells_whose_length_or_momentum_is_no_longer_interpolated():
    source = springs(displacement=0.1)
    model, samples = fitted(source).model, source.read(0, source.count)
    for outside in model.outside(samples.graphs)[:2]:
        assert not outside.any()
    graph = lattice([2, 2])
    positions, momenta = graph.positions.copy(), graph.momenta.copy()
    positions[3] += [3.0, 0]  # bonds 1-3 and 2-3
    momenta[1] = [9.0, 0]
    bonds, particles, counting = model.outside(graph.at(positions, momenta))
    assert bonds.tolist() == [3 in bond for bond in graph.bonds.tolist()] and counting.all()
    assert particles.tolist() == [False, True, False, False]
    positions[:] = 0.1 * graph.positions
    assert model.outside(graph.at(positions, momenta))[0].all()


def test_bonds_that_do_not_count_are_outside_nothing():
    source = GeneratedGraphs(METAL, lattice([5, 5]), 20, 1, displacement=0.1)
    model = fitted(source).model
    graph = with_bonds(lattice([5, 5], 1.01), 2.5)
    bonds, particles, counting = model.outside(graph)
    assert counting.tolist() == (graph.bond_lengths < 2).tolist() and not counting.all()
    assert not bonds.any() and not particles.any() and bonds.shape == counting.shape


@pytest.mark.parametrize("graph_options", [{}, {"messages": 3}], ids=str)
def test_a_model_is_followed_in_time_as_its_system_is(graph_options):
    system = METAL if graph_options else SPRINGS
    rest = lattice([4, 4], periodic=True)
    model = fitted(GeneratedGraphs(system, rest, 30, 1, displacement=0.15), graph_options, features=96).model
    start = GeneratedGraphs(system, rest, 1, 2, displacement=0.03, momentum=0.1).read(0, 1).graphs
    (*_, learned), (*_, true) = (verlet(hamiltonian, start, 0.02, 100) for hamiltonian in (model, system))
    np.testing.assert_allclose(learned.positions, true.positions, rtol=0, atol=1e-2 if graph_options else 1e-10)
    assert np.abs(true.positions - start.positions).max() > 0.1


@pytest.mark.parametrize("graph_options", [{}, {"messages": 3, "message_steps": 2}], ids=str)
def test_a_trained_model_survives_its_file(graph_options, tmp_path):
    source = GeneratedGraphs(Alloy(), populated(lattice([5, 4]), (0.5, 2), 2), 20, 1, displacement=0.2)
    model = fitted(source, graph_options, features=20).model
    model.save(tmp_path / "model.h5")
    loaded, graphs = load_graph_model(tmp_path / "model.h5"), source.read(3, 7).graphs
    np.testing.assert_array_equal(loaded.energy(graphs), model.energy(graphs))
    np.testing.assert_array_equal(loaded.gradient(graphs), model.gradient(graphs))
    assert (loaded.ranges, loaded.constants, loaded.constants_known) == (model.ranges, model.constants, model.constants_known)
    assert loaded.provenance == json.loads(json.dumps(model.provenance))


# What is recorded and refused


def test_record_and_provenance_tell_what_was_done():
    stages = []

    class Recorder:
        def start(self, stage, total):
            stages.append([stage, total, 0])

        def advance(self, n=1):
            stages[-1][2] += n

        def finish(self):
            stages[-1].append("finished")

    source = springs(count=20)
    result = fitted(source, progress=Recorder())
    record = result.record
    assert (record["graphs"], record["particles"], record["bonds"], record["dimension"], record["features"]) == (20, 320, 480, 2, 128)
    assert record["terms"] == {"kinetic 0": 64, "pair 0-0": 64}
    assert record["seconds"]["total"] == pytest.approx(sum(record["seconds"][stage] for stage in ("data", "sampling", "solve")))
    assert 10**7 < record["peak_memory_bytes"] < 10**11 and (record["resumed"], record["blocks_taken_over"]) == (False, 0)
    assert stages[0][0] == "survey" and stages[1][0] == "search"
    assert all(total == done and end == "finished" for _, total, done, end in stages)
    provenance = json.loads(json.dumps(result.model.provenance))
    assert provenance["samples"] == source.description and provenance["options"]["features"] == 64
    assert (
        provenance["graph_options"]["edge_invariants"] == "auto"
        and provenance["basis"]["edge_invariants"] == record["basis"]["edge_invariants"]
    )
    assert provenance["seeds"] == {"data": 1, "features": 0} and provenance["certificate"]["relative_residual"] < 1e-10
    assert result.model.ranges.keys() == {"momenta", "masses", "lengths"}


def test_more_features_than_rows():
    with pytest.raises(UserError, match="31 features are more than the 30 rows that 30 particles of the samples of springs-linear give"):
        fitted(small_chain(5), features=31)
    assert fitted(small_chain(5), features=30).solution.certified


@pytest.mark.parametrize(
    "source, words",
    [
        (
            springs(momentum=0),
            r"p\^2/2m is 0 for the kinetic energy of species 0 in all samples \(640 looked at\), so that H cannot be",
        ),
        (springs(displacement=0), r"r is 1 for the bonds between species 0 and 0 in all samples"),
        (GeneratedGraphs(SPRINGS, chain(1), 9, 1), "the samples of springs-linear has no bond, so that nothing can be learned"),
    ],
    ids=["at rest", "never displaced", "without bonds"],
)
def test_samples_that_teach_nothing(source, words):
    with pytest.raises(UserError, match=words):
        fitted(source)


def test_a_mass_that_never_changes_is_no_invariant():
    with pytest.raises(UserError, match=r"m m is 1 for the bonds between species 0 and 0 in all samples .*; leave it out"):
        fitted(springs(), {"edge_invariants": ["r", "m m"]})
    with pytest.raises(UserError, match=r"m is 1 for the kinetic energy of species 0"):
        fitted(springs(), {"node_invariants": ["p^2/2m", "m"]})


def test_velocities_that_depend_on_the_mass_need_it():
    """T = p²/2m is a function of p²/2m, and of (p², m), but not of p² alone."""
    rest = populated(lattice([4, 4]), (0.5, 2))
    source = GeneratedGraphs(SPRINGS, rest, 60, 1, displacement=0.2)
    both, one = (fitted(source, {"node_invariants": names}, features=100).model for names in (["p^2", "m"], ["p^2"]))
    assert errors(both, source)[1] < 1e-4 and errors(one, source)[1] > 0.1


def test_noise_is_met_with_a_ridge():
    samples = springs(count=60).read(0, 60)
    noise = np.random.default_rng(1).normal(size=samples.forces.shape)
    noisy = ArrayGraphs(samples._replace(forces=samples.forces + 0.05 * noise, velocities=samples.velocities + 0.05 * noise[::-1]))
    plain, ridge = (fitted(noisy, features=100, ridge=ridge).model for ridge in (0, "gcv"))
    test = springs(count=5, seed=2, displacement=0.15)
    assert errors(ridge, test)[0] < 0.05 and np.linalg.norm(ridge.coefficients) < 1e-3 * np.linalg.norm(plain.coefficients)


def test_too_little_memory_is_told():
    with pytest.raises(UserError, match=r"memory_per_rank = 1000 bytes is too little: tsqr needs \d+ bytes a rank"):
        fitted(springs(), memory_per_rank=1000)


def test_velocities_across_momenta_are_in_the_residual():
    # As in a magnetic field: no kinetic energy of |p| gives them.
    source = springs(count=40)
    graphs, velocities, forces, energies = source.read(0, 40)
    assert graphs.dimension == 2
    across = 0.3 * graphs.momenta[:, ::-1] * [1, -1]
    fit = fitted(ArrayGraphs(GraphSamples(graphs, velocities + across, forces, energies)))
    squares = [np.vdot(array, array) for array in (across, velocities, forces)]
    assert fit.solution.relative_residual == pytest.approx(np.sqrt(squares[0] / sum(squares)), rel=1e-6)
