"""Fits on a cluster of dask with workers of its own: the bits of one process, whatever befalls the workers, and nothing left behind."""

import os
import signal
import time
from pathlib import Path
from threading import Thread

import dask
import dask.array as da
import numpy as np
import pytest
from dask.utils import key_split
from distributed import Client, LocalCluster, get_client
from fits import COUNT, DENSE, HOW, SIZES, assert_same_fit

from hnn_hpc import FitOptions, HnnError, UserError, fit
from hnn_hpc.parallel.dask_rows import DaskCommunicator
from hnn_hpc.samples import SystemSamples
from hnn_hpc.storage import SampleFile, SampleFileWriter
from hnn_hpc.systems import make_system
from hnn_hpc.training import fit_source

PROMPTLY = 60.0  # seconds that a cluster may take to forget what nobody wants, or to start a worker again


@pytest.fixture
def nothing_left(client):
    """Afterwards no task and no value is left on the cluster."""
    yield
    wait_until_forgotten(client)


def tasks_on(client):
    """The keys of all tasks that the scheduler or a worker knows."""
    known = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks))
    return known + [key for keys in client.run(lambda dask_worker: list(dask_worker.state.tasks)).values() for key in keys]


def wait_until_forgotten(client):
    until = time.monotonic() + PROMPTLY
    while left := tasks_on(client):
        assert time.monotonic() < until, left
        time.sleep(0.05)


def counted(folder, act, block):
    """Call act(n) at the n-th call with this folder, from 0 on, in whatever process; return the block."""
    number = 0
    while True:
        try:
            (folder / str(number)).touch(exist_ok=False)
            break
        except FileExistsError:
            number += 1
    act(number)
    return block


@pytest.fixture
def points_that(samples, tmp_path):
    """A function that gives points as a dask array that calls act(n) at the n-th computation of a chunk: points_that(act)."""

    def array(act):
        points = da.from_array(samples.points, chunks=(SIZES["in step with no block"], -1))
        return points.map_blocks(lambda block: counted(tmp_path, act, block), dtype=float, meta=np.empty((0, 0)))

    return array


def calls(folder):
    return len(list(Path(folder).iterdir()))


