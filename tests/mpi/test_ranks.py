"""The run itself: mpirun's processes are ranks of one communicator and share what they should."""

import os


def test_processes_of_mpirun_are_ranks_of_one_job(communicator):
    started = os.environ.get("PMI_SIZE") or os.environ.get("OMPI_COMM_WORLD_SIZE") or "1"
    assert communicator.size == int(started), "mpi4py belongs to another MPI than the mpirun on PATH"
    assert communicator.all_gather(communicator.rank) == list(range(communicator.size))


def test_shared_directory_is_the_same_on_all_ranks(communicator, shared_tmp_path):
    (shared_tmp_path / f"{communicator.rank}").touch()
    communicator.barrier()
    assert {path.name for path in shared_tmp_path.iterdir()} == {str(rank) for rank in range(communicator.size)}
