"""`hnn-hpc compare` from end to end on a small pendulum: files, table, JSON, exit codes."""

import json
import re
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from hnn_hpc.cli import main
from hnn_hpc.cli.compare import _ratio
from hnn_hpc.cli.main import _parse
from hnn_hpc.errors import UserError
from hnn_hpc.samples import SystemSamples
from hnn_hpc.storage import SampleFileWriter
from hnn_hpc.systems import make_system

JOB = """
[data]
system = "pendulum"
samples = 500
test_samples = 200
seed = 1
[features]
count = 40
bandwidth = [2, 0.5]
[solver]
name = "khatri-rao-qr"
"""
FEW = ["--width", "20", "--learning-rate", "0.01"]
baseline = pytest.mark.baseline


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with a job file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HNN_HPC_THREADS", "1")
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


@pytest.fixture
def run(folder, capsys):
    """Compare, which must succeed; return what is printed and its JSON object."""

    def run(*arguments):
        assert main(["compare", "job.toml", *FEW, *arguments, "--json"]) == 0
        output = capsys.readouterr().out
        return output, json.loads(output.splitlines()[-1])

    return run


@baseline
def test_a_comparison_is_a_table_a_json_line_and_two_files(run, folder):
    output, printed = run("--steps", "100", "--seed", "5")
    assert json.loads((folder / "results/job/compare.json").read_text()) == printed
    assert (folder / "results/job/compare.svg").read_text().startswith("<?xml")
    assert sorted(path.name for path in (folder / "results/job").iterdir()) == ["compare.json", "compare.svg"]
    adam = printed["adam"]
    assert (adam["width"], adam["steps"], adam["learning_rate"], adam["seed"], adam["batch"]) == (20, 100, 0.01, 5, 2048)
    assert printed["machine"]["versions"]["torch"] and printed["job"]["features"]["count"] == 40
    assert 0 < printed["ours"]["energy_error"] < adam["best"]["energy_error"] < adam["curve"][0]["energy_error"]
    assert re.search(r"^samples +500 samples of 2 coordinates, 200 others to test on$", output, re.MULTILINE)
    assert re.search(r"^our error +\S+ +\S+ s +40 +not reached in 100 steps, \S+ s +more than \S", output, re.MULTILINE)
    assert re.search(r"^Adam's best +\S+ +\S+ s +\d+ +\S+ s +\S", output, re.MULTILINE)


@baseline
def test_the_cap_is_named_where_it_ends_adam(run):
    output, printed = run("--cap", "0.05")
    assert (printed["adam"]["stop_reason"], printed["adam"]["steps"]) == ("cap", 15_000)
    assert re.search(r"^our error .* not reached within the cap of 0.05 s +more than ", output, re.MULTILINE)


@baseline
def test_an_error_that_adam_reaches_has_its_seconds_and_a_ratio(run):
    output, printed = run("--set", "features.count=1")
    assert printed["adam"]["stop_reason"] == "target" and printed["to_our_error"]["speed_up"] is not None
    assert re.search(r"^our error +\S+ +\S+ s +1 +\S+ s +[\d.]+$", output, re.MULTILINE)


@baseline
def test_files_need_no_energies_but_samples_to_test_on(run, folder, capsys):
    system = make_system("pendulum", {})
    with SampleFileWriter(folder / "samples.h5", (400, 2), energies=False) as file:
        file.write(0, SystemSamples(system, 400, 1).read(0, 400))
    (folder / "job.toml").write_text(
        '[data]\nfile = "samples.h5"\n[features]\ncount = 20\nbandwidth = 1\n[solver]\nname = "khatri-rao-qr"\n'
    )
    assert main(["compare", "job.toml"]) == 2
    assert "job.toml: compare needs samples to test on; add test_file or test_fraction to [data]" in capsys.readouterr().err
    output, printed = run("--set", "data.test_fraction=0.25", "--steps", "5")
    assert (printed["metric"], printed["test_samples"]) == ("gradient_error", 100)
    assert "∇H error" in output


@baseline
def test_earlier_results_are_not_replaced_unasked(run, folder, capsys):
    (folder / "out").mkdir()
    (folder / "out/compare.svg").write_text("mine")
    assert main(["compare", "job.toml", "--output", "out"]) == 2
    assert "compare.svg exists; pass --force" in capsys.readouterr().err
    assert [path.name for path in (folder / "out").iterdir()] == ["compare.svg"]
    run("--output", "out", "--steps", "2", "--force")
    assert (folder / "out/compare.svg").read_text() != "mine" and (folder / "out/compare.json").exists()


@baseline
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cap", "0"], "--cap = 0.0: expected a positive number of seconds"),
        (["--cap", "inf"], "--cap = inf: expected a positive number of seconds"),
        (["--steps", "0"], "Adam's steps = 0: expected a whole number of at least 1"),
        (["--learning-rate", "7"], "Adam's learning rate = 7: expected a number above 0 and at most 1"),
        (["--set", "features.count=0"], "features = 0: expected a whole number"),
        (["--output", "/proc/none/compare"], "the output directory /proc/none/compare cannot be made"),
    ],
)
def test_what_cannot_be_used_is_exit_code_2_and_leaves_nothing(folder, capsys, arguments, message):
    assert main(["compare", "job.toml", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["job.toml"]


def test_a_missing_pytorch_is_one_sentence_that_names_the_extra(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["compare", "job.toml"]) == 2
    error = capsys.readouterr().err
    assert "needs PyTorch" in error and error.endswith("pip install 'hnn-hpc[baseline]'\n") and error.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == ["job.toml"]


def test_it_is_not_to_be_run_under_mpirun():
    arguments = _parse(["compare", "job.toml"], is_root=True)
    with pytest.raises(UserError, match="Adam, which is serial: run it without mpirun, not on 2 ranks"):
        arguments.command.run(arguments, SimpleNamespace(size=2, together=nullcontext), None)


def test_ratios_are_rounded_down_to_two_digits():
    shown = {0.0: "0.0", 0.1299: "0.12", 5.0: "5.0", 5.49: "5.4", 73.9: "73", 246.0: "240", 12_999.0: "12 000"}
    assert {ratio: _ratio(ratio) for ratio in shown} == shown
