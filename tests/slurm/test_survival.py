"""slurm/fit.sbatch on a real SLURM: it ends as a run on one rank does, to the bit, whatever befalls the job on the way."""

import json
import os
import re
import signal
import time

import pytest
from clusters import JOB, assert_same_model, log_of, ranks_of
from processes import wait_until

INTERRUPTED = re.compile(r"hnn-hpc: error: interrupted; (\d+) of \d+ blocks are saved")


@pytest.fixture(scope="module")
def job_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("job") / "job.toml"
    path.write_text(JOB.format(samples=100_000, features=900))
    return path


@pytest.fixture(scope="module")
def whole(user, job_file):
    """The folder of the same fit by slurm/local.sh on one rank."""
    folder = job_file.parent / "whole"
    user.run("bash", "slurm/local.sh", "-n", "1", job_file, "--output", folder, "--quiet", HNN_HPC_THREADS="2")
    return folder


@pytest.fixture
def output(tmp_path):
    return tmp_path / "output"


def until_saved(output, files=2):
    """Wait until the fit has saved so many nodes."""
    wait_until(lambda: len(list(output.glob("checkpoint/*.node-*"))) >= files, "nothing was saved")


def check_done(output, whole, resumed=True):
    """The fit has the right bits, took over what an earlier start had saved, and left nothing but its results and its log."""
    assert_same_model(output, whole)
    result = json.loads((output / "result.json").read_text())
    assert result["ranks"] == 2 and (result["blocks_taken_over"] > 0) == resumed
    assert sorted(path.name for path in output.iterdir() if path.suffix != ".out") == ["model.h5", "result.json"]


def test_two_nodes_give_the_bits_of_one_rank(user, job_file, whole, output):
    job = user.fit(job_file, output)
    user.end_well(job)
    check_done(output, whole, resumed=False)


def test_told_by_usr1_it_saves_queues_again_and_goes_on(user, job_file, whole, output):
    job = user.fit(job_file, output)
    until_saved(output)
    user.run("scancel", "--batch", "--signal=USR1", job)
    user.end_well(job, restarts=1)
    check_done(output, whole)
    log = log_of(output)
    [saved] = INTERRUPTED.findall(log)  # said once, not by every rank
    assert f"the fit goes on from {output}/checkpoint: {saved} of " in log and "Traceback" not in log
    assert json.loads((output / "result.json").read_text())["blocks_taken_over"] == int(saved)


def test_killed_ranks_end_the_others_and_the_job_goes_on(user, job_file, whole, output):
    """All ranks of a node at last: what they leave in its shared memory must not be in the way of those that take their place."""
    job = user.fit(job_file, output, options=["--nodes=1", "--ntasks-per-node=2", "--comment=of mine"])
    for restarts, victims in enumerate([[1], [0, 1]]):
        user.wait_for(job, "RUNNING", restarts=restarts)
        until_saved(output, 2 + 2 * restarts)
        wait_until(lambda: len(ranks_of(job)) == 2, "the ranks did not start")
        killed = time.monotonic()
        for process in [ranks_of(job)[rank] for rank in victims]:
            os.kill(process, signal.SIGKILL)
        user.wait_for(job, "PENDING", restarts=restarts + 1)
        assert time.monotonic() - killed < 30
        assert f"Comment=of mine (killed {restarts + 1})" in user.run("scontrol", "show", "job", job)
    user.end_well(job, restarts=2)
    check_done(output, whole)


def test_it_is_not_started_again_for_ever(user, job_file, output):
    job = user.fit(job_file, output, HNN_HPC_RESTARTS="1")
    for restarts in (0, 1):
        user.wait_for(job, "RUNNING", restarts=restarts)
        wait_until(lambda: ranks_of(job), "the ranks did not start")
        os.kill(ranks_of(job)[0], signal.SIGKILL)
    assert user.end(job) == ("FAILED", 137, 1)
    assert "for the 2. time a rank was killed, or out of memory, or MPI failed: the job is not queued again" in log_of(output)


@pytest.mark.parametrize(("node", "tasks"), [("n1", True), ("n2", False)])
def test_a_lost_node_costs_what_was_not_saved(user, job_file, whole, output, node, tasks):
    """The node of the batch script with all that runs there; another one whose ranks outlive what started them."""
    job = user.fit(job_file, output, options=["--nodelist=n1,n2"])
    until_saved(output)
    ranks = ranks_of(job)
    user.lose(node, tasks)
    user.run("scontrol", "update", f"nodename={node}", "state=down", "reason=lost")  # SLURM itself takes a while to notice
    user.wait_for(job, "PENDING", restarts=1)
    wait_until(lambda: not set(ranks) & set(ranks_of(job)), "a rank is left")
    user.run("scontrol", "update", f"jobid={job}", "reqnodelist=")
    user.end_well(job, restarts=1)
    check_done(output, whole)
    user.bring_back(node)


def test_a_cancelled_job_stays_cancelled_and_another_one_goes_on(user, job_file, whole, output):
    job = user.fit(job_file, output)
    until_saved(output)
    user.run("scancel", job)
    state, _, restarts = user.end(job)
    assert (state, restarts) == ("CANCELLED", 0)
    wait_until(lambda: INTERRUPTED.search(log_of(output)), "nothing was said")
    refused = user.fit(job_file, output)
    assert user.end(refused) == ("FAILED", 2, 0)  # unasked nothing is resumed
    assert "pass --resume to go on from it" in log_of(output)
    more = user.fit(job_file, output, "--resume", options=["--nodes=1", "--ntasks-per-node=2"])
    user.end_well(more)
    check_done(output, whole)


def test_a_finished_job_that_is_queued_again_changes_nothing(user, job_file, output):
    job = user.fit(job_file, output, "--set", "features.count=50")
    user.end_well(job)
    before = (output / "model.h5").stat().st_mtime_ns
    user.run("scontrol", "requeue", job)
    user.wait_for(job, "PENDING", "RUNNING")
    user.end_well(job, restarts=1)
    assert "this job is done already" in log_of(output) and (output / "model.h5").stat().st_mtime_ns == before


def test_bad_input_is_exit_code_2_said_once_and_not_tried_again(user, job_file, output):
    job = user.fit(job_file, output, "--set", "features.count=0")
    assert user.end(job) == ("FAILED", 2, 0)
    assert log_of(output).count("hnn-hpc: error: ") == 1 and "features = 0: expected a whole number" in log_of(output)
    status = user.run("hnn-hpc", "status", output)
    assert "failed" in status and "features = 0: expected a whole number" in status
