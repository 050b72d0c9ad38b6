"""`hnn-hpc predict` from end to end on a pendulum and on Hénon and Heiles' system, and what it refuses."""

import json
import re

import numpy as np
import pytest

from hnn_hpc import FitOptions, load_model
from hnn_hpc.cli import main
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.samples import SystemSamples
from hnn_hpc.storage import describe, load_prediction_file
from hnn_hpc.systems import make_system
from hnn_hpc.training import fit_source


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with henon.h5, learned in the box [-1, 1] to 1e-6, pendulum.h5, and unknown.h5, which does not tell its system."""
    folder = tmp_path_factory.mktemp("models")
    for name, system in {
        "henon.h5": make_system("henon-heiles", box=[[-1, 1]] * 4),
        "pendulum.h5": make_system("pendulum"),
    }.items():
        options = FitOptions(features=150, bandwidth=0.25, supports="dense", separable=name == "henon.h5")
        model = fit_source(SystemSamples(system, 1000, seed=1), options, SerialCommunicator()).model
        model.save(folder / name)
    model.provenance.pop("samples")
    model.save(folder / "unknown.h5")
    return folder


@pytest.fixture
def predict(models, tmp_path, monkeypatch, capsys):
    """Run the command on one of the models; return its JSON object, its exit code, and what it prints to stderr."""
    monkeypatch.chdir(tmp_path)

    def run(model, *arguments, code=0):
        assert main(["predict", str(models / model), *arguments, "--json"]) == code
        output = capsys.readouterr()
        return json.loads(output.out.splitlines()[-1]) | {"printed": output.out, "stderr": output.err}

    return run


SHORT = ["--time", "20", "--time-step", "0.1"]
SHORTER = ["--time", "2", "--time-step", "0.1"]


def test_a_section_for_each_energy(predict):
    found = predict("henon.h5", *SHORT, "--energy", "1/12,0.1", "--starts", "2", "--seed", "3", "--crossings", "2", "--output", "p.h5")
    assert (found["system"], found["starts"], found["steps"], found["drift_steps"]) == ("henon-heiles", 4, 200, 200)
    assert [part["energy"] for part in found["by_energy"]] == [pytest.approx(1 / 12), 0.1]
    assert [part["starts"] for part in found["by_energy"]] == [2, 2]
    assert found["section"]["largest_distance"] == max(part["section"]["largest_distance"] for part in found["by_energy"]) < 1e-2
    assert found["valid_to_the_end"] == 1 and found["valid_time"]["median"] is None  # JSON knows no infinity
    assert found["outside_domain"] == 0
    for words in (r"^valid time +median longer than followed", r"^section +q1 = 0, 8 crossings, points within", r"^energy +0\.1$"):
        assert re.search(words, found["printed"], re.MULTILINE)
    arrays, attributes = load_prediction_file("p.h5")
    assert arrays["section_true"].shape == arrays["section_learned"].shape == (4, 2, 4) and arrays["errors"].shape == (4, 201)
    np.testing.assert_allclose(arrays["energies"], [1 / 12, 1 / 12, 0.1, 0.1])
    assert attributes["system"] == "henon-heiles" and attributes["summary"]["starts"] == 4
    assert describe("p.h5")["kind"] == "prediction"


def test_json_holds_the_same(predict):
    common = [*SHORT, "--start", "0,0.1,0.3,0", "--section", "q2"]
    predict("henon.h5", *common, "--output", "p.h5")
    found = predict("henon.h5", *common, "--output", "p.json")
    arrays, _ = load_prediction_file("p.h5")
    with open("p.json", encoding="utf-8") as file:
        written = json.load(file)
    assert written["summary"]["section"]["coordinate"] == "q2" == found["section"]["coordinate"]
    for name, values in arrays.items():
        np.testing.assert_array_equal(np.array(written[name], dtype=float)[np.isfinite(values)], values[np.isfinite(values)])


def test_starts_are_uniform_in_the_domain_or_in_a_box(predict, models):
    predict("pendulum.h5", *SHORTER, "--starts", "20", "--output", "p.h5")
    starts, domain = load_prediction_file("p.h5")[0]["starts"], load_model(models / "pendulum.h5").domain
    assert starts.shape == (20, 2) and ((starts >= domain[:, 0]) & (starts <= domain[:, 1])).all() and np.ptp(starts[:, 0]) > 6
    predict("pendulum.h5", *SHORTER, "--set", "box=[[0, 0.5], [-0.1, 0.1]]", "--force", "--output", "p.h5")
    starts = load_prediction_file("p.h5")[0]["starts"]
    assert starts.shape == (16, 2) and ((starts >= [0, -0.1]) & (starts <= [0.5, 0.1])).all()


def test_against_another_system_the_error_grows(predict):
    same = predict("pendulum.h5", *SHORT, "--start", "0.5,0", "--output", "a.h5")
    other = predict("pendulum.h5", *SHORT, "--start", "0.5,0", "--output", "b.h5", "--set", "frequency=1.2")
    assert same["valid_time"]["median"] is None and other["valid_time"]["median"] < 10
    named = predict("unknown.h5", *SHORTER, "--start", "0.5,0", "--output", "c.h5", "--system", "pendulum")
    assert named["parameters"] == {"frequency": 1.0} and named["valid_time"]["median"] is None


def test_starts_outside_of_the_training_data_are_a_warning(predict):
    found = predict("pendulum.h5", *SHORT, "--start", "0,7", "--start", "0.5,0", "--output", "p.h5")
    assert found["starts_outside"] == 0.5 and found["outside_domain"] >= 0.5
    assert "50% of the starts and" in found["printed"] and "lie outside the training data: extrapolation" in found["printed"]


def test_the_energy_drift_may_be_longer_than_the_rollouts(predict):
    short = [*SHORTER, "--start", "0.5,0", "--method", "stormer-verlet"]
    found = predict("pendulum.h5", *short, "--drift-steps", "1000", "--output", "p.h5")
    assert (found["method"], found["drift_steps"]) == ("stormer-verlet", 1000) and 0 < found["energy_drift"] < 1e-2
    assert load_prediction_file("p.h5")[0]["drift_times"][-1] == pytest.approx(100)


REFUSED = {
    "no start in time": (["--time", "-1", "--time-step", "0.1"], "--time-step 0.1 and --time -1: expected a positive step"),
    "no step": (["--time", "1", "--time-step", "0"], "--time-step 0 and --time 1: expected a positive step"),
    "negative step": (["--time", "1", "--time-step", "-0.1"], "--time-step -0.1 and --time 1: expected a positive step"),
    "no drift step": ([*SHORT, "--drift-steps", "0"], "--drift-steps = 0: expected a whole number of at least 1"),
    "no start": ([*SHORT, "--starts", "0"], "--starts = 0: expected a whole number of at least 1"),
    "no crossing": ([*SHORT, "--section", "q1", "--crossings", "0"], "--crossings = 0: expected a whole number of at least 1"),
    "unknown system": ([*SHORT, "--system", "billiard"], "unknown system 'billiard'; the systems are: pendulum, "),
    "other dimension": ([*SHORT, "--system", "pendulum"], "--system pendulum has 2 coordinates, but"),
    "unknown parameter": ([*SHORT, "--set", "mass=1"], "henon-heiles has no parameter 'mass'"),
    "unknown coordinate": ([*SHORT, "--section", "q3"], "unknown coordinate 'q3'; the coordinates are: q1, q2, p1, p2"),
    "unknown method": ([*SHORT, "--method", "euler"], "unknown integration method 'euler'"),
    "no threshold": ([*SHORT, "--threshold", "0"], "threshold = 0: expected a positive number"),
    "energy that is none": ([*SHORT, "--energy", "1/x"], "--energy 1/x: expected numbers or fractions with commas between"),
    "energy over nothing": ([*SHORT, "--energy", "1/0"], "--energy 1/0: expected numbers or fractions"),
    "energy without an orbit": ([*SHORT, "--energy", "1e9"], "henon-heiles has no orbit of energy 1e+09 around (0, 0, 0, 0)"),
    "start and energy": ([*SHORT, "--start", "0,0.1,0.3,0", "--energy", "0.1"], "--start says where to start; leave it out"),
    "start of another dimension": ([*SHORT, "--start", "0,1"], "--start 0,1 has 2 numbers, but the model has 4 coordinates"),
    "start that is no number": ([*SHORT, "--start", "0,1,2,x"], "--start 0,1,2,x: expected 4 numbers"),
    "start that is infinite": ([*SHORT, "--start", "0,1,2,inf"], "not finite"),
    "start that escapes": ([*SHORT, "--start", "3,3,1,1"], "trajectory 0 cannot be followed beyond"),
    "section never crossed": (
        ["--time", "1", "--start", "0,0.1,0.3,0", "--section", "q1"],
        "the orbit of start 0 never crosses q1 = 0 upwards within the time 1",
    ),
    "more than fits": (["--time", "1e9"], "would take"),
    "file of another kind": ([*SHORT, "--output", "p.txt"], "unknown kind of file for --output, by its ending 'txt'"),
    "file in no folder": ([*SHORT, "--output", "none/p.h5"], "does not exist; create it first"),
    "seed below 0": ([*SHORT, "--seed", "-1"], "--seed = -1: expected a whole number of at least 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_sentence_and_writes_nothing(case, predict, tmp_path):
    arguments, words = REFUSED[case]
    found = predict("henon.h5", *arguments, code=2)
    assert words in found["error"] and found["stderr"].count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_model_that_does_not_tell_its_system_needs_one_named(predict):
    assert "does not tell which system its samples came from; name it by --system" in predict("unknown.h5", *SHORT, code=2)["error"]


def test_a_file_is_replaced_only_when_told(predict):
    arguments = [*SHORTER, "--start", "0.5,0", "--output", "p.h5"]
    predict("pendulum.h5", *arguments)
    assert "pass --force" in predict("pendulum.h5", *arguments, code=2)["error"]
    predict("pendulum.h5", *arguments, "--force")
