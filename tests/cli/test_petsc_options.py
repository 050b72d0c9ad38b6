"""Words after `--`: PETSc's options for the solver lsqr, for the command fit alone."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hnn_hpc import load_model
from hnn_hpc.cli import main
from hnn_hpc.cli.main import COMMANDS
from hnn_hpc.errors import Interruption
from hnn_hpc.solvers import sketched_lsqr

JOB = """
[data]
system = "henon-heiles"
samples = 2000
test_samples = 100
[features]
count = 40
bandwidth = 0.25
supports = "dense"
[solver]
name = "lsqr"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working directory, with a job file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


@pytest.fixture
def fit(capfd):
    """Run a fit that must succeed; return its JSON object and what was printed before it."""

    def fit(*arguments):
        assert main(["fit", "job.toml", "--json", "--force", *arguments]) == 0
        *printed, result = capfd.readouterr().out.splitlines()
        return json.loads(result), "\n".join(printed)

    return fit


@pytest.fixture
def refused(capfd, folder):
    """Run a command that must be refused before it writes anything; return its one sentence."""

    def refused(*arguments):
        assert main(list(arguments)) == 2
        output = capfd.readouterr()
        assert output.out == "" and output.err.startswith("hnn-hpc: error: ") and output.err.count("\n") == 1
        assert [path.name for path in folder.iterdir()] == ["job.toml"]
        return output.err.removeprefix("hnn-hpc: error: ").strip()

    return refused


def test_options_reach_the_solver_and_are_recorded(fit, folder):
    plain, printed = fit()
    assert plain["petsc_options"] == [] and not re.search("^petsc ", printed, re.MULTILINE)
    words = ["-ksp_monitor", "-ksp_max_it", "5"]
    result, printed = fit("--set", "solver.rcond=1e-9", "--", *words)
    goes = printed.count("0 KSP Residual norm")
    assert goes > 0 and "5 KSP Residual norm" in printed and "6 KSP Residual norm" not in printed
    assert result["iterations"] == 5 * goes != plain["iterations"]
    assert re.search("^petsc +-ksp_monitor -ksp_max_it 5$", printed, re.MULTILINE)
    assert re.search(f"^iterations +{5 * goes} of LSQR$", printed, re.MULTILINE)
    assert result["petsc_options"] == words == load_model("results/job/model.h5").provenance["petsc_options"]
    assert json.loads((folder / "results/job/result.json").read_text()) == result


@pytest.mark.parametrize(("words", "code"), [([], 0), (["-ksp_max_it", "1"], 3), (["-ksp_wrong"], 2)])
def test_options_are_those_of_one_fit_however_it_ends(words, code, fit, capfd):
    plain, _ = fit()
    assert main(["fit", "job.toml", "--quiet", "--force", "--", "-ksp_monitor", *words]) == code
    assert ("KSP Residual norm" in capfd.readouterr().out) == (code != 2)
    again, printed = fit()
    assert again["iterations"] == plain["iterations"] and "KSP" not in printed


def test_the_json_object_is_the_last_line_after_what_petsc_prints():
    command = [sys.executable, "-m", "hnn_hpc", "fit", "job.toml", "--json", "--quiet", "--", "-ksp_monitor"]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=True)
    *printed, result = done.stdout.splitlines()
    assert any("KSP Residual norm" in line for line in printed) and json.loads(result)["petsc_options"] == ["-ksp_monitor"]


def test_options_of_the_program_go_before_them(fit, folder):
    for argument in ("--output=here", "--set=features.count=30"):
        folder.joinpath("job.toml").write_text(JOB.replace("lsqr", "auto"))
        result, _ = fit("--set", "solver.name=lsqr", argument, "--", "-ksp_converged_reason")
        assert result["solver"] == "lsqr"
    assert result["features"] == 30 and (folder / "here").is_dir()


def test_dashes_alone_change_nothing(fit):
    result, _ = fit("--set", "solver.name=gram", "--")
    assert result["petsc_options"] == []


