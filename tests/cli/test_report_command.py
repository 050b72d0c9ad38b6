"""`hnn-hpc report`: a page of every kind of fit, whole and harmless, and a sentence for every directory that has none. Needs an mpirun."""

import base64
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from accessible import problems

from hnn_hpc.cli import main
from hnn_hpc.run_report import MOST_POINTS, RUNS, TOLD, samples_from_all_over
from hnn_hpc.run_status import RunStatus
from hnn_hpc.samples import ArraySamples
from hnn_hpc.systems import make_system

ROOT = Path(__file__).parents[2]
JOBS = sorted((ROOT / "jobs").glob("*.toml"))
SMALL = ["--set", "data.samples=600", "--set", "data.test_samples=200", "--set", "features.count=60"]
LARGEST_PAGE = 3_000_000  # bytes
LONGEST = 100  # seconds
JOB = '[data]\nsystem = "pendulum"\nsamples = 300\ntest_samples = 100\n[features]\ncount = 60\nbandwidth = [2, 0.5]\nsupports = "dense"\n'
FILE_JOB = '[data]\nfile = "{file}"\n{more}\n[features]\ncount = 40\nbandwidth = 1.0\nsupports = "dense"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hnn_hpc.report.section_pictures.CROSSINGS", 3)
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """The files of a small fit, {name: bytes}."""
    folder = tmp_path_factory.mktemp("fitted")
    (folder / "job.toml").write_text(JOB)
    assert main(["fit", str(folder / "job.toml"), "--quiet", "--output", str(folder / "run")]) == 0
    return {path.name: path.read_bytes() for path in (folder / "run").iterdir()}


@pytest.fixture
def run(fitted):
    """A directory with that fit, a path from the working directory."""
    Path("run").mkdir()
    for name, data in fitted.items():
        Path("run", name).write_bytes(data)
    return Path("run")


def page_of(directory, *arguments):
    """Make the report of a directory and return its page, which breaks no rule and has the pictures beside it in it."""
    assert main(["report", str(directory), "--quiet", *arguments]) == 0
    page = Path(directory, "report.html").read_text(encoding="utf-8")
    assert problems(page) == [] and len(page.encode()) < LARGEST_PAGE
    inlined = [base64.b64decode(image) for image in re.findall(r"data:image/png;base64,([^\"]*)", page)]
    files = [path.read_bytes() for path in Path(directory, "report").iterdir()]
    assert sorted(inlined) == sorted(files) and files
    return page


def error_of(capsys, *arguments, code=2):
    """Return the one line that a report which cannot be made prints."""
    capsys.readouterr()
    assert main(["report", *map(str, arguments)]) == code
    output = capsys.readouterr()
    assert output.out == "" and output.err.count("\n") == 1 and output.err.startswith("hnn-hpc: error: ")
    return output.err


def write_samples(path, system="double-pendulum", noise=0.0, count=400):
    """Write samples of a system that the file does not name."""
    rng = np.random.default_rng(0)
    hidden = make_system(system, {})
    points = rng.uniform(*hidden.box.T, size=(count, hidden.dimension))
    velocities = hidden.vector_field(points)
    with h5py.File(path, "w") as file:
        file["points"], file["velocities"] = points, velocities * (1 + noise * rng.standard_normal(velocities.shape))


def fit_file(name="samples.h5", more=""):
    Path("file.toml").write_text(FILE_JOB.format(file=name, more=more))
    assert main(["fit", "file.toml", "--quiet", "--output", "run"]) == 0
    return Path("run")


# What is on the page


def test_a_page_tells_errors_pictures_certificate_and_provenance(run):
    page, result = page_of(run), json.loads((run / "result.json").read_text())
    for number in (
        result["test"]["energy_error"],
        result["test"]["gradient_error"],
        result["backward_error"],
        result["condition_estimate"],
    ):
        assert f"{number:.2e}" in page
    assert {path.stem for path in (run / "report").iterdir()} == {
        *("energy-learned", "energy-true", "energy-difference", "features-places", "features-steepness", "singular-values"),
        *("residuals", "residuals-along", "orbit", "rollout-error", "energy-drift"),
        "interactions",
    }
    for text in ("load_model(&#x27;run/model.h5&#x27;)", "system = &quot;pendulum&quot;", result["versions"]["numpy"], "100 other samples"):
        assert text in page


def test_the_command_tells_what_it_wrote(run, capsys):
    assert main(["report", "run", "--json"]) == 0
    text, line = capsys.readouterr().out.rsplit("\n", 2)[:2]
    assert re.match(r"written +run/report.html, \d+ kB\n +\d+ pictures in run/report", text)
    found = json.loads(line)
    assert found["bytes"] == (run / "report.html").stat().st_size and "orbit.png" in found["pictures"]


def test_two_reports_of_a_fit_are_the_same(run):
    page_of(run)
    first = (run / "report.html").read_bytes()
    page_of(run, "--force")
    assert (run / "report.html").read_bytes() == first


