"""One process or many: which communicator a command runs on, and how its ranks end together.

MPI is started only when a launcher says that it started several processes. So a laptop without mpi4py needs none, and processes that
were meant to be ranks but cannot reach each other are told apart from a serial run, instead of doing and writing everything N times.
"""

import os
import signal
import threading
import time
from contextlib import contextmanager

from hnn_hpc.errors import UserError
from hnn_hpc.parallel.communicator import SerialCommunicator, world_communicator

# (rank, size) as the launchers tell them; Slurm last, because mpirun itself may run inside one of its steps.
LAUNCHER_VARIABLES = (
    ("PMI_RANK", "PMI_SIZE"),  # MPICH and its family, srun --mpi=pmi2
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),  # srun, with any --mpi
)

PATIENCE = 5.0  # seconds; ranks that fail alike come out of the same collective, so they are hardly apart
LONGEST_START = 120  # seconds that MPI may take to unite the ranks; MPICH under SLURM's PMI hangs in that once in a hundred times
GLANCE = 1.0  # seconds between two looks at whether the launcher is still there


def launched_rank_and_size(environment):
    """Return (rank, size) as this process's launcher tells them in the environment (a mapping); (0, 1) where there is none."""
    for rank, size in LAUNCHER_VARIABLES:
        if environment.get(size, "").isdecimal() and environment.get(rank, "").isdecimal():
            return int(environment[rank]), int(environment[size])
    return 0, 1


@contextmanager
def dying_with_launcher(size):
    """End this process, one of `size` ranks, soon after what started it is gone within the block: at once, as if its node had failed.

    A rank that outlives the process of srun or mpirun on its node has lost the other ranks too, and would be in the way of the run that
    takes its place.
    """
    parent, left = os.getppid(), threading.Event()

    def watch():
        while not left.wait(GLANCE):
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGKILL)

    if size > 1:
        threading.Thread(target=watch, name="watch of the launcher", daemon=True).start()
    try:
        yield
    finally:
        left.set()


def launched_communicator(size):
    """Return the communicator of the `size` processes that the launcher started; raises UserError when MPI does not unite them.

    Where MPI takes longer than LONGEST_START, SIGALRM ends the process, for nothing of Python's runs meanwhile.
    """
    if size == 1:
        return SerialCommunicator()
    signal.alarm(LONGEST_START)
    try:
        communicator = world_communicator()
    finally:
        signal.alarm(0)
    if communicator.size != size:
        raise UserError(
            f"the launcher started {size} processes, but MPI unites {communicator.size}; use the mpirun that belongs to the MPI library "
            "of mpi4py, or srun --mpi=pmi2"
        )
    return communicator


class Rendezvous:
    """Tells whether all ranks fail alike or one alone. It has a communicator of its own, so that no message can be mistaken."""

    def __init__(self, communicator):
        self._comm = None
        if communicator.size > 1:
            from mpi4py import MPI

            self._comm = MPI.COMM_WORLD.Dup()

    def everybody_comes(self):
        """Return True once every rank has called this, False when some have not within PATIENCE: they wait in another collective."""
        if self._comm is None:
            return True
        request, deadline = self._comm.Ibarrier(), time.monotonic() + PATIENCE
        while not request.Test():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True
