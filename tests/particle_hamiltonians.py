"""Hamiltonians of particles in a few plain lines each, their bonds by brute force, and small graphs."""

import numpy as np

from hnn_hpc.graphs import Graphs


class Springs:
    """H = Σ |p|²/2m + Σ_bonds (r - 1)²/2 + (r - 1)⁴/4."""

    cutoff, reach = None, 1

    def bond_energy(self, r):
        return (r - 1) ** 2 / 2 + (r - 1) ** 4 / 4

    def tension(self, r):
        return (r - 1) + (r - 1) ** 3

    def energy(self, graphs):
        return graphs.sums_of_particles(self.energies_of_particles(graphs))

    def energies_of_particles(self, graphs):
        halves = self.bond_energy(graphs.bond_lengths) / 2
        bonds = sum(np.bincount(ends, halves, graphs.particles) for ends in graphs.bonds.T)
        return (graphs.momenta**2).sum(axis=1) / (2 * graphs.masses) + bonds

    def gradient(self, graphs):
        return graphs.pull_back(self.tension(graphs.bond_lengths)), graphs.momenta / graphs.masses[:, None]


class Pairs(Springs):
    """Repelling pairs: V = Σ (1 - r²/c²)⁴ for r < c, three times differentiable at the cutoff."""

    def __init__(self, cutoff=1.6):
        self.cutoff = cutoff

    def bond_energy(self, r):
        return np.maximum(0, 1 - (r / self.cutoff) ** 2) ** 4

    def tension(self, r):
        return -8 * r / self.cutoff**2 * np.maximum(0, 1 - (r / self.cutoff) ** 2) ** 3


class EmbeddedAtoms(Pairs):
    """Pairs, and -Σ_i √(1e-2 + ρ_i) with ρ_i = Σ_j (1 - r²/c²)⁴: a force reaches over two bonds."""

    reach = 2

    def density(self, graphs):
        density = super().bond_energy(graphs.bond_lengths)
        return sum(np.bincount(ends, density, graphs.particles) for ends in graphs.bonds.T)

    def energies_of_particles(self, graphs):
        return super().energies_of_particles(graphs) - np.sqrt(1e-2 + self.density(graphs))

    def gradient(self, graphs):
        slopes = -0.5 / np.sqrt(1e-2 + self.density(graphs))
        tensions = super().tension(graphs.bond_lengths) * (1 + slopes[graphs.bonds].sum(axis=1))
        return graphs.pull_back(tensions), graphs.momenta / graphs.masses[:, None]


def all_bonds_within(positions, offsets, boxes, cutoff):
    """Return (bonds, shifts) of one graph: the pairs whose nearest images are nearer than the cutoff, sorted; all pairs are looked at."""
    first, second = np.triu_indices(len(positions), 1)
    vectors = positions[second] - positions[first]
    periods = np.where(np.isfinite(boxes[0]), boxes[0], 1)
    shifts = np.where(np.isfinite(boxes[0]), -periods * np.round(vectors / periods), 0)
    near = ((vectors + shifts) ** 2).sum(axis=1) < cutoff**2
    return np.column_stack([first, second])[near], shifts[near]


def lattice(*sizes, seed=7, periodic=False, displacement=0.15):
    """Return a moving lattice of springs, its particles in no order, of different masses; periodic lattices have a side of 3 at least."""
    rng = np.random.default_rng(seed)
    count, dimension = np.prod(sizes), len(sizes)
    places = np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), axis=-1).reshape(-1, dimension)
    numbers = rng.permutation(count)
    bonds, shifts = [], []
    for axis, size in enumerate(sizes):
        step = np.eye(dimension, dtype=int)[axis]
        last = places[:, axis] == size - 1
        first = np.flatnonzero(np.full(count, True) if periodic else ~last)
        target = (places[first] + step) % np.array(sizes)
        bonds.append(np.column_stack([numbers[first], numbers[np.ravel_multi_index(target.T, sizes)]]))
        shifts.append(np.where(last[first][:, None], size * step, 0.0))
    positions = np.empty((count, dimension))
    positions[numbers] = places
    return moving(
        positions + rng.uniform(-displacement, displacement, positions.shape),
        bonds=np.concatenate(bonds),
        shifts=np.concatenate(shifts) if periodic else None,
        box=np.array(sizes, float) if periodic else np.full(dimension, np.inf),
        seed=seed + 1,
    )


def moving(positions, bonds, shifts, box, seed, speed=0.5):
    """Return a graph with these positions, random momenta and masses."""
    rng = np.random.default_rng(seed)
    masses, count = rng.uniform(0.5, 2, len(positions)), len(positions)
    momenta = speed * rng.standard_normal(positions.shape)
    return Graphs(positions, momenta, masses, np.zeros(count, int), bonds, shifts, np.array([0, count]), box[None])


def fluid(count, dimension, periodic, seed=3, speed=0.5):
    """Return moving particles without bonds, about one in each unit of space; periodic: a bool, or one for each axis."""
    side = int(np.ceil(count ** (1 / dimension)))
    sites = np.stack(np.meshgrid(*[np.arange(side)] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)[:count]
    positions = sites + np.random.default_rng(seed).uniform(-0.2, 0.2, sites.shape)
    box = np.where(np.broadcast_to(periodic, dimension), float(side), np.inf)
    return moving(positions, np.empty((0, 2), int), None, box, seed + 1, speed)


def plain_verlet(hamiltonian, graph, time_step, steps):
    """Return the graphs at the times 0, h, .., steps h: three gradients a step, and bonds found for each, as plainly as it can be."""

    def with_bonds(state):
        if hamiltonian.cutoff is None:
            return state
        bonds, shifts = all_bonds_within(state.positions, state.offsets, state.boxes, hamiltonian.cutoff)
        return Graphs(state.positions, state.momenta, state.masses, state.species, bonds, shifts, state.offsets, state.boxes)

    states = [with_bonds(graph)]
    for _ in range(steps):
        state = states[-1]
        state = state.at(state.positions, state.momenta - time_step / 2 * hamiltonian.gradient(state)[0])
        state = with_bonds(state.at(state.positions + time_step * hamiltonian.gradient(state)[1], state.momenta))
        states.append(state.at(state.positions, state.momenta - time_step / 2 * hamiltonian.gradient(state)[0]))
    return states
