"""Sample files: what is written is read, in any slices, by many at once."""

import itertools
import multiprocessing
import pickle
import subprocess
import sys
import tracemalloc
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from sample_files import ATTRIBUTES, SHAPES, same, write

from hnn_hpc.errors import OutputError, UserError
from hnn_hpc.samples import Samples
from hnn_hpc.storage import SampleFile, SampleFileWriter


def test_round_trip(tmp_path, samples):
    attributes = ATTRIBUTES | {"reference_point": np.arange(4) / 3, "reference_energy": 0.1}
    source = SampleFile(write(tmp_path / "samples.h5", samples, attributes=attributes))
    assert (source.count, source.dimension, source.has_energies) == (60, 4, True)
    assert source.location == str(tmp_path / "samples.h5")
    assert source.description == {"file": source.location} | ATTRIBUTES
    np.testing.assert_array_equal(source.reference[0], np.arange(4) / 3)
    assert source.reference[1] == 0.1
    assert same(source.read(0, 60), samples)


def test_samples_without_energies_or_reference(tmp_path, samples):
    source = SampleFile(write(tmp_path / "samples.h5", samples._replace(energies=None)))
    assert source.has_energies is False and source.reference is None
    assert same(source.read(0, 60), samples._replace(energies=None))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_slice_equals_that_of_the_whole(tmp_path, samples, shape):
    source = SampleFile(write(tmp_path / "samples.h5", samples, shape))
    edges = [0, 1, 4, 5, 6, 10, 12, 13, 24, 47, 48, 59, 60]  # the ends of trajectories of 5 and of 12 steps, and beside them
    for start, stop in itertools.combinations_with_replacement(edges, 2):
        assert same(source.read(start, stop), samples, slice(start, stop))


@pytest.mark.parametrize("start, stop", [(-1, 3), (3, 2), (0, 61)])
def test_rows_that_are_not_there(tmp_path, samples, start, stop):
    with pytest.raises(IndexError, match=r"samples\.h5, which has 60"):
        SampleFile(write(tmp_path / "samples.h5", samples)).read(start, stop)


def test_a_relative_path_survives_a_change_of_directory(tmp_path, samples, monkeypatch):
    write(tmp_path / "samples.h5", samples)
    monkeypatch.chdir(tmp_path)
    source = SampleFile("samples.h5")
    monkeypatch.chdir("/")
    assert same(pickle.loads(pickle.dumps(source)).read(0, 60), samples)


def test_pieces_in_any_order_and_the_same_bytes(tmp_path, samples):
    whole = write(tmp_path / "whole.h5", samples, attributes=ATTRIBUTES)
    with SampleFileWriter(tmp_path / "pieces.h5", (60, 4), attributes=ATTRIBUTES) as file:
        for start, stop in [(40, 60), (0, 0), (0, 40)]:
            file.write(start, Samples(*(np.asfortranarray(part[start:stop]) for part in samples)))
    assert (tmp_path / "pieces.h5").read_bytes() == whole.read_bytes()


def test_trajectories(tmp_path, samples):
    points, velocities, energies = samples.points.reshape(12, 5, 4), samples.velocities.reshape(12, 5, 4), samples.energies.reshape(12, 5)
    path = tmp_path / "trajectories.h5"
    with SampleFileWriter(path, (12, 5, 4), time_step=0.25) as file:
        for rows in (slice(7, 12), slice(0, 7)):
            file.write_trajectories(rows.start, points[rows], velocities[rows], energies[rows])
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["trajectories"], points)
        assert file["time_step"][()] == 0.25
        assert file["trajectories"].chunks is None and file["trajectories"].compression is None
    assert same(SampleFile(path).read(0, 60), samples)


@pytest.mark.parametrize("energies", [False, True])
def test_trajectories_without_velocities(tmp_path, samples, energies):
    points, path = samples.points.reshape(12, 5, 4), tmp_path / "trajectories.h5"
    with SampleFileWriter(path, points.shape, velocities=False, energies=energies, time_step=0.25) as file:
        file.write_trajectories(7, points[7:], energies=samples.energies[35:].reshape(5, 5))
        file.write(0, Samples(samples.points[:35], None, samples.energies[:35]))
    with h5py.File(path) as file:
        assert set(file) == {"trajectories", "time_step"} | ({"energies"} if energies else set())
        np.testing.assert_array_equal(file["trajectories"], points)
        assert not energies or np.array_equal(file["energies"], samples.energies.reshape(12, 5))


@pytest.mark.parametrize(("shape", "time_step"), [((60, 4), 0.25), ((12, 5, 4), None)])
def test_velocities_may_be_missing_from_trajectories_in_time_only(tmp_path, shape, time_step):
    with pytest.raises(ValueError, match="must be trajectories with a time step"):
        SampleFileWriter(tmp_path / "samples.h5", shape, velocities=False, time_step=time_step)


