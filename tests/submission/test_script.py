"""The batch script: text that depends on what it is given alone, and that bash, shellcheck and what reads #SBATCH lines understand."""

import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.submission import BatchJob, Request, asks_for_memory, check_options, log_file, render_script
from hnn_hpc.submission.needs import Needs

JOB = BatchJob(
    command=("hnn-hpc", "submit", "jobs/henon_heiles.toml", "--nodes", "2", "--tasks-per-node", "8"),
    fit=("hnn-hpc", "fit", "jobs/henon_heiles.toml"),
    name="henon_heiles",
    directory="/home/me/project",
    output="/home/me/project/results/henon_heiles",
)
REQUEST = Request(2, 8, 1, memory=3000 * 2**20, seconds=600)
NEEDS = Needs(rank=345e6, other=250e6, flops=1.88e11, seconds=0.5, warning=90)
ODD = 'it\'s 100% "mine" $HOME `ls` #1 & ;é'  # what a shell would take for something else
SETTINGS = ("--set", 'features.supports=[["q1",\n"q2"], ["p1"]]', "--set", "data.file=my samples.h5", "--output", f"{ODD}/out")
ODD_JOB = BatchJob(
    command=(*JOB.command, *SETTINGS),
    fit=(*JOB.fit, *SETTINGS),
    name=ODD,
    directory=f"/home/{ODD}",
    output=f"/home/{ODD}/out",
    partition="a,b",
    account="me & co",
    options=(f"--comment={ODD}",),
)
WHOLE = """\
#!/usr/bin/env bash
# hnn-hpc submit jobs/henon_heiles.toml --nodes 2 --tasks-per-node 8
# problem    20 000 samples of 4 coordinates, 2 000 features; khatri-rao-qr in 4 blocks on 16 ranks, 1 thread each
# predicted  345 MB on the largest rank, 2.1 GB a node; 1.9e+11 flops; solve 0.5 s on cores of 55 GF/s
#SBATCH --job-name=henon_heiles
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --cpus-per-task=1
#SBATCH --mem=3000M
#SBATCH --time=00:10:00
#SBATCH --chdir=/home/me/project
#SBATCH --output=/home/me/project/results/henon_heiles/slurm-%j.out
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@90
source /clone/slurm/survive.sh || exit
source /clone/slurm/environment.sh || exit
survive srun hnn-hpc fit jobs/henon_heiles.toml
"""


@pytest.fixture
def render(make_forecast):
    """render(job, request, root, variables, notes) -> the script of the problem of conftest.py."""

    def render(job=JOB, request=REQUEST, root="/clone", variables=None, notes=()):
        forecast, chosen = make_forecast()
        return render_script(job, request, forecast.of(chosen), NEEDS, root, variables, notes)

    return render


def directives(script):
    """The options in the lines for sbatch, as it reads them: words in quotes like those of a shell."""
    options = [shlex.split(line.removeprefix("#SBATCH ")) for line in script.splitlines() if line.startswith("#SBATCH")]
    assert all(len(words) == 1 for words in options)
    return dict(words[0].removeprefix("--").partition("=")[::2] for words in options)


def test_the_whole_script(render):
    assert render() == WHOLE


def test_options_that_are_not_given_are_not_there_and_those_given_are(render):
    options = directives(render(replace(JOB, partition="long", account="physics", options=("--qos=high", "--exclusive"))))
    assert {name: options[name] for name in set(options) - set(directives(WHOLE))} == {
        "partition": "long",
        "account": "physics",
        "qos": "high",
        "exclusive": "",
    }
    assert {name: options[name] for name in directives(WHOLE)} == directives(WHOLE)


def test_memory_is_left_out_where_nobody_counts_it_and_another_name_takes_the_place_of_ours(render):
    unknown = replace(REQUEST, memory=None)
    assert "mem" not in directives(render(request=unknown))
    options = directives(render(replace(JOB, options=("--mem-per-cpu=4G", "--job-name=mine")), unknown))
    assert (options["mem-per-cpu"], options["job-name"], options.get("mem")) == ("4G", "mine", None)
    assert asks_for_memory(["--qos=a", "--mem=0"]) and not asks_for_memory(["--mem-bind=local", "--comment=--mem=1"])


def test_memory_is_rounded_up_to_whole_mebibytes(render):
    assert directives(render(request=replace(REQUEST, memory=2**20 + 1)))["mem"] == "2M"


def test_odd_names_reach_sbatch_as_they_are_and_a_per_cent_twice(render):
    options = directives(render(ODD_JOB))
    assert (options["job-name"], options["chdir"], options["comment"]) == (ODD, f"/home/{ODD}", ODD)
    assert options["output"] == f"/home/{ODD}/out/slurm-%j.out".replace("100%", "100%%")
    assert (options["partition"], options["account"]) == ("a,b", "me & co")


