"""One to four ranks: the same tree, the same bits, the same errors. Each test also computes the serial answer and compares."""

import hashlib

import numpy as np
import pytest
from mpi4py import MPI

from hnn_hpc import FitOptions, UserError, fit
from hnn_hpc.errors import HnnError, NotCertifiedError
from hnn_hpc.evaluation import evaluate
from hnn_hpc.operators import components_of
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.parallel.tree import tree_reduce
from hnn_hpc.samples import SystemSamples
from hnn_hpc.systems import make_system
from hnn_hpc.training import fit_source

SERIAL = SerialCommunicator()
DENSE = {"bandwidth": 0.25, "supports": "dense"}  # one dense solve, and no search of a basis


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


@pytest.mark.parametrize("blocks", [1, 2, 3, 5, 12, 37])
def test_tree_reduce_gives_the_serial_bits(communicator, blocks):
    numbers = np.random.default_rng(blocks).standard_normal((blocks, 3)) * 10.0 ** np.arange(blocks)[:, None]
    layout = RowLayout(blocks, blocks)
    ours = tree_reduce(communicator, layout, lambda block: numbers[block].copy(), np.add)
    serial = tree_reduce(SERIAL, layout, lambda block: numbers[block].copy(), np.add)
    assert (ours is None) == (not communicator.is_root)
    if communicator.is_root:
        np.testing.assert_array_equal(ours, serial)


@pytest.mark.parametrize(
    "solver, sampler",
    [
        *(("khatri-rao-qr", sampler) for sampler in ("anchored", "gradient-swim", "swim", "uniform-swim", "approximate-swim", "elm")),
        *((solver, sampler) for solver in ("tsqr", "gram") for sampler in ("anchored", "approximate-swim")),
    ],
)
def test_coefficients_are_bitwise_those_of_one_rank(communicator, solver, sampler):
    """In blocks of several pieces, so that rows go to Cholesky QR as well as to Householder QR."""
    source = SystemSamples(make_system("henon-heiles", {}), 3000, seed=1)
    options = FitOptions(features=120, sampler=sampler, solver=solver, seed=2, block_bytes="200KB", **DENSE)
    ours, serial = fit_source(source, options, communicator), fit_source(source, options, SERIAL)
    np.testing.assert_array_equal(ours.model.coefficients, serial.model.coefficients)
    np.testing.assert_array_equal(ours.model.weights, serial.model.weights)
    assert ours.model.constant == serial.model.constant
    assert (ours.solution.backward_error, ours.solution.rank) == (serial.solution.backward_error, serial.solution.rank)
    assert len(set(communicator.all_gather(digest(ours.model.coefficients)))) == 1
    test = SystemSamples(source.system, 9000, 1, "test points")
    assert evaluate(ours.model, test, communicator) == evaluate(ours.model, test, SERIAL)


ANGLES = {"angles": ["q1", "q2"], "differences": [["q1", "q2"]]}


@pytest.mark.parametrize(("system", "coordinates", "components"), [("henon-heiles", {}, 3), ("double-pendulum", ANGLES, 1)])
def test_with_everything_on_auto_the_bits_are_those_of_one_rank(communicator, system, coordinates, components):
    source = SystemSamples(make_system(system, {}), 3000, seed=1)
    options = FitOptions(features=150, coordinates=coordinates)
    assert (options.bandwidth, options.supports, options.solver) == ("auto", "auto", "auto")
    ours, serial = fit_source(source, options, communicator), fit_source(source, options, SERIAL)
    for name in ("weights", "coefficients", "constant"):
        np.testing.assert_array_equal(getattr(ours.model, name), getattr(serial.model, name))
    for name in ("solver", "backward_error", "relative_residual", "condition_estimate", "rank", "certified"):
        assert getattr(ours.solution, name) == getattr(serial.solution, name)
    basis = {key: value for key, value in ours.record["basis"].items() if key != "seconds"}
    assert basis == {key: value for key, value in serial.record["basis"].items() if key != "seconds"}
    assert basis["searched"] == ["bandwidth", "supports"]
    assert len(components_of(ours.model.weights, options.coordinates_of(4))) == components
    assert len(set(communicator.all_gather(digest(ours.model.coefficients)))) == 1
    test = SystemSamples(source.system, 1000, 1, "test points")
    assert evaluate(ours.model, test, communicator) == evaluate(ours.model, test, SERIAL)


