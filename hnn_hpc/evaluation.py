"""How far a learned Hamiltonian is from the data: relative L2 errors of H and ∇H over samples (arXiv 2411.17511, section 4)."""

from functools import partial

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.parallel.communicator import as_communicator
from hnn_hpc.parallel.dask_rows import is_dask_array
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.parallel.threads import available_threads, single_threaded_blas
from hnn_hpc.parallel.tree import tree_reduce
from hnn_hpc.progress import stage
from hnn_hpc.samples import check_arrays, chunked_samples, freed, read_finite, spread_rows, total_rows
from hnn_hpc.symplectic import gradient_from_vector_field

ROWS_PER_BLOCK = 4096


def evaluate(model, source, communicator, progress=None):
    """Return {"samples", "energy_error", "gradient_error"} on every rank. Collective; each rank reads and compares its own blocks.

    With e = Ĥ - H over the K samples, energy_error = ‖e‖/‖H‖ where the model knows its constant, and otherwise the same for the best
    constant, ‖e - mean(e)‖/‖H - mean(H)‖; None where the source has no energies. gradient_error = ‖∇Ĥ - ∇H‖/‖∇H‖ in the same norm. Samples
    made of pairs of states are freed of the error of their rule, and damped ones of the model's damping (see `samples.corrected`).

    Errors: `UserError` where model and samples differ in dimension, a sample is not finite, or the ranks see different samples.
    """
    layout = _layout(source)
    communicator.agree("the samples of the evaluation", (model.dimension, source.dimension, source.has_energies, layout))
    _check_dimension(model, source)
    threads, source = available_threads(communicator), freed(source, model, getattr(model, "damping", None))
    own_blocks = layout.owned_blocks(communicator.rank, communicator.size)
    with stage(progress, "evaluate", len(own_blocks)) as on_leaf, single_threaded_blas():
        sums = tree_reduce(communicator, layout, partial(_sums, model, source, layout), _merge, threads, on_leaf, name="evaluate")
    return _errors(source, model.constant_known, communicator.broadcast(sums))


def evaluate_arrays(model, points, velocities, energies=None, comm=None, client=None):
    """Like `evaluate`, for arrays as `training.fit` takes them: points and velocities (K, D), energies (K,) or None.

    With a communicator of mpi4py collective, each rank passing its own rows. For dask arrays the answer is a `dask.delayed.Delayed` of the
    dictionary: nothing is computed before somebody asks, but that chunks of unknown sizes are counted at once, by the client or by the
    scheduler that dask is set to; and then nothing but sums is gathered.

    Errors: `UserError` as `evaluate`, for arrays that do not fit together, and where there is no row.
    """
    if any(map(is_dask_array, (points, velocities, energies))):
        if comm is not None:
            raise UserError("comm does not go with dask arrays: either ranks or dask's workers compute; leave comm out")
        source, dask = chunked_samples(points, velocities, energies, client)
        _check_dimension(model, source)
        _check_count(source.count)
        source = freed(source, model, getattr(model, "damping", None))
        layout = _layout(source)
        finish = partial(_errors, source, model.constant_known)
        return dask.reduce_later(layout, partial(_sums, model, source, layout), _merge, "evaluate", finish)
    if client is not None:
        raise UserError(f"a client computes with dask arrays; got {type(points).__name__}: leave the client out, or use da.from_array")
    communicator = as_communicator(comm)
    with communicator.together():
        points, velocities, energies = check_arrays(points, velocities, energies)
    count = total_rows(points, energies, communicator)
    _check_count(count)
    return evaluate(model, spread_rows(points, velocities, energies, _layout_of(count), communicator), communicator)


def _check_count(count):
    if not count:
        raise UserError("there are no samples to evaluate: points has no row; expected one at least")


def _check_dimension(model, source):
    if model.dimension != source.dimension:
        raise UserError(
            f"the model has {model.dimension} coordinates, but there are {source.dimension} in {source.location}: give its system's"
        )


def _sums(model, source, layout, block):
    """Return the sums of a block: the moments of Ĥ - H and of H, ‖∇Ĥ - ∇H‖² and ‖∇H‖²."""
    points, velocities, energies = read_finite(source, *layout.bounds(block))
    gradient = gradient_from_vector_field(velocities)
    difference = model.gradient(points) - gradient
    H = np.zeros(len(points)) if energies is None else energies
    return np.array([*_moments(model.energy(points) - H), *_moments(H), np.vdot(difference, difference), np.vdot(gradient, gradient)])


def _errors(source, constant_known, sums):
    """Return what `evaluate` does, from the sums of all blocks."""
    e_moments, H_moments, (difference, gradient) = np.split(sums, [3, 6])
    energy_error = None
    if source.has_energies:
        energy_error = _relative(_square_sum(e_moments, constant_known), _square_sum(H_moments, constant_known))
    return {"samples": source.count, "energy_error": energy_error, "gradient_error": _relative(difference, gradient)}


def check_finite(source, communicator, progress=None):
    """Raise `UserError` on every rank, naming row and coordinate, where a sample is not finite. Collective; each rank reads its own blocks.

    For samples that are evaluated only after a long fit.
    """
    layout = _layout(source)
    own_blocks = layout.owned_blocks(communicator.rank, communicator.size)
    with stage(progress, "check", len(own_blocks)) as on_block, communicator.together():
        for block in own_blocks:
            read_finite(source, *layout.bounds(block))
            on_block()


def _layout(source):
    return _layout_of(source.count)


def _layout_of(count):
    return RowLayout(count, -(-count // ROWS_PER_BLOCK))


def _moments(values):
    """(count, mean, sum of squared deviations from the mean): unlike plain sums, they keep small deviations beside a large mean."""
    mean = values.mean()
    return len(values), mean, np.sum((values - mean) ** 2)


def _merge(left, right):
    """Merge the moments of two sets of samples (Chan, Golub, LeVeque, The American Statistician 37, 1983) and add the other sums."""
    merged = left + right
    for first in (0, 3):
        (n, mean, deviations), (n_right, mean_right, deviations_right) = left[first : first + 3], right[first : first + 3]
        total, step = n + n_right, mean_right - mean
        merged[first : first + 3] = total, mean + step * n_right / total, deviations + deviations_right + step**2 * n * n_right / total
    return merged


def _square_sum(moments, about_zero):
    """The sum of squares about zero, or else about the mean."""
    count, mean, deviations = moments
    return deviations + count * mean**2 if about_zero else deviations


def _relative(error_squared, size_squared):
    """‖error‖/‖size‖ from squares; the absolute error where the size is 0."""
    return float(np.sqrt(error_squared / (size_squared or 1)))
