"""`hnn-hpc submit` on a machine without SLURM: the script that --print shows, and what is refused before SLURM is asked.

tests/submission has the parts, tests/slurm the rest.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hnn_hpc.cli import main
from hnn_hpc.submission.needs import MPI

ROOT = Path(__file__).parents[2]
JOB = '[data]\nsystem = "pendulum"\nsamples = 60\ntest_samples = 50\n[features]\ncount = 12\nsupports = "dense"\nbandwidth = 0.5\n'
LONGEST = 60  # seconds; a hang is a failure
SIZE = ["--nodes", "2", "--tasks-per-node", "8"]
BIG = ["--set", "data.samples=10_000_000", "--set", "features.count=2000", "--set", "solver.name=khatri-rao-qr"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working directory with a job, on a machine without SLURM."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    for command in ("submit", "plan"):  # not what the tests before have left
        monkeypatch.setattr(f"hnn_hpc.cli.{command}.peak_memory_bytes", lambda: 80_000_000)
    for name in [name for name in os.environ if name.startswith(("SBATCH_", "HNN_HPC_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


def submit(capsys, *arguments, code=0):
    """Run the command; return (stdout, stderr)."""
    assert main(["submit", "job.toml", *SIZE, *arguments]) == code
    return capsys.readouterr()


def result(capsys, *arguments):
    """Run the command and return its result."""
    return json.loads(submit(capsys, "--print", "--quiet", "--json", *arguments).out.splitlines()[-1])


def lines_of(script, beginning):
    return [line.removeprefix(beginning) for line in script.splitlines() if line.startswith(beginning)]


def test_print_shows_the_script_alone_and_makes_nothing(capsys, folder):
    out, err = submit(capsys, "--print")
    assert err == "" and out == result(capsys)["script"]
    assert out.splitlines()[1] == "# hnn-hpc submit job.toml --nodes 2 --tasks-per-node 8 --cpus-per-task 1"
    assert out.splitlines()[-3:] == [
        f"source {ROOT}/slurm/survive.sh || exit",
        f"source {ROOT}/slurm/environment.sh || exit",
        "survive srun hnn-hpc fit job.toml",
    ]
    assert lines_of(out, "#SBATCH --chdir=") == [str(folder)]
    assert lines_of(out, "#SBATCH --output=") == [f"{folder}/results/job/slurm-%j.out"]
    assert [path.name for path in folder.iterdir()] == ["job.toml"]
    syntax = subprocess.run(["/bin/bash", "-n"], input=out, capture_output=True, text=True)
    assert (syntax.returncode, syntax.stderr) == (0, "")


def test_the_result_has_what_is_predicted_and_what_is_asked_for(capsys, folder):
    found = result(capsys, *BIG, "--cpus-per-task", "4", "--output", "out")
    assert (found["job"], found["output"], found["log"]) == (None, f"{folder}/out", f"{folder}/out/slurm-%j.out")
    assert main(["plan", "job.toml", *BIG, "--ranks", "16", "--threads", "4", "--json", "--quiet"]) == 0
    planned = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["solver"] == planned["chosen"]
    predicted, cost = found["predicted"], planned["solvers"][found["solver"]]
    assert predicted["flops"] == cost["flops"] and predicted["is_upper_bound"] is False
    assert predicted["memory_bytes_per_rank"] == cost["memory_bytes"] + MPI
    assert predicted["memory_bytes_per_rank"] < predicted["memory_bytes_per_node"] <= 8 * predicted["memory_bytes_per_rank"]
    assert 1.25 * predicted["memory_bytes_per_node"] < found["asked"]["memory"] < 1.5 * predicted["memory_bytes_per_node"] + 2**28
    assert 2 * predicted["seconds"] + 300 <= found["asked"]["seconds"] <= 2 * predicted["seconds"] + 600
    assert lines_of(found["script"], "#SBATCH --mem=") == [f"{found['asked']['memory'] // 2**20}M"]


def test_what_is_given_is_passed_on(capsys, folder, monkeypatch):
    monkeypatch.setenv("HNN_HPC_MODULES", "python openmpi")
    (folder / "results/job").mkdir(parents=True)
    (folder / "results/job/model.h5").touch()
    setting = 'features.supports=[["q1", "p1"]]'
    given = ["--account", "physics", "--partition=long", "--sbatch=--qos=high", "--set", setting, "--force", "--resume", "--time", "30"]
    out, err = submit(capsys, "--print", *given)
    script = out.splitlines()
    assert {"#SBATCH --account=physics", "#SBATCH --partition=long", "#SBATCH --qos=high", "#SBATCH --time=00:30:00"} < set(script)
    assert "export HNN_HPC_MODULES='python openmpi'" in script
    assert script[-1] == f"survive srun hnn-hpc fit job.toml --set '{setting}' --force --resume"
    assert "there is no checkpoint in results/job/checkpoint" in err  # as a fit with --resume says
    assert any(line.startswith("#            supports given: predicted is a dense solve, the most") for line in script)


def test_the_environment_of_sbatch_holds_unless_an_option_is_given(capsys, monkeypatch):
    monkeypatch.setenv("SBATCH_PARTITION", "night")
    monkeypatch.setenv("SBATCH_ACCOUNT", "mine")
    out = submit(capsys, "--print", "--account", "physics").out
    assert lines_of(out, "#SBATCH --partition=") == ["night"] and lines_of(out, "#SBATCH --account=") == ["physics"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "below the prediction: the job is queued again there, and goes on"),
        (["--set", "output.checkpoint_seconds=0"], "the job ends there with nothing saved: checkpoint_seconds is 0"),
    ],
)
def test_a_time_limit_below_the_prediction_is_said_in_the_header_and_on_stderr(capsys, more, words):
    out, err = submit(capsys, "--print", *BIG, "--set", "features.count=20_000", "--time", "01:30:00", *more)
    assert err.startswith("hnn-hpc: the time limit, 01:30:00, is below the prediction") and words in err and err.count("\n") == 1
    assert f"#            {err.removeprefix('hnn-hpc: ')}" in out
    assert "the time limit" not in "".join(submit(capsys, "--print", *more))


def test_sparse_features_are_told_to_be_predicted_as_dense_ones(capsys):
    out, err = submit(capsys, "--print", "--set", "features.supports=auto")
    assert "#            supports auto: predicted is a dense solve, the most that one takes; the search for supports comes on top" in out
    assert err == "" and result(capsys, "--set", "features.supports=auto")["predicted"]["is_upper_bound"] is True


def test_memory_of_ones_own_takes_the_place_of_the_prediction(capsys):
    found = result(capsys, "--sbatch=--mem=0")
    assert lines_of(found["script"], "#SBATCH --mem=") == ["0"] and found["asked"]["memory"] is None


def test_without_slurm_nothing_can_be_sent(capsys, folder):
    err = submit(capsys, code=2).err
    assert err == "hnn-hpc: error: there is no sbatch on PATH, so nothing can be sent from here; --print shows the script\n"
    assert [path.name for path in folder.iterdir()] == ["job.toml"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nodes", "0"], "--nodes = 0: expected a whole number of at least 1"),
        (["--tasks-per-node", "-1"], "--tasks-per-node = -1: expected a whole number"),
        (["--cpus-per-task", "two"], "argument --cpus-per-task: invalid int value: 'two'"),
        (["--nodes", "1000000"], "1000000 nodes of 8 tasks are 8000000 ranks; expected 1048576 at most"),
        (["--time", "soon"], "--time: 'soon' is no time limit: expected HH:MM:SS, D-HH:MM:SS, or a number of minutes"),
        (["--time", "0"], "--time 0: expected HH:MM:SS, D-HH:MM:SS, or a number of minutes, above 0"),
        (["--time", "infinite"], "--time infinite: expected HH:MM:SS"),
        (
            ["--time", "1"],
            "a time limit of 60 s is too short: this job is told to save 60 s ahead, and maybe 60 s earlier; pass --time 00:04:00",
        ),
        (["--sbatch=--array=1-2"], "--sbatch=--array=1-2: leave it out"),
        (["--set", "features.count=nine"], "job.toml: features.count: features = 'nine': expected a whole number"),
        (["--set", "features.count=200"], "features = 200 is more than the 120 rows"),
        (["--set", "features.sampler=none"], "unknown sampler 'none'"),
        (["--output", "job.toml"], "job.toml"),
        (["--set", "solver.memory_per_rank=100kB"], "solver.memory_per_rank is 100 kB; what would fit: "),
    ],
)
def test_what_cannot_be_used_is_exit_code_2(capsys, folder, arguments, words):
    out, err = submit(capsys, "--print", *arguments, code=2)
    assert out == "" and words in err and err.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == ["job.toml"]


def test_what_a_fit_would_refuse_to_replace_is_refused_in_its_words(capsys, folder):
    for file, words in (("model.h5", "pass --force to replace it"), ("checkpoint/tsqr.triangle.h5", "pass --resume to go on from it")):
        path = folder / "results/job" / file
        path.parent.mkdir(parents=True)
        path.touch()
        refusal = submit(capsys, "--print", code=2).err
        assert words in refusal
        assert main(["fit", "job.toml"]) == 2 and capsys.readouterr().err == refusal
        submit(capsys, "--print", "--force")
        path.unlink()
        path.parent.rmdir()
        if path.parent.name != "job":
            path.parent.parent.rmdir()


def test_the_job_goes_on_from_a_checkpoint_only_when_told(capsys, folder):
    (folder / "results/job/checkpoint").mkdir(parents=True)
    (folder / "results/job/checkpoint/tsqr.triangle.h5").touch()
    out, err = submit(capsys, "--print", "--resume")
    assert out.endswith("survive srun hnn-hpc fit job.toml --resume\n") and err == ""


def test_a_sampler_that_needs_energies_is_refused_where_there_are_none(capsys, folder):
    import h5py

    assert main(["generate", "pendulum", "--samples", "60", "--output", "samples.h5"]) == 0
    with h5py.File("samples.h5", "a") as file:
        del file["energies"]
    (folder / "job.toml").write_text('[data]\nfile = "samples.h5"\n[features]\ncount = 12\nsampler = "swim"\n')
    capsys.readouterr()
    assert "the sampler 'swim' needs energies, and there are none in" in submit(capsys, "--print", code=2).err


def test_without_the_scripts_of_a_clone_it_says_so(capsys, folder, monkeypatch):
    monkeypatch.setattr("hnn_hpc.cli.submit.ROOT", folder)
    assert f"the job needs {folder}/slurm/survive.sh, which is not there; run this from a clone" in submit(capsys, "--print", code=2).err


def test_many_ranks_send_nothing():
    mpirun = Path(sys.executable).with_name("mpirun")
    words = [mpirun, "-n", "2", sys.executable, "-m", "hnn_hpc", "submit", "job.toml", *SIZE, "--print"]
    environment = os.environ | {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, capture_output=True, text=True, timeout=LONGEST, env=environment)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("submit sends one job, but it was started as 2 ranks; run it without mpirun or srun") == 1
