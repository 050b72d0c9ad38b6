"""Job files: what they hold, what overrides them, and that every job of the project can be read."""

from pathlib import Path

import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.job import FileData, SystemData, job_from_tables, load_job, parse_setting
from hnn_hpc.options import FitOptions

JOBS = Path(__file__).parents[1] / "jobs"
NOWHERE = Path("nowhere")


def write(folder, text):
    path = folder / "my_job.toml"
    path.write_text(text)
    return path


def test_every_key_arrives(tmp_path):
    path = write(
        tmp_path,
        """
        [data]
        system = "henon-heiles"
        alpha = 0.5
        box = [[-1, 1], [-2, 2], [-3, 3], [-4, 4]]
        samples = 100
        test_samples = 50
        seed = 3
        reference_point = [0, 1, 0, 0]
        [features]
        sampler = "elm"
        count = 30
        bandwidth = [1, 2, 3, 4]
        supports = "dense"
        separable = false
        activation = "tanh"
        seed = 4
        [solver]
        name = "tsqr"
        rcond = 1e-12
        ridge = 0.5
        block_bytes = "1MB"
        memory_per_rank = "2GiB"
        [dynamics]
        rule = "symplectic-euler"
        stride = 3
        corrections = 4
        dissipation = true
        [output]
        directory = "somewhere"
        checkpoint_seconds = 60
        """,
    )
    job = load_job(path)
    assert job.data.system.parameters == {"alpha": 0.5} and job.data.system.box[3].tolist() == [-4, 4]
    assert (job.data.samples, job.data.test_samples, job.data.seed, job.data.reference_point) == (100, 50, 3, (0, 1, 0, 0))
    dynamics = "symplectic-euler", 3, 4, True
    assert job.options == FitOptions(30, "elm", (1, 2, 3, 4), "dense", False, None, "tanh", "tsqr", 1e-12, 0.5, 4, 10**6, 2**31, *dynamics)
    assert (job.directory, job.checkpoint_seconds) == (Path("somewhere"), 60.0)


SPARSE = """
[data]
system = "henon-heiles"
samples = 100
[coordinates]
angles = ["q1", "q2"]
differences = [["q1", "q2"]]
distances = [[["p1"], ["p2"]]]
[features]
bandwidth = [1, 2, 3, 4, 5, 6]
supports = [["q1-q2", "q1"], ["p1"]]
separable = true
"""


def test_every_key_of_sparse_features_arrives(tmp_path):
    job = load_job(write(tmp_path, SPARSE))
    coordinates = {"angles": ["q1", "q2"], "differences": [["q1", "q2"]], "distances": [[["p1"], ["p2"]]]}
    supports = (("q1-q2", "q1"), ("p1",))
    assert job.options == FitOptions(bandwidth=(1, 2, 3, 4, 5, 6), supports=supports, separable=True, coordinates=coordinates)
    assert job_from_tables(job.as_dict(), NOWHERE) == job
    assert job.options.coordinates_of(4).names == ("q1", "q2", "p1", "p2", "q1-q2", "|p1 - p2|")


def test_what_is_left_out_has_the_defaults_of_the_library(tmp_path):
    job = load_job(write(tmp_path, '[data]\nsystem = "pendulum"\nsamples = 100'))
    assert job.options == FitOptions()
    assert isinstance(job.data, SystemData) and (job.data.test_samples, job.data.seed, job.data.reference_point) == (100, 0, None)
    assert (job.directory, job.checkpoint_seconds) == (Path("results/my_job"), 300.0)


def test_paths_in_the_file_are_relative_to_it_and_typed_paths_to_the_working_directory(tmp_path):
    path = write(tmp_path, '[data]\nfile = "a.h5"\ntest_file = "/b.h5"\n[output]\ndirectory = "out"')
    assert load_job(path).data == FileData(tmp_path / "a.h5", Path("/b.h5"))
    assert load_job(path, ["data.file=c.h5"]).data.file == Path("c.h5")
    assert load_job(path).directory == Path("out")
    assert load_job(path, directory="1").directory == Path("1")


