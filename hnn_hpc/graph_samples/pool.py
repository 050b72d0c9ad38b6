"""One pass over the graphs before anything is computed: how far invariants reach, a checksum, and the pool.

The pool is a bounded set of particles from all over the data, with their neighbourhoods, from which every rank draws the same features.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from hnn_hpc.checksum import MODULUS, checksum
from hnn_hpc.errors import UserError
from hnn_hpc.graph_samples.own import OwnGraphs
from hnn_hpc.graph_samples.source import GraphSamples
from hnn_hpc.graphs import joined, kinds_of
from hnn_hpc.random_streams import random_stream

POOL = 1024  # particles, for a few hundred features


@dataclass(frozen=True, eq=False)
class GraphPool:
    """What is known of all graphs, the same on every rank.

    own        the neighbourhoods of some particles, as `OwnGraphs` whose first particle is 0
    chosen     the numbers of these particles there, sorted
    momenta    {species: (least, largest |p|)} of all particles, and so
    masses     {species: (least, largest)}
    lengths    {kind: (least, largest length)} of all bonds below the cutoff, a kind being a pair of species, the smaller first
    bonds      how many these are
    particles  {species: how many particles it has}
    across     Σ |v⊥|² of all particles, v⊥ being what dq/dt has across p: no kinetic energy of |p| gives any; summed graph by graph
    checksum   of every position, momentum, derivative, mass, species, bond and shift
    """

    own: OwnGraphs
    chosen: np.ndarray
    momenta: dict
    masses: dict
    lengths: dict
    bonds: int
    particles: dict
    across: float
    checksum: int


def survey_graphs(own, source, communicator, reach, seed):
    """Return the `GraphPool`. Collective. reach: of the neighbourhoods, in bonds.

    Each graph is looked at by the rank that has its first particle as its own, so that nothing depends on the number of ranks.

    Errors: `UserError` where there is no bond.
    """
    particles = int(source.offsets[-1])
    size = min(particles, POOL)
    edges = np.arange(size + 1) * particles // size
    chosen = edges[:-1] + (np.diff(edges) * random_stream(seed, "pool").random(size)).astype(np.int64)
    with communicator.together():
        bonds = len(_seen(own).bonds)
    first_bond = sum(communicator.all_gather(bonds)[: communicator.rank])
    with communicator.together():
        part = _part(own, source, chosen, reach, first_bond)
    parts = communicator.all_gather(part)
    parts = [part for part in parts if part]
    merged = {name: _merged([part[name] for part in parts]) for name in ("momenta", "masses", "lengths")}
    bonds = sum(part["bonds"] for part in parts)
    if not bonds:
        cutoff = "" if source.cutoff is None else f" shorter than the cutoff, {source.cutoff:g}"
        raise UserError(f"{source.location} has no bond{cutoff}, so that nothing can be learned of how particles act on each other")
    starts = np.cumsum([0, *(part["samples"].graphs.particles for part in parts)])
    samples = [part["samples"] for part in parts]
    pooled = GraphSamples(
        joined([each.graphs for each in samples]),
        np.concatenate([each.velocities for each in samples]),
        np.concatenate([each.forces for each in samples]),
        None,
    )
    places = np.concatenate([part["places"] + start for part, start in zip(parts, starts, strict=False)])
    checksums = sum(part["checksum"] for part in parts) % MODULUS
    totals = {"bonds": bonds, "particles": dict(sum((Counter(part["particles"]) for part in parts), Counter()))}
    totals |= {"across": float(np.concatenate([part["across"] for part in parts]).sum()), "checksum": checksums}
    return GraphPool(OwnGraphs(pooled, 0, range(0)), places, **merged, **totals)


def _seen(own):
    """Return the graphs that this rank looks at."""
    return own.samples.graphs.run(own.begun.start, own.begun.stop)


def _part(own, source, chosen, reach, first_bond):
    """Return what this rank has seen, a dictionary; None where it has no graph to look at."""
    if not own.begun:
        return None
    graphs, velocities, forces, _ = own.samples
    begin, end = graphs.offsets[own.begun.start], graphs.offsets[own.begun.stop]
    seen = _seen(own)
    short = np.arange(len(seen.bonds)) if source.cutoff is None else np.flatnonzero(seen.bond_lengths < source.cutoff)
    sizes = seen.momentum_sizes
    ours = chosen[(chosen >= own.first + begin) & (chosen < own.first + end)] - own.first - begin
    near, numbers, _ = seen.neighbourhood(ours, reach)
    return {
        "momenta": _ranges(seen.species, sizes),
        "masses": _ranges(seen.species, seen.masses),
        "lengths": _ranges(kinds_of(seen, short), seen.bond_lengths[short]),
        "bonds": len(short),
        "particles": dict(zip(*(array.tolist() for array in np.unique(seen.species, return_counts=True)), strict=True)),
        "across": seen.sums_of_particles(_across(seen.momenta, velocities[begin:end])),
        "samples": GraphSamples(near, velocities[begin:end][numbers], forces[begin:end][numbers], None),
        "places": np.searchsorted(numbers, ours),
        "checksum": _checksum(seen, velocities[begin:end], forces[begin:end], int(own.first + begin), first_bond),
    }


def _checksum(graphs, velocities, forces, first_particle, first_bond):
    """Return the part that these graphs have in the checksum, counting particles and bonds from the first ones of all graphs."""
    of_particles = graphs.positions, graphs.momenta, velocities, forces, graphs.masses, graphs.species
    of_bonds = graphs.bonds + first_particle, np.zeros_like(graphs.bond_vectors) if graphs.shifts is None else graphs.shifts
    total, arrays = 0, [(values, first_particle) for values in of_particles] + [(values, first_bond) for values in of_bonds]
    for number, (values, first) in enumerate(arrays):
        values = np.ascontiguousarray(values, dtype=np.float64)
        total += checksum(values, MODULUS // len(arrays) * number + first * values[:1].size)
    return total


def _across(momenta, velocities):
    """Return |v - (v·p) p/|p|²|² (P,) of velocities v (P, d) and momenta p (P, d); where p = 0, |v|²."""
    along, squares = np.einsum("pd,pd->p", velocities, momenta), np.einsum("pd,pd->p", momenta, momenta)
    share = np.divide(along, squares, out=np.zeros_like(along), where=squares > 0)
    across = velocities - share[:, None] * momenta
    return np.einsum("pd,pd->p", across, across)


def _ranges(keys, values):
    """Return {key: (least, largest value)} for keys (N,), or (N, 2), and values (N,)."""
    found, places = np.unique(keys, axis=0, return_inverse=True)
    least, largest = np.full(len(found), np.inf), np.full(len(found), -np.inf)
    np.minimum.at(least, places.ravel(), values)
    np.maximum.at(largest, places.ravel(), values)
    names = map(tuple, found.tolist()) if found.ndim == 2 else found.tolist()
    return dict(zip(names, zip(least.tolist(), largest.tolist(), strict=True), strict=True))


def _merged(parts):
    """Return {key: (least, largest)} of several of these, in the order of the keys."""
    keys = sorted({key for part in parts for key in part})
    return {key: (min(part[key][0] for part in parts if key in part), max(part[key][1] for part in parts if key in part)) for key in keys}
