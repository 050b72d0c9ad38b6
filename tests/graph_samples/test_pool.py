"""The survey of graphs against loops over single particles and bonds: the same on any number of ranks; every number counts."""

from dataclasses import fields, replace

import numpy as np
import pytest
from graph_networks import CUTOFF, some_graphs
from thread_ranks import on_ranks

from hnn_hpc.errors import UserError
from hnn_hpc.graph_samples import ArrayGraphs, GraphSamples, pool, read_own, survey_graphs
from hnn_hpc.graphs import Graphs, chain, joined, lattice
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.layout import RowLayout

SERIAL = SerialCommunicator()
GRAPHS, PARTICLES = 12, 60
ARRAYS = [field.name for field in fields(Graphs)]


def samples_of(graphs, seed=0):
    generator = np.random.default_rng(seed)
    return GraphSamples(graphs, *generator.normal(size=(2, *graphs.positions.shape)), generator.normal(size=graphs.count))


@pytest.fixture
def samples(seed):
    return samples_of(joined([some_graphs(2, seed), some_graphs(2, seed + 1), some_graphs(2, seed + 2)]), seed)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """A pool of 20 particles, so that not all of them are in it."""
    monkeypatch.setattr(pool, "POOL", 20)


def survey(samples, communicator=SERIAL, blocks=8, reach=2, seed=1, cutoff=None):
    source = WithMore(samples, cutoff)
    return survey_graphs(read_own(source, RowLayout(source.offsets[-1], blocks), communicator), source, communicator, reach, seed)


class WithMore(ArrayGraphs):
    """Arrays with a cutoff that keep the bonds which they have, longer ones too, as a source may."""

    def read(self, start, stop):
        return ArrayGraphs(self.samples).read(start, stop)


def same(one, other):
    for name in ("momenta", "masses", "lengths", "bonds", "particles", "across", "checksum"):
        assert getattr(one, name) == getattr(other, name), name
    np.testing.assert_array_equal(one.chosen, other.chosen)
    (ours, *changes), (theirs, *others) = one.own.samples, other.own.samples
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    for found, expected in zip(changes[:2], others[:2], strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("blocks", [1, 3, 8, 60])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 13])
def test_ranks_and_blocks_do_not_change_a_bit(samples, size, blocks):
    expected = survey(samples)
    for found in on_ranks(size, lambda communicator: survey(samples, communicator, blocks)):
        same(found, expected)


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_the_pool_is_spread_over_the_particles_and_has_what_is_near(samples, reach):
    found, graphs = survey(samples, reach=reach), samples.graphs
    near = found.own.samples.graphs
    numbers = [int(np.flatnonzero((graphs.positions == q).all(axis=1))[0]) for q in near.positions]
    chosen = [numbers[place] for place in found.chosen]
    assert [number * 20 // PARTICLES for number in chosen] == list(range(20))
    expected, expected_numbers, _ = graphs.neighbourhood(np.array(chosen), reach)
    assert numbers == expected_numbers.tolist()
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(near, name), getattr(expected, name))
    np.testing.assert_array_equal(found.own.samples.velocities, samples.velocities[numbers])
    np.testing.assert_array_equal(found.own.samples.forces, samples.forces[numbers])
    assert found.own.first == 0 and not len(found.own.begun)


def test_of_few_particles_all_are_in_the_pool(samples, monkeypatch):
    monkeypatch.setattr(pool, "POOL", 1024)
    found = survey(samples)
    np.testing.assert_array_equal(found.own.samples.graphs.positions, samples.graphs.positions)
    assert found.chosen.tolist() == list(range(PARTICLES))


