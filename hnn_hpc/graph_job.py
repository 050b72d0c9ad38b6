"""The table [graph] of a job file: which graphs, and what their network is made of.

system = "springs-linear", its parameters as plain keys; geometry = "lattice", its arguments as plain keys; masses, species
graphs, test_graphs, seed: how many states to fit and to test
displacement, momentum: of states at random about rest; or temperature, time_step, burn_in, interval, states_per_run: of states that
runs of the system go through
test_geometry, and any argument of a geometry after "test_": other graphs to test on, such as larger ones
or file = "graphs.h5" with test_file
edge_invariants, node_invariants, messages, message_steps: see `graph_options.GraphOptions`
"""

from dataclasses import dataclass, fields
from functools import cached_property
from inspect import signature
from pathlib import Path

from hnn_hpc.errors import UserError, look_up
from hnn_hpc.graph_options import GraphOptions
from hnn_hpc.graph_samples import GeneratedGraphs, SimulatedGraphs
from hnn_hpc.graphs import GEOMETRIES, populated
from hnn_hpc.particles import PARTICLE_SYSTEMS, ParticleSystem, make_particle_system
from hnn_hpc.storage import GraphFile
from hnn_hpc.values import LARGEST_SEED, MOST_SAMPLES, whole_number

NETWORK_KEYS = tuple(field.name for field in fields(GraphOptions))
RANDOM_KEYS = ("displacement", "momentum")
RUN_KEYS = ("temperature", "time_step", "burn_in", "interval", "states_per_run")
SIZE_KEYS = ("graphs", "test_graphs", "seed")
PARTICLE_KEYS = ("masses", "species")
FILE_KEYS = ("file", "test_file")
TEST = "test_"


@dataclass(frozen=True)
class GraphSystemData:
    """States of graphs of a known system, to fit and to test on.

    system; geometry, test_geometry: pairs (name, arguments); masses, species: see `graphs.populated`; states: arguments of
    `GeneratedGraphs`, or of `SimulatedGraphs`, as RANDOM_KEYS or RUN_KEYS are among them; graphs, test_graphs, seed.
    """

    system: ParticleSystem
    geometry: tuple
    test_geometry: tuple
    masses: float | tuple
    species: int
    states: dict
    graphs: int
    test_graphs: int
    seed: int

    def sources(self):
        """Return the `GraphSource`s to fit and to test on."""
        return self._sources

    @cached_property
    def _sources(self):
        kind = _kind_of(self.states)
        test = kind(self.system, self._rest(*self.test_geometry), self.test_graphs, self.seed, stream="test points", **self.states)
        return kind(self.system, self._rest(*self.geometry), self.graphs, self.seed, **self.states), test

    def as_dict(self):
        """Return the keys of [graph] that describe these graphs, every default written out."""
        of_test = {}
        if self.test_geometry != self.geometry:
            name, arguments = self.test_geometry
            of_test = {f"{TEST}geometry": name} | {TEST + key: value for key, value in arguments.items()}
        sizes = {"graphs": self.graphs, "test_graphs": self.test_graphs, "seed": self.seed}
        particles = {"masses": list(self.masses) if isinstance(self.masses, tuple) else self.masses, "species": self.species}
        rest = {"geometry": self.geometry[0], **self.geometry[1]}
        return {"system": self.system.name, **self.system.parameters, **rest, **particles, **of_test, **self.states, **sizes}

    def _rest(self, name, arguments):
        return populated(rest_of(name, arguments, self.seed), self.masses, self.species, self.seed)


@dataclass(frozen=True)
class GraphFileData:
    """Graphs of an HDF5 file to fit, and of another to test on, or none."""

    file: Path
    test_file: Path | None = None

    def sources(self):
        """Return the `GraphSource`s to fit and to test on; None for the second where there is none."""
        return GraphFile(self.file), None if self.test_file is None else GraphFile(self.test_file)

    def as_dict(self):
        """Return the keys of [graph] that describe these files."""
        given = {"file": str(self.file), "test_file": self.test_file and str(self.test_file)}
        return {key: value for key, value in given.items() if value is not None}


def rest_of(name, arguments, seed=0):
    """Return a graph of one of GEOMETRIES at rest; `UserError` naming an argument that it does not take, or that is missing."""
    geometry = look_up(GEOMETRIES, name, "geometry")
    known = signature(geometry).parameters
    for key in arguments:
        if key not in _arguments_of(name):
            raise UserError(f"the geometry {name!r} has no argument {key!r}; its arguments are: {', '.join(_arguments_of(name))}")
    for key in _arguments_of(name):
        if key not in arguments and known[key].default is known[key].empty:
            raise UserError(f"the geometry {name!r} needs {key}")
    return geometry(**arguments, **({"seed": seed} if "seed" in known else {}))


