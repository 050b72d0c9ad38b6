"""Fits of dask arrays on dask's own threads: the bits of one process, whatever the chunks; and what is refused, with where it lies."""

import os
import signal
import sys
import time
from threading import Thread

import cloudpickle
import dask
import dask.array as da
import numpy as np
import pytest
from dask.diagnostics import ProgressBar
from fits import COUNT, DENSE, HOW, SIZES, assert_same_fit
from threadpoolctl import threadpool_info, threadpool_limits

from hnn_hpc import UserError, fit
from hnn_hpc.parallel import dask_work
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.samples import SystemSamples
from hnn_hpc.storage import Checkpoint
from hnn_hpc.systems import make_system


@pytest.mark.parametrize("sizes", SIZES)
def test_the_chunks_do_not_matter(chunked, serial, sizes):
    assert_same_fit(fit(**chunked(SIZES[sizes]), **DENSE), serial(**DENSE))


def test_points_and_velocities_may_be_cut_differently(chunked, serial):
    assert_same_fit(fit(**chunked(SIZES["even"], SIZES["small"]), **DENSE), serial(**DENSE))


@pytest.mark.parametrize(
    "solver, sampler",
    [
        *(("khatri-rao-qr", sampler) for sampler in ("gradient-swim", "swim", "uniform-swim", "approximate-swim", "elm")),
        *((solver, sampler) for solver in ("tsqr", "gram") for sampler in ("anchored", "approximate-swim")),
    ],
)
def test_every_sampler_and_solver_gives_the_bits_of_one_process(chunked, serial, solver, sampler):
    how = (DENSE if sampler == "anchored" else HOW) | {"sampler": sampler, "solver": solver}
    assert_same_fit(fit(**chunked(SIZES["in step with no block"]), **how), serial(**how))


@pytest.mark.parametrize("scheduler", ["synchronous", "processes"])
def test_other_schedulers_of_dask_do_too(chunked, serial, scheduler):
    with dask.config.set(scheduler=scheduler, num_workers=2):
        assert_same_fit(fit(**chunked(SIZES["even"]), **DENSE), serial(**DENSE))


class TestLSQR:
    """Conjugate gradients on dask: not the bits of PETSc's LSQR, but its answer, and one that no chunk or scheduler changes."""

    @pytest.mark.parametrize("bandwidth, tolerance", [(0.25, 1e-12), (0.01, 1e-9), (5e-4, 1e-6)])
    def test_the_answer_is_that_of_lsqr_on_ranks(self, samples, chunked, serial, bandwidth, tolerance):
        """At a condition of 1e5, 1e11, and, truncated, 1e15, where the last directions are made of round-off."""
        how = DENSE | {"solver": "lsqr", "bandwidth": bandwidth}
        ours, theirs = fit(**chunked(SIZES["even"]), **how), serial(**how)
        assert ours.solution.certified and ours.solution.rank == theirs.solution.rank
        assert (ours.solution.rank < DENSE["features"]) == (bandwidth == 5e-4)
        assert 0 < ours.solution.iterations <= theirs.solution.iterations + 1
        field, expected = (each.model.vector_field(samples.points) for each in (ours, theirs))
        assert np.linalg.norm(field - expected) < tolerance * np.linalg.norm(expected)

    @pytest.mark.parametrize("sizes", SIZES)
    def test_the_chunks_do_not_matter(self, chunked, lsqr_in_one_chunk, sizes):
        assert_same_fit(fit(**chunked(SIZES[sizes]), **DENSE | {"solver": "lsqr"}), lsqr_in_one_chunk)

    def test_it_does_without_petsc(self, chunked, lsqr_in_one_chunk, monkeypatch):
        monkeypatch.setitem(sys.modules, "petsc4py", None)
        assert_same_fit(fit(**chunked(SIZES["even"]), **DENSE | {"solver": "lsqr"}), lsqr_in_one_chunk)

    def test_fewer_samples_than_a_sketch_is_worth(self, samples):
        rows = [column[:200] for column in samples[:2]]
        ours = fit(*(da.from_array(column, chunks=(70, -1)) for column in rows), **DENSE | {"solver": "lsqr"})
        theirs = fit(*rows, **DENSE | {"solver": "lsqr"})
        assert ours.solution.residual_norm == pytest.approx(theirs.solution.residual_norm, rel=1e-8)


