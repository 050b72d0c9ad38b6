"""Files of graphs: what is written is read, in any runs, by many at once; whatever fits together in anybody's file will do, and no more."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import fields, replace

import h5py
import numpy as np
import pytest
from graph_networks import some_graphs, stirred

from hnn_hpc.errors import OutputError, UserError
from hnn_hpc.graph_samples import ArrayGraphs, GraphSamples, check_samples
from hnn_hpc.graphs import Graphs, chain, fluid, joined, lattice, with_bonds
from hnn_hpc.storage import GraphFile, describe, save_graph_file

ATTRIBUTES = {"system": "lennard-jones", "parameters": {"epsilon": 2.0}, "seed": 3, "none": None}
K = 4


def samples_of(graphs, seed=0):
    generator = np.random.default_rng(seed)
    return GraphSamples(graphs, *generator.normal(size=(2, *graphs.positions.shape)), generator.normal(size=graphs.count))


@pytest.fixture
def samples(seed):
    """Four graphs of 9, 1, 4 and 6 particles in two dimensions, with shifts and boxes; the second has no bonds."""
    return samples_of(some_graphs(2, seed), seed)


def same(found, expected):
    """Check that samples are the same bit for bit, of the types that everything works with; shifts of nothing may be none."""
    for field in fields(Graphs):
        ours, theirs = getattr(found.graphs, field.name), getattr(expected.graphs, field.name)
        if field.name == "shifts" and (ours is None or theirs is None):
            assert (ours is None or not ours.any()) and (theirs is None or not theirs.any())
            continue
        np.testing.assert_array_equal(ours, theirs, err_msg=field.name)
        assert ours.dtype == (np.int64 if theirs.dtype.kind in "iu" else np.float64) and ours.flags.c_contiguous
    for ours, theirs in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    return True


def test_round_trip(tmp_path, samples):
    save_graph_file(tmp_path / "graphs.h5", samples, attributes=ATTRIBUTES)
    source = GraphFile(tmp_path / "graphs.h5")
    assert (source.count, source.dimension, source.has_energies, source.has_derivatives, source.cutoff) == (K, 2, True, True, None)
    assert source.location == str(tmp_path / "graphs.h5") and source.offsets.tolist() == [0, 9, 10, 14, 20]
    assert source.description == {"file": source.location, "system": "lennard-jones", "parameters": {"epsilon": 2.0}, "seed": 3}
    assert same(source.read(0, K), samples)
    check_samples(source.read(0, K), "here")


def test_every_run_is_that_of_the_arrays(tmp_path, samples):
    save_graph_file(tmp_path / "graphs.h5", samples)
    source = GraphFile(tmp_path / "graphs.h5")
    for start in range(K + 1):
        for stop in range(start, K + 1):
            assert same(source.read(start, stop), ArrayGraphs(samples).read(start, stop))


@pytest.mark.parametrize(
    "graphs", [chain(1), chain(5), lattice([2, 2, 2]), lattice([3, 3], periodic=True), joined([lattice([2, 2]), lattice([3, 1])])]
)
@pytest.mark.parametrize("with_energies", [True, False])
def test_graphs_of_every_form(tmp_path, graphs, with_energies, seed):
    samples = samples_of(stirred(graphs, seed))
    samples = samples if with_energies else samples._replace(energies=None)
    save_graph_file(tmp_path / "graphs.h5", samples)
    source = GraphFile(tmp_path / "graphs.h5")
    assert source.has_energies == with_energies and same(source.read(0, source.count), samples)
    with h5py.File(tmp_path / "graphs.h5") as file:
        assert ("shifts" in file) == (graphs.shifts is not None) and ("boxes" in file) == bool(np.isfinite(graphs.boxes).any())


def test_a_cutoff_takes_the_place_of_bonds(tmp_path, seed):
    rest = joined([stirred(fluid(27, 3, 0.8), seed), stirred(lattice([2, 2, 2]), seed)])
    samples = samples_of(with_bonds(rest, 1.4))
    save_graph_file(tmp_path / "graphs.h5", samples, cutoff=1.4)
    with h5py.File(tmp_path / "graphs.h5") as file:
        assert "bonds" not in file and "shifts" not in file and file.attrs["cutoff"] == 1.4
    source = GraphFile(tmp_path / "graphs.h5")
    assert source.cutoff == 1.4 and same(source.read(0, 2), samples)
    assert same(source.read(1, 2), ArrayGraphs(samples).read(1, 2))


def test_without_derivatives_it_is_a_state(tmp_path, samples):
    save_graph_file(tmp_path / "state.h5", samples, with_derivatives=False)
    with pytest.raises(UserError, match=r"state\.h5 has no dataset /velocities; expected /velocities of shape \(P, d\)"):
        GraphFile(tmp_path / "state.h5")
    state = GraphFile(tmp_path / "state.h5", needs_derivatives=False)
    assert not state.has_derivatives
    assert same(state.read(0, K), samples._replace(velocities=0 * samples.velocities, forces=0 * samples.forces))


def test_others_are_kept_beside(tmp_path, samples):
    save_graph_file(tmp_path / "graphs.h5", samples, others={"times": np.arange(4) / 3})
    with h5py.File(tmp_path / "graphs.h5") as file:
        np.testing.assert_array_equal(file["times"], np.arange(4) / 3)
    assert same(GraphFile(tmp_path / "graphs.h5").read(0, K), samples)


def test_the_same_graphs_give_the_same_bytes_and_the_header_is_that_of_graphs(tmp_path, samples):
    for name in ("a.h5", "b.h5"):
        save_graph_file(tmp_path / name, samples, attributes=ATTRIBUTES)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with h5py.File(tmp_path / "a.h5") as file:
        assert (file.attrs["format_version"], file.attrs["kind"]) == (1, b"graphs") and "dof" not in file.attrs
        assert all(dataset.dtype in ("<f8", "<i8") for dataset in file.values())


def foreign(path, samples, attributes=(), **changes):
    """Write a file of samples by h5py alone, without a header; datasets replaced or (None) left out as said."""
    graphs, velocities, forces, energies = samples
    first = np.repeat(graphs.offsets[:-1], np.diff(graphs.bond_offsets))
    arrays = {
        **{name: getattr(graphs, name) for name in ("positions", "momenta", "masses", "species", "shifts", "boxes")},
        "particle_offsets": graphs.offsets,
        "bonds": graphs.bonds - first[:, None],
        "bond_offsets": graphs.bond_offsets,
        "velocities": velocities,
        "forces": forces,
        "energies": energies,
    }
    with h5py.File(path, "w") as file:
        for name, values in (arrays | changes).items():
            if isinstance(values, dict):
                file.create_group(name)
            elif values is not None:
                file[name] = values
        file.attrs.update(attributes)
    return path


def test_anybodys_file(tmp_path, samples):
    """Numbers of other types, datasets in chunks, and attributes of others."""
    source = GraphFile(foreign(tmp_path / "foreign.h5", samples, {"note": "ours", "kind": "any"}))
    assert same(source.read(0, K), samples) and source.description == {"file": source.location, "note": "ours"}
    others = {"species": samples.graphs.species.astype(np.uint8), "masses": samples.graphs.masses.astype(np.float32)}
    others |= {"particle_offsets": samples.graphs.offsets.astype(np.int32), "bond_offsets": samples.graphs.bond_offsets.astype(float)}
    path = foreign(tmp_path / "others.h5", samples, bonds=None, **others)
    with h5py.File(path, "a") as file:
        first = np.repeat(samples.graphs.offsets[:-1], np.diff(samples.graphs.bond_offsets))
        file.create_dataset("bonds", data=(samples.graphs.bonds - first[:, None]).astype(float), chunks=(3, 2), compression="gzip")
    rounded = replace(samples.graphs, masses=samples.graphs.masses.astype(np.float32).astype(float))
    assert same(GraphFile(path).read(0, K), samples._replace(graphs=rounded))


def test_what_may_be_missing(tmp_path, samples):
    """Masses are 1 then, species 0, boxes open, shifts 0, and without offsets there is one graph."""
    one = samples_of(lattice([3, 4]))
    names = ["masses", "species", "boxes", "shifts", "particle_offsets", "bond_offsets", "energies"]
    source = GraphFile(foreign(tmp_path / "one.h5", one, **dict.fromkeys(names)))
    assert (source.count, source.has_energies) == (1, False)
    assert same(source.read(0, 1), one._replace(energies=None))
    path = foreign(tmp_path / "bare.h5", one, **dict.fromkeys([*names, "bonds"]))
    assert GraphFile(path).read(0, 1).graphs.bonds.shape == (0, 2)


NINETEEN, SQUARE = np.zeros((19, 2)), np.zeros((20, 3))


def moved(**changes):
    """A function of the samples that gives such datasets, each computed from that of the samples."""

    def change(samples):
        graphs = samples.graphs
        first = np.repeat(graphs.offsets[:-1], np.diff(graphs.bond_offsets))[:, None]
        arrays = {
            "bonds": graphs.bonds - first,
            "particle_offsets": graphs.offsets,
            "bond_offsets": graphs.bond_offsets,
            "species": graphs.species,
        }
        return {name: function(arrays[name].astype(float)) for name, function in changes.items()}

    return change


def bond(number, value):
    return moved(bonds=lambda bonds: np.where(np.arange(len(bonds))[:, None] == number, value, bonds))


BAD_FILES = {
    "no positions": ({"positions": None}, "has no dataset /positions; expected /positions of shape (P, d), but the file holds /"),
    "no momenta": ({"momenta": None}, "has no dataset /momenta; expected /momenta of shape (P, d)"),
    "no velocities": ({"velocities": None}, "has no dataset /velocities"),
    "no forces": ({"forces": None}, "has no dataset /forces"),
    "a group": ({"positions": {}}, "/positions is a group, not a dataset"),
    "flat positions": ({"positions": np.zeros(20)}, "/positions has shape (20,); expected /positions of shape (P, d)"),
    "text": ({"momenta": np.full((20, 2), b"1")}, "/momenta is of type |S1; expected /momenta of shape (P, d), integers or"),
    "no particles": ({"positions": np.zeros((0, 2)), "momenta": np.zeros((0, 2))}, "/positions has shape (0, 2); expected at least one"),
    "no dimensions": ({"positions": np.zeros((20, 0))}, "/positions has shape (20, 0); expected at least one particle, in one dimension"),
    "fewer momenta": ({"momenta": NINETEEN}, "/momenta has shape (19, 2); expected (20, 2), that of 20 particles in 2 dimensions"),
    "momenta of another dimension": ({"momenta": SQUARE}, "/momenta has shape (20, 3); expected (20, 2)"),
    "masses": ({"masses": np.ones(19)}, "/masses has shape (19,); expected (20,), that of 20 particles"),
    "masses in columns": ({"masses": np.ones((20, 1))}, "/masses has shape (20, 1); expected /masses of shape (P)"),
    "species": ({"species": np.ones(21)}, "/species has shape (21,); expected (20,)"),
    "velocities": ({"velocities": SQUARE}, "/velocities has shape (20, 3); expected (20, 2), that of /positions"),
    "forces": ({"forces": NINETEEN}, "/forces has shape (19, 2); expected (20, 2), that of /positions"),
    "energies": ({"energies": np.ones(5)}, "/energies has shape (5,); expected (4,), one number a graph"),
    "boxes": ({"boxes": np.ones((3, 2))}, "/boxes has shape (3, 2); expected (4, 2), that of 4 graphs in 2 dimensions"),
    "bonds of three": ({"bonds": np.zeros((5, 3))}, "/bonds has shape (5, 3); expected (5, 2), two particles a bond"),
    "flat bonds": ({"bonds": np.zeros(5)}, "/bonds has shape (5,); expected /bonds of shape (E, 2)"),
    "shifts": ({"shifts": np.zeros((5, 2))}, "/shifts has shape (5, 2); expected ("),
    "one offset": ({"particle_offsets": [0]}, "/particle_offsets must rise from 0 to the 20 particles, one more number than there are"),
    "offsets in rows": ({"particle_offsets": [[0, 20]]}, "/particle_offsets has shape (1, 2); expected /particle_offsets of shape (K + 1)"),
    "offsets that fall": ({"particle_offsets": [0, 10, 9, 14, 20]}, "/particle_offsets must rise from 0 to the 20 particles"),
    "offsets from 1": ({"particle_offsets": [1, 9, 10, 14, 20]}, "/particle_offsets must rise from 0"),
    "offsets that end early": ({"particle_offsets": [0, 9, 10, 14, 19]}, "/particle_offsets must rise from 0 to the 20 particles"),
    "halves of offsets": (moved(particle_offsets=lambda offsets: np.where(offsets == 9, 9.5, offsets)), "/particle_offsets must rise"),
    "offsets that are NaN": (
        moved(particle_offsets=lambda offsets: np.where(offsets == 9, np.nan, offsets)),
        "/particle_offsets must rise",
    ),
    "bond offsets that fall": (moved(bond_offsets=lambda offsets: offsets[[0, 3, 1, 2, 4]]), "/bond_offsets must rise from 0 to the"),
    "bond offsets missing": ({"bond_offsets": None}, "/bond_offsets tells of 1 graphs, but /particle_offsets of 4"),
    "particle offsets missing": ({"particle_offsets": None}, "/bond_offsets tells of 4 graphs, but /particle_offsets of 1"),
    "more bond offsets": (moved(bond_offsets=lambda offsets: np.append(offsets, offsets[-1])), "/bond_offsets tells of 5 graphs"),
}
BAD_NUMBERS = {
    "a bond to nowhere": (bond(0, [0, 9]), "bond 0 of graph 0 joins the particles [0, 9]; there are 9 in it, counted from 0"),
    "a bond beyond the last": (bond(1, [8, 9]), "bond 1 of graph 0 joins the particles [8, 9]; there are 9 in it, counted from 0"),
    "a bond before the first": (bond(0, [-2, -1]), "bond 0 of graph 0 joins the particles [-2, -1]; there are 9 in it"),
    "a bond into the graph before": ("third", "bond 0 of graph 2 joins the particles [-2, -1]; there are 4 in it"),
    "a bond into the graph after": ("third after", "bond 0 of graph 2 joins the particles [4, 5]; there are 4 in it"),
    "half a bond": (bond(3, [0.5, 1]), "/bonds holds 0.5; expected whole numbers"),
    "a bond that is NaN": (bond(3, [np.nan, 1]), "/bonds holds nan; expected whole numbers"),
    "a bond that is too much": (bond(3, [1e300, 1]), "/bonds holds 1e+300; expected whole numbers"),
    "half a species": (moved(species=lambda species: species + 0.5), "/species holds "),
    "species that are infinite": (moved(species=lambda species: species + np.inf), "/species holds inf; expected whole numbers"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files(tmp_path, samples, case):
    changes, words = BAD_FILES[case]
    path = foreign(tmp_path / "bad.h5", samples, **(changes(samples) if callable(changes) else changes))
    with pytest.raises(UserError) as caught:
        GraphFile(path)
    message = str(caught.value)
    assert words in message and str(path) in message and "\n" not in message
    if case not in ("no positions", "no velocities", "no forces"):  # which is nobody's file, and that of a state
        assert words in describe(path)["problem"]


@pytest.mark.parametrize("case", BAD_NUMBERS)
def test_bad_numbers(tmp_path, samples, case):
    """They are found when a run of graphs is read, whatever graphs come before and after it in the file."""
    changes, words = BAD_NUMBERS[case]
    if isinstance(changes, str):
        changes = bond(samples.graphs.bond_offsets[2], [-2, -1] if changes == "third" else [4, 5])
    source = GraphFile(foreign(tmp_path / "bad.h5", samples, **changes(samples)))
    with pytest.raises(UserError) as caught:
        source.read(0, K)
    message = str(caught.value)
    assert words in message and str(tmp_path / "bad.h5") in message and "\n" not in message


@pytest.mark.parametrize(
    "attributes, words",
    [
        ({"cutoff": 1.5}, "has /bonds and the attribute cutoff, by which bonds are found; remove one of them"),
        ({"cutoff": -1.0}, "the attribute cutoff is -1.0; expected a length"),
        ({"cutoff": 0}, "the attribute cutoff is 0; expected a length"),
        ({"cutoff": np.nan}, "the attribute cutoff = nan: expected a finite number"),
        ({"cutoff": np.inf}, "the attribute cutoff = inf: expected a finite number"),
        ({"cutoff": "far"}, "the attribute cutoff = 'far': expected a finite number"),
        ({"cutoff": [1.5]}, "the attribute cutoff = [1.5]: expected a finite number"),
        ({"kind": "model", "format_version": 1}, "holds a model (`hnn-hpc fit` writes it); expected an HDF5 file with graphs of particles"),
        ({"kind": "samples", "format_version": 1}, "holds samples (`hnn-hpc generate` writes them); expected"),
        ({"kind": "graph-model", "format_version": 1}, "holds a model of graphs (`hnn-hpc fit` writes it); expected"),
        ({"kind": "graphs", "format_version": 2}, "has format version 2, and this program reads versions up to 1"),
    ],
)
def test_bad_attributes(tmp_path, samples, attributes, words):
    with pytest.raises(UserError) as caught:
        GraphFile(foreign(tmp_path / "bad.h5", samples, attributes))
    assert words in str(caught.value) and str(tmp_path / "bad.h5") in str(caught.value)


def test_a_cutoff_that_the_box_has_no_room_for(tmp_path, samples):
    """Which no bond can be found with is told when they are to be found."""
    names = ["bonds", "bond_offsets", "shifts"]
    source = GraphFile(foreign(tmp_path / "narrow.h5", samples, {"cutoff": 1.01}, **dict.fromkeys(names)))
    assert source.read(0, 2).graphs.shifts is None
    with pytest.raises(UserError, match=r"cutoff = 1.01 is above half the period of graph 2 along axis 0, 2"):
        source.read(0, K)


def test_no_file_no_hdf5(tmp_path):
    (tmp_path / "text.h5").write_text("positions")
    for name, words in {"none.h5": "does not exist", "": "is a directory", "text.h5": r"is not an HDF5 file \(9 bytes\)"}.items():
        with pytest.raises(UserError, match=f"{words}.*; expected an HDF5 file with graphs of particles"):
            GraphFile(tmp_path / name)


def test_truncated_at_any_length(tmp_path, samples):
    save_graph_file(tmp_path / "graphs.h5", samples, attributes=ATTRIBUTES)
    whole = (tmp_path / "graphs.h5").read_bytes()
    for length in [*range(1, 120, 7), *range(120, len(whole), 307), len(whole) - 1]:
        path = tmp_path / f"cut_at_{length}.h5"
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=f"{path} is (truncated or damaged; copy or write it again|not an HDF5 file)"):
            GraphFile(path)


def test_damage_found_while_reading(tmp_path, samples):
    path = foreign(tmp_path / "packed.h5", samples, forces=None)
    with h5py.File(path, "a") as file:
        file.create_dataset("forces", data=samples.forces, chunks=(20, 2), compression="gzip", fletcher32=True)
        start = file["forces"].id.get_chunk_info(0).byte_offset
    with open(path, "r+b") as stream:
        stream.seek(start + 50)
        stream.write(bytes(100))
    source = GraphFile(path)
    with pytest.raises(UserError, match=r"packed\.h5 is truncated or damaged"):
        source.read(0, K)


def test_existing_files_and_full_disks(tmp_path, samples, full_disk):
    path = tmp_path / "graphs.h5"
    save_graph_file(path, samples)
    with pytest.raises(UserError, match="exists; pass --force"):
        save_graph_file(path, samples._replace(energies=None))
    assert GraphFile(path).has_energies
    save_graph_file(path, samples._replace(energies=None), force=True)
    assert not GraphFile(path).has_energies
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"graphs\.h5: File too large; nothing was written"), full_disk() as limit_to:
        limit_to(1000)
        save_graph_file(path, samples, force=True)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(UserError, match="does not exist; create it first"):
        save_graph_file(tmp_path / "no" / "graphs.h5", samples)


def test_a_relative_path_survives_a_change_of_directory(tmp_path, samples, monkeypatch):
    save_graph_file(tmp_path / "graphs.h5", samples)
    monkeypatch.chdir(tmp_path)
    source = GraphFile("graphs.h5")
    monkeypatch.chdir("/")
    assert same(source.read(0, K), samples) and same(pickle.loads(pickle.dumps(source)).read(0, K), samples)


def test_threads_and_processes_share_a_file(tmp_path, samples):
    save_graph_file(tmp_path / "graphs.h5", samples)
    source, runs = GraphFile(tmp_path / "graphs.h5"), [(start, stop) for start in range(K) for stop in range(start + 1, K + 1)] * 3
    with ThreadPoolExecutor(4) as pool:
        for run, found in zip(runs, pool.map(lambda run: source.read(*run), runs), strict=True):
            assert same(found, ArrayGraphs(samples).read(*run))
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert same(pool.submit(source.read, 1, K).result(), ArrayGraphs(samples).read(1, K))


def test_what_is_in_a_file_is_described(tmp_path, samples):
    save_graph_file(tmp_path / "graphs.h5", samples, attributes=ATTRIBUTES)
    found = describe(tmp_path / "graphs.h5")
    assert (found["kind"], found["graphs"], found["particles"], found["dimension"], found["energies"]) == ("graphs", 4, 20, 2, True)
    assert "problem" not in found and describe(foreign(tmp_path / "foreign.h5", samples))["kind"] == "graphs"
