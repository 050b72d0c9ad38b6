"""Measure fits by dask against fits by ranks and against dask's own least squares: tests/benchmarks/dask_study.py [--only NAME,..]

On clusters of two workers of one thread each, and two ranks of one thread each. Prints Markdown. Ten minutes on two cores that are free,
six of them for dask's least squares, which writes some 20 GB to the disk where there is less memory than 40 GB; --samples N makes it
smaller.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import dask
import dask.array as da
import numpy as np
from dask.array.linalg import lstsq
from distributed import Client, LocalCluster

from hnn_hpc import fit
from hnn_hpc.features import ACTIVATIONS, FeatureMap
from hnn_hpc.operators import GradientOperator
from hnn_hpc.peak_memory import peak_memory_bytes
from hnn_hpc.samples import ArraySamples, SystemSamples
from hnn_hpc.storage import SampleFileWriter
from hnn_hpc.systems import make_system

DENSE = {"bandwidth": 0.25, "supports": "dense", "solver": "khatri-rao-qr", "seed": 1}
# What a rank runs: arguments are the file and the options; rank 0 prints.
ON_RANKS = """
import hashlib, json, sys
from mpi4py import MPI
from hnn_hpc import fit
ours = fit(sys.argv[1], comm=MPI.COMM_WORLD, **json.loads(sys.argv[2]))
if MPI.COMM_WORLD.rank == 0:
    record, digest = ours.record, hashlib.sha256(ours.model.coefficients).hexdigest()
    print(json.dumps([record["seconds"]["total"], record["peak_memory_bytes"], digest]))
