"""The job file: what to compute, in TOML, with the tables [data], [coordinates], [dynamics], [features], [solver] and [output].

Of graphs it has [graph] (see `graph_job`) in place of the first three, and of [features] no supports and separable; count is that of each
term of H there.

    [data]      system = "henon-heiles", its parameters as plain keys, box, samples, test_samples, seed
                or file = "samples.h5" with test_file, or with test_fraction: the last rows of `file`, which then are not fitted
                either form: reference_point and reference_energy, x0 and H(x0), which fix the constant of the learned H
    [coordinates]  angles, differences, distances: what features depend on instead of x alone
    [dynamics]  rule, stride, corrections, dissipation: how velocities and H belong together
    [features]  sampler, count, bandwidth, supports, separable, activation, seed
    [solver]    name, rcond, ridge, block_bytes, memory_per_rank
    [output]    directory, checkpoint_seconds

Nothing here reads samples or starts MPI. A relative `file` or `test_file` is looked for beside the job file; after `--set`, and for
`directory` always, it is relative to the working directory, like every path that is typed.
"""

import difflib
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

from hnn_hpc.errors import UserError, look_up
from hnn_hpc.features.coordinates import TABLE as COORDINATE_KEYS
from hnn_hpc.graph_job import GraphFileData, GraphSystemData, graph_data
from hnn_hpc.graph_options import FEATURES, GraphOptions, check_options
from hnn_hpc.options import FitOptions
from hnn_hpc.systems import SYSTEMS, HamiltonianSystem, make_system, parameter_names
from hnn_hpc.values import LARGEST_SEED, MOST_SAMPLES, finite_number, whole_number

SYSTEM_KEYS = ("system", "box", "samples", "test_samples", "seed", "reference_point", "reference_energy")
FILE_KEYS = ("file", "test_file", "test_fraction", "reference_point", "reference_energy")
OPTION_NAMES = {  # the FitOptions field behind every key of these tables
    "features": {
        "sampler": "sampler",
        "count": "features",
        "bandwidth": "bandwidth",
        "supports": "supports",
        "separable": "separable",
        "activation": "activation",
        "seed": "seed",
    },
    "solver": {"name": "solver", "rcond": "rcond", "ridge": "ridge", "block_bytes": "block_bytes", "memory_per_rank": "memory_per_rank"},
    "dynamics": {"rule": "rule", "stride": "stride", "corrections": "corrections", "dissipation": "dissipation"},
}
TABLES = ("data", "coordinates", "dynamics", "graph", "features", "solver", "output")
NOT_OF_GRAPHS = ("data", "coordinates", "dynamics")
CHECKPOINT_SECONDS = 300.0


@dataclass(frozen=True)
class SystemData:
    """Training and test points drawn uniformly in the box of a known system.

    reference_point: (D,) tuple or None for the system's own; reference_energy: float or None for the system's energy there.
    """

    system: HamiltonianSystem
    samples: int
    test_samples: int
    seed: int
    reference_point: tuple | None = None
    reference_energy: float | None = None

    def as_dict(self):
        """Return the table [data] that describes these points, every default written out."""
        given = {"system": self.system.name, **self.system.parameters, "box": self.system.box.tolist()}
        return given | {"samples": self.samples, "test_samples": self.test_samples, "seed": self.seed} | _reference_as_dict(self)


@dataclass(frozen=True)
class FileData:
    """Training points from an HDF5 file; test points from another, or the last `test_fraction` of the rows of the same, or none."""

    file: Path
    test_file: Path | None = None
    test_fraction: float | None = None
    reference_point: tuple | None = None
    reference_energy: float | None = None

    def as_dict(self):
        """Return the table [data] that describes these files."""
        given = {"file": str(self.file), "test_file": self.test_file and str(self.test_file), "test_fraction": self.test_fraction}
        return {key: value for key, value in given.items() if value is not None} | _reference_as_dict(self)


