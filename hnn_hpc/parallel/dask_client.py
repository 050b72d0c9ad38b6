"""The client of a dask cluster that computes for the user: which one it is, and values of tasks from it, whatever becomes of it."""

import sys
from contextlib import contextmanager, suppress

from hnn_hpc.errors import HnnError, UserError


def computed_on_cluster(client, tasks, name, size):
    """Return the values of tasks; whatever ends this, no task and no value is left on the cluster. size: bytes that are sent along."""
    import dask
    from distributed import CancelledError, KilledWorker

    # Dask warns of data in a graph. Ours are a triangle, and the scheduler is where they outlive any worker; those of the user still count.
    limit = "distributed.admin.large-graph-warning-threshold"
    futures = []
    try:
        with dask.config.set({limit: dask.utils.parse_bytes(dask.config.get(limit, "10MB")) + size}):
            futures = client.compute(tasks)
        with _thread_lent():
            return client.gather(futures)
    except Exception as error:
        if client.status != "running":
            raise HnnError(f"the client of dask was closed, or its scheduler has gone, in the pass {name!r} ({error})") from error
        if isinstance(error, CancelledError):
            raise UserError(
                f"what the arrays are made of has gone from the cluster in the pass {name!r} ({error}): it was cancelled, or persisted by "
                "another client; persist it with this one, and keep it until the fit is done"
            ) from error
        if isinstance(error, KilledWorker):
            raise HnnError(
                f"the workers of the dask cluster died again and again in the pass {name!r} ({error}); their logs may tell why: most often "
                "too little memory, or a chunk that cannot be computed"
            ) from error
        raise
    finally:
        for future in futures:  # what nobody waits for is cancelled
            future.release()


@contextmanager
def _thread_lent():
    """A context in which a task of dask lends its thread to others, for those that it waits for may need it; elsewhere nothing happens."""
    from distributed import rejoin, secede
    from distributed.worker import thread_state

    lent = False
    if getattr(thread_state, "key", None):
        with suppress(Exception):  # it has lent its thread already
            secede()
            lent = True
    try:
        yield
    finally:
        if lent:
            rejoin()


def client_in_use():
    """Return the client of `distributed` that dask is set to, None for another scheduler."""
    from dask.base import get_scheduler

    owner = getattr(get_scheduler(), "__self__", None)
    return owner if "distributed" in sys.modules and isinstance(owner, sys.modules["distributed"].Client) else None


def checked_client(client):
    if client is None:
        return None
    try:
        from distributed import Client
    except ImportError as error:
        raise UserError(f"a dask cluster needs dask and distributed ({error}): pip install 'hnn-hpc[dask]'") from None
    if not isinstance(client, Client) or client.asynchronous:
        found = "an asynchronous one" if isinstance(client, Client) else type(client).__name__
        raise UserError(f"client must be a distributed.Client that is not asynchronous; got {found}")
    if client.status != "running":
        raise UserError(f"client must be connected to a scheduler of dask; this one is {client.status}: make a new one")
    return client