@pytest.mark.parametrize(
    ("words", "got"),
    [
        (["job.toml"], "job.toml"),
        (["solver.name=gram"], "solver.name=gram"),
        (["-ksp_max_it", "3", "solver.name=gram"], "solver.name=gram"),
        (["-ksp_monitor", "--json"], "--json"),
        (["--force"], "--force"),
        (["-ksp_monitor", "--", "-ksp_max_it", "3"], "--"),
        (["-ksp_max_it", "-3", "5"], "5"),
        (["-ksp_max_it=3"], "-ksp_max_it=3"),
        (["-ksp_monitor", "\udcff"], "\\udcff"),
        ([""], ""),
    ],
)
def test_a_word_that_is_no_option_is_named(words, got, refused):
    expected = f"expected an option of PETSc such as -ksp_monitor, got '{got}'; what is not PETSc's goes before --"
    assert refused("fit", "job.toml", "--", *words) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-ksp_monitro"], "PETSc's LSQR knows no option -ksp_monitro"),
        (["-log_view"], "PETSc's LSQR knows no option -log_view"),
        (["-ksp_monitor", "solver.name=gram"], "PETSc cannot use its options: Unsupported viewer solver.name=gram"),
        (["-ksp_max_it", "many"], "PETSc cannot use its options: Input string many has no integer value"),
        (["-ksp_type", "cgls"], "the options -ksp_type and -pc_type must stay 'lsqr' and 'none'; got 'cgls' and 'none'"),
        (["-ksp_rtol", "1e-3"], "lsqr stops by a test of its own, so -ksp_rtol would change nothing; -ksp_max_it limits its iterations"),
    ],
)
def test_an_option_that_has_no_effect_is_refused_before_the_fit(words, message, refused, monkeypatch):
    monkeypatch.setattr("hnn_hpc.sample_run.fit_source", lambda *_, **__: pytest.fail("fitted"))
    assert refused("fit", "job.toml", "--", *words).startswith(message)


@pytest.mark.parametrize(
    ("settings", "instead"),
    [
        (["solver.name=khatri-rao-qr"], "solver.name is khatri-rao-qr"),
        (["solver.name=auto"], "auto takes khatri-rao-qr"),
        (
            ["solver.name=auto", "data.samples=20_000", "features.count=2000"],
            "auto takes (lsqr|khatri-rao-qr), or gram if well conditioned,",
        ),
    ],
)
def test_options_that_may_reach_no_lsqr_are_refused(settings, instead, refused):
    message = refused("fit", "job.toml", *(f"--set={setting}" for setting in settings), "--", "-ksp_monitor")
    assert re.match(f"options of PETSc are for the solver lsqr, but {instead}", message)
    assert message.endswith("; leave them out, or set solver.name=lsqr")


def test_options_without_petsc_say_what_to_install(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "petsc4py", None)
    for name in ("lsqr", "auto"):
        message = refused("fit", "job.toml", "--set", f"solver.name={name}", "--", "-ksp_monitor")
        assert message.startswith("the solver 'lsqr' needs PETSc with petsc4py") and message.endswith("pip install 'hnn-hpc[petsc]'")


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS if name != "fit")])
def test_other_commands_take_none(command, refused):
    expected = "what follows -- are options of PETSc, which the command fit alone takes; got '-ksp_monitor'"
    assert refused(*command, "job.toml", "--", "-ksp_monitor") == expected


def test_the_help_tells_of_them(capsys):
    assert main(["fit", "--help"]) == 0
    assert "-- -ksp_monitor -ksp_max_it 30" in " ".join(capsys.readouterr().out.split())


def test_a_resumed_fit_takes_the_same_options_or_others(fit, monkeypatch, capfd):
    def interrupted(*arguments, **options):
        lsqr_correction(*arguments, **options)
        raise Interruption

    lsqr_correction = sketched_lsqr.lsqr_correction
    words = ["--", "-ksp_max_it", "4"]
    with monkeypatch.context() as patch:
        patch.setattr(sketched_lsqr, "lsqr_correction", interrupted)
        assert main(["fit", "job.toml", *words]) == 75
    assert main(["fit", "job.toml", "--resume", *words]) == 3  # no three times 4 iterations are enough
    assert "--resume goes on from that" in capfd.readouterr().err
    result, _ = fit("--resume", "--", "-ksp_max_it", "30")
    assert result["resumed"] and result["petsc_options"] == ["-ksp_max_it", "30"]
    fresh, _ = fit()
    assert result["iterations"] < fresh["iterations"]
    assert result["relative_residual"] == pytest.approx(fresh["relative_residual"], rel=1e-9)


def test_what_petsc_cannot_do_with_our_matrix_is_told_with_the_option(refused):
    sentence = refused("fit", "job.toml", "--quiet", "--", "-ksp_diagonal_scale")
    assert "PETSc failed with the options -ksp_diagonal_scale: " in sentence
