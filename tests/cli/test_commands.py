"""Every command from end to end on small problems, in this process."""

import json
import re
import signal
import threading

import h5py
import numpy as np
import pytest

from hnn_hpc import __version__, load_model
from hnn_hpc.cli import main
from hnn_hpc.errors import Interruption
from hnn_hpc.storage import SampleFile

RESULT_KEYS = {
    "samples",
    "dof",
    "features",
    "sampler",
    "solver",
    "ranks",
    "stop_reason",
    "relative_residual",
    "normal_residual",
    "condition_estimate",
    "rank",
    "spectrum",
    "flops",
    "seconds",
    "peak_memory_bytes",
    "test",
    "versions",
    "seeds",
    "job",
}

JOB = """
[data]
system = "pendulum"
samples = 500
test_samples = 200
seed = 1
[features]
count = 100
bandwidth = [2, 0.5]
supports = "dense"
"""
LARGEST_ERROR = 1e-4  # of H; it comes out at 1e-5

FILE_JOB = """
[data]
file = "samples.h5"
[features]
count = 100
bandwidth = [2, 0.5]
supports = "dense"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with two job files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.toml").write_text(JOB)
    (tmp_path / "file_job.toml").write_text(FILE_JOB)
    return tmp_path


@pytest.fixture
def run(folder, capsys):
    """Run a command that must succeed; return its JSON object."""

    def run(*arguments):
        assert main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


def test_fit_writes_a_model_and_the_result_it_prints(run, folder):
    printed = run("fit", "job.toml")
    result = json.loads((folder / "results/job/result.json").read_text())
    assert result == printed
    assert set(result) >= RESULT_KEYS and list(result["seconds"]) == ["data", "sampling", "solve", "evaluate", "total"]
    assert (result["samples"], result["dof"], result["features"], result["ranks"], result["test"]["samples"]) == (500, 1, 100, 1, 200)
    assert 0 < result["test"]["energy_error"] < LARGEST_ERROR
    assert result["seeds"] == {"data": 1, "features": 0} and result["job"]["data"]["samples"] == 500
    model = load_model(folder / "results/job/model.h5")
    assert len(model.coefficients) == 100 and model.provenance["job"] == result["job"]
    assert sorted(path.name for path in (folder / "results/job").iterdir()) == ["model.h5", "result.json"]


def test_fit_on_a_generated_file_equals_fit_on_the_system(run):
    run("generate", "pendulum", "--samples", "500", "--seed", "1", "--output", "samples.h5")
    run("fit", "job.toml", "--output", "one")
    run("fit", "file_job.toml", "--output", "two")
    one, two = load_model("one/model.h5"), load_model("two/model.h5")
    np.testing.assert_array_equal(one.coefficients, two.coefficients)
    assert one.constant == two.constant and two.constant_known


def test_fit_replaces_results_only_when_told(run, folder, capsys):
    first = run("fit", "job.toml")
    assert main(["fit", "job.toml"]) == 2
    assert "pass --force" in capsys.readouterr().err
    second = run("fit", "job.toml", "--force", "--set", "features.count=50")
    assert (first["features"], second["features"]) == (100, 50)
    assert json.loads((folder / "results/job/result.json").read_text()) == second


def test_fit_tests_on_the_last_rows_of_the_file(run):
    run("generate", "pendulum", "--samples", "1000", "--output", "samples.h5")
    result = run("fit", "file_job.toml", "--set", "data.test_fraction=0.25")
    assert (result["samples"], result["test"]["samples"]) == (750, 250)
    assert 0 < result["test"]["energy_error"] < LARGEST_ERROR


def test_fit_tests_on_another_file_or_not_at_all(run):
    run("generate", "pendulum", "--samples", "500", "--output", "samples.h5")
    run("generate", "pendulum", "--samples", "100", "--seed", "9", "--output", "test.h5")
    fitted = run("fit", "file_job.toml", "--set", "data.test_file=test.h5")
    assert fitted["test"] == {
        key: value for key, value in run("evaluate", "results/file_job/model.h5", "test.h5").items() if key in fitted["test"]
    }
    untested = run("fit", "file_job.toml", "--force")
    assert untested["test"] == {"samples": None, "energy_error": None, "gradient_error": None}


def test_a_reference_fixes_the_constant(run):
    run("fit", "job.toml", "--set", "data.reference_point=[1, 0.5]", "--set", "data.reference_energy=7")
    assert load_model("results/job/model.h5").energy([1, 0.5]) == pytest.approx(7, abs=1e-12)


def test_an_uncertified_solve_is_exit_3_and_leaves_earlier_results_alone_but_its_factorization(run, folder, capsys, monkeypatch):
    first = run("fit", "job.toml")
    monkeypatch.setattr("hnn_hpc.solvers.solution.LARGEST_BACKWARD_ERROR", 0)  # no solution is that good
    assert main(["fit", "job.toml", "--force", "--set", "solver.rcond=0", "--json"]) == 3
    output = capsys.readouterr()
    assert output.err.startswith("hnn-hpc: error: the solve is not certified") and output.err.count("\n") == 1
    assert json.loads(output.out)["exit_code"] == 3
    assert json.loads((folder / "results/job/result.json").read_text()) == first
    never = ["--set", "output.checkpoint_seconds=0"]
    assert main(["fit", "job.toml", "--output", "new", "--set", "solver.rcond=0", *never]) == 3
    assert not (folder / "new").exists()
    assert main(["fit", "job.toml", "--output", "new", "--set", "solver.rcond=0"]) == 3
    kept = [path for path in (folder / "new").rglob("*") if path.is_file()]
    assert all(path.parent.name == "checkpoint" and path.name.endswith(".triangle.h5") for path in kept) and kept


def test_generate_writes_trajectories_that_keep_their_energy(run):
    result = run("generate", "henon-heiles", "--set", "alpha=0.1", "--set", "box=[[-1, 1], [-1, 1], [-1, 1], [-1, 1]]",
                 "--trajectories", "3", "--steps", "20", "--time-step", "0.1", "--output", "t.h5")  # fmt: skip
    assert (result["trajectories"], result["steps"], result["parameters"]) == (3, 20, {"alpha": 0.1})
    energies = SampleFile("t.h5").read(0, 63).energies.reshape(3, 21)
    assert np.ptp(energies, axis=1).max() < 1e-11  # the integrator's own tolerance is 1e-13 a step
    assert np.abs(SampleFile("t.h5").read(0, 63).points).max(axis=0).min() > 0


def test_simulate_follows_the_learned_system(run):
    run("fit", "job.toml")
    result = run("simulate", "results/job/model.h5", "--start", "-0.5,0.1", "--start", "0.2,0", "--time", "5", "--time-step", "0.05",
                 "--method", "stormer-verlet", "--output", "s.h5")  # fmt: skip
    assert (result["trajectories"], result["steps"], result["outside_domain"]) == (2, 100, 0)
    # Second order in a step of 0.05, and no growth: far below one for the learned H, about as good for the true one.
    assert result["energy_drift"] < 1e-2 and result["true_energy_drift"] < 1e-2
    source = SampleFile("s.h5")
    assert source.count == 202 and source.read(101, 102).points.tolist() == [[0.2, 0]]
    evaluated = run("evaluate", "results/job/model.h5", "s.h5")
    assert evaluated["energy_error"] == evaluated["gradient_error"] == 0


def test_simulate_needs_a_model_a_start_and_a_time_only(run, folder, capsys):
    run("fit", "job.toml")
    arguments = ["results/job/model.h5", "--start", "0.2,0", "--time", "1", "--method", "stormer-verlet"]
    whole = run("simulate", *arguments)
    assert (whole["file"], whole["steps"], whole["time_step"], whole["save_every"]) == ("trajectory.h5", 100, 0.01, 1)
    assert main(["simulate", *arguments]) == 2
    assert "trajectory.h5 exists; pass --force" in capsys.readouterr().err
    points = SampleFile("trajectory.h5").read(0, 101).points
    assert main(["simulate", *arguments, "--save-every", "40", "--force"]) == 0
    assert re.search(r"^saved +one state in 40$", capsys.readouterr().out, re.MULTILINE)
    np.testing.assert_array_equal(SampleFile("trajectory.h5").read(0, 3).points, points[[0, 40, 80]])
    with h5py.File("trajectory.h5") as file:
        assert file["time_step"][()] == 0.4 and file["trajectories"].shape == (1, 3, 2)


def test_simulate_says_how_many_states_fit(run, monkeypatch, capsys):
    monkeypatch.setattr("hnn_hpc.cli.simulate.MOST_BYTES", 16 * 11)  # 11 states of two numbers
    run("fit", "job.toml")
    arguments = ["simulate", "results/job/model.h5", "--start", "0.2,0", "--time", "1", "--time-step", "0.01"]
    assert main(arguments) == 2
    assert "101 states of 16 bytes do not fit in memory, where up to 11 are kept: pass --save-every 10" in capsys.readouterr().err
    assert main([*arguments, "--save-every", "9"]) == 2
    assert main([*arguments, "--save-every", "10"]) == 0


def test_simulate_says_when_it_leaves_the_training_data(run, capsys):
    run("fit", "job.toml")
    arguments = ["--start", "0,2.5", "--time", "10", "--time-step", "0.1", "--output", "s.h5"]
    assert main(["simulate", "results/job/model.h5", *arguments]) == 0
    assert "outside the training data" in capsys.readouterr().out


def test_a_model_without_a_constant_is_measured_up_to_it(run, capsys):
    run("generate", "pendulum", "--samples", "500", "--output", "samples.h5")
    with h5py.File("samples.h5", "a") as file:
        file["hidden"] = file["energies"][:] + 100
        for place, name in ((file, "energies"), (file.attrs, "reference_point"), (file.attrs, "reference_energy")):
            del place[name]
    assert run("fit", "file_job.toml")["constant_known"] is False
    assert run("evaluate", "results/file_job/model.h5", "samples.h5")["energy_error"] is None
    with h5py.File("samples.h5", "a") as file:
        file.move("hidden", "energies")
    assert 0 < run("evaluate", "results/file_job/model.h5", "samples.h5")["energy_error"] < LARGEST_ERROR
    assert main(["evaluate", "results/file_job/model.h5", "samples.h5"]) == 0
    assert "up to its constant" in capsys.readouterr().out


def test_info_tells_what_is_in_samples_and_models(run, capsys):
    run("generate", "pendulum", "--samples", "30", "--seed", "4", "--output", "samples.h5")
    run("fit", "job.toml")
    samples, model = run("info", "samples.h5"), run("info", "results/job/model.h5")
    assert (samples["kind"], samples["samples"], samples["dof"], samples["attributes"]["seed"]) == ("samples", 30, 1, 4)
    assert (model["kind"], model["features"], model["attributes"]["provenance"]["job"]["data"]["seed"]) == ("model", 100, 1)
    assert main(["info", "results/job/model.h5"]) == 0
    assert re.search(r"^provenance\.job\.features\.count +100$", capsys.readouterr().out, re.MULTILINE)


def test_figure_is_drawn_beside_the_true_energy(run, folder):
    run("fit", "job.toml")
    assert run("figure", "results/job/model.h5", "--output", "f.svg") == {"file": "f.svg", "plane": ["q1", "p1"], "system": "pendulum"}
    assert (folder / "f.svg").stat().st_size


def test_figure_draws_what_interacts(run, folder, capsys):
    run("fit", "job.toml")
    model = "results/job/model.h5"
    drawn = {"file": "f.svg", "coordinates": 2, "interactions": [["q1", "p1"]]}
    assert run("figure", model, "--interactions", "--output", "f.svg") == drawn
    assert "interacting pairs of coordinates: 1 of 1, given" in (folder / "f.svg").read_text()
    assert main(["figure", model, "--interactions", "--output", "f.svg", "--force"]) == 0
    assert re.search(r"^interactions +1 pair of 2 coordinates$", capsys.readouterr().out, re.MULTILINE)
    assert main(["figure", model, "--interactions", "--plane", "q1,p1", "--output", "g.svg"]) == 2
    assert "--plane q1,p1 is for the picture of the energy, not for --interactions" in capsys.readouterr().err
    for changes in ('supports="auto"', 'sampler="elm"'):
        run("fit", "job.toml", "--force", "--set", f"features.{changes}", "--set", 'features.bandwidth="auto"')
    assert main(["figure", model, "--interactions", "--output", "g.svg"]) == 2
    error = capsys.readouterr().err
    assert f"{model} does not tell which coordinates its features depend on" in error and error.count("\n") == 1
    assert not (folder / "g.svg").exists()


def test_the_table_tells_the_basis_and_what_its_search_took(folder, capsys):
    def rows(*changes):
        settings = [word for change in changes for word in ("--set", change)]
        assert main(["fit", "job.toml", "--force", *settings]) == 0
        lines = capsys.readouterr().out.splitlines()
        return {line.split()[0]: line.split(maxsplit=1)[1] for line in lines if line.startswith(("supports ", "bandwidth ", "time "))}

    given = rows()
    assert (given["supports"], given["bandwidth"]) == ("q1 p1, given", "2 q1, 0.5 p1, given") and "search" not in given["time"]
    found = rows('features.supports="auto"', 'features.bandwidth="auto"')
    assert found["supports"] == "q1; p1, found" and re.fullmatch(r"[\d.]+ q1, [\d.]+ p1, found", found["bandwidth"])
    assert re.search(r"sampling \d+\.\d\d s \(search \d+\.\d\d s\), solve", found["time"])
    other = rows('features.sampler="elm"', 'features.supports="auto"', 'features.bandwidth="auto"')
    assert set(other) == {"time"} and "search" not in other["time"]


def test_the_table_tells_a_large_basis_in_short(folder, capsys):
    chain = ["data.system=toda-chain", "data.dof=5", 'features.bandwidth="auto"', 'features.supports="auto"']
    chain += ["data.samples=1000", "features.count=120"]
    assert main(["fit", "job.toml", *(word for change in chain for word in ("--set", change))]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^supports +9 supports of 1 to 2 coordinates, found; 4 pairs interact$", out, re.MULTILINE)
    assert re.search(r"^bandwidth +[\d.]+( to [\d.]+)?, found$", out, re.MULTILINE)


def test_a_person_gets_a_table_and_a_script_silence(folder, capsys):
    assert main(["fit", "job.toml"]) == 0
    output = capsys.readouterr()
    assert re.search(r"^samples +500 samples of 2 coordinates$", output.out, re.MULTILINE)
    assert re.search(r"^written +results/job/model.h5$", output.out, re.MULTILINE)
    assert output.err == ""  # no bar: stderr is no terminal here
    assert main(["fit", "job.toml", "--quiet", "--force"]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_table_tells_of_an_unknown_constant_and_of_duplicates_only(run, folder, capsys):
    assert main(["fit", "job.toml"]) == 0
    assert not re.search(r"^(constant|duplicates) ", capsys.readouterr().out, re.MULTILINE)
    run("generate", "pendulum", "--samples", "3", "--output", "samples.h5")
    with h5py.File("samples.h5", "a") as file:
        for place, name in ((file, "energies"), (file.attrs, "reference_point"), (file.attrs, "reference_energy")):
            del place[name]
    few = ["--set", "features.sampler=uniform-swim", "--set", "features.count=5"]  # of three points there are three pairs
    assert main(["fit", "file_job.toml", *few]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^constant +unknown: the data fix H only up to a constant$", out, re.MULTILINE)
    assert re.search(r"^duplicates +2 repeated features$", out, re.MULTILINE)


def test_the_signal_handlers_of_the_caller_stay(folder):
    def handler(*_):
        pass

    before = signal.signal(signal.SIGTERM, handler)
    try:
        assert main(["fit", "job.toml", "--quiet"]) == 0 and main(["fit", "none.toml"]) == 2
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_in_a_thread_signals_are_left_alone(folder):
    codes = []
    thread = threading.Thread(target=lambda: codes.append(main(["fit", "job.toml", "--quiet"])))
    thread.start()
    thread.join()
    assert codes == [0]


def test_log_lines_name_the_rank(folder, capsys):
    assert main(["fit", "job.toml", "--quiet", "--log"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines and all(re.fullmatch(r"\d\d:\d\d:\d\d rank 0: \w+ (starts, \d+ steps|took \d+\.\d+ s)", line) for line in lines)


def test_the_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hnn-hpc {__version__}\n"


def test_help_lists_commands_and_exit_codes(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("generate", "fit", "evaluate", "simulate", "info", "figure", "75"))


def test_a_mistake_of_the_program_is_exit_1_with_its_traceback(folder, capsys, monkeypatch):
    monkeypatch.setattr("hnn_hpc.cli.fit.run_job", lambda *_: 1 / 0)
    assert main(["fit", "job.toml", "--json"]) == 1
    output = capsys.readouterr()
    assert "Traceback" in output.err and output.err.endswith("hnn-hpc: error: ZeroDivisionError: division by zero\n")
    assert json.loads(output.out)["exit_code"] == 1


@pytest.mark.parametrize(("error", "code"), [(Interruption(), 75), (OSError("disk"), 1), (MemoryError("3 GB"), 1)])
def test_what_happens_to_a_program_is_one_line(error, code, folder, capsys, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr("hnn_hpc.cli.fit.run_job", fail)
    assert main(["fit", "job.toml"]) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_a_fit_to_few_samples_says_that_it_searched_nothing(tmp_path, capsys):
    (tmp_path / "job.toml").write_text('[data]\nsystem = "pendulum"\nsamples = 20\ntest_samples = 5\n[features]\ncount = 10\n')
    assert main(["fit", str(tmp_path / "job.toml"), "--output", str(tmp_path / "out")]) == 0
    table = capsys.readouterr().out
    assert "supports        q1 p1, assumed: too few samples for a search\n" in table
    assert "bandwidth       0.25 q1, 0.25 p1, assumed: too few samples for a search\n" in table and "(search" not in table
