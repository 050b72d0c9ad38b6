"""Which launchers are recognized, and what waiting people see."""

import io
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from processes import is_running, wait_until

from hnn_hpc.cli import launch
from hnn_hpc.cli.launch import dying_with_launcher, launched_communicator, launched_rank_and_size
from hnn_hpc.cli.progress import ProgressBar, ProgressLog
from hnn_hpc.errors import UserError


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (0, 1)),
        ({"PMI_RANK": "1", "PMI_SIZE": "3"}, (1, 3)),
        ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4"}, (2, 4)),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, (1, 2)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, (0, 1)),  # a batch script, which no srun started
        ({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2", "PMI_RANK": "3", "PMI_SIZE": "8"}, (3, 8)),  # mpirun inside a step
        ({"PMI_SIZE": "what", "PMI_RANK": ""}, (0, 1)),
    ],
)
def test_launchers_are_known_by_their_variables(environment, expected):
    assert launched_rank_and_size(environment) == expected


def test_processes_that_mpi_does_not_unite_are_refused():
    with pytest.raises(UserError, match="the launcher started 5 processes, but MPI unites 1"):
        launched_communicator(5)


# A launcher that starts a process of its own, tells its number, and waits; and what that does: write on and on.
LAUNCHER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]])
print(child.pid, flush=True)
child.wait()
"""
CHILD = """
import sys, time
from pathlib import Path
from hnn_hpc.cli import launch
launch.GLANCE = 0.05
with launch.dying_with_launcher(int(sys.argv[1])):
    for beat in range(600):
        Path("beat").write_text(str(beat))
        time.sleep(0.05)
"""


@pytest.mark.parametrize(("size", "dies"), [(2, True), (1, False)])
def test_one_of_several_ranks_dies_with_its_launcher(tmp_path, size, dies):
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER, CHILD, str(size)], cwd=tmp_path, stdout=-1, text=True)
    child = int(launcher.stdout.readline())
    try:
        wait_until((tmp_path / "beat").exists)
        launcher.kill()
        launcher.wait()
        if dies:
            wait_until(lambda: not is_running(child))
        else:
            time.sleep(0.5)
            before = (tmp_path / "beat").read_text()
            wait_until(lambda: (tmp_path / "beat").read_text() not in ("", before))
    finally:
        launcher.stdout.close()
        if is_running(child):
            os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize(("size", "watches"), [(1, 0), (2, 1)])
def test_the_launcher_is_watched_within_the_block_only(monkeypatch, size, watches):
    monkeypatch.setattr(launch, "GLANCE", 0.01)
    with dying_with_launcher(size):
        time.sleep(0.05)
        assert threads_of("watch of the launcher") == watches
    wait_until(lambda: not threads_of("watch of the launcher"))


HANGING = """
import time
from hnn_hpc.cli import launch
launch.LONGEST_START = 1
launch.world_communicator = lambda: time.sleep({seconds})
try:
    launch.launched_communicator(2)
except AttributeError:  # None unites nobody
    time.sleep(1.5)
"""


@pytest.mark.parametrize(("seconds", "code"), [(60, -signal.SIGALRM), (0.1, 0)])
def test_a_rank_whose_mpi_does_not_start_ends(seconds, code):
    done = subprocess.run([sys.executable, "-c", HANGING.format(seconds=seconds)], timeout=30)
    assert done.returncode == code


def threads_of(name):
    return [thread.name for thread in threading.enumerate()].count(name)


def test_the_bar_grows_and_vanishes(monkeypatch):
    monkeypatch.setattr("hnn_hpc.cli.progress.REDRAW_SECONDS", 0)
    stream = io.StringIO()
    bar = ProgressBar(stream)
    bar.start("factor", 4)
    bar.advance(2)
    bar.finish()
    assert "factor     [................................]   0%" in stream.getvalue()
    assert "[################................]  50%" in stream.getvalue()
    assert stream.getvalue().endswith("\r\033[K")


def test_the_bar_of_no_steps_is_drawn(monkeypatch):
    monkeypatch.setattr("hnn_hpc.cli.progress.REDRAW_SECONDS", 0)
    bar = ProgressBar(io.StringIO())
    bar.start("solve", 0)
    bar.advance()
    bar.finish()


def test_the_log_ends_each_stage_once():
    stream = io.StringIO()
    log = ProgressLog(stream, rank=3)
    log.start("solve", 2)
    log.finish()
    log.finish()
    first, second = stream.getvalue().splitlines()
    assert first.endswith("rank 3: solve starts, 2 steps") and "rank 3: solve took " in second
