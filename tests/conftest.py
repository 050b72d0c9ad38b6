"""Fixtures of all tests, the mark `mpi` of those in tests/mpi, and the counts that run.sh adds up."""

import os
import resource
from contextlib import contextmanager
from pathlib import Path

import pytest

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
