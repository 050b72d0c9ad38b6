"""The calls of SLURM where there is none, and the environment of those that send. tests/slurm has a SLURM."""

import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.submission import has_slurm, read_partitions, send
from hnn_hpc.submission.cluster import sending_environment


def test_without_slurm_one_sentence_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not has_slurm()
    with pytest.raises(UserError, match="^there is no sinfo on PATH, so SLURM cannot tell what it has$"):
        read_partitions()
    with pytest.raises(UserError, match="^there is no sbatch on PATH, so SLURM cannot take the job$"):
        send("#!/bin/bash\n")


def test_what_would_go_before_the_script_is_left_out():
    kept = {"PATH": "/bin", "SLURM_CONF": "c", "SLURM_MPI_TYPE": "pmi2", "SBATCH_QOS": "long", "HNN_HPC_SITE": "1"}
    others = {"SBATCH_PARTITION": "other", "SBATCH_TIMELIMIT": "1", "SBATCH_OUTPUT": "o", "HNN_HPC_THREADS": "7", "SBATCH_ARRAY_INX": "1-3"}
    assert sending_environment(kept | others) == kept


def test_the_variables_of_a_job_are_not_those_of_the_next():
    kept = {"SLURM_CONF": "c", "SLURM_CLUSTERS": "a", "SLURM_MPI_TYPE": "pmi2"}
    of_job = {"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "2", "SLURM_MEM_PER_CPU": "100", "PMI_RANK": "0", "PMI_SIZE": "1"}
    assert sending_environment(kept | of_job) == kept
    assert sending_environment({"SLURM_EXIT_ERROR": "3"}) == {"SLURM_EXIT_ERROR": "3"}  # not inside one
    assert sending_environment({"SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "1"}) == {}  # by which a job would take itself for a task
