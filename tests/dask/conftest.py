"""Samples of a small problem as arrays, and the fit of one process, which every fit by dask must equal to the bit."""

from contextlib import contextmanager

import dask.array as da
import pytest
from distributed import Client, LocalCluster
from fits import COUNT

from hnn_hpc import fit
from hnn_hpc.samples import SystemSamples
from hnn_hpc.systems import make_system


@pytest.fixture(scope="session")
def samples():
    """The `Samples` of a Hénon-Heiles system."""
    return SystemSamples(make_system("henon-heiles", {}), COUNT, seed=1).read(0, COUNT)


@pytest.fixture(scope="session")
def serial(samples):
    """A function that gives the `Fit` of the samples in this process, for the same options the same one: serial(**options of fit)."""
    known = {}

    def fitted(**how):
        if repr(how) not in known:
            known[repr(how)] = fit(*samples[:2], energies=samples.energies, **how)
        return known[repr(how)]

    return fitted


@pytest.fixture
def chunked(samples):
    """A function that gives the samples as dask arrays, keyword arguments of `fit`: chunked(sizes of chunks, other ones of velocities)."""

    def arrays(sizes, other=None):
        points = da.from_array(samples.points, chunks=(sizes, -1))
        velocities = da.from_array(samples.velocities, chunks=(other or sizes, -1))
        return {"points": points, "velocities": velocities, "energies": da.from_array(samples.energies, chunks=(sizes,))}

    return arrays


@contextmanager
def client_of(workers, threads):
    """A client of fresh workers of so many threads each, which is not dask's own choice for whoever asks for none."""
    how = {"n_workers": workers, "threads_per_worker": threads, "dashboard_address": ":0"}
    with LocalCluster(**how) as cluster, Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture(scope="module")
def client():
    """Of two workers of one thread each, for all tests of a module."""
    with client_of(2, 1) as client:
        yield client


@pytest.fixture
def two_workers():
    """A client of two workers of one thread each, for a test in which one dies: dask's nanny does not always bring it back."""
    with client_of(2, 1) as client:
        yield client


@pytest.fixture
def one_worker():
    """A client of one worker of two threads."""
    with client_of(1, 2) as client:
        yield client
