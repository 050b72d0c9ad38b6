"""slurm/environment.sh and slurm/make_venv.sh, with a `python3` that only notes which environments and packages are asked of it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = [
    "awk",
    "bash",
    "cat",
    "cksum",
    "cp",
    "dirname",
    "env",
    "grep",
    "head",
    "id",
    "mkdir",
    "mktemp",
    "rm",
    "sh",
    "sleep",
    "tail",
    "touch",
]

# Notes `-m venv` and `-m pip`, knows its version, and leaves the rest to a real Python.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
    -V) echo "Python {version}" ;;
    *"-m venv"*)
        echo "venv $*" >> "$NOTES"
        for venv; do :; done
        rm -rf "$venv" && mkdir -p "$venv/bin" && cp "$0" "$venv/bin/python"
        ;;
    *"-m pip"*)
        echo "pip $*" >> "$NOTES"
        ${{PIP_DOES:-true}}
        ;;
    *"import petsc4py"*) case {version} in 3.11.*) exit 1 ;; esac ;;
    *"import mpi4py"*) [ -z "$HNN_HPC_SITE" ] || ${{SITE_HAS_MPI4PY:-true}} ;;
    *"-m pytest"* | *ensurepip*) ;;
    *) exec {real} "$@" ;;
esac
"""


class Clone:
    """A clone of the project, as far as the scripts look at it, on a machine whose PATH holds only TOOLS and fake Pythons."""

    def __init__(self, folder, pythons):
        self.home, self.project, self.tools, self.notes = folder / "home", folder / "project", folder / "tools", folder / "notes"
        for new in (self.home, self.project, self.tools):
            new.mkdir()
        self.notes.touch()
        shutil.copytree(ROOT / "slurm", self.project / "slurm")
        shutil.copy(ROOT / "pyproject.toml", self.project)
        for tool in TOOLS:
            (self.tools / tool).symlink_to(shutil.which(tool))
        for name, version in pythons.items():
            self.add_python(self.tools / name, version)

    def add_python(self, path, version):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(FAKE_PYTHON.format(version=version, real=sys.executable))
        path.chmod(0o755)

    def start(self, command="source slurm/environment.sh", **variables):
        base = {"PATH": str(self.tools), "HOME": str(self.home), "NOTES": str(self.notes)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
        return subprocess.Popen(["bash", "-c", command], cwd=self.project, env=base | variables, **pipes)

    def run(self, command="source slurm/environment.sh", **variables):
        process = self.start(command, **variables)
        out, err = process.communicate()
        return process.returncode, out, err

    def noted(self):
        """The calls noted since the last time: 'venv' and 'pip' with their arguments."""
        calls = self.notes.read_text().splitlines()
        self.notes.write_text("")
        return calls

    def made(self):
        return [call.split()[0] for call in self.noted()]


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path, {"python3": "3.13.1"})


def test_made_once_then_reused_without_a_word(clone):
    status, out, err = clone.run()
    assert (status, out, err.count("\n")) == (0, "", 1) and "making .venv with Python 3.13.1" in err
    assert clone.made() == ["venv", "pip"]
    assert clone.run("source slurm/environment.sh; source slurm/environment.sh") == (0, "", "")
    assert clone.run("bash slurm/environment.sh") == (0, "", "")
    assert clone.made() == []