@dataclass(frozen=True)
class Job:
    """One fit: where the samples come from, the options of the fit, the directory for model.h5 and result.json, how often an unfinished
    fit is saved there, in seconds (0: never), and for graphs the options of their network."""

    data: SystemData | FileData | GraphSystemData | GraphFileData
    options: FitOptions
    directory: Path
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    network: GraphOptions | None = None

    @property
    def is_of_graphs(self):
        """Whether the samples are graphs of particles."""
        return self.network is not None

    def as_dict(self):
        """Return the job as the tables of a job file with every default written out; loading them again gives an equal job."""
        tables = {
            table: {key: getattr(self.options, option) for key, option in options.items() if getattr(self.options, option) is not None}
            for table, options in OPTION_NAMES.items()
        }
        output = {"directory": str(self.directory), "checkpoint_seconds": self.checkpoint_seconds}
        if self.is_of_graphs:
            features = {key: value for key, value in tables["features"].items() if key not in ("supports", "separable")}
            graph = self.data.as_dict() | asdict(self.network)
            return {"graph": graph, "features": features, "solver": tables["solver"], "output": output}
        return {"data": self.data.as_dict(), "coordinates": self.options.coordinates, **tables, "output": output}


def load_job(path, overrides=(), directory=None):
    """Read a job file and return its `Job`.

    Parameters: path (str or Path); overrides: texts "table.key=value", as after `--set`, which replace or add keys; directory (str or
    Path): takes precedence over output.directory, whose default is results/ and the name of the job file.
    Raises UserError, naming the file and the key, for everything that cannot be used.
    """
    path = Path(path)
    try:
        tables = _read_toml(path)
        _resolve_paths(tables, path.parent)
        for text in overrides:
            name, value = parse_setting(text)
            table, dot, key = name.partition(".")
            if not dot:
                raise UserError(f"--set {text}: expected table.key=value, as in --set features.count=500")
            tables.setdefault(table, {})[key] = value
        if directory is not None:
            tables.setdefault("output", {})["directory"] = str(directory)
        return job_from_tables(tables, default_directory=Path("results") / path.stem)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def job_from_tables(tables, default_directory):
    """Return the `Job` that the tables of a job file describe.

    Parameters: tables (dict of dicts), default_directory (Path): the results' place where [output] names none.
    """
    check_names("the job file", tables, TABLES, "tables")
    data, network = _graph_data(tables) if "graph" in tables else (_data(tables.get("data", {})), None)
    options = _options(tables)
    if network:
        check_options(options)
    output = tables.get("output", {})
    check_names("[output]", output, ("directory", "checkpoint_seconds"))
    directory = _path("output.directory", output["directory"]) if "directory" in output else default_directory
    seconds = finite_number(output.get("checkpoint_seconds", CHECKPOINT_SECONDS), "output.checkpoint_seconds")
    if seconds < 0:
        raise UserError(f"output.checkpoint_seconds = {seconds:g}: expected a number of seconds, or 0 for no checkpoints")
    return Job(data, options, directory, seconds, network)


