"""The array job: its command line, and what is made of what sbatch says. sbatch and scancel are stand-ins; tests/slurm has real ones."""

import os
import shlex
import signal
import threading
from pathlib import Path

import pytest

from hnn_hpc.cli.interruption import interruptions_raised
from hnn_hpc.errors import Interruption, UserError
from hnn_hpc.reproduction import array_command, run_array, share_arguments


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Write a script in the place of sbatch; what scancel is asked for is noted in the file `cancelled`."""

    def write(script):
        for name, text in (("sbatch", script), ("scancel", f'echo "$@" >> {tmp_path}/cancelled')):
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setattr("hnn_hpc.reproduction.array.LOOK_EVERY", 0.05)

    return write


def test_the_command_line_is_rendered_from_what_it_is_given(monkeypatch):
    monkeypatch.chdir("/")
    words = share_arguments(Path("my jobs"), ["a", "b"], ["elm"], 3, "all", Path("out"))
    command = array_command(Path("/p/slurm/reproduce.sbatch"), Path("/p"), Path("/50% of it"), 7, words)
    assert shlex.join(command) == (
        "sbatch --parsable --wait --array=1-7 --chdir=/p '--output=/50%% of it/%A_%a.out' /p/slurm/reproduce.sbatch "
        "'/my jobs' --cases a,b --samplers elm --seeds 3 --widths all --output /out"
    )


@pytest.mark.parametrize("number", ["12", "12;cluster"])
def test_the_end_of_the_tasks_is_awaited_whatever_their_exit_codes(stand_in, number):
    stand_in(f"echo '{number}'; sleep 0.3; echo 'lost sight of it' >&2; exit 1")
    looks, said = [], []
    assert run_array(["sbatch"], lambda: looks.append(1), said.append) == "12"
    assert looks and said == ["submitted array job 12; an interruption of this command cancels it", "lost sight of it"]


def test_what_slurm_refuses_is_told_in_its_words(stand_in):
    stand_in("echo 'sbatch: error: invalid partition specified' >&2; exit 1")
    with pytest.raises(UserError, match="did not accept the array: sbatch: error: invalid partition.*slurm/reproduce.sbatch.*--here"):
        run_array(["sbatch"])


def test_an_interruption_cancels_the_array(stand_in, tmp_path):
    stand_in("echo 12; exec sleep 60")
    interrupt = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
    with interruptions_raised():
        interrupt.start()
        with pytest.raises(Interruption, match="the array job 12 is cancelled, .* goes on with the rest") as caught:
            run_array(["sbatch"])
    assert caught.value.resumable and (tmp_path / "cancelled").read_text() == "12\n"