def test_another_pyproject_adds_packages_to_the_same_environment(clone):
    clone.run()
    clone.noted()
    with (clone.project / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    assert clone.run()[0] == 0
    assert clone.made() == ["pip"]
    assert clone.run() == (0, "", "")


def test_copied_clone_makes_its_own(clone):
    clone.run()
    clone.noted()
    clone.project = clone.project.rename(clone.project.with_name("moved elsewhere"))
    assert clone.run()[0] == 0
    assert clone.made() == ["venv", "pip"]


@pytest.mark.parametrize("version", [None, "3.12.4"])
def test_vanished_or_other_python_makes_it_anew(clone, version):
    clone.run()
    clone.noted()
    python = clone.project / ".venv/bin/python"
    python.unlink()
    if version:
        clone.add_python(python, version)
    assert clone.run()[0] == 0
    assert clone.made() == ["venv", "pip"]


@pytest.mark.parametrize("setting", [{"HNN_HPC_SITE": "1"}, {"HNN_HPC_MODULES": "python"}])
def test_another_site_or_set_of_modules_makes_it_anew(clone, setting):
    clone.run()
    clone.noted()
    assert clone.run("module() { :; }; source slurm/environment.sh", **setting)[0] == 0
    assert clone.made() == ["venv", "pip"]


def test_interrupted_installation_is_made_anew(clone):
    process = clone.start(PIP_DOES="sleep 60")
    while "pip" not in clone.notes.read_text():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    clone.noted()
    assert clone.run()[0] == 0
    assert clone.made() == ["venv", "pip"]


def test_failed_installation_shows_why_and_leaves_the_shell_alive(clone):
    status, out, err = clone.run("source slurm/environment.sh || echo alive $?", PIP_DOES="cat /no/such/index")
    assert (status, out) == (0, "alive 1\n")
    assert "/no/such/index" in err
    assert err.splitlines()[-1] == "hnn_hpc: the installation into .venv failed; the lines above say why"
    clone.noted()
    assert clone.run()[0] == 0
    assert clone.made() == ["venv", "pip"]


def test_shells_that_come_at_once_make_it_once(clone):
    shells = [clone.start(PIP_DOES="sleep 1") for _ in range(4)]
    errors = [shell.communicate()[1] for shell in shells]
    assert [shell.returncode for shell in shells] == [0] * 4, errors
    assert sorted("waiting for it" in error for error in errors) == [False, True, True, True]
    assert clone.made() == ["venv", "pip"]


def test_newest_python_is_taken_and_python_3_11_goes_without_petsc(tmp_path):
    clone = Clone(tmp_path, {"python3": "3.11.7", "python3.13": "3.10.0"})  # a python3.13 that is none, as pyenv's shims may be
    status, _, err = clone.run()
    assert status == 0
    assert "making .venv with Python 3.11.7" in err
    assert "everything is there but PETSc, whose wheel needs Python 3.12 or newer" in err
    assert clone.run() == (0, "", "")

    clone.add_python(clone.home / ".pyenv/versions/3.12.1/bin/python3", "3.12.1")
    shutil.rmtree(clone.project / ".venv")
    status, _, err = clone.run()
    assert status == 0
    assert "making .venv with Python 3.12.1" in err and "PETSc" not in err


@pytest.mark.parametrize(("pythons", "found"), [({"python3": "3.10.13"}, "Python 3.10.13"), ({}, "not found")])
def test_no_suitable_python_is_one_sentence(tmp_path, pythons, found):
    status, out, err = Clone(tmp_path, pythons).run("bash slurm/environment.sh")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "needs Python 3.11 to 3.14" in err and found in err


def test_older_system_without_a_petsc_wheel_gets_the_rest(clone):
    no_wheel = clone.tools / "no_petsc_wheel"
    message = "echo ERROR: No matching distribution found for dolfinx-solver-real"
    no_wheel.write_text(f'#!/bin/sh\n[ "$(grep -c ^pip "$NOTES")" -gt 1 ] || {{ {message}; exit 1; }}\n')
    no_wheel.chmod(0o755)
    assert clone.run(PIP_DOES="no_petsc_wheel")[0] == 0
    assert [call.rsplit("[")[-1] for call in clone.noted()[1:]] == ["all]", "mpi,dask,report,test]"]


def test_site_takes_no_wheel_of_mpi_or_petsc(clone):
    assert clone.run(HNN_HPC_SITE="1")[0] == 0
    venv, pip = clone.noted()
    assert "--system-site-packages" in venv and pip.endswith("project[dask,report,test]")
    assert clone.run(HNN_HPC_SITE="1") == (0, "", "")


def test_site_builds_mpi4py_with_the_compiler_of_its_mpi(clone):
    status, _, err = clone.run(HNN_HPC_SITE="1", SITE_HAS_MPI4PY="false")
    assert status == 1 and "there is no mpicc on PATH" in err
    clone.noted()
    (clone.tools / "mpicc").symlink_to(shutil.which("true"))
    clone.run(HNN_HPC_SITE="1", SITE_HAS_MPI4PY="false")
    assert clone.noted()[1].endswith("--no-cache-dir --no-binary=mpi4py mpi4py>=4")


def test_site_builds_petsc4py_for_its_petsc(tmp_path):
    clone = Clone(tmp_path, {"python3": "3.11.7"})  # of which the stand-in has no petsc4py
    include = tmp_path / "petsc/include"
    include.mkdir(parents=True)
    numbers = {"MAJOR": 3, "MINOR": 22, "SUBMINOR": 1}
    lines = [f"#define PETSC_VERSION_{part}    {number}" for part, number in numbers.items()]
    (include / "petscversion.h").write_text("\n".join([*lines, "#define PETSC_VERSION_EQ(MAJOR,MINOR,SUBMINOR) 1", ""]))
    assert clone.run(HNN_HPC_SITE="1", PETSC_DIR=str(tmp_path / "petsc"))[0] == 0
    assert clone.noted()[1].endswith("--no-cache-dir --no-binary=petsc4py petsc4py==3.22.1")


def test_site_is_1_or_0(clone):
    status, _, err = clone.run(HNN_HPC_SITE="daint")
    assert status == 1 and "HNN_HPC_SITE is 'daint'; expected 1" in err
    assert clone.run(HNN_HPC_SITE="0")[0] == 0
    assert clone.noted()[1].endswith("project[all]")


def test_modules_are_loaded_into_the_calling_shell(clone):
    command = 'module() { echo "$1:$2:$3"; unset_as_in_many_sites=$undefined_variable; }; set -u; source slurm/environment.sh; echo $-'
    status, out, _ = clone.run(command, HNN_HPC_MODULES="python openmpi")
    assert (status, out.splitlines()[0]) == (0, "load:python:openmpi") and "u" in out.splitlines()[1]
    status, _, err = clone.run(HNN_HPC_MODULES="python")
    assert status == 1 and "knows no command 'module'" in err
    status, _, err = clone.run("module() { return 1; }; source slurm/environment.sh", HNN_HPC_MODULES="nonsense")
    assert status == 1 and "'module load nonsense' failed" in err


@pytest.mark.parametrize("options", ["", "set -euo pipefail;"])
def test_options_and_functions_of_the_shell_stay_as_they_were(clone, options):
    clone.run()
    show = "echo $- $(declare -F); set -o"
    status, out, err = clone.run(f'{options} before=$({show}); source slurm/environment.sh; [ "$before" = "$({show})" ] && echo same')
    assert (status, out, err) == (0, "same\n", "")


def test_path_and_threads(clone):
    clone.run()
    show = "echo $PATH; echo $OPENBLAS_NUM_THREADS $OMP_NUM_THREADS $MKL_NUM_THREADS"
    _, out, _ = clone.run(f"source slurm/environment.sh; source slurm/environment.sh; {show}", OMP_NUM_THREADS="3")
    assert out.splitlines() == [f"{clone.project}/.venv/bin:{clone.tools}", "1 3 1"]


def test_clone_that_cannot_be_written_is_one_sentence(clone):
    (clone.project / ".venv.lock").mkdir()  # as root every folder can be written
    status, _, err = clone.run()
    assert status == 1 and "cannot write in" in err and err.count("\n") == 1


def test_the_real_environment_is_reused_without_a_word():
    command = "source slurm/environment.sh > /dev/null 2>&1; source slurm/environment.sh; command -v hnn-hpc"
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{ROOT}/.venv/bin/hnn-hpc\n", "")
