"""Bad input of every kind, in one table: exit code 2 on every rank, one sentence printed once, nothing written."""

import json
import os
import stat
from pathlib import Path

import h5py
import numpy as np
import pytest

from hnn_hpc.cli import main
from hnn_hpc.samples import SystemSamples
from hnn_hpc.storage import SampleFileWriter
from hnn_hpc.systems import make_system

K = 40  # samples in the good file; 4 coordinates

JOB = """
[data]
file = "good.h5"
[features]
count = 20
[output]
directory = "{folder}/results"
"""
SYSTEM_JOB = JOB.replace('file = "good.h5"', 'system = "henon-heiles"\nsamples = 40')


def fit(*settings, job="job.toml"):
    """The arguments of `fit` with settings; {} stands for the folder."""
    return ["fit", f"{{}}/{job}", *(argument for setting in settings for argument in ("--set", setting))]


def fit_file(name):
    return fit(f"data.file={{}}/{name}")


GENERATE = ["generate", "pendulum", "--output", "{}/new.h5"]
TRAJECTORIES = [*GENERATE, "--trajectories", "2", "--steps", "3", "--time-step", "0.1"]
SIMULATE = ["simulate", "{}/model.h5", "--output", "{}/new.h5", "--time", "1", "--time-step", "0.1"]
START = ["--start", "0,0.1,0.2,-0.1"]