@pytest.mark.usefixtures("nothing_left")
class TestTwoWorkers:
    @pytest.mark.parametrize("sizes", SIZES)
    def test_the_chunks_do_not_matter(self, client, chunked, serial, sizes):
        assert_same_fit(fit(**chunked(SIZES[sizes]), client=client, **DENSE), serial(**DENSE))

    @pytest.mark.parametrize("how", [{"solver": "tsqr"}, {"solver": "gram"}, {"solver": "khatri-rao-qr"}, {"sampler": "approximate-swim"}])
    def test_every_solver_and_a_sampler_that_fits_twice(self, client, chunked, serial, how):
        how = (HOW if "sampler" in how else DENSE) | how
        assert_same_fit(fit(**chunked(SIZES["even"]), client=client, **how), serial(**how))

    def test_lsqr_gives_the_bits_of_other_schedulers(self, client, chunked):
        how = DENSE | {"solver": "lsqr"}
        with dask.config.set(scheduler="synchronous"):
            expected = fit(**chunked(SIZES["small"]), **how)
        assert_same_fit(fit(**chunked(SIZES["even"]), client=client, **how), expected)

    @pytest.mark.parametrize("activation", ["sigmoid", "softplus", "sine", "gaussian", "erf"])
    def test_every_activation_can_be_sent(self, client, chunked, serial, activation):
        how = DENSE | {"activation": activation, "features": 40}
        assert_same_fit(fit(**chunked(SIZES["one chunk"]), client=client, **how), serial(**how))

    def test_what_the_search_of_a_basis_finds_is_the_same(self, client, chunked, serial):
        assert_same_fit(fit(**chunked(SIZES["even"]), client=client, **HOW), serial(**HOW))

    def test_arrays_that_the_workers_hold(self, client, chunked, serial):
        held = {name: client.persist(array) for name, array in chunked(SIZES["even"]).items()}
        assert_same_fit(fit(**held, client=client, **DENSE), serial(**DENSE))

    def test_chunks_of_unknown_sizes(self, client, samples):
        keep = samples.points[:, 0] > -0.5
        points, velocities = (da.from_array(rows, chunks=(700, -1)) for rows in samples[:2])
        ours = fit(points[points[:, 0] > -0.5], velocities[points[:, 0] > -0.5], client=client, **DENSE)
        assert_same_fit(ours, fit(samples.points[keep], samples.velocities[keep], **DENSE))

    def test_outliers_send_the_same_rows_to_householder(self, client):
        points, velocities, _ = SystemSamples(make_system("pendulum", {}), 2000, seed=1).read(0, 2000)
        velocities[[300, 900, 1700]] *= 1e6
        how = {"features": 60, "bandwidth": [8, 1], "supports": "dense", "solver": "khatri-rao-qr", "block_bytes": "30KB"}
        ours = fit(da.from_array(points, chunks=(700, -1)), da.from_array(velocities, chunks=(700, -1)), client=client, **how)
        assert_same_fit(ours, fit(points, velocities, **how))
        assert ours.solution.householder_rows > 0

    def test_a_person_can_read_the_names_of_the_tasks(self, client, chunked):
        client.get_task_stream()  # it is kept from the first time on that anybody asks for it
        began = time.time()
        fit(**chunked(SIZES["in step with no block"]), client=client, **DENSE | {"solver": "khatri-rao-qr"})
        keys = {str(task["key"]) for task in client.get_task_stream(start=began)}
        ours = {key_split(key) for key in keys if key.startswith("hnn-")}
        assert ours >= {f"hnn-{stage}-block" for stage in ("survey", "factor-rows", "factor", "coordinates", "certify")}
        assert ours >= {f"hnn-{stage}-merge" for stage in ("factor-rows", "factor", "coordinates", "certify")}
        assert "hnn-survey-points" in ours  # rows cut out of a chunk
        assert any(key.startswith("hnn-factor-block-1-of-8-") for key in keys), sorted(keys)

    def test_values_of_the_tree_are_all_that_leaves_a_task(self, client, chunked):
        """No task returns more than a triangle, or rows cut out of a chunk for a block."""
        client.get_task_stream()  # it is kept from the first time on that anybody asks for it
        began = time.time()
        fit(**chunked(SIZES["in step with no block"]), client=client, **DENSE | {"features": 30, "solver": "khatri-rao-qr"})
        n = 30 + 4
        sizes = {str(task["key"]): task["nbytes"] for task in client.get_task_stream(start=began) if str(task["key"]).startswith("hnn-f")}
        cut = {key for key in sizes if "-points-" in key or "-velocities-" in key or "-energies-" in key}
        assert max(size for key, size in sizes.items() if key not in cut and "functions" not in key) <= 8 * n * n + 1000
        assert cut and max(sizes[key] for key in cut) <= 8 * 4 * (COUNT // 8 + 1) + 1000

    def test_a_number_that_is_not_finite_is_named_with_its_chunk(self, client, samples):
        points = samples.points.copy()
        points[2999, 0] = np.inf
        with pytest.raises(UserError, match=r"^points must be finite; row 2999 \(q1\) of the dask arrays \(chunk 4 of points\) is inf"):
            fit(*(da.from_array(rows, chunks=(700, -1)) for rows in (points, samples.velocities)), client=client, **DENSE)

    def test_a_chunk_that_is_not_what_its_array_says(self, client, samples):
        points = da.from_array(samples.points, chunks=(700, -1))
        lying = points.map_blocks(lambda block: block[:, :3], dtype=float, meta=np.empty((0, 0)), chunks=points.chunks)
        with pytest.raises(UserError, match=r"chunk \d of points, which begins with row \d+, has shape \(\d+, 3\)"):
            fit(lying, da.from_array(samples.velocities, chunks=(700, -1)), client=client, **DENSE)

    def test_ctrl_c_leaves_nothing_on_the_cluster(self, client, samples, points_that, tmp_path):
        points, velocities = points_that(lambda n: time.sleep(0.2)), da.from_array(samples.velocities, chunks=(700, -1))

        def interrupt():
            while calls(tmp_path) < 7:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)

        thread = Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            fit(points, velocities, client=client, **DENSE)
        thread.join()
        wait_until_forgotten(client)
        before = calls(tmp_path)
        time.sleep(0.5)
        assert calls(tmp_path) == before  # nothing runs on


