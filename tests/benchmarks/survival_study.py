"""Measure what a fit under SLURM outlives: python tests/benchmarks/survival_study.py [--trials N] [--only NAME,..]

Brings up a real SLURM of three nodes on this machine (see tests/slurm/cluster.sh), sends a fit by slurm/fit.sbatch on two of them again and
again, and each time lets something befall it at a random moment: a signal ahead of a time limit, the death of a rank, or that of a node.
Prints, as Markdown: how many ended with the bits of one rank, how long SLURM took to end the job or to queue it again, and the work that
was done twice. A quarter of an hour for 10 trials of each on two cores that are free.
"""

import argparse
import json
import os
import random
import re
import signal
import statistics
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "slurm"))

from clusters import JOB, User, assert_same_model, cluster_of, log_of, ranks_of
from processes import wait_until

SAMPLES, FEATURES = 200_000, 1200
DONE = re.compile(r"goes on from .*: (\d+) of \d+ blocks are done")


def tell(user, job, rng):
    """As SLURM does ahead of a time limit."""
    user.run("scancel", "--batch", "--signal=USR1", job)


def kill_rank(user, job, rng):
    os.kill(rng.choice(ranks_of(job)), signal.SIGKILL)


def lose_node(user, job, rng):
    """A node and all that runs on it; SLURM itself has to notice."""
    user.lose(rng.choice(["n1", "n2"]))


def lose_daemons(user, job, rng):
    """The daemons of a node alone, whose ranks are left; its health check tells SLURM."""
    node = rng.choice(["n1", "n2"])
    user.lose(node, tasks=False)
    user.run("scontrol", "update", f"nodename={node}", "state=down", "reason=lost")


MISFORTUNES = {
    "SIGUSR1 ahead of the time limit": tell,
    "kill -9 of a rank": kill_rank,
    "kill -9 of all on a node": lose_node,
    "kill -9 of a node's daemons": lose_daemons,
}


def trial(user, name, job_file, whole, folder, rng, duration):
    """Let one thing befall one fit, and return what came of it, a dictionary; None where the fit was quicker."""
    job = user.fit(job_file, folder, options=["--nodelist=n1,n2"])
    wait_until(lambda: ranks_of(job), "the fit did not start")
    time.sleep(rng.uniform(0, duration))
    if user.state(job)[0] != "RUNNING" or not ranks_of(job):
        return None
    saved = [path.stat().st_mtime for path in folder.glob("checkpoint/*")]
    MISFORTUNES[name](user, job, rng)
    befell = time.time()  # and SLURM knows
    try:
        user.wait_for(job, "PENDING", "COMPLETING", restarts=1)
        queued = time.time() - befell
        user.wait_for(job, "PENDING", "RUNNING", restarts=1)
        user.run("scontrol", "update", f"jobid={job}", "reqnodelist=", check=False)
        user.end_well(job, restarts=1)
        assert_same_model(folder, whole)
    except AssertionError as error:
        return {"failure": f"{error}", "log": log_of(folder)}
    finally:
        for node in ("n1", "n2"):
            if "down" in user.run("sinfo", "--noheader", f"--nodes={node}", "--format=%T"):
                user.bring_back(node)
    taken_over = DONE.findall(log_of(folder))
    return {"queued": queued, "unsaved": befell - max(saved) if saved else None, "taken_over": int(taken_over[-1]) if taken_over else 0}


def over_the_limit(user, folder):
    """Return how often a fit of more than a minute was started again whose time limit is one minute; SLURM itself tells it."""
    job_file, whole, output = folder / "long.toml", folder / "long, whole", folder / "long"
    job_file.write_text(JOB.format(samples=6 * SAMPLES, features=FEATURES))
    user.run("bash", "slurm/local.sh", "-n", "1", job_file, "--output", whole, "--quiet", HNN_HPC_THREADS="2")
    job = user.fit(job_file, output, "--set", "output.checkpoint_seconds=300", options=["--time=1", "--signal=B:USR1@20"])
    *end, restarts = user.end(job)
    assert end == ["COMPLETED", 0] and restarts > 0, log_of(output)
    assert_same_model(output, whole)
    return restarts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10, help="of each; default 10")
    parser.add_argument("--seed", type=int, default=1, help="of the moments; default 1")
    parser.add_argument("--only", choices=MISFORTUNES, help="one of them, and not the time limit itself")
    arguments = parser.parse_args()
    rng, rows = random.Random(arguments.seed), []
    with tempfile.TemporaryDirectory() as place, cluster_of(3, Path(place) / "cluster") as environment:
        user, folder = User(environment), Path(place)
        job_file, whole = folder / "job.toml", folder / "whole"
        job_file.write_text(JOB.format(samples=SAMPLES, features=FEATURES))
        user.run("bash", "slurm/local.sh", "-n", "1", job_file, "--output", whole, "--quiet", HNN_HPC_THREADS="2")
        duration = json.loads((whole / "result.json").read_text())["seconds"]["total"]
        for name in [arguments.only] if arguments.only else MISFORTUNES:
            outcomes = []
            for number in count():
                if len(outcomes) == arguments.trials:
                    break
                if outcome := trial(user, name, job_file, whole, folder / f"{name} {number}", rng, duration):
                    outcomes.append(outcome)
                    print(f"{name}: {outcome}", file=sys.stderr, flush=True)
            rows.append((name, outcomes))
        print_table(rows)
        if not arguments.only:
            restarts = over_the_limit(user, folder)
            print(f"\nA fit of more than a minute with a time limit of one minute: the same bits, started again {restarts} times.")


def print_table(rows):
    print("| what | same bits | seconds until it is queued again: median, longest | went on from a checkpoint | since its last save |")
    print("|---|---|---|---|---|")
    for name, outcomes in rows:
        good = [some for some in outcomes if "failure" not in some]
        queued, unsaved = [some["queued"] for some in good], [some["unsaved"] for some in good if some["unsaved"] is not None]
        times = f"{statistics.median(queued):.1f}, {max(queued):.1f}" if good else "-"
        resumed = sum(some["taken_over"] > 0 for some in good)
        print(f"| {name} | {len(good)} of {len(outcomes)} | {times} | {resumed} | {max(unsaved, default=float('nan')):.1f} s |")


if __name__ == "__main__":
    main()
