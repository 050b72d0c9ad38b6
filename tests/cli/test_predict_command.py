"""`hnn-hpc predict` from end to end on a pendulum and on Hénon and Heiles' system, and what it refuses."""

import json
import re

import numpy as np
import pytest
from hamiltonians import REGULAR, Learned

from hnn_hpc import FitOptions, load_model
from hnn_hpc.cli import main
from hnn_hpc.cli.predict_table import describe as describe_prediction
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.prediction import PredictionOptions
from hnn_hpc.prediction import predict as measure
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
    for words in (
        r"^valid time +median longer than followed",
        r"^section +q1 = 0, 8 crossings, the fewest of an orbit 2; points within",
        r"^energy +0\.1$",
    ):
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
    "start that escapes": (
        [*SHORT, "--start", "3,3,1,1"],
        "the true motion escapes from every start, so that there is nothing to compare with: start 0 cannot",
    ),
    "more than fits": (["--time", "1e9"], "would take"),
    "more crossings than fit": (
        [*SHORT, "--section", "q1", "--crossings", "10000000"],
        "200 steps and 10,000,000 crossings each would take",
    ),
    "file of another kind": ([*SHORT, "--output", "p.txt"], "unknown kind of file for --output, by its ending 'txt'"),
    "only a point at rest": ([*SHORT, "--energy", "0"], "henon-heiles has only a point at rest, (0, 0, 0, 0), of the energy 0"),
    "file in no folder": ([*SHORT, "--output", "none/p.h5"], "does not exist; create it first"),
    "seed below 0": ([*SHORT, "--seed", "-1"], "--seed = -1: expected a whole number of at least 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_sentence_and_writes_nothing(case, predict, tmp_path):
    arguments, words = REFUSED[case]
    found = predict("henon.h5", *arguments, code=2)
    assert words in found["error"] and found["stderr"].count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_section_that_is_never_crossed_is_told(predict):
    found = predict("henon.h5", "--time", "1", "--start", "0,0.1,0.3,0", "--section", "q1")
    assert (found["section"]["crossings"], found["section"]["never_cross"], found["section"]["largest_distance"]) == (0, 1, None)
    assert "q1 = 0, 0 crossings, the fewest of an orbit 0; from 1 of 1 starts it is never crossed\n" in found["printed"]
    assert "the last quarter's" not in found["printed"] and "0 of 1 show chaos within t = 1, a true exponent above 11.5" in found["printed"]


def test_starts_from_which_the_true_motion_escapes_are_left_out(predict):
    arguments = ["--time", "8", "--start", "0,0.1,0.3,0", "--section", "q1"]
    alone = predict("henon.h5", *arguments, "--output", "a.h5")
    found = predict("henon.h5", *arguments, "--start", "3,3,1,1", "--output", "b.h5")
    assert (alone["true_escapes"], found["true_escapes"]) == (0, 1)
    for name in ("valid_time", "reference_valid_time", "valid_to_the_end", "chaotic", "not_seen_chaotic"):
        assert found[name] == alone[name]
    valid = load_prediction_file("b.h5")[0]["valid_times"]
    assert np.isinf(valid[0]) and np.isnan(valid[1])
    assert found["true_escape"].startswith("start 1 cannot be followed beyond t = ")
    printed = found["printed"]
    assert f"the true motion from 1 of 2 starts, left out of the valid times: {found['true_escape']}" in printed
    assert printed.index("lie outside the training data") < printed.index("valid time")


@pytest.mark.parametrize(("start", "told"), [([], "-"), ([REGULAR], "[0-9.e-]+")])
def test_a_rollout_that_fails_is_told_in_place_of_an_infinite_drift(start, told):
    steep = Learned(make_system("henon-heiles", {"alpha": 20}))
    options = PredictionOptions(time_step=0.1, steps=200, method="stormer-verlet")
    tiny = [[0.01 * x for x in one] for one in start]  # from there the steep one does not escape
    found, _ = measure(steep, make_system("henon-heiles"), np.array([REGULAR, *tiny]), options, SerialCommunicator())
    options_told = {"time": 20.0, "time_step": 0.1, "steps": 200, "threshold": 0.4, "method": "stormer-verlet", "drift_steps": 200}
    printed = describe_prediction(found | options_told | {"file": "p.h5", "system": "henon-heiles", "by_energy": None})
    assert re.search(rf"^energy drift +{told} of the learned H, {told} of the true H, in 200 steps of stormer-verlet$", printed, re.M)
    assert f"the rollout failed in 1 of {len(start) + 1} starts; start 0: " in printed and "inf" not in printed.split("energy drift")[1]


def test_uniform_starts_need_no_other_options(predict):
    found = predict("henon.h5", "--time", "10")
    assert 0 < found["true_escapes"] < 16 and found["starts"] == 16


@pytest.mark.parametrize("extra", [(), ("--system", "pendulum")])
def test_a_damped_model_is_refused(predict, models, extra, tmp_path):
    model = load_model(models / "pendulum.h5")
    model.damping = np.array([0.05])
    model.save(tmp_path / "damped.h5")
    message = predict(tmp_path / "damped.h5", *SHORTER, "--start", "0.5,0", *extra, code=2)["error"]
    assert message.endswith("damped.h5 has damping γ = 0.05, and the systems here have none; predict compares undamped motions")


@pytest.mark.parametrize("output", ["model.h5", "link.h5"])
@pytest.mark.parametrize("force", [(), ("--force",)])
def test_the_model_is_never_replaced(predict, models, tmp_path, output, force, capsys):
    load_model(models / "pendulum.h5").save(tmp_path / "model.h5")
    (tmp_path / "link.h5").symlink_to(tmp_path / "model.h5")
    before = (tmp_path / "model.h5").read_bytes()
    arguments = [*SHORTER, "--start", "0.5,0", "--output", output, *force]
    assert f"--output {output} would replace" in predict(tmp_path / "model.h5", *arguments, code=2)["error"]
    assert main(["simulate", "model.h5", *arguments]) == 2
    assert f"--output {output} would replace model.h5, which is read" in capsys.readouterr().err
    assert (tmp_path / "model.h5").read_bytes() == before


def test_a_model_that_does_not_tell_its_system_needs_one_named(predict):
    assert "does not tell which system its samples came from; name it by --system" in predict("unknown.h5", *SHORT, code=2)["error"]


def test_a_file_is_replaced_only_when_told(predict):
    arguments = [*SHORTER, "--start", "0.5,0", "--output", "p.h5"]
    predict("pendulum.h5", *arguments)
    assert "pass --force" in predict("pendulum.h5", *arguments, code=2)["error"]
    predict("pendulum.h5", *arguments, "--force")