@pytest.fixture(scope="module")
def lsqr_in_one_chunk(samples):
    points, velocities, energies = (da.from_array(column, chunks=-1) for column in samples)
    return fit(points, velocities, energies=energies, **DENSE | {"solver": "lsqr"})


def test_what_the_search_of_a_basis_finds_is_the_same(chunked, serial):
    """With parts of H that are solved by themselves, coordinate by coordinate."""
    ours = fit(**chunked(SIZES["uneven, and some empty"]), **HOW)
    assert_same_fit(ours, serial(**HOW))
    assert ours.record["basis"]["supports"] == serial(**HOW).record["basis"]["supports"]


def test_derived_coordinates():
    points, velocities, _ = SystemSamples(make_system("double-pendulum", {}), 1000, seed=1).read(0, 1000)
    how = HOW | {"coordinates": {"angles": ["q1", "q2"], "differences": [["q1", "q2"]]}}
    ours = fit(da.from_array(points, chunks=(300, -1)), da.from_array(velocities, chunks=(300, -1)), **how)
    assert_same_fit(ours, fit(points, velocities, **how))


@pytest.mark.parametrize("solver", ["khatri-rao-qr", "tsqr"])
def test_outliers_send_the_same_rows_to_householder(solver):
    points, velocities, _ = SystemSamples(make_system("pendulum", {}), 2000, seed=1).read(0, 2000)
    velocities[[300, 900, 1700]] *= 1e6
    how = {"features": 60, "bandwidth": [8, 1], "supports": "dense", "solver": solver, "block_bytes": "30KB"}
    ours = fit(da.from_array(points, chunks=(700, -1)), da.from_array(velocities, chunks=(700, -1)), **how)
    assert_same_fit(ours, fit(points, velocities, **how))
    assert ours.solution.householder_rows > 0


def test_whole_numbers_single_precision_and_other_orders_in_memory_are_taken(samples):
    rows = np.asfortranarray(np.round(8 * samples.points).astype(np.int16)), samples.velocities.astype(np.float32)
    ours = fit(da.from_array(rows[0], chunks=(700, -1)), da.from_array(rows[1], chunks=(900, -1)), **DENSE)
    assert_same_fit(ours, fit(*rows, **DENSE))


def test_chunks_of_unknown_sizes(samples):
    keep = samples.points[:, 0] > -0.5
    points, velocities = da.from_array(samples.points, chunks=(700, -1)), da.from_array(samples.velocities, chunks=(700, -1))
    kept = points[points[:, 0] > -0.5], velocities[points[:, 0] > -0.5]
    assert np.isnan(kept[0].chunks[0]).all()
    assert_same_fit(fit(*kept, **DENSE), fit(samples.points[keep], samples.velocities[keep], **DENSE))
    assert np.isnan(kept[0].chunks[0]).all()  # the user's arrays stay as they are


def test_what_points_and_velocities_are_both_made_of_is_made_once_a_pass(samples, serial):
    made = []

    def read(block):
        if block.size:  # dask tries functions on empty arrays
            made.append(block.shape)
        return block

    both = da.from_array(np.hstack(samples[:2]), chunks=(1000, -1)).map_blocks(read, dtype=float, meta=np.empty((0, 0)))
    how = DENSE | {"solver": "khatri-rao-qr"}
    ours = fit(both[:, :4], both[:, 4:], **how)
    assert len(made) == 4 * 3  # of three chunks: survey, first rows, the others, certificate
    assert_same_fit(ours, fit(*samples[:2], **how))


def test_dask_tells_how_far_it_is(chunked, capsys):
    with ProgressBar(minimum=0, dt=0.01):
        fit(**chunked(SIZES["even"]), **DENSE)
    assert "100% Completed" in capsys.readouterr().out