class TestOtherClusters:
    def test_one_that_starts_workers_when_there_are_tasks(self, chunked, serial):
        with (
            LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster, set_as_default=False) as own,
        ):
            cluster.adapt(minimum=0, maximum=1)
            assert_same_fit(fit(**chunked(SIZES["even"]), client=own, **DENSE), serial(**DENSE))

    @pytest.mark.parametrize("with_client", [True, False])
    def test_a_task_that_fits_lends_its_thread_to_the_tasks_of_the_fit(self, samples, with_client):
        def task(points, velocities):
            arrays = [da.from_array(rows, chunks=(700, -1)) for rows in (points, velocities)]
            return fit(*arrays, client=get_client() if with_client else None, **DENSE)

        with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as own:
            ours = own.submit(task, *samples[:2]).result(PROMPTLY)
        assert_same_fit(ours, fit(*samples[:2], **DENSE))

    def test_one_that_is_closed(self, chunked):
        with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
            own = Client(cluster, set_as_default=False)
            own.close()
            with pytest.raises(UserError, match="client must be connected to a scheduler of dask; this one is closed"):
                fit(**chunked(SIZES["even"]), client=own, **DENSE)

    def test_one_that_goes_while_it_computes(self, samples, points_that, tmp_path):
        with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
            own = Client(cluster, set_as_default=False)
            points = points_that(lambda n: time.sleep(0.5))

            def close():
                while not calls(tmp_path):
                    time.sleep(0.01)
                own.close()

            thread = Thread(target=close)
            thread.start()
            with pytest.raises(HnnError, match="the client of dask was closed, or its scheduler has gone, in the pass 'survey'"):
                fit(points, da.from_array(samples.velocities, chunks=(700, -1)), client=own, **DENSE)
            thread.join()

    def test_arrays_that_another_client_holds(self, client, chunked):
        with Client(client.scheduler.address, set_as_default=False) as other:
            held = {name: other.persist(array) for name, array in chunked(SIZES["even"]).items()}
            other.cancel(list(held.values()))
            with pytest.raises(UserError, match="what the arrays are made of has gone from the cluster in the pass 'survey'"):
                fit(**held, client=client, **DENSE)


class TestWorkersThatDie:
    @pytest.mark.parametrize("call", [2, 8, 14])
    def test_one_of_two_killed_by_its_number(self, two_workers, samples, points_that, tmp_path, call):
        """In the survey, in the factorization and in the certificate, each of which makes the five chunks anew."""

        def act(n):
            if n == call:
                os.kill(os.getpid(), signal.SIGKILL)

        ours = fit(points_that(act), da.from_array(samples.velocities, chunks=(700, -1)), client=two_workers, **DENSE)
        assert_same_fit(ours, fit(*samples[:2], **DENSE))
        assert calls(tmp_path) > call + 1
        wait_until_forgotten(two_workers)

    def test_the_only_one_with_what_all_tasks_need(self, one_worker, samples, points_that, tmp_path):
        """Which dask makes again, as it does the rest."""

        def act(n):
            if n == 8:
                os.kill(os.getpid(), signal.SIGKILL)

        ours = fit(points_that(act), da.from_array(samples.velocities, chunks=(700, -1)), client=one_worker, **DENSE)
        assert_same_fit(ours, fit(*samples[:2], **DENSE))
        assert calls(tmp_path) > 9
        wait_until_forgotten(one_worker)

    def test_a_chunk_that_kills_every_worker_ends_the_fit(self, one_worker, samples, points_that):
        one_worker.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
        points = points_that(lambda n: os.kill(os.getpid(), signal.SIGKILL))
        with pytest.raises(HnnError, match="the workers of the dask cluster died again and again in the pass 'survey'"):
            fit(points, da.from_array(samples.velocities), client=one_worker, **DENSE)
        wait_until_forgotten(one_worker)