@pytest.mark.parametrize("job", JOBS, ids=lambda path: path.stem)
def test_every_job_has_a_report(job, tmp_path):
    options = SMALL
    if job.stem == "pipeline":
        assert main(["generate", "henon-heiles", "--samples", "600", "--output", "samples.h5", "--quiet"]) == 0
        options = ["--set", "data.file=samples.h5", "--set", "features.count=60"]
    assert main(["fit", str(job), "--quiet", "--output", "run", *options]) == 0
    page = page_of("run")
    assert "laid beside the true one" in page
    assert ("Poincaré" in page) == (job.stem.startswith("henon_heiles") or job.stem == "pipeline")


def test_of_an_unknown_system_the_learned_energy_stands_alone():
    write_samples("samples.h5", noise=0.02)
    page = page_of(fit_file(more="test_fraction = 0.2"))
    assert "the learned one stands alone" in page and "the samples tell no energies" in page and "samples that were kept to test on" in page
    assert {"energy-true.png", "rollout-error.png"}.isdisjoint(os.listdir("run/report"))


def test_of_many_samples_some_from_all_over_are_shown():
    rows = np.arange(10_000.0)[:, None]
    points, _, energies = samples_from_all_over(ArraySamples(rows, rows, None, len(rows)))
    assert points.shape == (MOST_POINTS, 1) and energies is None
    assert points[0] == 0 and points[-1] == 9999 and np.diff(points[:, 0]).max() <= 10_000 / RUNS
    assert len(samples_from_all_over(ArraySamples(rows[:50], rows[:50], rows[:50, 0], 50)).energies) == 50


def test_without_test_samples_the_fitted_ones_are_shown():
    write_samples("samples.h5")
    page = page_of(fit_file())
    assert "no samples were kept to test on" in page and "samples that were fitted, for none were kept to test on" in page


def test_of_a_known_system_without_test_samples_fresh_points_are_shown():
    assert main(["generate", "pendulum", "--samples", "300", "--output", "samples.h5", "--quiet"]) == 0
    assert "fresh points, uniform in the domain" in page_of(fit_file())


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(b""), lambda path: write_samples(path, count=300)])
def test_samples_that_are_gone_or_others_by_now_are_said_to_be(change):
    write_samples("samples.h5")
    fit_file()
    change(Path("samples.h5"))
    page = page_of("run")
    assert "has changed since the fit, or is not to be found from here" in page
    assert {"residuals.png", "residuals-along.png"}.isdisjoint(os.listdir("run/report"))


def test_a_result_of_an_earlier_version_has_no_spectrum(run):
    result = json.loads((run / "result.json").read_text())
    del result["spectrum"]
    (run / "result.json").write_text(json.dumps(result))
    assert "tells no singular values" in page_of(run)


def test_what_stands_in_names_and_jobs_does_no_harm():
    evil = "<script>alert(1)</script>\"'&<img src=x>"[:60].replace("/", "")
    write_samples(f"{evil}.h5")
    Path("job.toml").write_text(FILE_JOB.format(file="x.h5", more=""))
    assert main(["fit", "job.toml", "--quiet", "--output", evil, "--set", f"data.file={json.dumps(f'{evil}.h5')}"]) == 0
    page = page_of(evil)
    assert "<script" not in page and "<img src=x" not in page and page.count("&lt;script&gt;") >= 4


# Where there is none


def test_a_directory_that_is_not_there(capsys):
    assert "nowhere does not exist; expected the output directory of a fit" in error_of(capsys, "nowhere")
    assert "job.toml is not a directory" in error_of(capsys, "job.toml")


def test_a_directory_without_a_run(capsys, run):
    (run / "result.json").unlink()
    assert "run/result.json does not exist; expected the output directory of a fit that has finished" in error_of(capsys, run)
    (run / "result.json").write_text("{")
    assert "run/result.json is damaged, or not a result" in error_of(capsys, run)


READ = sorted({name for path in (ROOT / "hnn_hpc/report").glob("*.py") for name in re.findall(r'result\["(\w+)"\]', path.read_text())})
READ += sorted({name for path in (ROOT / "hnn_hpc/report").glob("*.py") for name in re.findall(r"result\['(\w+)'\]", path.read_text())})


def test_all_that_a_page_reads_is_looked_for_first():
    assert {"step", "damping", "noise_level", "flops"} < set(READ) <= {*TOLD, "spectrum"}  # which may be missing


@pytest.mark.parametrize("name", sorted({*READ} - {"job", "spectrum"}))
def test_a_result_that_tells_too_little(capsys, run, name):
    result = json.loads((run / "result.json").read_text())
    del result[name]
    (run / "result.json").write_text(json.dumps(result))
    assert f"tells nothing of {name}" in error_of(capsys, run)


def test_a_run_without_its_model(capsys, run):
    (run / "model.h5").unlink()
    assert "run/model.h5" in error_of(capsys, run)
    (run / "model.h5").write_bytes(b"nothing")
    assert "run/model.h5" in error_of(capsys, run)


