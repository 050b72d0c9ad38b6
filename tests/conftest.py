"""Fixtures of all tests, the mark `mpi` of those in tests/mpi, and the counts that run.sh adds up."""

import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

SLOW_FIT = Path(__file__).with_name("slow_fit.py")
TESTS_ON_RANKS = Path(__file__).parent / "mpi"
COUNTS_FILE = os.environ.pop("HNN_HPC_TEST_COUNTS", None)  # taken out: it is not meant for a pytest that a test starts


@pytest.fixture
def seed():
    """The seed of every random choice in the tests; a test that needs several takes seed, seed + 1, and so on."""
    return 20_241_126


@pytest.fixture
def communicator():
    """All ranks of this run of pytest: one without mpirun."""
    from hnn_hpc.parallel.communicator import world_communicator

    return world_communicator()


@pytest.fixture
def shared_tmp_path(communicator, tmp_path_factory):
    """An empty directory, the same one on all ranks. Collective: every rank's test asks for it."""
    return communicator.broadcast(tmp_path_factory.mktemp("shared") if communicator.is_root else None)


@pytest.fixture
def full_disk():
    """A context that yields a function; from its call to the end of the context the system lets no file grow above so many bytes."""

    @contextmanager
    def limited():
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture
def slow_fit(tmp_path, monkeypatch):
    """A function that starts a fit of some 7 seconds of a core, 64 blocks, into results/slow of the temporary directory, the current one
    from now on, and returns its process, at work in the factorization: slow_fit(*arguments of `hnn-hpc fit`, ranks=1, **environment)."""
    from slow_fit import JOB

    monkeypatch.chdir(tmp_path)
    Path("slow.toml").write_text(JOB)
    started = []

    def start(*arguments, ranks=1, **environment):
        launcher = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
        environment = {**os.environ, "PYTHONPATH": str(SLOW_FIT.parents[1]), "HNN_HPC_THREADS": "1", **environment}
        command = [*launcher, sys.executable, SLOW_FIT, "fit", "slow.toml", "--log", *arguments]
        process = subprocess.Popen(command, stdout=-1, stderr=-1, text=True, env=environment)
        started.append(process)
        while "factor starts" not in process.stderr.readline():
            assert process.poll() is None
        return process

    yield start
    for process in started:
        with process:
            process.kill()


@pytest.fixture
def short(monkeypatch):
    """A run's heartbeat is one of 50 ms."""
    from run_directories import BEAT

    for module in ("run_status", "run_place"):
        monkeypatch.setattr(f"hnn_hpc.{module}.BEAT", BEAT)
    monkeypatch.setattr("hnn_hpc.run_place.PATIENCE", 3 * BEAT)


@pytest.fixture
def patient(short, monkeypatch):
    """A heartbeat of 50 ms, however slow the machine is: a run at work is noticed."""
    monkeypatch.setattr("hnn_hpc.run_place.PATIENCE", 60)


@pytest.fixture
def left(tmp_path):
    """A function that leaves a status in the directory that differs from this process's in some entries."""
    from run_directories import ABOUT

    from hnn_hpc.run_status import RunStatus

    def leave(**entries):
        status = RunStatus(tmp_path, ABOUT, environment={}).as_dict() | entries
        (tmp_path / "status.json").write_text(json.dumps(status))

    return leave


def pytest_configure(config):
    config.addinivalue_line("markers", "mpi: runs on any number of ranks (given to all of tests/mpi)")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if TESTS_ON_RANKS in item.path.parents:
            item.add_marker("mpi")


def pytest_terminal_summary(terminalreporter):
    counts = {word: len(terminalreporter.stats.get(word, ())) for word in ("passed", "failed", "error", "skipped")}
    if COUNTS_FILE:
        failed = counts["failed"] + counts["error"]
        Path(COUNTS_FILE).write_text(f"passed={counts['passed']} failed={failed} skipped={counts['skipped']}\n")