@pytest.fixture(scope="module")
def sample_file(tmp_path_factory, samples):
    """The path of an HDF5 file of the samples, which says of one point what its energy is."""
    path = tmp_path_factory.mktemp("samples") / "samples.h5"
    with SampleFileWriter(path, samples.points.shape, attributes={"reference_point": [0.0] * 4, "reference_energy": 0.5}) as file:
        file.write(0, samples)
    return path


@pytest.mark.usefixtures("nothing_left")
class TestFile:
    @pytest.mark.parametrize("how", [HOW, DENSE, DENSE | {"solver": "tsqr"}, HOW | {"sampler": "swim"}])
    def test_workers_read_it_for_themselves(self, client, samples, sample_file, how):
        ours = fit(sample_file, client=client, **how)
        assert_same_fit(ours, fit(*samples[:2], energies=samples.energies, reference=([0.0] * 4, 0.5), **how))
        assert ours.model.provenance["samples"]["file"] == str(sample_file)

    def test_it_is_read_slice_by_slice_in_one_process_too(self, sample_file, samples):
        assert_same_fit(fit(str(sample_file), **DENSE), fit(*samples[:2], reference=([0.0] * 4, 0.5), **DENSE))

    @pytest.mark.parametrize("solver, stage", [("tsqr", "factor"), ("lsqr", "sketch"), ("lsqr", "iterate")])
    def test_a_worker_that_dies(self, client, two_workers, sample_file, solver, stage):
        how, killed = DENSE | {"block_bytes": "20KB", "solver": solver}, []
        with Client(two_workers.scheduler.address, set_as_default=False) as other:
            thread = Thread(target=lambda: killed.append(kill_a_worker_at_work(other, f"hnn-{stage}")))
            thread.start()
            ours = fit(sample_file, client=two_workers, **how)
            thread.join()
        assert killed[0]
        assert_same_fit(ours, fit(sample_file, client=client, **how))

    def test_what_only_a_worker_cannot_read_is_said(self, client, samples, tmp_path):
        path = tmp_path / "samples.h5"
        with SampleFileWriter(path, samples.points.shape) as file:
            file.write(0, samples)
        source = SampleFile(path)
        path.unlink()
        with pytest.raises(UserError, match=r"samples.h5 does not exist; expected an HDF5 file"):
            fit_source(source, FitOptions(**DENSE), DaskCommunicator(client))

    @pytest.mark.parametrize("more", [{"velocities": np.zeros((3, 4))}, {"energies": np.zeros(3)}])
    def test_it_has_everything_itself(self, client, sample_file, more):
        with pytest.raises(UserError, match="points is the path of a file, which has velocities, and energies if they are known, itself"):
            fit(sample_file, client=client, **more)


def kill_a_worker_at_work(client, prefix):
    """Kill the process of the first worker that is seen to compute a task of this prefix, and return its number; None before long."""
    until = time.monotonic() + PROMPTLY
    while time.monotonic() < until:
        time.sleep(0.001)
        for worker, keys in client.processing().items():
            if any(str(key).startswith(prefix) for key in keys):
                [process] = client.run(os.getpid, workers=[worker]).values()
                os.kill(process, signal.SIGKILL)
                return process
    return None