"""


@contextmanager
def two_workers():
    """A client of two fresh workers of one thread each."""
    how = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(**how) as cluster, Client(cluster, set_as_default=False) as client:
        yield client


def largest_worker(client):
    """Return the largest peak memory of a worker so far, in bytes."""
    return max(client.run(peak_memory_bytes).values())


def tell(what, measured):
    """Print a row of the table."""
    print(f"| {what} | {measured} |", flush=True)


def digest(result):
    return hashlib.sha256(result.model.coefficients).hexdigest()


def on_ranks(ranks, path, how):
    """Return (seconds, peak bytes of the largest rank, digest of the coefficients) of a fit by mpirun."""
    command = ["mpirun", "-n", str(ranks), sys.executable, "-c", ON_RANKS, str(path), json.dumps(how)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"HNN_HPC_THREADS": "1"})
    return json.loads(done.stdout)


def write(path, source):
    """Write samples to a file, some at a time."""
    with SampleFileWriter(path, (source.count, source.dimension), energies=source.has_energies) as file:
        for start in range(0, source.count, 50_000):
            file.write(start, source.read(start, min(start + 50_000, source.count)))


def bits(folder, samples):
    """Coefficients by two schedulers, five chunkings and one to three ranks."""
    source = SystemSamples(make_system("henon-heiles", {}), 30_000, seed=1)
    points, velocities, _ = source.read(0, source.count)
    how, path, found = DENSE | {"features": 400}, folder / "bits.h5", {}
    write(path, source)
    with two_workers() as client:
        for rows in (30_000, 10_000, 4096, 777, (1, 0, 29_000, 999)):
            arrays = [da.from_array(array, chunks=(rows, -1)) for array in (points, velocities)]
            found["threads", rows] = digest(fit(*arrays, **how))
            found["cluster", rows] = digest(fit(*arrays, client=client, **how))
        found["cluster", "file"] = digest(fit(path, client=client, **how))
    for ranks in (1, 2, 3):
        found["mpirun", ranks] = on_ranks(ranks, path, how)[2]
    what = f"coefficients of {len(found)} fits: 5 chunkings by 2 schedulers, a file, mpirun -n 1, 2, 3"
    tell(what, "bitwise equal" if len(set(found.values())) == 1 else "NOT bitwise equal")


def against_lstsq(folder, samples):
    """The same features by us, and by dask's least squares on the assembled matrix."""
    source = SystemSamples(make_system("fput-chain", {"dof": 4}), samples, seed=1)
    points, velocities, _ = source.read(0, samples)
    arrays = [da.from_array(array, chunks=(1000, -1)) for array in (points, velocities)]
    with two_workers() as client:
        arrays = client.persist(arrays)
        started = time.perf_counter()
        ours = fit(*arrays, client=client, features=1000, **DENSE | {"bandwidth": 2e-4})  # condition 1e15
        our_seconds, our_memory = time.perf_counter() - started, largest_worker(client)
    solution = ours.solution
    finite = np.isfinite(ours.model.coefficients).all()
    told = f"condition {solution.condition_estimate:.1e}, rank {solution.rank}, certified {solution.certified}, finite {finite}"
    tell(f"K={samples}, D=8, M=1000: ours", f"{our_seconds:.1f} s, {our_memory / 1e6:.0f} MB a worker; {told}")
    weights, biases = ours.model.weights, ours.model.biases

    def assembled(points, velocities):
        operator = GradientOperator(FeatureMap(weights, biases, ACTIVATIONS["tanh"]), ArraySamples(points, velocities, None, len(points)))
        return np.ascontiguousarray(operator.dense_rows(0, len(points)))

    with two_workers() as client:
        arrays = [da.from_array(array, chunks=(1000, -1)) for array in (points, velocities)]
        arrays = client.persist(arrays)
        rows = tuple(8 * size for size in arrays[0].chunks[0])
        both = da.map_blocks(assembled, *arrays, dtype=float, chunks=(rows, (1001,)), meta=np.empty((0, 0)))
        started = time.perf_counter()
        with dask.config.set(scheduler=client):
            coefficients, _, _, values = dask.compute(*lstsq(both[:, :-1], both[:, -1]))
        seconds, memory = time.perf_counter() - started, largest_worker(client)
    told = f"finite {np.isfinite(coefficients).all()}, NaN among its singular values: {np.isnan(values).sum()}"
    tell("the same by dask.array.linalg.lstsq", f"{seconds:.1f} s, {memory / 1e6:.0f} MB a worker; {told}")
    tell("its time and memory over ours", f"{seconds / our_seconds:.1f}, {memory / our_memory:.1f}")


def from_file(folder, samples):
    """A million samples of 20 coordinates from a file, by workers and by ranks."""
    source, path = SystemSamples(make_system("fput-chain", {"dof": 10}), 1_000_000, seed=1), folder / "file.h5"
    write(path, source)
    how = DENSE | {"features": 1000}
    by_ranks, by_dask = [], []
    for _ in range(2):
        by_ranks.append(on_ranks(2, path, how))
        with two_workers() as client:
            started = time.perf_counter()
            ours = fit(path, client=client, **how)
            by_dask.append((time.perf_counter() - started, largest_worker(client), digest(ours)))
    (ranks_seconds, ranks_memory, expected), (seconds, memory, found) = min(by_ranks), min(by_dask)
    what = "K=1 000 000, D=20, M=1000 from HDF5"
    tell(f"{what}: two workers", f"{seconds:.1f} s, {memory / 1e6:.0f} MB a worker")
    tell(f"{what}: mpirun -n 2", f"{ranks_seconds:.1f} s, {ranks_memory / 1e6:.0f} MB a rank")
    tell("time of the workers over that of the ranks", f"{seconds / ranks_seconds:.2f}; same bits: {found == expected}")


STUDIES = {"bits": bits, "file": from_file, "lstsq": against_lstsq}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(STUDIES))
    parser.add_argument("--samples", type=int, default=300_000, help="of lstsq")
    chosen = parser.parse_args()
    print("| what | measured |\n|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.only.split(","):
            STUDIES[name](Path(folder), chosen.samples)


if __name__ == "__main__":
    main()