def test_a_model_of_another_fit(capsys, run):
    assert main(["fit", "job.toml", "--quiet", "--output", "other", "--set", "features.seed=7"]) == 0
    os.replace("other/model.h5", "run/model.h5")
    assert "run/model.h5 and result.json beside it are of different fits" in error_of(capsys, run)


def test_a_run_that_has_not_finished(capsys):
    Path("run").mkdir()
    status = RunStatus(Path("run"), {"ranks": 1, "samples": 1, "dof": 1, "features": 1}, environment={}).as_dict()
    work = {"stage": "factor", "done": 1, "total": 2, "stage_seconds": 1.0, "remaining_seconds": None}
    Path("run/status.json").write_text(json.dumps(status | work | {"updated": time.time()}))
    assert "the fit in run is not finished, but running; `hnn-hpc status run` tells more" in error_of(capsys, "run")


def test_an_older_report_is_replaced_only_when_told(capsys, run):
    page_of(run)
    (run / "report.html").write_text("mine")
    (run / "report/notes.txt").write_text("mine")
    assert "run/report.html exists; pass --force to replace it" in error_of(capsys, run)
    assert (run / "report.html").read_text() == "mine"
    (run / "report/notes.txt").unlink()
    page_of(run, "--force")


def test_pictures_that_only_an_earlier_report_had_are_removed(run):
    page_of(run)
    for name in ("section-1-8-true.png", "mine.png"):
        (run / "report" / name).write_bytes(b"")
    assert main(["report", "run", "--quiet", "--force"]) == 0
    assert not (run / "report/section-1-8-true.png").exists() and (run / "report/mine.png").exists()


def test_the_folder_of_an_earlier_report_without_its_page(capsys, run):
    page_of(run)
    (run / "report.html").unlink()
    assert "run/report is the folder of an earlier report, with its pictures; pass --force to replace them" in error_of(capsys, run)
    page_of(run, "--force")


def test_a_name_that_is_no_text(capsys):
    name = "u\udcff"  # the byte 255
    assert main(["fit", "job.toml", "--output", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["job"]["output"]["directory"] == name
    page = page_of(name)
    assert "<h1>Learned Hamiltonian: u\ufffd</h1>" in page and "load_model(&#x27;u\\udcff/model.h5&#x27;)" in page
    assert main(["report", name, "--force"]) == 0
    assert "u\\udcff/report.html" in capsys.readouterr().out


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_poor_fit_of_henon_heiles_has_a_report():
    job = str(ROOT / "jobs/henon_heiles.toml")
    assert main(["fit", job, "--quiet", "--output", "run", "--set", "data.samples=600", "--set", "features.count=8"]) == 0
    page_of("run")


def test_a_page_has_another_place_when_told(run):
    assert main(["report", "run", "--quiet", "--output", "page.html"]) == 0
    assert sorted(os.listdir()) == ["job.toml", "page", "page.html", "run"] and (Path("page") / "orbit.png").exists()
    assert sorted(os.listdir("run")) == ["model.h5", "result.json"]


@pytest.mark.parametrize(
    ("output", "words"),
    [("page.txt", "expected a name that ends in .html"), ("none/page.html", "its directory"), ("job.toml/page.html", "is not a directory")],
)
def test_a_place_that_cannot_be_written(capsys, run, output, words):
    assert words in error_of(capsys, run, "--output", output)
    assert sorted(os.listdir("run")) == ["model.h5", "result.json"]


def test_a_file_in_the_place_of_the_folder(capsys, run):
    (run / "report").write_text("mine")
    assert "run/report cannot be made: File exists" in error_of(capsys, run)
    assert sorted(os.listdir("run")) == ["model.h5", "report", "result.json"]


@pytest.mark.parametrize("size", [20_000, 300_000])
def test_a_full_disk_leaves_nothing(capsys, run, full_disk, size):
    """Neither where the first picture does not fit, nor where the page does not."""
    with full_disk() as limit:
        limit(size)
        error = error_of(capsys, run, code=1)
    assert "cannot write run/report" in error and "nothing was written" in error
    assert sorted(os.listdir("run")) == ["model.h5", "result.json"]


def test_a_missing_matplotlib_is_one_sentence(capsys, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install 'hnn-hpc[report]'" in error_of(capsys, run)


@pytest.mark.parametrize(("directory", "code"), [("run", 0), ("nowhere", 2)])
def test_on_ranks_one_makes_the_page_and_all_end_together(run, directory, code):
    command = ["mpirun", "-n", "2", sys.executable, "-m", "hnn_hpc", "report", directory, "--json", "--quiet"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, env=environment)
    assert done.returncode == code, done.stderr
    assert len(done.stdout.splitlines()) == 1 and (done.stderr.count("\n") == 1) == bool(code)
    assert (run / "report.html").exists() == (code == 0)