# id: (arguments, decisive words of the message)
CASES = {
    # files
    "no such job file": (["fit", "{}/none.toml"], "none.toml: this job file does not exist"),
    "job file is no text": (["fit", "{}/good.h5"], "not a job file in TOML but a binary file"),
    "job file is no TOML": (["fit", "{}/broken.toml"], "not valid TOML"),
    "job file is a directory": (["fit", "{}"], "this job file cannot be read: Is a directory"),
    "no such samples": (fit_file("none.h5"), "none.h5 does not exist"),
    "samples are a directory": (fit_file(""), "is a directory"),
    "not HDF5": (fit_file("job.toml"), "job.toml is not an HDF5 file"),
    "truncated": (fit_file("truncated.h5"), "truncated.h5 is truncated or damaged"),
    "samples are a pipe": (fit_file("pipe"), "pipe is not a regular file"),
    "samples are a socket": (fit_file("socket"), "socket is not a regular file"),
    "job file is a pipe": (["fit", "{}/pipe"], "pipe: this is not a regular file"),
    "model is a pipe": (["evaluate", "{}/pipe", "{}/good.h5"], "pipe is not a regular file"),
    "no velocities": (fit_file("no_velocities.h5"), "no dataset /velocities"),
    "points of wrong shape": (fit_file("flat.h5"), "/points has shape (40,); expected /points of shape (K, D)"),
    "points of wrong type": (fit_file("text.h5"), "/points is of type"),
    "velocities of wrong shape": (fit_file("flat_velocities.h5"), "/velocities has shape (40,); expected /velocities of shape (K, D)"),
    "velocities of wrong type": (fit_file("text_velocities.h5"), "/velocities is of type"),
    "odd dimension": (fit_file("odd.h5"), "/points has 3 columns; expected an even number"),
    "different lengths": (fit_file("different.h5"), "/velocities has shape (39, 4); expected (40, 4)"),
    "NaN in points": (fit_file("nan.h5"), "row 17 (p1) of {}/nan.h5 is nan"),
    "infinite velocity": (fit_file("infinite.h5"), "row 39 (q2) of {}/infinite.h5 is inf"),
    "constant coordinate": (fit_file("constant.h5"), "the coordinate q2 of {}/constant.h5 is constant"),
    "newer format": (fit_file("newer.h5"), "format version 99"),
    "model where samples belong": (fit_file("model.h5"), "model.h5 holds a model"),
    "samples where a model belongs": (["evaluate", "{}/good.h5", "{}/good.h5"], "good.h5 holds samples"),
    "model of a newer format": (["evaluate", "{}/newer_model.h5", "{}/good.h5"], "format version 99"),
    "model of another dimension": (["evaluate", "{}/model.h5", "{}/pendulum.h5"], "the model has 4 coordinates"),
    "test file of another dimension": (fit("data.test_file={}/pendulum.h5"), "pendulum.h5 has 2 coordinates"),
    "NaN in test file": (fit("data.test_file={}/nan.h5"), "row 17 (p1) of {}/nan.h5 is nan"),
    "NaN in evaluated samples": (["evaluate", "{}/model.h5", "{}/nan.h5"], "row 17 (p1) of {}/nan.h5 is nan"),
    "no such file for info": (["info", "{}/none.h5"], "none.h5 does not exist"),
    "swim without energies": (fit("data.file={}/no_energies.h5", "features.sampler=swim"), "use 'gradient-swim'"),
    # sizes
    "K = 0": (fit("data.samples=0", job="system.toml"), "data.samples = 0: expected a whole number of at least 1"),
    "K = 1": (fit("data.samples=1", job="system.toml"), "got 1 samples; at least 3 are needed"),
    "K = 2": (fit_file("two.h5"), "got 2 samples; at least 3 are needed"),
    "K < 0": (fit("data.samples=-5", job="system.toml"), "data.samples = -5"),
    "empty file": (fit_file("empty.h5"), "no sample at all"),
    "no test points": (fit("data.test_samples=0", job="system.toml"), "data.test_samples = 0"),
    "test fraction of all": (fit("data.test_fraction=1.0"), "data.test_fraction = 1.0"),
    "test fraction leaves too little": (fit("data.test_fraction=0.99"), "at least 3 are needed"),
    "M = 0": (fit("features.count=0"), "features.count: features = 0"),
    "M < 0": (fit("features.count=-1"), "features.count: features = -1"),
    "M > rows": (fit("features.count=161"), "features = 161 is more than the 160 rows"),
    "M is no number": (fit("features.count=many"), "features.count: features = 'many'"),
    "too little memory": (fit("solver.memory_per_rank=1KB"), "memory_per_rank = 1000 bytes is too little"),
    # names and values
    "unknown system": (fit("data.system=pendolum", job="system.toml"), "unknown system 'pendolum'; the systems are: pendulum, "),
    "unknown sampler": (fit("features.sampler=swum"), "unknown sampler 'swum'; the samplers are: anchored, "),
    "unknown activation": (fit("features.activation=step"), "unknown activation 'step'; the activations are: "),
    "unknown solver": (fit("solver.name=magic"), "unknown solver 'magic'; the solvers are: auto, "),
    "unknown table": (fit("feature.count=5"), "unknown table 'feature' in the job file; did you mean 'features'?"),
    "unknown key": (fit("features.cuont=5"), "unknown key 'cuont' in [features]; did you mean 'count'? The keys are: sampler, count, "),
    "key of another form": (fit("data.samples=5"), "unknown key 'samples' in [data] with a file"),
    "parameter of another system": (fit("data.beta=5", job="system.toml"), "unknown key 'beta' in [data] with the system 'henon-heiles'"),
    "parameter is no number": (fit("data.alpha=big", job="system.toml"), "alpha = 'big': expected a finite number"),
    "box upside down": (fit("data.box=[[1, 0], [0, 1], [0, 1], [0, 1]]", job="system.toml"), "low < high"),
    "both forms of data": (fit("data.file={}/good.h5", job="system.toml"), "holds both 'system' and 'file'"),
    "reference of another dimension": (fit("data.reference_point=[0]", "data.reference_energy=1"), "4 finite coordinates"),
    "rcond of 2": (fit("solver.rcond=2"), "solver.rcond: rcond = 2"),
    "negative seed": (fit("features.seed=-1"), "features.seed: seed = -1"),
    "negative bandwidth": (fit("features.bandwidth=-1"), "features.bandwidth: bandwidth must be 'auto', a positive number"),
    "bandwidth of another dimension": (
        fit("features.bandwidth=[1, 2]"),
        "bandwidth has 2 values, but there are 4 coordinates (q1, q2, p1, p2)",
    ),
    "setting without a value": (fit("features.count"), "expected name=value"),
    "setting without a table": (fit("count=5"), "expected table.key=value"),
    # output
    "result exists": ([*fit(), "--output", "{}/old"], "old/model.h5 exists; pass --force"),
    "directory is a file": ([*fit(), "--output", "{}/good.h5"], "cannot write {}/good.h5/model.h5"),
    "directory below a file": ([*fit(), "--output", "{}/good.h5/sub/sub"], "the output directory {}/good.h5/sub/sub cannot be made"),
    "directory that cannot be made": ([*fit(), "--output", "/proc/hnn-hpc"], "the output directory /proc/hnn-hpc cannot be made"),
    "directory that cannot be written": ([*fit(), "--output", "/proc"], "cannot write /proc/model.h5"),
    "samples exist": (["generate", "pendulum", "--samples", "5", "--output", "{}/good.h5"], "good.h5 exists; pass --force"),
    "no directory for samples": (
        ["generate", "pendulum", "--samples", "5", "--output", "{}/no/new.h5"],
        "no does not exist; create it first",
    ),
    # plan
    "plan without samples": (["plan", "{}/job.toml", "--set", "data.file={}/none.h5"], "none.h5 does not exist"),
    "plan more features than rows": (["plan", "{}/job.toml", "--set", "features.count=161"], "features = 161 is more than the 160 rows"),
    "plan no rank": (["plan", "{}/job.toml", "--ranks", "0"], "--ranks = 0: expected a whole number of at least 1"),
    "plan no thread": (["plan", "{}/job.toml", "--threads", "-2"], "--threads = -2: expected a whole number of at least 1"),
    "plan a memory of words": (["plan", "{}/job.toml", "--memory", "much"], "--memory = 'much': expected bytes, or a size such as '4GB'"),
    "plan what does not fit": (
        ["plan", "{}/job.toml", "--set", "features.supports=dense", "--memory", "1MB"],
        "does not fit: with one thread it needs ",
    ),
    "plan an unknown solver": (["plan", "{}/job.toml", "--set", "solver.name=magic"], "unknown solver 'magic'; the solvers are: auto, "),
    # other commands
    "no command": ([], "the following arguments are required: COMMAND"),
    "unknown command": (["frobnicate"], "invalid choice: 'frobnicate'"),
    "unknown option": ([*fit(), "--fast"], "unrecognized arguments: --fast"),
    "shortened option": ([*fit(), "--forc"], "unrecognized arguments: --forc"),
    "generate an unknown system": (["generate", "pendolum", "--samples", "5", "--output", "{}/new.h5"], "unknown system 'pendolum'"),
    "generate an unknown parameter": ([*GENERATE, "--samples", "5", "--set", "mass=1"], "pendulum has no parameter 'mass'"),
    "generate no samples": ([*GENERATE, "--samples", "0"], "--samples = 0: expected a whole number of at least 1"),
    "generate fewer than no samples": ([*GENERATE, "--samples", "-5"], "--samples = -5: expected a whole number of at least 1"),
    "generate fewer than no trajectories": ([*TRAJECTORIES, "--trajectories", "-2"], "--trajectories = -2: expected a whole number"),
    "generate fewer than no steps": ([*TRAJECTORIES, "--steps", "-3"], "--steps = -3: expected a whole number of at least 1"),
    "generate neither": (GENERATE, "give either --samples, or --trajectories with --steps and --time-step"),
    "generate both": ([*GENERATE, "--samples", "5", "--trajectories", "2"], "give either --samples, or --trajectories"),
    "generate backwards": ([*TRAJECTORIES, "--time-step", "-1"], "--time-step = -1.0: expected a positive"),
    "trajectory escapes": (
        [
            "generate",
            "henon-heiles",
            "--output",
            "{}/new.h5",
            "--trajectories",
            "2",
            "--steps",
            "9",
            "--time-step",
            "9",
            "--set",
            "alpha=9",
        ],
        "cannot be followed beyond",
    ),
    "start of another dimension": ([*SIMULATE, "--start", "0,1"], "--start 0,1 has 2 numbers, but the model has 4 coordinates"),
    "start is no number": ([*SIMULATE, "--start", "0,1,x,2"], "--start 0,1,x,2: expected 4 numbers"),
    "start is infinite": ([*SIMULATE, "--start", "0,1,inf,2"], "not finite"),
    "unknown method": ([*SIMULATE, *START, "--method", "euler"], "unknown integration method 'euler'; the integration methods are: "),
    "method that does not apply": (["simulate", "{}/mixed.h5", *SIMULATE[2:], *START, "--method", "stormer-verlet"], "needs a separable"),
    "step longer than the time": ([*SIMULATE, *START, "--time-step", "5"], "--time-step 5 and --time 1"),
    "more states than fit": ([*SIMULATE, *START, "--time", "1e9"], "10,000,000,001 states of 32 bytes do not fit in memory"),
    "more steps than can be made": ([*SIMULATE, *START, "--time", "1e300"], "--time-step 0.1 and --time 1e+300"),
    "no state kept": ([*SIMULATE, *START, "--save-every", "0"], "--save-every = 0: expected a whole number of at least 1"),
    "figure of unknown kind": (["figure", "{}/model.h5", "--output", "{}/figure.doc"], "ends in one of .svg, .png, .pdf"),
    "figure of an unknown plane": (["figure", "{}/model.h5", "--output", "{}/figure.svg", "--plane", "q1,q9"], "unknown coordinate 'q9'"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A directory, the same on all ranks, with the good and the bad files. Collective."""
    from hnn_hpc.parallel.communicator import world_communicator

    communicator = world_communicator()
    with communicator.together():
        folder = _write_files(tmp_path_factory.mktemp("bad_input")) if communicator.is_root else None
    return communicator.broadcast(folder)


def _write_files(folder):
    (folder / "job.toml").write_text(JOB.format(folder=folder))
    (folder / "system.toml").write_text(SYSTEM_JOB.format(folder=folder))
    (folder / "broken.toml").write_text("[data\n")
    (folder / "old").mkdir()
    (folder / "old" / "model.h5").touch()
    good = SystemSamples(make_system("henon-heiles", {}), K, seed=1).read(0, K)
    for name, samples in {"good": good, "two": [array[:2] for array in good]}.items():
        _write_samples(folder / f"{name}.h5", type(good)(*samples))
    _write_samples(folder / "pendulum.h5", SystemSamples(make_system("pendulum", {}), K, seed=1).read(0, K))
    points, velocities, _ = good

    def replaced(array, row, column, value):
        array = array.copy()
        array[row, column] = value
        return array

    datasets = {
        "no_energies": (points, velocities),
        "no_velocities": (points, None),
        "flat": (points[:, 0], velocities),
        "flat_velocities": (points, velocities[:, 0]),
        "text": (np.full(points.shape, b"one"), velocities),
        "text_velocities": (points, np.full(points.shape, b"one")),
        "odd": (points[:, :3], velocities[:, :3]),
        "different": (points, velocities[:-1]),
        "empty": (points[:0], velocities[:0]),
        "nan": (replaced(points, 17, 2, np.nan), velocities),
        "infinite": (points, replaced(velocities, K - 1, 1, np.inf)),
        "constant": (replaced(points, slice(None), 1, 0.5), velocities),
    }
    for name, arrays in datasets.items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            for dataset, array in zip(("points", "velocities"), arrays, strict=True):
                if array is not None:
                    file[dataset] = array
    whole = (folder / "good.h5").read_bytes()
    (folder / "truncated.h5").write_bytes(whole[: len(whole) // 2])
    (folder / "newer.h5").write_bytes(whole)
    _write_models(folder)
    os.mkfifo(folder / "pipe")
    os.mknod(folder / "socket", stat.S_IFSOCK | 0o600)
    for name in ("newer", "newer_model"):
        with h5py.File(folder / f"{name}.h5", "a") as file:
            file.attrs["format_version"] = 99
    return folder


def _write_samples(path, samples):
    with SampleFileWriter(path, samples.points.shape) as file:
        file.write(0, samples)


def _write_models(folder):
    from hnn_hpc.features import ACTIVATIONS, FeatureMap
    from hnn_hpc.models import HamiltonianModel

    for name, weights in {"model": np.eye(4), "newer_model": np.eye(4), "mixed": np.ones((4, 4))}.items():
        feature_map = FeatureMap(weights, np.arange(4.0), ACTIVATIONS["tanh"])
        HamiltonianModel(feature_map, np.ones(4), 0.0, True, np.tile([-1.0, 1.0], (4, 1))).save(folder / f"{name}.h5")


def contents(folder):
    """The names of everything below the folder, and the times of its files."""
    return {path: path.is_file() and path.stat().st_mtime_ns for path in Path(folder).rglob("*")}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_sentence_and_writes_nothing(case, folder, communicator, capsys):
    arguments, words = CASES[case]
    before = contents(folder)
    communicator.barrier()
    code = main([argument.replace("{}", str(folder)) for argument in [*arguments, "--json"]])
    output = capsys.readouterr()
    assert code == 2, output.err
    assert contents(folder) == before
    if communicator.is_root:
        assert words.replace("{}", str(folder)) in output.err
        assert output.err.startswith("hnn-hpc: error: ") and output.err.count("\n") == 1
        error = json.loads(output.out)
        assert error["exit_code"] == 2 and f"hnn-hpc: error: {error['error']}\n" == output.err
    else:
        assert output.out == output.err == ""