def test_overrides_replace_and_add(tmp_path):
    path = write(tmp_path, '[data]\nsystem = "pendulum"\nsamples = 100')
    job = load_job(path, ["features.sampler=elm", "features.count = 7", "data.box=[[0, 1], [0, 2]]", "data.samples=50", "features.count=8"])
    assert (job.options.sampler, job.options.features, job.data.samples, job.data.test_samples) == ("elm", 8, 50, 50)
    assert job.data.system.box.tolist() == [[0, 1], [0, 2]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b=1", 1),
        ("a.b = 1e-3", 1e-3),
        ("a.b=true", True),
        ("a.b=[1, 2]", [1, 2]),
        ("a.b='1'", "1"),
        ("a.b=elm", "elm"),
        ("a.b=x=y", "x=y"),
        ("a.b=/some/file.h5", "/some/file.h5"),
    ],
)
def test_settings_are_toml_or_bare_text(text, value):
    assert parse_setting(text) == ("a.b", value)


@pytest.mark.parametrize("path", sorted(JOBS.glob("*.toml")), ids=lambda path: path.stem)
def test_jobs_of_the_project_load_and_survive_their_own_description(path):
    job = load_job(path)
    assert job_from_tables(job.as_dict(), NOWHERE) == job
    assert job.directory == Path("results") / path.stem


@pytest.mark.parametrize(
    "table",
    [
        {"file": "a.h5"},
        {"file": "a.h5", "test_fraction": 0.25, "reference_point": [0, 1], "reference_energy": 2},
        {"file": "a.h5", "test_file": "b.h5"},
        {"system": "fput-chain", "dof": 3, "samples": 10, "reference_energy": 1.5},
    ],
)
def test_a_job_survives_its_own_description(table):
    job = job_from_tables({"data": table}, NOWHERE)
    assert job_from_tables(job.as_dict(), NOWHERE) == job


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "samples = 5",
            "the key 'samples' stands outside a table; put it below one of: [data], [coordinates], [dynamics], [graph], [features],",
        ),
        ("[data]", "holds neither 'system' nor 'file'"),
        ('[data]\nsystm = "pendulum"', "did you mean 'system'?"),
        ('[data]\nsystem = "pendulum"', "no 'samples'"),
        ("[data]\nsystem = 5\nsamples = 5", "unknown system 5"),
        ('[data]\nsystem = ["pendulum"]\nsamples = 5', "unknown system"),
        ('[data]\nsystem = "pendulum"\nsamples = 5.0', "data.samples = 5.0: expected a whole number"),
        ('[data]\nsystem = "pendulum"\nsamples = true', "data.samples = True"),
        ('[data]\nsystem = "pendulum"\nsamples = 5\nseed = 9223372036854775808', "data.seed = 9223372036854775808"),
        ('[data]\nsystem = "pendulum"\nsamples = 5\nreference_point = 0', "expected a list of one number a coordinate"),
        ('[data]\nsystem = "pendulum"\nsamples = 5\nreference_point = [0, nan]', "data.reference_point = nan"),
        ("[data]\nfile = 5", "data.file = 5: expected a path"),
        ('[data]\nfile = ""', "expected a path"),
        ('[data]\nfile = "a.h5"\ntest_file = "b.h5"\ntest_fraction = 0.1', "both 'test_file' and 'test_fraction'"),
        ('[data]\nfile = "a.h5"\nreference_energy = 1', "needs both 'reference_point' and 'reference_energy'"),
        ('[data]\nfile = "a.h5"\n[coordinates]\nangels = ["q1"]', "unknown key 'angels' in [coordinates]; did you mean 'angles'?"),
        (
            '[data]\nfile = "a.h5"\n[features]\nsupports = "sparse"',
            "features.supports: supports = 'sparse': expected 'auto', 'dense', or a list",
        ),
        (
            '[data]\nfile = "a.h5"\n[features]\nsupports = ["q1"]',
            "features.supports: supports = ['q1']: expected 'auto', 'dense', or a list",
        ),
        ('[data]\nfile = "a.h5"\n[features]\nseparable = 1', "features.separable: separable = 1: expected true or false"),
        ('[data]\nfile = "a.h5"\n[features]\nseparable = true\nsampler = "elm"', "separable is for the sampler 'anchored' alone"),
        ('[data]\nfile = "a.h5"\n[output]\ndirectory = 5', "output.directory = 5: expected a path"),
        ('[data]\nfile = "a.h5"\n[output]\ncheckpoint_seconds = -1', "output.checkpoint_seconds = -1: expected a number of seconds, or 0"),
        ('[data]\nfile = "a.h5"\n[output]\ncheckpoint_seconds = "1 h"', "output.checkpoint_seconds = '1 h': expected a finite number"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, text, words):
    path = write(tmp_path, text)
    with pytest.raises(UserError) as failure:
        load_job(path)
    assert str(failure.value).startswith(f"{path}: ") and words in str(failure.value)
