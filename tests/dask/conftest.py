"""Samples of a small problem as arrays, and the fit of one process, which every fit by dask must equal to the bit."""

import dask.array as da
import pytest
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