def parse_setting(text):
    """Split "name=value" into its name and its value, read as TOML or else as a bare string: `sampler=elm` needs no quotes."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals):
        raise UserError(f"--set {text}: expected name=value")
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value


def check_names(place, given, known, kind="keys"):
    """Raise UserError when `given` holds a name that is not among `known`; the message guesses and lists them."""
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            guess = f"; did you mean {close[0]!r}?" if close else "."
            raise UserError(f"unknown {kind[:-1]} {name!r} in {place}{guess} The {kind} are: {', '.join(known)}")


def _read_toml(path):
    if path.exists() and not (path.is_file() or path.is_dir()):  # reading a pipe may wait for ever, and only one rank gets what it holds
        raise UserError("this is not a regular file; expected a job file in TOML")
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError("this job file does not exist") from None
    except OSError as error:
        raise UserError(f"this job file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError("this is not a job file in TOML but a binary file") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"this is not valid TOML: {error}") from None
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise UserError(f"the key {name!r} stands outside a table; put it below one of: {', '.join(f'[{table}]' for table in TABLES)}")
    return tables


def _resolve_paths(tables, folder):
    for data in (tables.get(name, {}) for name in ("data", "graph")):
        for key in ("file", "test_file"):
            if isinstance(data.get(key), str) and data[key]:
                data[key] = str(folder / data[key])


def _data(table):
    if "system" in table and "file" in table:
        raise UserError("[data] holds both 'system' and 'file'; give one of them: a system to draw samples from, or a file with samples")
    if "system" in table:
        return _system_data(table)
    if "file" in table:
        return _file_data(table)
    check_names("[data]", table, SYSTEM_KEYS + FILE_KEYS[:3])
    raise UserError(
        f"[data] holds neither 'system' nor 'file'; add system = one of {', '.join(SYSTEMS)}, or file = an HDF5 file of samples"
    )


def _graph_data(tables):
    """Return (data, GraphOptions) of the table [graph]; `UserError` for others beside it that are for phase space."""
    for name in NOT_OF_GRAPHS:
        if name in tables:
            raise UserError(f"[{name}] and [graph] do not go together: graphs have all that tells of them in [graph]; remove one of them")
    return graph_data(tables["graph"], check_names, _path)


def _system_data(table):
    name = table["system"]
    look_up(SYSTEMS, name, "system")
    parameters = parameter_names(name)
    check_names(f"[data] with the system {name!r}", table, (*SYSTEM_KEYS, *parameters))
    system = make_system(name, {key: table[key] for key in parameters if key in table}, box=table.get("box"))
    if "samples" not in table:
        raise UserError("[data] holds no 'samples', the number of training points")
    samples = whole_number(table["samples"], "data.samples", at_least=1, at_most=MOST_SAMPLES)
    test_samples = whole_number(table.get("test_samples", samples), "data.test_samples", at_least=1, at_most=MOST_SAMPLES)
    seed = whole_number(table.get("seed", 0), "data.seed", at_least=0, at_most=LARGEST_SEED)
    return SystemData(system, samples, test_samples, seed, *_reference(table))


def _file_data(table):
    check_names("[data] with a file", table, FILE_KEYS)
    if "test_file" in table and "test_fraction" in table:
        raise UserError("[data] holds both 'test_file' and 'test_fraction'; give one of them")
    fraction = table.get("test_fraction")
    if fraction is not None and not 0 < finite_number(fraction, "data.test_fraction") < 1:
        raise UserError(f"data.test_fraction = {fraction}: expected a number between 0 and 1, the part of the rows kept for the test")
    test_file = _path("data.test_file", table["test_file"]) if "test_file" in table else None
    reference_point, reference_energy = _reference(table)
    if (reference_point is None) != (reference_energy is None):
        raise UserError("[data] with a file needs both 'reference_point' and 'reference_energy', or neither")
    return FileData(_path("data.file", table["file"]), test_file, fraction, reference_point, reference_energy)


def _reference(table):
    point, energy = table.get("reference_point"), table.get("reference_energy")
    if point is not None:
        if not isinstance(point, list):
            raise UserError(f"data.reference_point = {point!r}: expected a list of one number a coordinate, q1..qn, p1..pn")
        point = tuple(finite_number(value, "data.reference_point") for value in point)
    return point, None if energy is None else finite_number(energy, "data.reference_energy")


def _reference_as_dict(data):
    given = {"reference_point": data.reference_point and list(data.reference_point), "reference_energy": data.reference_energy}
    return {key: value for key, value in given.items() if value is not None}


def _options(tables):
    values = {"coordinates": tables.get("coordinates", {})}
    check_names("[coordinates]", values["coordinates"], COORDINATE_KEYS)
    for table, options in OPTION_NAMES.items():
        check_names(f"[{table}]", tables.get(table, {}), options)
        for key, value in tables.get(table, {}).items():
            try:
                FitOptions(**{options[key]: value})  # alone first, so that the message can name the key
            except UserError as error:
                raise UserError(f"{table}.{key}: {error}") from None
            values[options[key]] = value
    if "graph" in tables:
        values.setdefault("features", FEATURES)
    return FitOptions(**values)


def _path(name, value):
    if not isinstance(value, str) or not value:
        raise UserError(f"{name} = {value!r}: expected a path, as text")
    return Path(value).expanduser()
