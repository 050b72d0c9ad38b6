"""The ranks agree on the outcome of each test here: a failure on any of them fails on all, and rank 0 shows it.

Without this a rank that fails goes on to the next test while the others wait for it in the last one.
"""

import re
import sys
import time

import pytest
from mpi4py import MPI

# Seconds that a rank waits for the others at the end of a test. They take equal shares of tests that last a second or two,
# so only ranks that wait for each other exceed it.
PATIENCE = 60.0

ranks = MPI.COMM_WORLD.Dup()  # messages of the tests under way are on other communicators


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    _wait_for_all(f"{item.nodeid} ({call.when}): {report.outcome} on rank {ranks.rank}\n{report.longreprtext}")
    failed_on = {}  # text of the failure, without addresses: the ranks that failed like that
    for rank, text in enumerate(ranks.allgather(report.longreprtext if report.failed else None)):
        if text is not None:
            failed_on.setdefault(re.sub(r"0x[0-9a-f]+", "0x...", text), []).append(rank)
    if failed_on and ranks.size > 1:
        report.outcome = "failed"
        report.longrepr = "\n".join(f"On rank {', '.join(map(str, on))} of {ranks.size}:\n{text}" for text, on in failed_on.items())
    return report


def _wait_for_all(outcome):
    """A barrier that ends the job, saying this rank's `outcome`, once it has taken PATIENCE seconds."""
    barrier = ranks.Ibarrier()
    give_up = time.monotonic() + PATIENCE
    while not barrier.Test():
        if time.monotonic() > give_up:
            print(f"{outcome}\nanother rank did not end this test within {PATIENCE:g} s more, so the job ends", file=sys.stderr, flush=True)
            ranks.Abort(1)
        time.sleep(0.001)
