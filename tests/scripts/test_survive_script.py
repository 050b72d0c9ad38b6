"""slurm/survive.sh where SLURM itself fails or hesitates, which a real one does not do on demand: its programs are stand-ins here.

What it does on a real SLURM is tested in tests/slurm/test_survival.py.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAND_INS = {
    "srun": 'echo "srun $*" >> calls; eval "${STEP:-exit 0}"',
    # The fields asked for, as in --Format=State:200,RestartCnt:200, from the lines of the file `job`.
    "squeue": '[ ! -e squeue.fails ] || { rm squeue.fails; echo "Socket timed out" >&2; exit 1; }\n'
    'for field in $(echo "$*" | sed "s/.*--Format=//; s/:200,/ /g; s/:200$//"); do\n'
    '    printf "%-20s" "$(sed -n "s/^$field=//p" job)"\ndone\necho',
    "scontrol": 'echo "scontrol $*" >> calls; [ ! -e "$1.fails" ]',
    "sleep": "exit 0",
}


@pytest.fixture
def survive(tmp_path):
    """A function that runs a script with survive.sh in a job, and returns (exit code, stderr, calls of srun and scontrol)."""
    for name, script in STAND_INS.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / name).chmod(0o755)
    shutil.copy(ROOT / "slurm/survive.sh", tmp_path)

    def run(step="exit 0", script="survive srun fit", state="RUNNING", restarts=0, comment="", array="5 N/A", seconds=None, **variables):
        fields = {"JobID": "7", "State": state, "RestartCnt": restarts, "Comment": comment}
        fields |= dict(zip(("ArrayJobID", "ArrayTaskID"), array.split(), strict=True))
        (tmp_path / "job").write_text("".join(f"{name}={value}\n" for name, value in fields.items()))
        (tmp_path / "calls").write_text("")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "HNN_HPC"))}
        environment |= {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "7", "STEP": step} | variables
        words = ["bash", "-c", f"source ./survive.sh; {script}"]
        process = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=-1, stderr=-1, text=True)
        if seconds is not None:
            time.sleep(seconds)
            process.terminate()
        _, err = process.communicate(timeout=30)
        return process.returncode, err, (tmp_path / "calls").read_text().splitlines()

    run.folder = tmp_path
    return run


@pytest.mark.parametrize("code", [0, 1, 2, 3, 126, 127])
def test_an_end_of_its_own_is_the_end_of_the_job(survive, code):
    assert survive(f"exit {code}") == (code, "", ["srun fit"])


def test_code_75_queues_the_job_again(survive):
    assert survive("exit 75") == (75, "", ["srun fit", "scontrol requeue 7"])


def test_a_restarted_job_goes_on_in_another_step(survive):
    empty = "srun --nodes=1 --ntasks=1 true"
    told = survive('[ "$1" != fit ] || exit $SLURM_RESTART_COUNT', restarts=3, SLURM_RESTART_COUNT="8")
    assert told == (3, "", [empty] * 3 + ["srun fit"])  # by what SLURM says of this job
    assert survive("exit 0", restarts=22)[2] == [empty] * 2 + ["srun fit"]


@pytest.mark.parametrize("state", ["COMPLETING", "CANCELLED", "PENDING"])
def test_a_job_that_is_not_running_is_left_alone(survive, state):
    assert survive("exit 75", state=state) == (75, "", ["srun fit"])


def test_a_job_that_runs_elsewhere_meanwhile_is_left_alone(survive):
    step = "sed -i s/RestartCnt=0/RestartCnt=1/ job; exit 137"
    assert survive(step) == (137, "", ["srun fit"])


def test_a_task_of_an_array_is_named_as_such(survive):
    told = survive("exit 75", array="5 3")
    assert told == (75, "", ["srun fit", "scontrol requeue 5_3"])


def test_a_job_that_was_sent_from_a_task_of_an_array_leaves_that_alone(survive):
    told = survive("exit 75", SLURM_ARRAY_JOB_ID="5", SLURM_ARRAY_TASK_ID="3")
    assert told == (75, "", ["srun fit", "scontrol requeue 7"])


@pytest.mark.parametrize("restarts", ["1e3", "08", "-1", "many", "a[$(touch pwned)]"])
def test_a_limit_that_is_no_number_is_refused(survive, restarts):
    code, err, calls = survive("exit 137", HNN_HPC_RESTARTS=restarts)
    assert (code, calls) == (2, []) and err == f"hnn_hpc: HNN_HPC_RESTARTS is '{restarts}'; expected a whole number\n"
    assert not (survive.folder / "pwned").exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "(killed 1)"),
        ("(killed 4)", "(killed 5)"),
        ("my own  words", "my own words (killed 1)"),
        ("mine (killed 1)", "mine (killed 2)"),
    ],
)
def test_kills_are_counted_in_the_comment(survive, before, after):
    code, err, calls = survive("exit 137", comment=before)
    assert (code, err) == (75, "") and calls[1:] == [f"scontrol update jobid=7 comment={after}", "scontrol requeue 7"]


def test_an_mpi_that_fails_counts_as_a_kill(survive):
    code, _, calls = survive("exit 15")
    assert code == 75 and calls[1:] == ["scontrol update jobid=7 comment=(killed 1)", "scontrol requeue 7"]


def test_too_many_kills_end_the_job(survive):
    code, err, calls = survive("exit 137", comment="mine (killed 5)")
    assert (code, calls) == (137, ["srun fit"])
    assert err == "hnn_hpc: for the 6. time a rank was killed, or out of memory, or MPI failed: the job is not queued again\n"
    assert survive("exit 137", comment="(killed 1)", HNN_HPC_RESTARTS="1")[0] == 137
    assert survive("exit 75", comment="(killed 9)")[0::2] == (75, ["srun fit", "scontrol requeue 7"])


def test_a_busy_controller_is_asked_again(survive):
    (survive.folder / "squeue.fails").touch()
    code, err, calls = survive("touch squeue.fails; exit 75")
    assert (code, calls) == (75, ["srun fit", "scontrol requeue 7"]) and err.count("Socket timed out") == 2


def test_a_job_that_cannot_be_queued_again_says_so_and_keeps_its_code(survive):
    (survive.folder / "requeue.fails").touch()
    code, err, calls = survive("exit 137")
    assert code == 137 and calls.count("scontrol requeue 7") == 3
    assert (
        "hnn_hpc: SLURM does not answer to 'scontrol requeue 7', so this job is not queued again; sent anew, with --resume, it goes on"
        in err
    )


def test_a_signal_is_handed_on_to_the_step_and_its_code_is_that_of_the_step(survive):
    step = "trap 'echo told >> calls; for ((n = 0; n < 300000; n++)); do :; done; exit 75' USR1; while :; do :; done"
    assert survive(step, seconds=0.5) == (75, "", ["srun fit", "told", "scontrol requeue 7"])


def test_a_step_that_is_too_slow_once_it_is_told_was_not_killed(survive):
    step = "trap 'exit 137' USR1; while :; do :; done"
    assert survive(step, seconds=0.5) == (75, "", ["srun fit", "scontrol requeue 7"])


def test_told_before_there_is_a_step_it_starts_none(survive):
    script = "kill -TERM $$; survive srun fit"
    assert survive(script=script) == (75, "", ["scontrol requeue 7"])


def test_outside_of_a_job_it_says_so(survive):
    code, err, calls = survive(SLURM_JOB_ID="")
    assert (code, err, calls) == (2, "hnn_hpc: this is for a job of SLURM: send it by sbatch\n", [])
