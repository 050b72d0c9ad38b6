"""`hnn-hpc reproduce` from end to end on tiny cases, on this machine alone: files, table, going on, mistakes. tests/slurm has the rest."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hnn_hpc.cli import main

ROOT = Path(__file__).parents[2]
LONGEST = 60  # seconds; a hang is a failure
JOB = '[data]\nsystem = "pendulum"\nsamples = 60\ntest_samples = 50\n[features]\ncount = 12\n'
PUBLISHED = """
source = "a paper"
figures = "means"
[cases.one]
title = "the pendulum"
job = "pendulum.toml"
widths = [8, 400]
[cases.one.published.20]
hnn-adam = { energy_error = 2e-3, seconds = 90.8 }
elm = { energy_error = 1.5e-11, seconds = 2 }
[cases.two]
title = "frequency 2"
job = "pendulum.toml"
set = ["data.frequency = 2.0"]
"""


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A working directory with jobs/paper, on a machine without SLURM."""
    folder = tmp_path / "jobs/paper"
    folder.mkdir(parents=True)
    (folder / "published.toml").write_text(PUBLISHED)
    (folder / "pendulum.toml").write_text(JOB)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hnn_hpc.cli.reproduce.shutil.which", lambda name: None)
    return tmp_path


def reproduce(capsys, *arguments, code=0):
    """Run the command; return its result, the text before it, and stderr."""
    assert main(["reproduce", "--seeds", "2", "--json", *arguments]) == code
    out, err = capsys.readouterr()
    *text, last = out.splitlines()
    return json.loads(last), "\n".join(text), err


def results(project):
    return sorted(str(path.relative_to(project / "results/paper").parent) for path in project.glob("results/paper/*/*/*/result.json"))


def test_a_reproduction_is_a_table_three_files_and_a_folder_a_member(project, capsys):
    result, text, err = reproduce(capsys, "--samplers", "elm,anchored")
    output = project / "results/paper"
    assert results(project) == [
        f"{case}/{sampler}/seed-{seed}"
        for case, samplers in (("one", ("anchored-20", "elm-20")), ("two", ("anchored-12", "elm-12")))
        for sampler in samplers
        for seed in (0, 1)
    ]
    assert "8 members, 0 of them there already" in err and (result["members"], result["computed"], result["failed"]) == (8, 8, [])
    table = (output / "table.md").read_text()
    assert text.startswith(table.rstrip("\n"))
    errors = [json.loads((output / f"one/elm-20/seed-{seed}/result.json").read_text())["test"]["energy_error"] for seed in (0, 1)]
    adam, elm = result["rows"][:2]
    assert adam["method"] == "hnn-adam" and elm["published"]["energy_error"] == 1.5e-11
    assert elm["energy_error"] == pytest.approx({"mean": sum(errors) / 2, "min": min(errors), "max": max(errors)}, rel=1e-15)
    assert f"| ELM | 1.50e-11 | {elm['energy_error']['mean']:.2e} |" in table
    kept = json.loads((output / "reproduce.json").read_text())
    assert kept == {name: value for name, value in result.items() if name not in ("computed", "array_job")}
    assert result["array_job"] is None and "ELM, published" in (output / "errors.svg").read_text()


def test_every_sampler_of_the_table_can_be_run(project, capsys):
    rows = reproduce(capsys, "--cases", "two", "--seeds", "1")[0]["rows"]
    assert [row["method"] for row in rows] == ["elm", "uniform-swim", "approximate-swim", "swim", "gradient-swim", "anchored"]
    assert all(row["runs"] == 1 and 0 < row["energy_error"]["mean"] < 10 for row in rows)


def test_it_goes_on_where_it_ended_and_notices_damage(project, capsys):
    arguments = ["--cases", "one", "--samplers", "elm", "--seeds", "3"]
    first = reproduce(capsys, *arguments)[0]
    folders = [project / f"results/paper/one/elm-20/seed-{seed}" for seed in range(3)]
    written = [(folder / "result.json").stat().st_mtime_ns for folder in folders]
    shutil.rmtree(folders[0])
    (folders[1] / "result.json").write_text((folders[1] / "result.json").read_text()[:-200])
    second, _, err = reproduce(capsys, *arguments)
    assert "3 members, 1 of them there already, 1 damaged" in err and second["computed"] == 2
    assert second["rows"][1]["energy_error"] == first["rows"][1]["energy_error"]
    assert (folders[2] / "result.json").stat().st_mtime_ns == written[2]
    assert reproduce(capsys, *arguments)[0]["computed"] == 0
    assert reproduce(capsys, *arguments, "--force")[0]["computed"] == 3
    assert (folders[2] / "result.json").stat().st_mtime_ns > written[2]


