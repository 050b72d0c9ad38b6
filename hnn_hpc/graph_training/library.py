"""Learning from graphs in one call."""

import hashlib
import math
import os
from dataclasses import replace
from numbers import Real

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.graph_options import FEATURES, GraphOptions
from hnn_hpc.graph_samples import ArrayGraphs, GraphSamples, check_samples
from hnn_hpc.graph_training.training import fit_graph_source
from hnn_hpc.graphs import Graphs
from hnn_hpc.graphs.checks import SHAPES, WHOLE_NUMBERS
from hnn_hpc.options import FitOptions
from hnn_hpc.parallel.communicator import as_communicator
from hnn_hpc.storage import GraphFile


def fit_graphs(
    samples,
    *,
    cutoff=None,
    features=FEATURES,
    sampler="anchored",
    bandwidth="auto",
    activation="tanh",
    edge_invariants="auto",
    node_invariants=("p^2/2m",),
    messages=0,
    message_steps=1,
    solver="auto",
    rcond=1e-15,
    ridge=0.0,
    seed=0,
    block_bytes=None,
    memory_per_rank=None,
    comm=None,
    progress=None,
    require_certified=True,
    covariance=False,
    checkpoint=None,
):
    """Learn a Hamiltonian from graphs of particles and return the `GraphFit`, the same on every rank.

    Parameters
    samples            GraphSamples: graphs with dq/dt, dp/dt and, where they are known, energies; or the path of a file of graphs (see
                       `hnn_hpc.storage`). With a communicator every rank passes the same
    cutoff             None: the bonds are those of the graphs; or a length below which all pairs have one. A file tells its own
    features           of each term of H: the kinetic energy of a species, the energy of a kind of bonds, the many-body energy of a species
    sampler … memory_per_rank    see `FitOptions`, edge_invariants … message_steps `GraphOptions`
    comm               None, or a communicator of mpi4py
    progress, require_certified, covariance, checkpoint    see `hnn_hpc.fit`

    Errors: `UserError` for input that cannot be used, `NotCertifiedError` where the certificate fails; on all ranks alike.
    """
    communicator = as_communicator(comm)
    with communicator.together():
        how = {"bandwidth": bandwidth, "activation": activation, "solver": solver, "rcond": rcond, "ridge": ridge, "seed": seed}
        options = FitOptions(features, sampler, **how, block_bytes=block_bytes, memory_per_rank=memory_per_rank)
        graph_options = GraphOptions(edge_invariants, node_invariants, messages, message_steps)
        source = _source(samples, cutoff)
        told = _fingerprint(source.samples) if isinstance(source, ArrayGraphs) and communicator.size > 1 else None
    communicator.agree("the graphs of the fit", told)
    fit = fit_graph_source(source, options, graph_options, communicator, progress, require_certified, covariance, checkpoint)
    if checkpoint and communicator.is_root:
        checkpoint.remove()
    return fit


def _source(samples, cutoff):
    if isinstance(samples, GraphSamples):
        if cutoff is not None and not (isinstance(cutoff, Real) and not isinstance(cutoff, bool) and 0 < cutoff < math.inf):
            raise UserError(f"cutoff = {cutoff!r}: expected a positive number, the length below which all pairs have a bond, or None")
        return ArrayGraphs(_checked(samples), cutoff)
    if not isinstance(samples, str | os.PathLike):
        raise UserError(f"samples must be GraphSamples, or the path of a file of graphs; got {type(samples).__name__}")
    if cutoff is not None:
        raise UserError(f"a file of graphs tells its own cutoff, in an attribute; leave cutoff = {cutoff!r} out")
    return GraphFile(samples)


def _checked(samples):
    """Return the samples in arrays of the types that everything works with; `UserError` where they are none."""
    if not isinstance(samples.graphs, Graphs):
        raise UserError(f"samples.graphs must be Graphs; got {type(samples.graphs).__name__}")
    arrays = {name: _converted(getattr(samples.graphs, name), name in WHOLE_NUMBERS) for name in SHAPES}
    samples = GraphSamples(replace(samples.graphs, **arrays), *map(_converted, samples[1:]))
    check_samples(samples, ArrayGraphs.location)
    return samples


def _converted(array, is_whole=False):
    """Return numbers as int64 or float64; whatever cannot be taken for such as it is, for a check to refuse."""
    kinds, kind = ("iu", np.int64) if is_whole else ("iuf", np.float64)
    return array.astype(kind, copy=False) if isinstance(array, np.ndarray) and array.dtype.kind in kinds else array


def _fingerprint(samples):
    """Return what tells these samples from any others, as text."""
    digest = hashlib.sha256()
    for array in (*(getattr(samples.graphs, name) for name in SHAPES), *samples[1:]):
        digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
