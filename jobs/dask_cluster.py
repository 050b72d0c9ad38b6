"""Learn the Hamiltonian of a chain of particles on a dask cluster: python jobs/dask_cluster.py [--slurm JOBS | --file FILE]

Without a word: two workers on this machine. --slurm: so many jobs of SLURM, by dask-jobqueue; edit cores, memory and time for your site.
--file: a cluster that is running already, such as that of `mpirun -n 9 dask-mpi --scheduler-file FILE`. Its workers need this program too,
in the same version.
"""

import argparse

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster

from hnn_hpc import evaluate_arrays, fit, systems

SAMPLES, ROWS = 100_000, 7000  # of a chunk: any number will do


def start():
    """Return the client that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slurm", type=int, metavar="JOBS")
    parser.add_argument("--file", metavar="FILE")
    asked = parser.parse_args()
    if asked.slurm:
        from dask_jobqueue import SLURMCluster

        cluster = SLURMCluster(cores=8, processes=8, memory="32GB", walltime="00:30:00")
        cluster.scale(jobs=asked.slurm)
        return Client(cluster)
    if asked.file:
        return Client(scheduler_file=asked.file)
    return Client(LocalCluster(n_workers=2, threads_per_worker=1))


def main():
    chain = systems.make_system("fput-chain", {"dof": 8})
    with start() as client:
        points = da.random.default_rng(1).uniform(*chain.box[0], size=(SAMPLES, chain.dimension), chunks=(ROWS, -1))  # your states
        velocities = points.map_blocks(chain.vector_field, dtype=float, meta=np.empty((0, 0)))  # your measurements, dx/dt
        points, velocities = client.persist([points, velocities])  # they are read several times

        result = fit(points, velocities, features=1000, client=client, reference=(np.zeros(chain.dimension), 0.0))
        print(f"residual {result.solution.relative_residual:.1e}, certified: {result.solution.certified}")
        print(evaluate_arrays(result.model, points, velocities).compute())
        result.model.save("chain.h5", force=True)


if __name__ == "__main__":
    main()
