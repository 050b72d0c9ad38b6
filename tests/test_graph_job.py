"""The table [graph] of a job file: which graphs it stands for, what it needs and refuses, and that jobs of graphs describe themselves."""

from pathlib import Path

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.graph_job import GraphFileData
from hnn_hpc.graph_options import GraphOptions
from hnn_hpc.graph_samples import GeneratedGraphs, SimulatedGraphs
from hnn_hpc.graphs import chain, fluid, lattice, populated, random_geometric
from hnn_hpc.job import job_from_tables, load_job
from hnn_hpc.options import FitOptions
from hnn_hpc.particles import make_particle_system
from hnn_hpc.storage import save_graph_file

JOBS = Path(__file__).parents[1] / "jobs/graph"
NOWHERE = Path("nowhere")
SQUARE = {"system": "springs-linear", "sizes": [2, 2], "graphs": 5}
FLUID = {"system": "lennard-jones", "geometry": "fluid", "count": 30, "dimension": 3, "density": 0.1, "graphs": 4}


def job_of(graph, **tables):
    return job_from_tables({"graph": graph, **tables}, NOWHERE)


def write(folder, text):
    path = folder / "my_job.toml"
    path.write_text(text)
    return path


def assert_same_samples(found, expected):
    """Two sources have the same bits."""
    assert (found.count, found.cutoff, found.offsets.tolist()) == (expected.count, expected.cutoff, expected.offsets.tolist())
    one, other = (source.read(0, source.count) for source in (found, expected))
    for name in ("positions", "momenta", "masses", "species", "bonds", "boxes"):
        np.testing.assert_array_equal(getattr(one.graphs, name), getattr(other.graphs, name))
    for name in ("velocities", "forces", "energies"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


# What arrives


def test_every_key_arrives(tmp_path):
    path = write(
        tmp_path,
        """
        [graph]
        system = "springs-morse"
        depth = 2
        rate = 0.5
        length = 1.5
        geometry = "lattice"
        sizes = [3, 2]
        spacing = 1.5
        periodic = [true, false]
        masses = [0.5, 2.0]
        species = 2
        test_geometry = "chain"
        test_count = 5
        test_dimension = 2
        test_spacing = 1.4
        test_periodic = false
        displacement = 0.2
        momentum = 0.5
        graphs = 7
        test_graphs = 3
        seed = 4
        edge_invariants = ["1/r", "m m"]
        node_invariants = ["p^2", "m"]
        messages = 3
        message_steps = 2
        [features]
        sampler = "elm"
        count = 30
        bandwidth = 2
        activation = "sine"
        seed = 5
        [solver]
        name = "tsqr"
        rcond = 1e-12
        ridge = 0.5
        block_bytes = "1MB"
        memory_per_rank = "2GiB"
        [output]
        directory = "somewhere"
        checkpoint_seconds = 60
        """,
    )
    job = load_job(path)
    assert job.network == GraphOptions(("1/r", "m m"), ("p^2", "m"), 3, 2) and job.is_of_graphs
    how = {"solver": "tsqr", "rcond": 1e-12, "ridge": 0.5, "seed": 5, "block_bytes": 10**6, "memory_per_rank": 2**31}
    assert job.options == FitOptions(30, "elm", 2.0, activation="sine", **how)
    assert (job.directory, job.checkpoint_seconds) == (Path("somewhere"), 60.0)
    system = make_particle_system("springs-morse", {"depth": 2, "rate": 0.5, "length": 1.5})
    assert job.data.system == system
    rest, other = (
        populated(graph, (0.5, 2.0), 2, 4) for graph in (lattice([3, 2], 1.5, [True, False]), chain(5, 2, spacing=1.4, periodic=False))
    )
    how = {"displacement": 0.2, "momentum": 0.5}
    train, test = job.data.sources()
    assert_same_samples(train, GeneratedGraphs(system, rest, 7, 4, **how))
    assert_same_samples(test, GeneratedGraphs(system, other, 3, 4, stream="test points", **how))


def test_what_is_left_out_has_the_defaults_of_the_library():
    job = job_of({"system": "springs-linear", "sizes": [2, 2], "graphs": 5})
    assert job.options == FitOptions(features=64) and job.network == GraphOptions()
    assert (job.directory, job.checkpoint_seconds) == (NOWHERE, 300.0)
    train, test = job.data.sources()
    springs, rest = make_particle_system("springs-linear"), lattice([2, 2])
    assert_same_samples(train, GeneratedGraphs(springs, rest, 5, 0))
    assert_same_samples(test, GeneratedGraphs(springs, rest, 5, 0, stream="test points"))
    assert not np.isin(train.read(0, 5).graphs.momenta, test.read(0, 5).graphs.momenta).any()


def test_states_along_runs_have_keys_of_their_own():
    keys = {"temperature": 0.5, "time_step": 0.002, "burn_in": 3, "interval": 2, "states_per_run": 2}
    train, test = job_of(FLUID | keys | {"test_count": 40, "test_graphs": 1}).data.sources()
    system = make_particle_system("lennard-jones")
    assert_same_samples(train, SimulatedGraphs(system, fluid(30, 3, 0.1), 4, 0, **keys))
    assert_same_samples(test, SimulatedGraphs(system, fluid(40, 3, 0.1), 1, 0, stream="test points", **keys))


def test_a_geometry_at_random_has_the_seed_of_the_job():
    table = {"system": "gravity", "geometry": "random-geometric", "count": 6, "dimension": 2, "radius": 2.0, "graphs": 2, "seed": 3}
    train, test = job_of(table).data.sources()
    rest = random_geometric(6, 2, 2.0, seed=3)
    for source in (train, test):
        np.testing.assert_array_equal(source.rest.positions, rest.positions)
        np.testing.assert_array_equal(source.rest.bonds, rest.bonds)
    masses = job_of(table | {"masses": [0.5, 2.0]}).data.sources()[0].rest.masses
    np.testing.assert_array_equal(masses, populated(rest, (0.5, 2.0), seed=3).masses)


def test_test_graphs_take_over_what_is_not_said_of_them():
    def rests(**keys):
        return [source.rest for source in job_of(SQUARE | {"spacing": 2.0} | keys).data.sources()]

    rest, other = rests(test_sizes=[3, 3, 3])
    assert (rest.particles, other.particles, other.dimension, other.positions.max()) == (4, 27, 3, 4.0)
    _, other = rests(test_geometry="chain", test_count=3)
    assert other.positions.tolist() == [[0], [2], [4]]
    _, other = rests(test_geometry="chain", test_count=3, test_spacing=1.0, masses=3, species=2)
    assert (other.positions.tolist(), other.masses.tolist(), other.species.tolist()) == ([[0], [1], [2]], [3, 3, 3], [0, 1, 0])


def test_paths_in_the_file_are_relative_to_it_and_typed_paths_to_the_working_directory(tmp_path):
    path = write(tmp_path, '[graph]\nfile = "a.h5"\ntest_file = "/b.h5"\nmessages = 2\n[output]\ndirectory = "out"')
    job = load_job(path)
    assert (job.data, job.network.messages) == (GraphFileData(tmp_path / "a.h5", Path("/b.h5")), 2)
    assert load_job(path, ["graph.file=c.h5"]).data.file == Path("c.h5")
    assert load_job(path).directory == Path("out") and load_job(path, directory="1").directory == Path("1")


def test_files_are_the_sources_of_a_job_with_files(tmp_path):
    source, _ = job_of(SQUARE).data.sources()
    save_graph_file(tmp_path / "graphs.h5", source.read(0, 5))
    train, test = job_of({"file": str(tmp_path / "graphs.h5")}).data.sources()
    assert_same_samples(train, source)
    assert test is None
    save_graph_file(tmp_path / "test.h5", source.read(1, 3))
    _, test = job_of({"file": str(tmp_path / "graphs.h5"), "test_file": str(tmp_path / "test.h5")}).data.sources()
    assert test.count == 2
    with pytest.raises(UserError, match=r"nowhere\.h5"):
        job_of({"file": str(tmp_path / "nowhere.h5")}).data.sources()


def test_overrides_replace_and_add(tmp_path):
    path = write(tmp_path, '[graph]\nsystem = "springs-linear"\nsizes = [2, 2]\ngraphs = 5\n')
    job = load_job(path, ["graph.graphs=6", "graph.test_sizes=[4, 4]", "features.count=8", "graph.edge_invariants=['r']"])
    assert (job.data.graphs, job.data.test_graphs, job.options.features) == (6, 6, 8)
    assert job.data.test_geometry[1]["sizes"] == [4, 4] and job.network.edge_invariants == ("r",)
    with pytest.raises(UserError, match=r"\[data\] and \[graph\] do not go together"):
        load_job(path, ["data.samples=5"])


# Its own description


@pytest.mark.parametrize("path", sorted(JOBS.glob("*.toml")), ids=lambda path: path.stem)
def test_jobs_of_the_project_load_and_survive_their_own_description(path):
    job = load_job(path)
    assert job_from_tables(job.as_dict(), NOWHERE) == job and job.is_of_graphs
    assert job.directory == Path("results") / path.stem
    assert all(source.count >= 1 for source in job.data.sources())


@pytest.mark.parametrize(
    "table",
    [
        SQUARE,
        SQUARE | {"masses": [0.5, 2.0], "species": 3, "periodic": [True, False], "displacement": 0.3, "test_sizes": [5, 5]},
        SQUARE | {"test_geometry": "chain", "test_count": 9, "test_periodic": True, "edge_invariants": ["r^2"], "messages": 4},
        FLUID | {"test_count": 100, "interval": 7, "epsilon": 0.5, "cutoff": 2.0},
        {"system": "gravity", "geometry": "random-geometric", "count": 5, "dimension": 2, "radius": 2.0, "graphs": 3, "softening": 0},
        {"file": "a.h5"},
        {"file": "a.h5", "test_file": "b.h5", "node_invariants": ["p^2", "m"]},
    ],
    ids=str,
)
def test_a_job_survives_its_own_description(table):
    job = job_of(table, features={"count": 9, "bandwidth": 0.5}, solver={"ridge": "gcv"}, output={"directory": "there"})
    again = job_from_tables(job.as_dict(), NOWHERE)
    assert again == job and again.as_dict() == job.as_dict()
    assert job_of(SQUARE | {"seed": 9}) != job


def test_a_description_has_every_default_written_out():
    told = job_of(SQUARE).as_dict()
    assert set(told) == {"graph", "features", "solver", "output"} and not {"supports", "separable"} & set(told["features"])
    assert told["graph"] == SQUARE | {
        "stiffness": 1.0,
        "length": 1.0,
        "geometry": "lattice",
        "spacing": 1,
        "periodic": False,
        "masses": 1.0,
        "species": 1,
        "displacement": 0.1,
        "momentum": 1.0,
        "test_graphs": 5,
        "seed": 0,
        "edge_invariants": "auto",
        "node_invariants": ("p^2/2m",),
        "messages": 0,
        "message_steps": 1,
    }
    told = job_of(FLUID | {"temperature": 2.0}).as_dict()["graph"]
    runs = {"temperature": 2.0, "time_step": 0.01, "burn_in": 1000, "interval": 100, "states_per_run": 10}
    assert runs.items() <= told.items() and not {"displacement", "momentum"} & set(told)


def test_a_default_that_is_given_makes_no_other_job():
    assert job_of(SQUARE | {"geometry": "lattice", "spacing": 1, "momentum": 1.0, "test_sizes": [2, 2], "seed": 0}) == job_of(SQUARE)


# What cannot be used


@pytest.mark.parametrize(
    "table, words",
    [
        ({}, "[graph] holds neither 'system' nor 'file'; add system = one of springs-linear, springs-anharmonic, springs-morse, lenn"),
        ({"messages": 2}, "[graph] holds neither 'system' nor 'file'"),
        ({"system": "springs-linear", "file": "a.h5"}, "[graph] holds both 'system' and 'file'; give one of them"),
        ({"file": "a.h5", "graphs": 5}, "unknown key 'graphs' in [graph] with a file. The keys are: file, test_file, edge_invariants,"),
        ({"file": "a.h5", "test_fils": "b.h5"}, "unknown key 'test_fils' in [graph] with a file; did you mean 'test_file'?"),
        ({"file": 5}, "graph.file = 5: expected a path, as text"),
        ({"file": "a.h5", "test_file": ""}, "graph.test_file = '': expected a path"),
        (SQUARE | {"stifness": 2}, "unknown key 'stifness' in [graph] with the system 'springs-linear'; did you mean 'stiffness'?"),
        (SQUARE | {"count": 2}, "unknown key 'count' in [graph] with the system 'springs-linear'"),
        (SQUARE | {"test_count": 2}, "unknown key 'test_count' in [graph]"),
        (SQUARE | {"test_seed": 2}, "unknown key 'test_seed' in [graph]"),
        (SQUARE | {"depth": 2}, "unknown key 'depth' in [graph] with the system 'springs-linear'"),
        (SQUARE | {"system": "springs"}, "unknown particle system 'springs'; the particle systems are: springs-linear, springs-anharm"),
        (SQUARE | {"system": ["gravity"]}, "unknown particle system ['gravity']"),
        (SQUARE | {"geometry": "ring"}, "unknown geometry 'ring'; the geometries are: chain, lattice, random-geometric, fluid"),
        (SQUARE | {"test_geometry": ["chain"]}, "unknown geometry ['chain']; the geometries are:"),
        ({"system": "gravity", "graphs": 5}, "the geometry 'lattice' needs sizes"),
        (
            {"system": "gravity", "graphs": 5, "geometry": "random-geometric", "dimension": 2, "radius": 1.0},
            "needs count",
        ),
        (SQUARE | {"test_geometry": "fluid", "test_count": 5}, "the geometry 'fluid' needs dimension"),
        ({"system": "springs-linear", "sizes": [2, 2]}, "[graph] holds no 'graphs', the number of states to fit"),
        (
            SQUARE | {"momentum": 1.0, "burn_in": 5},
            "[graph] holds keys of states at random, displacement, momentum, and of states along runs, temperature, time_step, burn_in,",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_told_why(table, words):
    with pytest.raises(UserError) as failure:
        job_of(table)
    assert words in str(failure.value)


@pytest.mark.parametrize(
    "key, value, words",
    [
        ("graphs", 0, "graph.graphs = 0: expected a whole number of at least 1"),
        ("graphs", 5.0, "graph.graphs = 5.0: expected a whole number"),
        ("graphs", True, "graph.graphs = True"),
        ("test_graphs", 0, "graph.test_graphs = 0: expected a whole number of at least 1"),
        ("seed", -1, "graph.seed = -1: expected a whole number of at least 0"),
        ("seed", 2**63, "graph.seed = 9223372036854775808: expected a whole number of at least 0 and at most 9223372036854775807"),
        ("species", 0, "graph.species = 0: expected a whole number of at least 1"),
        ("species", 10**30, "expected a whole number of at least 1 and at most 1000000000"),
        ("masses", 0, "masses = 0: expected a positive number"),
        ("masses", [2.0, 1.0], "masses = (2.0, 1.0): expected a pair (low, high) with low <= high"),
        ("masses", [1.0], "masses = (1.0,): expected a positive number, or a pair of them"),
        ("masses", "heavy", "masses = 'heavy': expected a finite number"),
        ("stiffness", "soft", "springs-linear: stiffness = 'soft': expected a finite number"),
        ("length", float("nan"), "springs-linear: length = nan: expected a finite number"),
        ("sizes", 4, "expected 1 to 3 whole numbers, the particles along each axis"),
        ("sizes", [2, 2, 2, 2], "sizes = [2, 2, 2, 2]: expected 1 to 3 whole numbers"),
        ("sizes", [2, 0], "sizes = 0: expected a whole number of at least 1"),
        ("spacing", 0, "spacing = 0: expected a positive number"),
        ("periodic", "yes", "periodic = 'yes': expected true or false, or one for each of 2 axes"),
        ("test_sizes", [2.5, 2], "sizes = 2.5: expected a whole number"),
        ("displacement", -0.1, "displacement = -0.1: expected a number of at least 0"),
        ("momentum", float("inf"), "momentum = inf: expected a finite number"),
        ("temperature", 0, "temperature = 0: expected a positive number"),
        ("time_step", -0.1, "time_step = -0.1: expected a positive number"),
        ("burn_in", -1, "burn_in = -1: expected a whole number of at least 0"),
        ("interval", 0, "interval = 0: expected a whole number of at least 1"),
        ("states_per_run", 2.5, "states_per_run = 2.5: expected a whole number"),
        ("edge_invariants", ["R"], "unknown edge invariant 'R'; the edge invariants are: r, 1/r, r^2, m m"),
        ("node_invariants", "auto", "node_invariants = 'auto': expected a list of names"),
        ("messages", -1, "messages = -1: expected a whole number of at least 0"),
        ("message_steps", 9, "message_steps = 9: expected a whole number of at least 1 and at most 8"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(key, value, words):
    with pytest.raises(UserError) as failure:
        job_of(SQUARE | {key: value})
    assert words in str(failure.value)


@pytest.mark.parametrize("periodic", ["false", 1, [True, False]])
def test_points_at_random_are_periodic_or_not(periodic):
    table = {"system": "gravity", "geometry": "random-geometric", "count": 30, "dimension": 2, "radius": 1.0, "graphs": 3}
    with pytest.raises(UserError, match=r"periodic = .*: expected true or false"):
        job_of(table | {"periodic": periodic})
    assert np.isfinite(job_of(table | {"periodic": True}).data.sources()[0].rest.boxes).all()


@pytest.mark.parametrize(
    "tables, words",
    [
        (
            {"data": {"system": "pendulum"}},
            "[data] and [graph] do not go together: graphs have all that tells of them in [graph]",
        ),
        ({"coordinates": {}}, "[coordinates] and [graph] do not go together"),
        ({"dynamics": {"rule": "midpoint"}}, "[dynamics] and [graph] do not go together"),
        ({"features": {"sampler": "swim"}}, "the sampler 'swim' is not for graphs; use one of anchored, gradient-swim, uniform-swim, elm"),
        ({"features": {"sampler": "random"}}, "features.sampler: unknown sampler 'random'"),
        ({"features": {"supports": "dense"}}, "supports is not for graphs"),
        ({"features": {"separable": True}}, "separable is not for graphs"),
        ({"features": {"bandwidth": [1, 2]}}, "bandwidth = [1.0, 2.0]: graphs take one number, or 'auto'"),
        ({"features": {"count": 0}}, "features.count: features = 0: expected a whole number"),
        ({"solver": {"name": "khatri-rao-qr"}}, "the solver 'khatri-rao-qr' is not for graphs; use one of auto, tsqr"),
        ({"solver": {"name": "lsqr"}}, "the solver 'lsqr' is not for graphs"),
        ({"solver": {"ridge": -1}}, "solver.ridge: ridge = -1"),
        ({"output": {"checkpoint_seconds": -1}}, "output.checkpoint_seconds = -1: expected a number of seconds"),
        ({"graphs": {}}, "unknown table 'graphs' in the job file; did you mean 'graph'?"),
    ],
)
def test_what_other_tables_may_not_say_is_told(tables, words):
    with pytest.raises(UserError) as failure:
        job_of(SQUARE, **tables)
    assert words in str(failure.value)


def test_an_error_names_the_job_file(tmp_path):
    path = write(tmp_path, '[graph]\nsystem = "springs-linear"\nsizes = [2, 2]\n')
    with pytest.raises(UserError) as failure:
        load_job(path)
    assert str(failure.value) == f"{path}: [graph] holds no 'graphs', the number of states to fit"