def test_a_member_that_fails_is_named_and_the_others_are_there(project, capsys):
    result, text, _ = reproduce(capsys, "--cases", "one", "--samplers", "elm", "--widths", "all", code=1)
    assert [(failure["features"], failure["seed"]) for failure in result["failed"]] == [(400, 0), (400, 1)]
    assert "features = 400 is more than the 120 rows" in result["failed"][0]["problem"]
    assert re.search(r"^- one, elm, M=400, seed 1: features = 400 is more", text, re.MULTILINE)
    assert re.search(r"^\| the pendulum \| 60 \| 400 \| ELM \|.*\| 0 of 2 \|$", text, re.MULTILINE)
    assert [row["runs"] for row in result["rows"] if row["method"] == "elm"] == [2, 2, 0]
    (project / "jobs/paper/pendulum.toml").write_text(JOB.replace("samples = 60", "samples = 400"))
    _, _, err = reproduce(capsys, "--cases", "one", "--samplers", "elm", "--widths", "all", "--output", "other")
    assert "6 members" in err


def test_shares_together_are_the_whole(project, capsys):
    shared = [reproduce(capsys, "--samplers", "elm", "--share", f"{index}/3")[0] for index in (1, 2, 3)]
    assert [one["members"] for one in shared] == [2, 1, 1] and all(one["rows"] == [] for one in shared)
    assert not (project / "results/paper/table.md").exists()
    assert reproduce(capsys, "--samplers", "elm")[0]["computed"] == 0


def test_files_that_are_not_ours_and_results_of_other_jobs_stay(project, capsys):
    (project / "results/paper").mkdir(parents=True)
    (project / "results/paper/table.md").write_text("mine")
    assert main(["reproduce", "--seeds", "1", "--samplers", "elm"]) == 2
    assert "table.md exists; pass --force" in capsys.readouterr().err and not results(project)
    reproduce(capsys, "--seeds", "1", "--samplers", "elm", "--force")
    (project / "jobs/paper/pendulum.toml").write_text(JOB.replace("60", "61"))
    assert main(["reproduce", "--seeds", "1", "--samplers", "elm"]) == 2
    assert "is the result of another job: data.samples is 60 there and 61 here" in capsys.readouterr().err
    assert len(results(project)) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cases", "one,three"], "unknown case 'three'; the cases are: one, two"),
        (["--cases", ","], "--cases: expected names with commas between, of one, two"),
        (
            ["--samplers", "adam"],
            "unknown sampler 'adam'; the samplers are: elm, uniform-swim, approximate-swim, swim, gradient-swim, anchored",
        ),
        (["--seeds", "0"], "--seeds = 0: expected a whole number of at least 1"),
        (["--share", "3/2"], "--share 3/2: expected I/N"),
        (["--share", "one"], "--share one: expected I/N"),
        (["nowhere"], "nowhere/published.toml does not exist; give the folder that holds it, such as jobs/paper"),
        (["--output", "/proc/none"], "the output directory /proc/none cannot be made"),
        (["--widths", "some"], "invalid choice: 'some'"),
    ],
)
def test_what_cannot_be_used_is_exit_code_2(capsys, arguments, message):
    assert main(["reproduce", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_slurm_that_refuses_is_told_and_here_does_without(project, capsys, monkeypatch):
    (project / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: no such partition' >&2\nexit 1\n")
    (project / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{project}:{os.environ['PATH']}")
    monkeypatch.setattr("hnn_hpc.cli.reproduce.shutil.which", lambda name: str(project / name))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    arguments = ["--samplers", "elm", "--cases", "two"]
    assert main(["reproduce", "--seeds", "1", *arguments]) == 2
    assert "SLURM did not accept the array: sbatch: error: no such partition" in capsys.readouterr().err
    assert reproduce(capsys, *arguments, "--here")[0]["computed"] == 2
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert reproduce(capsys, *arguments, "--seeds", "3")[0]["computed"] == 1


def test_ranks_compute_every_member_together(project):
    command = [
        "mpirun",
        "-n",
        "2",
        sys.executable,
        "-m",
        "hnn_hpc",
        "reproduce",
        "--seeds",
        "1",
        "--samplers",
        "elm",
        "--json",
        "--widths",
        "all",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, env=environment)
    result = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 1 and [failure["features"] for failure in result["failed"]] == [400], done.stderr
    assert done.stdout.count("| ELM |") == 4 and done.stderr.count("members") == 1
    ranks = {json.loads((project / "results/paper" / member / "result.json").read_text())["ranks"] for member in results(project)}
    assert ranks == {2}


def test_an_interruption_keeps_what_is_done(project):
    (project / "jobs/paper/pendulum.toml").write_text(JOB.replace("samples = 60", "samples = 300000", 1))
    command = [sys.executable, "-m", "hnn_hpc", "reproduce", "--seeds", "200", "--samplers", "elm", "--cases", "two", "--here"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    while not results(project):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=LONGEST)[1]
    assert process.returncode == 75 and "the same command, without --force, goes on" in err and "Traceback" not in err
    assert not list((project / "results").rglob("*.partial"))
