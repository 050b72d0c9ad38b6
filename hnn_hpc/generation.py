"""Sample files of known systems, computed by all ranks and written by one.

The rows come in fixed global chunks. In a round every rank computes one, and rank 0 receives and writes them one after the other: it
holds two chunks at most, and the file has the same bits on any number of ranks.
"""

import math
from contextlib import ExitStack

import numpy as np

from hnn_hpc.integrators import accurate_trajectories
from hnn_hpc.progress import stage
from hnn_hpc.samples import Samples, SystemSamples
from hnn_hpc.samples.generated import CHUNK
from hnn_hpc.storage import SampleFileWriter

LONGEST_CHUNK = 16  # trajectories: each may take a second


def write_uniform_samples(path, system, count, seed, communicator, force=False, progress=None):
    """Write `count` points uniform in the system's box: exactly the training points of a job with this system and seed. Collective."""
    source = SystemSamples(system, count, seed)
    write_in_chunks(path, (count, system.dimension), CHUNK, source.read, communicator, _attributes(source), None, force, progress)


def write_trajectories(path, system, trajectories, steps, time_step, seed, communicator, force=False, progress=None):
    """Write trajectories of `steps` steps, so `steps` + 1 states, from starts uniform in the system's box. Collective."""
    starts = SystemSamples(system, trajectories, seed, stream="trajectory starts")
    states = steps + 1

    def compute(start, stop):
        first, last = start // states, stop // states
        points = accurate_trajectories(system, starts.read(first, last).points, time_step, steps, first).reshape(-1, system.dimension)
        return Samples(points, system.vector_field(points), system.energy(points))

    chunk = states * min(LONGEST_CHUNK, max(1, CHUNK // states))
    shape = trajectories, states, system.dimension
    write_in_chunks(path, shape, chunk, compute, communicator, _attributes(starts), time_step, force, progress)


def write_in_chunks(path, shape, chunk_rows, compute, communicator, attributes, time_step=None, force=False, progress=None):
    """Write the rows of a sample file of this shape that `compute(start, stop)` -> `Samples` with energies gives. Collective.

    Rank 0 receives one chunk (chunk_rows, 2D + 1) of each rank a round; after each, all agree that it is written.
    """
    rows, width = math.prod(shape[:-1]), shape[-1]
    chunks = [(start, min(start + chunk_rows, rows)) for start in range(0, rows, chunk_rows)]
    with ExitStack() as stack:
        with communicator.together():
            if communicator.is_root:
                file = stack.enter_context(SampleFileWriter(path, shape, time_step=time_step, attributes=attributes, force=force))
        on_chunks = stack.enter_context(stage(progress, "generate", len(chunks)))
        for first in range(0, len(chunks), communicator.size):
            a_round = chunks[first : first + communicator.size]
            with communicator.together():
                own = np.column_stack(compute(*a_round[communicator.rank])) if communicator.rank < len(a_round) else None
            for rank, (start, stop) in enumerate(a_round):
                block = _to_root(own, rank, (stop - start, 2 * width + 1), communicator)
                with communicator.together():
                    if communicator.is_root:
                        file.write(start, Samples(block[:, :width], block[:, width:-1], block[:, -1]))
            on_chunks(len(a_round))
        with communicator.together():
            stack.close()


def _to_root(own, rank, shape, communicator):
    """Return on rank 0 the array `own` of one rank."""
    if communicator.rank == rank != 0:
        communicator.send(own, 0)
    if communicator.is_root:
        return own if rank == 0 else communicator.receive(np.empty(shape), rank)


def _attributes(source):
    x0, H0 = source.reference
    return source.description | {"reference_point": x0, "reference_energy": H0}
