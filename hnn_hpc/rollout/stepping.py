"""The steps of a rollout over ranks."""

import hashlib

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.graphs.bond_list import SKIN
from hnn_hpc.integrators.arguments import checked_steps
from hnn_hpc.parallel.threads import single_threaded_blas
from hnn_hpc.progress import stage
from hnn_hpc.rollout.blocks import Blocks
from hnn_hpc.rollout.parts import check_parts, energy_of_owned, position_gradient, velocities
from hnn_hpc.rollout.records import Rollout, record
from hnn_hpc.values import finite_number, whole_number


def rollout(hamiltonian, graph, time_step, steps, communicator, every=1, progress=None, skin=SKIN):
    """Follow one graph by Störmer-Verlet over the ranks and return a `Rollout`, the same on every rank. Collective.

    Parameters, the same on all ranks: hamiltonian (see `hnn_hpc.rollout`), graph (`Graphs`, K = 1, left as it is), time_step h (float,
    negative for back in time), steps (int), every (int): so many steps are between two records, the first of which is the start, progress
    (see `hnn_hpc.progress`), skin (float): by what part of the cutoff bonds may be longer, so that they last more than one step.
    Where the Hamiltonian has a cutoff, the bonds of `graph` do not count.
    Time of a step: one gradient of the rank's own particles and their ghosts, one Alltoallv of the ghosts' positions and an all-gather of
    a few bytes, with a cutoff two; a record takes an energy and an all-gather more. Memory of a rank: O(P), for each is given the whole
    graph and gets its whole state whenever bonds are found anew, and at the end; bonds are found only near its own particles.
    Up to round-off the answer does not depend on the number of ranks.
    Errors, on all ranks: `UserError` for values that cannot be used, and where a particle is no longer finite, with step and time.
    """
    with communicator.together():
        time_step, steps = checked_steps(time_step, steps)
        every, skin = whole_number(every, "every", at_least=1), finite_number(skin, "skin")
        if skin < 0:
            raise UserError(f"skin = {skin:g}: expected a part of the cutoff, 0 or more")
        _check_graph(graph)
    communicator.agree("time_step, steps, every and skin of a rollout", (time_step, steps, every, skin))
    if communicator.size > 1:
        communicator.agree("the graph of a rollout", _fingerprint(graph))

    records = []
    with single_threaded_blas(), np.errstate(all="ignore"), stage(progress, "rollout", steps) as on_step:
        blocks = Blocks(graph, hamiltonian.reach, hamiltonian.cutoff, skin, communicator)
        for step in range(steps + 1):
            share = _step(hamiltonian, blocks, time_step, step, steps, is_recorded=step % every == 0)
            if share is not None:
                records.append(sum(communicator.all_gather(share)))
            if step > 0:
                on_step()
        positions, momenta = blocks.gathered()
    times = time_step * every * np.arange(len(records))
    return Rollout.of(times, np.array(records), graph.at(positions, momenta), blocks.lists)


def _step(hamiltonian, blocks, time_step, step, steps, is_recorded):
    """End step number `step`, 0 for none, with half a kick, and begin the next, if any, with another one and a drift. Collective.

    Returns the rank's share of the record between the two, see `records.record`, or None.
    """
    share, graphs = None, blocks.refreshed()
    with blocks.communicator.together():
        if step == 0:
            check_parts(hamiltonian, graphs, blocks)
        half_kick = time_step / 2 * position_gradient(hamiltonian, graphs, blocks)
        if step > 0:
            blocks.momenta -= half_kick
        if is_recorded:
            share = record(energy_of_owned(hamiltonian, graphs, blocks), blocks)
        if step < steps:
            blocks.momenta -= half_kick
            blocks.positions += time_step * velocities(hamiltonian, blocks)
            _check_finite(blocks.positions, blocks, step + 1, time_step)
        else:
            _check_finite(blocks.momenta, blocks, step, time_step)
    return share


def _check_graph(graph):
    if graph.count != 1:
        raise UserError(f"a rollout follows one graph; got {graph.count}")
    for name in ("positions", "momenta"):
        lost = ~np.isfinite(getattr(graph, name)).all(axis=1)
        if lost.any():
            raise UserError(f"the {name} of a rollout's graph must be finite numbers; those of particle {np.argmax(lost)} are not")


def _check_finite(values, blocks, step, time_step):
    """Raise `UserError`, with step and time, unless the values (O, d) of a rank's own particles are finite."""
    if not np.isfinite(values).all():
        lost = ~np.isfinite(values).all(axis=1)
        raise UserError(
            f"stormer-verlet with time_step = {time_step:g} failed in step {step} (t = {step * time_step:g}): particle"
            f" {blocks.plan.own_numbers[np.argmax(lost)]} is no longer finite; reduce the time step, or the time if the trajectory escapes"
        )


def _fingerprint(graph):
    """Return a text that differs where two graphs do."""
    arrays = (graph.positions, graph.momenta, graph.masses, graph.species, graph.bonds, graph.shifts, graph.boxes)
    told = hashlib.sha256()
    for array in arrays:
        if array is not None:
            told.update(str(array.shape).encode())
            told.update(np.ascontiguousarray(array))
    return told.hexdigest()