def graph_data(table, check_names, path_of):
    """Return (`GraphSystemData` or `GraphFileData`, `GraphOptions`) of the table [graph].

    Parameters: check_names, path_of: those of `job`, for keys and for paths.
    """
    network = GraphOptions(**{key: table[key] for key in NETWORK_KEYS if key in table})
    table = {key: value for key, value in table.items() if key not in NETWORK_KEYS}
    if "system" in table and "file" in table:
        raise UserError("[graph] holds both 'system' and 'file'; give one of them: a known system, or a file with graphs")
    if "file" in table:
        check_names("[graph] with a file", table, (*FILE_KEYS, *NETWORK_KEYS))
        files = {key: path_of(f"graph.{key}", table[key]) for key in FILE_KEYS if key in table}
        return GraphFileData(**files), network
    if "system" not in table:
        systems = ", ".join(PARTICLE_SYSTEMS)
        raise UserError(f"[graph] holds neither 'system' nor 'file'; add system = one of {systems}, or file = an HDF5 file of graphs")
    return _system_data(table, check_names), network


def _system_data(table, check_names):
    system_class = look_up(PARTICLE_SYSTEMS, table["system"], "particle system")
    parameters = [field.name for field in fields(system_class)]
    geometry = table.get("geometry", "lattice")
    test_geometry = table.get(f"{TEST}geometry", geometry)
    own, of_test = _arguments_of(geometry), _arguments_of(test_geometry)
    known = ["system", "geometry", *parameters, *own, *PARTICLE_KEYS, *RANDOM_KEYS, *RUN_KEYS, *SIZE_KEYS]
    known += [f"{TEST}geometry", *(TEST + key for key in of_test)]
    check_names(f"[graph] with the system {table['system']!r}", table, (*known, *NETWORK_KEYS))
    if set(table) & set(RANDOM_KEYS) and set(table) & set(RUN_KEYS):
        kinds = f"states at random, {', '.join(RANDOM_KEYS)}, and of states along runs, {', '.join(RUN_KEYS)}"
        raise UserError(f"[graph] holds keys of {kinds}; give those of one kind")
    if "graphs" not in table:
        raise UserError("[graph] holds no 'graphs', the number of states to fit")
    arguments = {key: table[key] for key in own if key in table}
    test_arguments = {key: value for key, value in arguments.items() if key in of_test}
    test_arguments |= {key: table[TEST + key] for key in of_test if TEST + key in table}
    masses = table.get("masses", 1.0)
    graphs = whole_number(table["graphs"], "graph.graphs", 1, MOST_SAMPLES)
    data = GraphSystemData(
        make_particle_system(table["system"], {key: table[key] for key in parameters if key in table}),
        (geometry, _with_defaults(geometry, arguments)),
        (test_geometry, _with_defaults(test_geometry, test_arguments)),
        tuple(masses) if isinstance(masses, list) else masses,
        whole_number(table.get("species", 1), "graph.species", at_least=1),
        _states(table),
        graphs,
        whole_number(table.get("test_graphs", graphs), "graph.test_graphs", 1, MOST_SAMPLES),
        whole_number(table.get("seed", 0), "graph.seed", 0, LARGEST_SEED),
    )
    data.sources()
    return data


def _states(table):
    """Return the keys of a table that tell how states are drawn, every default written out."""
    kind = _kind_of(table)
    known = {field.name: field.default for field in fields(kind) if field.name in (*RANDOM_KEYS, *RUN_KEYS)}
    return {key: table.get(key, default) for key, default in known.items()}


def _kind_of(states):
    """Return the source of states that these keys are arguments of."""
    return SimulatedGraphs if set(states) & set(RUN_KEYS) else GeneratedGraphs


def _with_defaults(geometry, arguments):
    """Return the arguments of a geometry with the defaults of those that are missing, where they have some."""
    known = signature(look_up(GEOMETRIES, geometry, "geometry")).parameters
    defaults = {key: known[key].default for key in _arguments_of(geometry) if known[key].default is not known[key].empty}
    return defaults | arguments


def _arguments_of(geometry):
    """Return the names of the arguments that a geometry takes from a job file."""
    return [key for key in signature(look_up(GEOMETRIES, geometry, "geometry")).parameters if key != "seed"]