def test_ctrl_c_ends_it_with_the_chunks_under_way(samples):
    begun = []

    def slow(block):
        if block.size:  # dask tries functions on empty arrays
            begun.append(block.shape)
            time.sleep(0.2)
        return block

    def interrupt():
        while len(begun) < 3:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    points = da.from_array(samples.points, chunks=(100, -1)).map_blocks(slow, dtype=float, meta=np.empty((0, 0)))
    thread = Thread(target=interrupt)
    thread.start()
    with dask.config.set(num_workers=2), pytest.raises(KeyboardInterrupt):
        fit(points, da.from_array(samples.velocities, chunks=(100, -1)), **DENSE)
    thread.join()
    time.sleep(0.3)
    ended = len(begun)
    time.sleep(0.5)
    assert len(begun) == ended < 30


def test_blas_has_one_thread_in_a_task_and_its_own_again_afterwards(samples):
    seen = []

    def blas_threads():
        return {library["filepath"]: library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    def look(block):
        seen.append(blas_threads())
        return block

    points = da.from_array(samples.points, chunks=(700, -1)).map_blocks(look, dtype=float, meta=np.empty((0, 0)))
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        fit(points, da.from_array(samples.velocities, chunks=(700, -1)), **DENSE)
        assert 2 in before.values() and blas_threads() == before
        assert seen and all(set(threads.values()) == {1} for threads in seen)


class TestRefused:
    def test_numbers_that_are_not_finite_are_named_with_their_chunk(self, samples):
        velocities = samples.velocities.copy()
        velocities[1234, 3] = np.nan
        arrays = da.from_array(samples.points, chunks=(700, -1)), da.from_array(velocities, chunks=(500, -1))
        with pytest.raises(
            UserError, match=r"velocities must be finite; row 1234 \(p2\) of the dask arrays \(chunk 2 of velocities\) is nan"
        ):
            fit(*arrays, **DENSE)

    @pytest.mark.parametrize("sizes", ["one chunk", "in step with no block"])
    def test_a_chunk_that_is_not_what_its_array_says(self, samples, sizes):
        points = da.from_array(samples.points, chunks=(SIZES[sizes], -1))
        lying = points.map_blocks(lambda block: block[:, :3], dtype=float, meta=np.empty((0, 0)), chunks=points.chunks)
        rows = SIZES[sizes][0]
        expected = (
            rf"chunk \d of points, which begins with row \d+, has shape \({rows}, 3\).*; expected real numbers of shape \({rows}, 4\)"
        )
        with pytest.raises(UserError, match=expected):
            fit(lying, da.from_array(samples.velocities, chunks=(SIZES[sizes], -1)), **DENSE)

    @pytest.mark.parametrize(
        "made, words",
        [
            (lambda block: np.ma.masked_greater(block, 4.0), "chunk 0 of points, which begins with row 0, has masked values"),
            (lambda block: [[1.0], [2.0, 3.0]], r"chunk 0 of points, which begins with row 0, has shape \(\), dtype object"),
        ],
    )
    def test_chunks_that_are_no_plain_numbers(self, samples, made, words):
        points = da.from_array(samples.points, chunks=(3000, -1)).map_blocks(made, dtype=float, meta=np.empty((0, 0)))
        with pytest.raises(UserError, match=words):
            fit(points, da.from_array(samples.velocities), **DENSE)

    def test_chunks_of_unknown_sizes_that_have_no_rows(self, samples):
        points = da.from_array(samples.points, chunks=(700, -1))
        nothing = points[points[:, 0] > 0].map_blocks(lambda block: None, dtype=float, meta=np.empty((0, 0)))
        with pytest.raises(UserError, match=r"chunk \d of (points|velocities) is a NoneType; expected rows of numbers"):
            fit(nothing, nothing, **DENSE)

    def test_columns_of_unknown_number(self, samples):
        points = da.from_array(samples.points, chunks=(700, -1))
        with pytest.raises(UserError, match="points has an unknown number of columns"):
            fit(points[:, points[0] > 0], points, **DENSE)

    def test_masked_arrays_in_memory(self, samples):
        with pytest.raises(UserError, match="velocities has masked values; expected numbers: leave these rows out, or fill them"):
            fit(samples.points, np.ma.masked_greater(samples.velocities, 4.0), **DENSE)

    def test_what_a_chunk_raises_is_raised(self, samples):
        def fails(block, block_info=None):
            if block_info[0]["chunk-location"][0] == 2:
                raise OSError("no such tape")
            return block

        points = da.from_array(samples.points, chunks=(700, -1)).map_blocks(fails, dtype=float, meta=np.empty((0, 0)))
        with pytest.raises(OSError, match="no such tape"):
            fit(points, da.from_array(samples.velocities, chunks=(700, -1)), **DENSE)

    def test_chunks_side_by_side(self, samples):
        points = da.from_array(samples.points, chunks=(700, 2))
        with pytest.raises(UserError, match=r"points must be chunked by rows alone, and has 2 chunks side by side; use points.rechunk"):
            fit(points, points)
        rechunked = points.rechunk({1: -1})
        assert fit(rechunked, da.from_array(samples.velocities), **DENSE).solution.certified

    @pytest.mark.parametrize(
        "change, expected",
        [
            ({"velocities": np.zeros((COUNT, 4))}, "velocities must be a dask array, as other arrays of this call are; got ndarray"),
            ({"velocities": None}, "velocities are missing"),
            ({"velocities": da.zeros((COUNT - 1, 4))}, "points and velocities must have the same shape"),
            ({"points": da.zeros((COUNT, 3)), "velocities": da.zeros((COUNT, 3))}, "even number of columns"),
            ({"points": da.zeros(COUNT)}, r"points must be an array of real numbers of shape \(K, D\)"),
            ({"points": da.zeros((COUNT, 4), dtype=complex)}, "real numbers"),
            ({"energies": da.zeros(7)}, "energies must have one value a point"),
            ({"comm": SerialCommunicator()}, "comm does not go with dask: either ranks or dask's workers compute; leave comm out"),
            ({"memory_per_rank": "1GB"}, "memory_per_rank does not go with dask: dask has limits of its own for its workers"),
            ({"client": "any"}, "client must be a distributed.Client that is not asynchronous; got str"),
            ({"features": 5 * COUNT}, "more than the"),
        ],
    )
    def test_what_does_not_go_together(self, chunked, change, expected):
        with pytest.raises(UserError, match=expected):
            fit(**chunked(SIZES["even"]) | DENSE | change)

    def test_a_checkpoint(self, chunked, tmp_path):
        with pytest.raises(UserError, match="checkpoint does not go with dask: dask computes again by itself what is lost"):
            fit(**chunked(SIZES["even"]), checkpoint=Checkpoint(tmp_path / "checkpoint", 1.0), **DENSE)

    def test_what_dask_has_not_computed_and_is_no_array(self, samples):
        table = dask.delayed(samples.points)
        with pytest.raises(UserError, match="points is a Delayed.* that dask has not computed yet; expected a dask array: pass its .data"):
            fit(table, samples.velocities, **DENSE)

    def test_other_versions_on_a_worker(self, chunked, monkeypatch):
        told = iter([{"hnn-hpc": "0.0.1", "numpy": "1.0"}])
        plain = dask_work.versions
        monkeypatch.setattr(dask_work, "versions", lambda: next(told, plain()))
        work = cloudpickle.dumps(dask_work.Work(len))
        with pytest.raises(UserError, match=r"a worker of dask has hnn-hpc .*; expected hnn-hpc 0.0.1, numpy 1.0, as in the process"):
            cloudpickle.loads(work)

    def test_a_client_for_arrays_in_memory(self, samples):
        with pytest.raises(UserError, match=r"a client computes with dask arrays.*got ndarray: use dask.array.from_array"):
            fit(*samples[:2], client="any")
