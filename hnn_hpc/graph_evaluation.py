"""How far a learned Hamiltonian of graphs is from the data."""

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.graph_samples import check_offsets, check_samples
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.parallel.threads import single_threaded_blas
from hnn_hpc.progress import stage

BLOCKS, LEAST, MOST = 64, 2048, 2**17  # blocks of whole graphs, and the particles of one: more blocks than 64 only where it has too many


def evaluate_graphs(model, source, communicator, progress=None):
    """Return {"graphs", "particles", "bonds", "energy_error", "gradient_error", "mse", "outside"} on every rank. Collective.

    gradient_error = ‖∇Ĥ - ∇H‖/‖∇H‖ over all components of all particles, and mse the mean of their squares. With e = Ĥ - H over the
    graphs, energy_error = ‖e‖/‖H‖ where the model knows its constants, and otherwise the same of what the best constants leave of e and H;
    None where the source has no energies, or no more graphs than such constants. outside: {"bonds", "particles"}, the shares of them whose
    r and |p| lie outside the range of the training data. Each rank looks at blocks of whole graphs, and every figure is bitwise that of
    one rank.

    Errors: `UserError` where model and samples do not go together, or a sample cannot be used.
    """
    check_bonds(model.cutoff, source)
    check_offsets(source)
    communicator.agree("the graphs of the evaluation", (source.count, source.offsets[-1], source.dimension, source.cutoff))
    runs, parts = list(_own_runs(source.offsets, communicator)), []
    with stage(progress, "evaluate", len(runs)) as done, single_threaded_blas(), communicator.together():
        for start, stop in runs:
            parts.append(_compared(model, source, start, stop))
            done()
    sums = np.concatenate([part for of_rank in communicator.all_gather(parts) for part in of_rank])
    return _errors(model, source, sums)


def check_bonds(cutoff, source):
    """Raise `UserError` unless a source's graphs have the bonds that a model of this cutoff needs."""
    if (cutoff is None) != (source.cutoff is None):
        of_model, of_data = ("given with a graph" if length is None else "all pairs below a cutoff" for length in (cutoff, source.cutoff))
        raise UserError(f"the bonds of the model are {of_model}, but those of {source.location} are {of_data}")
    if cutoff is not None and source.cutoff < cutoff:
        raise UserError(
            f"the bonds of {source.location} are the pairs nearer than its cutoff, {source.cutoff:g}, but the model needs all those nearer "
            f"than {cutoff:g}; give it that cutoff"
        )


def check_usable(source, communicator, progress=None):
    """Raise `UserError` on every rank where a sample cannot be used. Collective. For samples that are evaluated only after a long fit."""
    check_offsets(source)
    runs = list(_own_runs(source.offsets, communicator))
    with stage(progress, "check", len(runs)) as done, communicator.together():
        for start, stop in runs:
            _read(source, start, stop)
            done()


def _own_runs(offsets, communicator):
    """Yield for each block of this rank the graphs (start, stop) that begin in it: the last bits depend on what is computed together."""
    particles = int(offsets[-1])
    layout = RowLayout(particles, max(1, min(BLOCKS, particles // LEAST), -(-particles // MOST)))
    for block in layout.owned_blocks(communicator.rank, communicator.size):
        start, stop = np.searchsorted(offsets, layout.bounds(block)).tolist()
        if start < stop:
            yield start, stop


def _compared(model, source, start, stop):
    """Return a row for each graph: sums of squares of errors and of ∇H, bonds, bonds and particles outside, Ĥ, H, and the model's sizes."""
    graphs, velocities, forces, energies = _read(source, start, stop)
    along_q, along_p = model.gradient(graphs)
    squares = np.einsum("pd,pd->p", along_q + forces, along_q + forces) + np.einsum("pd,pd->p", along_p - velocities, along_p - velocities)
    of_data = np.einsum("pd,pd->p", forces, forces) + np.einsum("pd,pd->p", velocities, velocities)
    outside_bonds, outside_particles, counting = model.outside(graphs)
    columns = [
        graphs.sums_of_particles(squares),
        graphs.sums_of_particles(of_data),
        graphs.sums_of_bonds(counting),
        graphs.sums_of_bonds(outside_bonds),
        graphs.sums_of_particles(outside_particles),
        model.energy(graphs),
        np.zeros(graphs.count) if energies is None else energies,
    ]
    return np.column_stack([*columns, model.feature_map.sizes(graphs)])


def _read(source, start, stop):
    samples = source.read(start, stop)
    check_samples(samples, f"{source.location}, counted from graph {start}" if start else source.location)
    return samples


def _errors(model, source, sums):
    errors, of_data, bonds, bonds_outside, particles_outside = sums[:, :5].sum(axis=0).tolist()
    particles = int(source.offsets[-1])
    energy_error = None
    if source.has_energies:
        e, H, sizes = sums[:, 5] - sums[:, 6], sums[:, 6], sums[:, 7:]
        free = 0
        if not model.constants_known and sizes.shape[1]:
            both = np.column_stack([e, H])
            constants, _, free, _ = np.linalg.lstsq(sizes, both, rcond=None)
            e, H = (both - sizes @ constants).T
        if free < source.count:  # else constants alone make H what it is, and round-off is left
            energy_error = _ratio(np.linalg.norm(e), np.linalg.norm(H))
    return {
        "graphs": source.count,
        "particles": particles,
        "bonds": int(bonds),
        "energy_error": energy_error,
        "gradient_error": _ratio(np.sqrt(errors), np.sqrt(of_data)),
        "mse": errors / (2 * source.dimension * particles),
        "outside": {"bonds": _ratio(bonds_outside, bonds), "particles": particles_outside / particles},
    }


def _ratio(part, whole):
    return float(part / whole) if whole else float(part)
