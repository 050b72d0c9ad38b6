"""Models and their evaluation on dask arrays: nothing is computed before somebody asks, and then the right thing."""

import dask.array as da
import numpy as np
import pytest
from dask.delayed import Delayed
from dask.utils import key_split
from distributed import Client, LocalCluster
from fits import DENSE, SIZES

from hnn_hpc import UserError, evaluate_arrays
from hnn_hpc.evaluation import evaluate
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.samples import ArraySamples, SystemSamples
from hnn_hpc.systems import make_system

ROUND_OFF = 1e-13  # of a sum over the features, whose order depends on where a chunk begins


@pytest.fixture(scope="module")
def model(serial):
    return serial(**DENSE).model


@pytest.fixture
def lazy(samples):
    """A function that gives points as a dask array in so many dimensions, and the list of the chunks that were computed, one entry each."""

    def array(*shape):
        computed = []

        def look(block):
            if block.size:  # dask tries functions on empty arrays
                computed.append(block.shape)
            return block

        points = da.from_array(samples.points.reshape(*shape, 4), chunks=(500,) + (-1,) * len(shape))
        return points.map_blocks(look, dtype=float, meta=np.empty((0,) * (len(shape) + 1))), computed

    return array


@pytest.mark.parametrize("name", ["energy", "gradient", "vector_field"])
@pytest.mark.parametrize("shape", [(3000,), (1500, 2)])
def test_models_stay_lazy(model, samples, lazy, name, shape):
    points, computed = lazy(*shape)
    found = getattr(model, name)(points)
    assert computed == [] and found.chunks[0] == points.chunks[0] and found.dtype == float
    expected = getattr(model, name)(samples.points.reshape(*shape, 4))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.compute(), expected, rtol=0, atol=ROUND_OFF * np.abs(expected).max())
    assert len(computed) == points.numblocks[0]
    assert {key_split(key) for key in found.dask if str(key).startswith("('hnn-")} == {f"hnn-{name}".replace("_", "-")}  # for a person
    some = found[:10].compute()
    assert some.shape == expected[:10].shape and len(computed) == points.numblocks[0] + 1


def test_points_of_unknown_number(model, samples):
    points = da.from_array(samples.points, chunks=(500, -1))
    kept = samples.points[samples.points[:, 0] > 0]
    found = model.energy(points[points[:, 0] > 0]).compute()
    np.testing.assert_allclose(found, model.energy(kept), rtol=0, atol=ROUND_OFF * np.abs(found).max())


def test_points_that_are_not_of_the_system(model, samples):
    with pytest.raises(UserError, match=r"the model has 4 coordinates.*got \(3000, 3\)"):
        model.energy(da.zeros((3000, 3)))
    with pytest.raises(UserError, match=r"must lie in one chunk; there are 2: use rechunk\({1: -1}\)"):
        model.gradient(da.from_array(samples.points, chunks=(500, 2)))


@pytest.mark.parametrize("with_energies", [True, False])
def test_evaluation_stays_lazy_and_has_the_bits_of_one_process(model, chunked, lazy, samples, with_energies):
    arrays = chunked(SIZES["in step with no block"])
    arrays["points"], computed = lazy(3000)
    energies = samples.energies if with_energies else None
    answer = evaluate_arrays(model, **arrays | ({} if with_energies else {"energies": None}))
    assert isinstance(answer, Delayed) and computed == []
    expected = evaluate(model, ArraySamples(samples.points, samples.velocities, energies, 3000), SerialCommunicator())
    assert answer.compute() == expected == evaluate_arrays(model, samples.points, samples.velocities, energies)
    assert len(computed) == 6


def test_evaluation_counts_chunks_of_unknown_sizes_at_once(model, samples, lazy):
    points, computed = lazy(3000)
    kept = samples.points[:, 0] > 0
    arrays = points[points[:, 0] > 0], da.from_array(samples.velocities, chunks=(500, -1))[da.from_array(kept, chunks=500)]
    answer = evaluate_arrays(model, *arrays)
    assert len(computed) == 6  # once, although two columns had to be counted
    assert answer.compute() == evaluate_arrays(model, samples.points[kept], samples.velocities[kept])


@pytest.mark.parametrize("array", [np.zeros, da.zeros])
def test_evaluation_of_no_samples(model, array):
    with pytest.raises(UserError, match="there are no samples to evaluate: points has no row"):
        evaluate_arrays(model, array((0, 4)), array((0, 4)))


def test_evaluation_of_many_blocks_on_a_cluster(model):
    test = SystemSamples(make_system("henon-heiles", {}), 20_000, 1, "test points")
    arrays = [da.from_array(rows, chunks=(3000, *rows.shape[1:])) for rows in test.read(0, test.count)]
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster):
        assert evaluate_arrays(model, *arrays).compute() == evaluate(model, test, SerialCommunicator())


def test_evaluation_of_samples_that_cannot_be(model, samples):
    points, velocities = samples.points.copy(), samples.velocities
    with pytest.raises(UserError, match="the model has 4 coordinates, but there are 2 in the dask arrays"):
        evaluate_arrays(model, da.zeros((10, 2)), da.zeros((10, 2)))
    with pytest.raises(UserError, match="comm does not go with dask arrays"):
        evaluate_arrays(model, da.zeros((10, 4)), da.zeros((10, 4)), comm=SerialCommunicator())
    points[7, 1] = np.nan
    answer = evaluate_arrays(model, da.from_array(points), da.from_array(velocities))
    with pytest.raises(UserError, match=r"row 7 \(q2\) of the dask arrays \(chunk 0 of points\) is nan"):
        answer.compute()