@pytest.mark.parametrize("job", [JOB, ODD_JOB], ids=["plain", "odd"])
def test_bash_runs_the_very_words_in_the_environment_that_is_set(render, tmp_path, job):
    root = tmp_path / ODD
    (root / "slurm").mkdir(parents=True)
    (root / "slurm/survive.sh").write_text('survive() { printf "%s\\0" "$LOADED" "$HNN_HPC_MODULES" "$@"; }\n')
    (root / "slurm/environment.sh").write_text('LOADED="modules: $HNN_HPC_MODULES"\n')
    script = render(job, root=str(root), variables={"HNN_HPC_SITE": "1", "HNN_HPC_MODULES": "python 'openmpi'"})
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout.split("\0")[:-1] == ["modules: python 'openmpi'", "python 'openmpi'", "srun", *job.fit]
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["survive", "environment"])
def test_without_an_environment_nothing_is_run(render, tmp_path, name):
    (tmp_path / "slurm").mkdir()
    for script in ("survive", "environment"):
        code = 4 if script == name else 0
        (tmp_path / f"slurm/{script}.sh").write_text(f"survive() {{ echo run; }}\nreturn {code}\n")
    done = subprocess.run(["bash"], input=render(root=str(tmp_path)), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (4, "")


@pytest.mark.parametrize("variables", [None, {"HNN_HPC_SITE": "1", "HNN_HPC_MODULES": "python openmpi"}])
@pytest.mark.parametrize("job", [JOB, ODD_JOB], ids=["plain", "odd"])
def test_the_script_is_clean(render, tmp_path, job, variables):
    script = tmp_path / "job.sbatch"
    script.write_text(render(job, variables=variables, notes=["one", "two\nlines"]))
    shellcheck = [
        Path(sys.executable).with_name("shellcheck"),
        "--shell=bash",
        "--exclude=SC1091,SC2016",
        script,
    ]  # 2016: what is quoted is meant so
    for words in (["bash", "-n", script], shellcheck):
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_all_before_the_first_command_is_comment_whatever_line_breaks_there_are(render):
    script = render(ODD_JOB, notes=["one\n#SBATCH --nodes=99\rtwo"])
    head = script.split("source ")[0].split("\n")[:-1]
    assert all(line.startswith(("#!", "# ", "#SBATCH --")) for line in head)
    assert directives(script)["nodes"] == "2" and re.search("^#  +one$", script, re.MULTILINE)


@pytest.mark.parametrize("where", ["directory", "output"])
@pytest.mark.parametrize("path", ["/home/back\\slash", "/home/two\nlines"])
def test_a_path_that_slurm_cannot_read_is_refused(render, where, path):
    with pytest.raises(UserError, match="may have no backslash and no line break in its path"):
        render(replace(JOB, **{where: path}))


def test_a_solver_that_may_be_another_and_sparse_features_are_told(make_forecast):
    forecast, chosen = make_forecast(samples=1_000_000, dimension=20, features=1000, solver="auto")
    script = render_script(JOB, REQUEST, forecast.of(chosen), NEEDS, "/clone", notes=["supports auto: at most that"])
    assert "# problem    1 000 000 samples of 20 coordinates, 1 000 features; khatri-rao-qr (or gram, if well conditioned) in " in script
    assert "\n#            supports auto: at most that\n#SBATCH" in script


def test_the_log_of_a_job_has_its_number():
    assert (log_file("/a"), log_file("/a", "17")) == ("/a/slurm-%j.out", "/a/slurm-17.out")


def test_options_of_sbatch_are_let_through():
    check_options(["--qos=long", "--exclusive", "--mem=0", "--time-min=5", "--constraint=[a|b]*2", "--nodelist=n[1-2]", "--job-name=x y"])


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("-q", "expected an option of sbatch as --name or --name=value, such as --sbatch=--qos=long"),
        ("qos=long", "expected an option of sbatch"),
        ("--qos long", "expected an option of sbatch"),
        ("--qos=", "expected an option of sbatch"),
        ("--comment=two\nlines", "expected an option of sbatch"),
        ("--nodes=3", "pass --nodes in its place"),
        ("--ntasks=3", "pass --nodes and --tasks-per-node in its place"),
        ("--part=long", "pass --partition in its place"),  # sbatch takes the beginning of a name too
        ("--output=/tmp/log", "pass --output in its place"),
        ("--signal=INT", "leave it out, for the job could not go on by itself with it"),
        ("--array=1-3", "leave it out"),
        ("--no-requeue", "leave it out"),
    ],
)
def test_options_that_the_script_has_or_cannot_have_are_refused(option, words):
    with pytest.raises(UserError) as refusal:
        check_options(["--qos=long", option])
    assert str(refusal.value).startswith(f"--sbatch={option}: ") and words in str(refusal.value)
