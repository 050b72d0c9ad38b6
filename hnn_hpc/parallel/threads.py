"""How many threads a rank uses. BLAS is held to one, because its results may depend on their number; our threads share whole blocks."""

import os

from threadpoolctl import threadpool_limits

from hnn_hpc.errors import UserError

VARIABLE = "HNN_HPC_THREADS"


def single_threaded_blas():
    """Return a context manager that holds every BLAS of this process to one thread and gives it back its threads afterwards."""
    return threadpool_limits(limits=1, user_api="blas")


def available_threads(communicator):
    """Return how many threads this rank may use: $HNN_HPC_THREADS, or else the node's cores shared among its ranks. Collective."""
    cores, ranks = communicator.node_cores
    wanted = os.environ.get(VARIABLE) or str(max(1, cores // ranks))
    with communicator.together():
        if not wanted.isdecimal() or int(wanted) < 1:
            raise UserError(f"{VARIABLE} must be a whole number of threads, 1 or more; it is {wanted!r}")
    return int(wanted)