@pytest.mark.parametrize("solver", ["khatri-rao-qr", "tsqr"])
def test_outliers_send_the_same_rows_to_householder(communicator, solver):
    points, velocities, _ = SystemSamples(make_system("pendulum", {}), 2000, seed=1).read(0, 2000)
    velocities[[300, 900, 1700]] *= 1e6
    own = slice(2000 * communicator.rank // communicator.size, 2000 * (communicator.rank + 1) // communicator.size)
    options = {"features": 60, "bandwidth": [8, 1], "supports": "dense", "solver": solver, "block_bytes": "30KB"}
    ours, serial = fit(points[own], velocities[own], comm=communicator, **options), fit(points, velocities, **options)
    np.testing.assert_array_equal(ours.model.coefficients, serial.model.coefficients)
    assert ours.solution.householder_rows == serial.solution.householder_rows > 0


def test_a_solver_that_cannot_do_it_says_so_on_every_rank(communicator):
    samples = SystemSamples(make_system("pendulum", {}), 2000, seed=1).read(0, 2000)
    own = slice(2000 * communicator.rank // communicator.size, 2000 * (communicator.rank + 1) // communicator.size)
    with pytest.raises(NotCertifiedError, match="the solver gram squares the condition number"):
        fit(samples.points[own], samples.velocities[own], features=300, solver="gram", comm=communicator, **DENSE)


@pytest.mark.parametrize("spread", ["even", "all on the last rank", "uneven"])
def test_library_call_takes_rows_however_they_are_spread(communicator, spread):
    samples = SystemSamples(make_system("pendulum", {}), 2000, seed=1).read(0, 2000)
    edges = {
        "even": [2000 * rank // communicator.size for rank in range(communicator.size + 1)],
        "all on the last rank": [0] * communicator.size + [2000],
        "uneven": [0, *sorted(np.random.default_rng(3).integers(0, 2000, communicator.size - 1).tolist()), 2000],
    }[spread]
    own = slice(edges[communicator.rank], edges[communicator.rank + 1])
    ours = fit(samples.points[own], samples.velocities[own], features=100, sampler="gradient-swim", comm=communicator)
    serial = fit(samples.points, samples.velocities, features=100, sampler="gradient-swim")
    np.testing.assert_array_equal(ours.model.coefficients, serial.model.coefficients)


def test_more_ranks_than_blocks(communicator):
    source = SystemSamples(make_system("pendulum", {}), 12, seed=1)
    options = FitOptions(features=10, **DENSE)
    ours, serial = fit_source(source, options, communicator), fit_source(source, options, SERIAL)
    np.testing.assert_array_equal(ours.model.coefficients, serial.model.coefficients)


def test_an_error_of_the_last_rank_reaches_every_rank(communicator):
    last = communicator.size - 1
    with pytest.raises(UserError, match="row 5 is bad"), communicator.together():
        if communicator.rank == last:
            raise UserError("row 5 is bad")
    with pytest.raises(ZeroDivisionError if communicator.rank == last else HnnError), communicator.together():
        if communicator.rank == last:
            1 / 0  # noqa: B018


def test_a_bad_row_on_one_rank_stops_the_fit_on_all(communicator):
    samples = SystemSamples(make_system("pendulum", {}), 200, seed=1).read(0, 200)
    samples.points[150, 1] = np.nan
    own = slice(200 * communicator.rank // communicator.size, 200 * (communicator.rank + 1) // communicator.size)
    with pytest.raises(UserError, match=r"row 150 \(p1\)"):
        fit(samples.points[own], samples.velocities[own], features=10, comm=communicator)


def test_a_wrong_shape_on_one_rank_stops_the_fit_on_all(communicator):
    points = np.zeros((5, 3 if communicator.rank == communicator.size - 1 else 2))
    with pytest.raises(UserError, match="even number of columns"):
        fit(points, points, comm=communicator)


@pytest.mark.parametrize("name, value", [("features", 11), ("seed", 1), ("reference", ([0.0, 0.0], 1.0)), ("require_certified", False)])
def test_different_options_on_one_rank_stop_the_fit_on_all(communicator, name, value):
    samples = SystemSamples(make_system("pendulum", {}), 200, seed=1).read(0, 200)
    others = {name: value} if communicator.rank == communicator.size - 1 else {}
    if communicator.size == 1:
        assert fit(*samples[:2], comm=communicator, **{"features": 10} | DENSE | others).solution.certified
        return
    with pytest.raises(UserError, match="every rank must pass the same; the options of the fit on rank"):
        fit(*samples[:2], comm=communicator, **{"features": 10} | DENSE | others)


def test_different_samples_on_one_rank_stop_the_evaluation_on_all(communicator):
    source = SystemSamples(make_system("pendulum", {}), 200, seed=1)
    model = fit_source(source, FitOptions(features=10, **DENSE), communicator).model
    own = SystemSamples(source.system, 200 + communicator.rank, 1, "test points")
    if communicator.size == 1:
        assert evaluate(model, own, communicator)["samples"] == 200
        return
    with pytest.raises(UserError, match="every rank must pass the same; the samples of the evaluation on rank 1"):
        evaluate(model, own, communicator)


def test_a_bad_thread_count_on_one_rank_stops_the_fit_on_all(communicator, monkeypatch):
    if communicator.rank == communicator.size - 1:
        monkeypatch.setenv("HNN_HPC_THREADS", "many")
    source = SystemSamples(make_system("pendulum", {}), 200, seed=1)
    with pytest.raises(UserError, match="HNN_HPC_THREADS must be a whole number"):
        fit_source(source, FitOptions(features=10), communicator)


def test_a_split_communicator_fits_on_its_own(communicator):
    half = MPI.COMM_WORLD.Split(communicator.rank % 2)
    samples = SystemSamples(make_system("pendulum", {}), 500, seed=1).read(0, 500)
    own = slice(500 * half.rank // half.size, 500 * (half.rank + 1) // half.size)
    ours = fit(samples.points[own], samples.velocities[own], features=50, comm=half, **DENSE)
    half.Free()
    serial = fit(samples.points, samples.velocities, features=50, **DENSE)
    np.testing.assert_array_equal(ours.model.coefficients, serial.model.coefficients)