def test_what_does_not_fit_is_not_written(tmp_path, samples):
    points, velocities, energies = samples
    misfits = [
        (1, samples),
        (-1, samples),
        (0, Samples(points, velocities[:59], energies)),
        (0, Samples(points[:, :2], velocities, energies)),
        (0, Samples(points, velocities)),
        (0, Samples(points[:1], velocities[:1])),
        (0, Samples(points, None, energies)),
    ]
    for start, misfit in misfits:
        with pytest.raises(ValueError, match="do not fit"), SampleFileWriter(tmp_path / "samples.h5", (60, 4)) as file:
            file.write(start, misfit)
    with pytest.raises(ValueError, match="do not fit"), SampleFileWriter(tmp_path / "samples.h5", (5, 12, 4)) as file:
        file.write_trajectories(0, *(part.reshape(12, 5, -1) for part in samples))
    with (
        pytest.raises(ValueError, match=r"1 rows of .*samples\.h5 were not written"),
        SampleFileWriter(tmp_path / "samples.h5", (61, 4)) as file,
    ):
        file.write(0, samples)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_half_way_leaves_the_old_file(tmp_path, samples):
    path = write(tmp_path / "samples.h5", samples)
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), SampleFileWriter(path, (60, 4), force=True) as file:
        file.write(0, Samples(*(part[:30] for part in samples)))
        raise KeyboardInterrupt
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_half_way(tmp_path, samples, full_disk):
    error = pytest.raises(OutputError, match=r"samples\.h5: File too large; nothing was written")
    with error, full_disk() as limit_to, SampleFileWriter(tmp_path / "samples.h5", (60, 4)) as file:
        limit_to(4000)  # of the 4320 bytes of the rows alone
        file.write(0, samples)
    assert list(tmp_path.iterdir()) == []


def test_existing_file_and_too_little_space(tmp_path, samples):
    path = write(tmp_path / "samples.h5", samples)
    with pytest.raises(UserError, match="exists; pass --force"), SampleFileWriter(path, (60, 4)):
        pytest.fail("asked to write")
    # 2^54 rows of 9 numbers of 8 bytes
    with pytest.raises(UserError, match=f"{72 * 2**54:,} bytes"), SampleFileWriter(tmp_path / "vast.h5", (2**54, 4)):
        pytest.fail("asked to write")


# Files of other programs


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "f4", "f2", "i8", "u1", ">i2"])
@pytest.mark.parametrize("shape", SHAPES[:2])
def test_foreign_files_of_any_real_type(tmp_path, samples, dtype, shape):
    whole = Samples(*(np.abs(10 * part).astype(dtype) for part in samples))
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        name = "points" if len(shape) == 2 else "trajectories"
        file.create_dataset(name, data=whole.points.reshape(shape), chunks=True, compression="gzip")
        file["velocities"] = whole.velocities.reshape(shape)
        file["energies"] = whole.energies.reshape(shape[:-1])
    source = SampleFile(tmp_path / "foreign.h5")
    assert same(source.read(3, 58), [part.astype(np.float64) for part in whole], slice(3, 58))
    assert source.description == {"file": str(tmp_path / "foreign.h5")} and source.reference is None


def test_attributes_of_others_do_not_matter(tmp_path, samples):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["points"], file["velocities"] = samples.points, samples.velocities
        file["unrelated"] = "text"
        file.attrs["format_version"] = "7.2 beta"
        file.attrs["ordering"] = "q1..qn, p1..pn"
        file.attrs["link"] = file.ref
    assert same(SampleFile(tmp_path / "foreign.h5").read(0, 60), samples._replace(energies=None))


def test_two_processes_and_the_first_one_read_one_file(tmp_path, samples):
    source = SampleFile(write(tmp_path / "samples.h5", samples))
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        pieces = [pool.submit(source.read, start, start + 6) for start in range(0, 60, 6)]
        for number, piece in enumerate(pieces):
            assert same(piece.result(), source.read(6 * number, 6 * number + 6))


def test_threads_share_a_source(tmp_path, samples):
    source = pickle.loads(pickle.dumps(SampleFile(write(tmp_path / "samples.h5", samples, (12, 5, 4)))))
    with ThreadPoolExecutor(8) as pool:
        for start, piece in enumerate(pool.map(source.read, range(50), range(10, 60))):
            assert same(piece, samples, slice(start, start + 10))


def test_a_file_that_this_process_has_open(tmp_path, samples):
    path = write(tmp_path / "samples.h5", samples)
    for locking in (False, "best-effort"):
        with h5py.File(path, "r", locking=locking):
            assert same(SampleFile(path).read(0, 60), samples)


def test_a_file_that_is_being_written(tmp_path, samples):
    path = write(tmp_path / "samples.h5", samples)
    script = "import h5py, sys; file = h5py.File(sys.argv[1], 'a'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        writer.stdout.readline()
        with pytest.raises(UserError, match=r"samples\.h5 is being written by another program"):
            SampleFile(path)
        writer.stdin.close()
    assert same(SampleFile(path).read(0, 60), samples)


def test_a_file_system_without_locks(tmp_path, samples, monkeypatch):
    path = write(tmp_path / "samples.h5", samples)
    open_file = h5py.File

    def refuse_locks(path, mode, locking):
        if locking:
            raise OSError("unable to lock file, errno = 37, error message = 'No locks available'")
        return open_file(path, mode, locking=locking)

    monkeypatch.setattr(h5py, "File", refuse_locks)
    assert same(SampleFile(path).read(0, 60), samples)


@pytest.mark.parametrize("shape", [(3_000_000, 4), (1, 3_000_000, 4), (3_000, 1_000, 4)])
def test_memory_does_not_grow_with_the_file(tmp_path, shape):
    path = tmp_path / "large.h5"
    with h5py.File(path, "w") as file:
        for name in ("points" if len(shape) == 2 else "trajectories", "velocities"):
            dataset = file.create_dataset(name, shape, dtype="f8")
            dataset[(-1,) * len(shape)] = 1.0  # a file with holes, which takes no space on the disk
    assert path.stat().st_size > 190e6
    tracemalloc.start()
    try:
        rows = SampleFile(path).read(1_500_300, 1_502_400)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The slice itself has 134 kB; a tenth of the file would be 19 MB.
    assert rows.points.shape == (2_100, 4) and peak < 1e6
