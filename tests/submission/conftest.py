"""A forecast to make scripts and requests from: Hénon-Heiles, 20 000 samples, dense features, two nodes of eight ranks."""

import pytest

from hnn_hpc.forecast import Forecast
from hnn_hpc.options import FitOptions

PROGRAM = 80_000_000  # bytes


@pytest.fixture
def make_forecast():
    """make(ranks, threads, samples, dimension, **options) -> (`Forecast`, the `Plan` that is chosen)."""

    def make(ranks=16, threads=1, samples=20_000, dimension=4, **options):
        dense = {"supports": "dense", "bandwidth": 0.25, "solver": "khatri-rao-qr"}
        forecast = Forecast(samples, dimension, FitOptions(**(dense | options)), ranks, threads, PROGRAM)
        return forecast, forecast.plan(forecast.options.solver)

    return make
