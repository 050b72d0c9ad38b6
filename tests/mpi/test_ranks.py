"""The run itself: mpirun's processes are ranks of one communicator and share what they should."""

import os

import pytest

from hnn_hpc.errors import HnnError, Interruption, OutputError, UserError


def test_processes_of_mpirun_are_ranks_of_one_job(communicator):
    started = os.environ.get("PMI_SIZE") or os.environ.get("OMPI_COMM_WORLD_SIZE") or "1"
    assert communicator.size == int(started), "mpi4py belongs to another MPI than the mpirun on PATH"
    assert communicator.all_gather(communicator.rank) == list(range(communicator.size))


def test_shared_directory_is_the_same_on_all_ranks(communicator, shared_tmp_path):
    (shared_tmp_path / f"{communicator.rank}").touch()
    communicator.barrier()
    assert {path.name for path in shared_tmp_path.iterdir()} == {str(rank) for rank in range(communicator.size)}


@pytest.mark.parametrize(
    ("raised", "elsewhere"), [(UserError, UserError), (OutputError, OutputError), (Interruption, Interruption), (KeyError, HnnError)]
)
def test_a_failure_of_one_rank_is_that_of_all(communicator, raised, elsewhere):
    failing = communicator.size - 1
    with pytest.raises(raised if communicator.rank == failing else elsewhere, match="only here"), communicator.together():
        if communicator.rank == failing:
            raise raised("only here")