def test_another_seed_chooses_others(samples):
    first, second, again = (survey(samples, seed=number).own.samples.graphs.positions for number in (1, 2, 1))
    assert first.shape != second.shape or (first != second).any()
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("cutoff", [None, CUTOFF])
def test_ranges_are_those_of_all_particles_and_bonds(samples, cutoff):
    graphs, momenta, masses, lengths, bonds = samples.graphs, {}, {}, {}, 0
    for s, p, m in zip(graphs.species.tolist(), graphs.momenta, graphs.masses.tolist(), strict=True):
        momenta.setdefault(s, []).append(np.sqrt(p @ p))
        masses.setdefault(s, []).append(m)
    for (i, j), r in zip(graphs.bonds, graphs.bond_lengths.tolist(), strict=True):
        if cutoff is None or r < cutoff:
            lengths.setdefault(tuple(sorted((int(graphs.species[i]), int(graphs.species[j])))), []).append(r)
            bonds += 1
    found = survey(samples, cutoff=cutoff)
    assert found.bonds == bonds and (cutoff is None or bonds < len(graphs.bonds))
    for ranges, values in ((found.momenta, momenta), (found.masses, masses), (found.lengths, lengths)):
        assert list(ranges) == sorted(values)
        for key, limits in ranges.items():
            assert limits == pytest.approx((min(values[key]), max(values[key])), rel=1e-15)


def test_velocities_across_momenta_are_summed(samples):
    samples.graphs.momenta[3] = 0
    square = 0.0
    for p, v in zip(samples.graphs.momenta, samples.velocities, strict=True):
        along = (v @ p) / np.linalg.norm(p) if p.any() else 0.0
        square += v @ v - along**2
    assert survey(samples).across == pytest.approx(square, rel=1e-12)


def test_a_kind_that_one_rank_alone_has_is_known_to_all(samples):
    species = np.zeros(PARTICLES, dtype=int)
    species[-3] = 7
    found = on_ranks(4, lambda communicator: survey(samples._replace(graphs=replace(samples.graphs, species=species)), communicator))
    assert all(list(each.momenta) == [0, 7] and list(each.lengths) == [(0, 0), (0, 7)] for each in found)


@pytest.mark.parametrize("name", ["positions", "momenta", "masses", "species", "bonds", "shifts", "velocities", "forces"])
def test_every_number_counts_in_the_checksum(samples, name, monkeypatch):
    monkeypatch.setattr("hnn_hpc.graph_samples.own.check_graphs", lambda *_: None)
    expected, of_graphs = survey(samples).checksum, hasattr(samples.graphs, name)
    array = getattr(samples.graphs if of_graphs else samples, name)
    found = {expected}
    for place in np.ndindex(array.shape):
        other = array.copy()
        other[place] = array[place] + 1 if array.dtype.kind == "i" else np.nextafter(array[place], 9)
        if name == "bonds" and np.searchsorted(samples.graphs.offsets, other[place], "right") != np.searchsorted(
            samples.graphs.offsets, array[place], "right"
        ):
            other[place] = array[place] - 1
        changed = samples._replace(graphs=replace(samples.graphs, **{name: other})) if of_graphs else samples._replace(**{name: other})
        found.add(survey(changed).checksum)
    assert len(found) == array.size + 1


def test_places_count_in_the_checksum(samples):
    expected, order = survey(samples).checksum, np.arange(PARTICLES)
    order[[3, 40]] = 40, 3
    for name in ("velocities", "forces"):
        assert survey(samples._replace(**{name: getattr(samples, name)[order]})).checksum != expected
    swapped = samples._replace(velocities=samples.forces, forces=samples.velocities)
    assert survey(swapped).checksum != expected


def test_a_checksum_takes_arrays_of_any_type_and_order(samples):
    graphs = samples.graphs
    whole = replace(graphs, masses=np.ones(PARTICLES))
    others = replace(
        graphs.at(np.asfortranarray(graphs.positions), np.asfortranarray(graphs.momenta)),
        masses=np.ones(PARTICLES, dtype=np.float32),
        species=graphs.species.astype(np.int8),
    )
    assert survey(samples._replace(graphs=whole)).checksum == survey(samples._replace(graphs=others)).checksum


def test_without_bonds_nothing_can_be_learned():
    with pytest.raises(UserError, match="the arrays has no bond, so that nothing can be learned of how particles act on each other"):
        survey(samples_of(chain(1)), blocks=1)
    with pytest.raises(UserError, match="the arrays has no bond shorter than the cutoff, 0.5, so that"):
        survey(samples_of(lattice([5, 5])), cutoff=0.5)
