"""Which graphs a rank has in memory: whole ones, all that its particles are of, each looked at on one rank; and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from graph_networks import some_graphs
from thread_ranks import errors_on_ranks, on_ranks

from hnn_hpc.errors import UserError
from hnn_hpc.graph_samples import ArrayGraphs, GraphSamples, check_samples, read_own
from hnn_hpc.graphs import chain, joined
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.layout import RowLayout

SERIAL = SerialCommunicator()


def samples_of(graphs, seed=0):
    generator = np.random.default_rng(seed)
    return GraphSamples(graphs, *generator.normal(size=(2, *graphs.positions.shape)), generator.normal(size=graphs.count))


class Recorded(ArrayGraphs):
    """Arrays that tell which runs of them were read."""

    @property
    def runs(self):
        return self.__dict__.setdefault("_runs", [])

    def read(self, start, stop):
        self.runs.append((start, stop))
        return super().read(start, stop)


@pytest.fixture
def samples(seed):
    """Twelve graphs of 1 to 9 particles, 60 in all."""
    return samples_of(joined([some_graphs(2, seed), some_graphs(2, seed + 1), some_graphs(2, seed + 2)]), seed)


@pytest.mark.parametrize("blocks", [1, 2, 3, 8, 60])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 13])
def test_each_graph_is_whole_where_its_particles_are_and_begins_on_one_rank(samples, blocks, size):
    layout, offsets, looked_at, runs = RowLayout(60, blocks), samples.graphs.offsets, [], []
    for rank in range(size):
        start, stop = layout.owned_rows(rank, size)
        source = Recorded(samples)
        communicator = SerialCommunicator()
        communicator.rank, communicator.size = rank, size
        own = read_own(source, layout, communicator)
        graphs = own.samples.graphs
        first = int(np.searchsorted(offsets, own.first))
        assert offsets[first] == own.first and source.runs == [(first, first + graphs.count)]
        touched = [k for k in range(12) if offsets[k] < stop and offsets[k + 1] > start and start < stop]
        assert touched == list(range(first, first + graphs.count))
        begun = [first + place for place in own.begun]
        assert begun == [k for k in touched if start <= offsets[k] < stop]
        looked_at += begun
        runs.append((start, stop))
        expected = ArrayGraphs(samples).read(first, first + graphs.count)
        np.testing.assert_array_equal(graphs.positions, expected.graphs.positions)
        np.testing.assert_array_equal(own.samples.forces, expected.forces)
    assert looked_at == list(range(12)) and runs[0][0] == 0 and runs[-1][1] == 60


def test_one_large_graph_is_on_every_rank_that_has_some_of_it():
    samples, layout = samples_of(chain(40)), RowLayout(40, 4)
    parts = on_ranks(5, lambda communicator: read_own(ArrayGraphs(samples), layout, communicator))
    assert [part.samples.graphs.particles for part in parts] == [40, 40, 40, 40, 0]
    assert [part.first for part in parts] == [0, 0, 0, 0, 40]
    assert [list(part.begun) for part in parts] == [[0], [], [], [], []]


def changed(samples, name, place, value):
    """The samples with one number of one array changed."""
    of_graphs = hasattr(samples.graphs, name)
    array = np.array(getattr(samples.graphs if of_graphs else samples, name))
    array[place] = value
    return samples._replace(graphs=replace(samples.graphs, **{name: array})) if of_graphs else samples._replace(**{name: array})


# Particle 25 is the sixth of the fifth graph, which begins with particle 20.
CASES = {
    "forces": (("forces", (25, 1), np.nan), r"forces dp/dt of particle 5 of graph 4 are \[-?[\d.]+, nan\]; expected finite numbers"),
    "velocities": (("velocities", (25, 0), -np.inf), r"velocities dq/dt of particle 5 of graph 4 are \[-inf, -?[\d.]+\]"),
    "positions": (("positions", (25, 0), np.nan), r"positions of particle 5 of graph 4 are \[ *nan"),
    "momenta": (("momenta", (25, 0), np.inf), r"momenta of particle 5 of graph 4 are \[ *inf"),
    "masses": (("masses", 25, 0), r"masses of particle 5 of graph 4 are 0.0; expected a positive number"),
    "species": (("species", 25, -1), r"species of particle 5 of graph 4 are -1"),
    "energies": (("energies", 4, np.nan), r"the energy of graph 4 is nan; expected a finite number"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_number_is_named_by_graph_and_particle(samples, case):
    change, words = CASES[case]
    with pytest.raises(UserError, match=f"^the arrays: {words}"):
        read_own(ArrayGraphs(changed(samples, *change)), RowLayout(60, 4), SERIAL)


@pytest.mark.parametrize("size", [2, 4, 5])
def test_a_bad_number_on_one_rank_ends_all_and_says_where_it_counts_from(samples, size):
    source, layout = ArrayGraphs(changed(samples, "forces", (50, 0), np.nan)), RowLayout(60, 8)
    messages = errors_on_ranks(size, lambda communicator: read_own(source, layout, communicator), UserError)
    assert len(set(messages)) == 1
    told = messages[0]
    assert told.startswith("the arrays, counted from graph ") and "forces dp/dt of particle 0 of graph" in told
    first, number = int(told.split(":")[0].split()[-1]), int(told.split("of graph ")[1].split()[0])
    assert samples.graphs.offsets[first + number] == 50


@pytest.mark.parametrize("name", ["velocities", "forces"])
@pytest.mark.parametrize(
    "change", [lambda values: values[:, :1], lambda values: values[:-1], lambda values: values.ravel(), lambda values: values[:, None]]
)
def test_derivatives_of_another_shape(samples, name, change):
    with pytest.raises(UserError, match=rf"the arrays: {name} have shape \(.*\); expected that of the positions, \(60, 2\)"):
        read_own(ArrayGraphs(samples._replace(**{name: change(getattr(samples, name))})), RowLayout(60, 1), SERIAL)


@pytest.mark.parametrize("change", [lambda values: values[:-1], lambda values: np.append(values, 0), lambda values: values[:, None]])
def test_energies_of_another_shape(samples, change):
    with pytest.raises(UserError, match=r"here: energies have shape \(.*\); expected one number a graph, \(12,\)"):
        check_samples(samples._replace(energies=change(samples.energies)), "here")


def test_what_is_no_graph_is_refused(samples):
    with pytest.raises(UserError, match="the arrays: bond 3 of all.* joins the particles .* there are 60, counted from 0"):
        read_own(ArrayGraphs(changed(samples, "bonds", (3, 1), 60)), RowLayout(60, 1), SERIAL)


def test_samples_without_energies_are_samples(samples):
    assert read_own(ArrayGraphs(samples._replace(energies=None)), RowLayout(60, 1), SERIAL).samples.energies is None
