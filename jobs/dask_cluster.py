"""Learn the Hamiltonian of a chain of particles on a dask cluster: python jobs/dask_cluster.py [--slurm JOBS | --file FILE]

Without a word: two workers on this machine. --slurm: so many jobs of SLURM, by dask-jobqueue; edit cores, memory and time for your site.
--file: a cluster that is running already, such as that of `mpirun -n 9 dask-mpi --scheduler-file FILE`. Its workers need this program too,
in the same version. --samples and --features make the problem smaller, or larger.
"""

import argparse
from contextlib import contextmanager

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster

from hnn_hpc import evaluate_arrays, fit, systems

ROWS = 7000  # of a chunk: any number will do


@contextmanager
def cluster(asked):
    """The client of the cluster that the command line asks for."""
    if asked.file:
        with Client(scheduler_file=asked.file) as client:
            yield client
        return
    if asked.slurm:
        from dask_jobqueue import SLURMCluster

        workers = SLURMCluster(cores=8, processes=8, memory="32GB", walltime="00:30:00")
        workers.scale(jobs=asked.slurm)
    else:
        workers = LocalCluster(n_workers=2, threads_per_worker=1)
    with workers, Client(workers) as client:
        yield client


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slurm", type=int, metavar="JOBS")
    parser.add_argument("--file", metavar="FILE")
    parser.add_argument("--samples", type=int, default=100_000, metavar="K")
    parser.add_argument("--features", type=int, default=1000, metavar="M")
    asked = parser.parse_args()
    chain = systems.make_system("fput-chain", {"dof": 8})
    with cluster(asked) as client:
        points = da.random.default_rng(1).uniform(*chain.box[0], size=(asked.samples, chain.dimension), chunks=(ROWS, -1))  # your states
        velocities = points.map_blocks(chain.vector_field, dtype=float, meta=np.empty((0, 0)))  # your measurements, dx/dt
        points, velocities = client.persist([points, velocities])  # they are read several times

        result = fit(points, velocities, features=asked.features, client=client, reference=(np.zeros(chain.dimension), 0.0))
        print(f"residual {result.solution.relative_residual:.1e}, certified: {result.solution.certified}")
        print(evaluate_arrays(result.model, points, velocities).compute())
        result.model.save("chain.h5", force=True)


if __name__ == "__main__":
    main()
