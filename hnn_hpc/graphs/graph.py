"""Graphs of particles: one, or many side by side, in one state each."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hnn_hpc.graphs.incidence import Incidence, distinct


@dataclass(frozen=True, eq=False)
class Graphs:
    """K graphs with P particles in d dimensions and E bonds in all; the particles of a graph are a run, and so are its bonds.

    positions  (P, d); where the box is periodic they may leave it, for a bond knows which image it goes to
    momenta    (P, d)
    masses     (P,), positive
    species    (P,) whole numbers >= 0: what kind of particle
    bonds      (E, 2): the numbers of the two particles of each bond, counted through all graphs
    shifts     (E, d): what is added to q_j - q_i, whole periods of the box; None where all are 0
    offsets    (K + 1,): the particles of graph k are offsets[k] to offsets[k + 1]
    boxes      (K, d): the period of each graph along each axis, inf where it is open
    """

    positions: np.ndarray
    momenta: np.ndarray
    masses: np.ndarray
    species: np.ndarray
    bonds: np.ndarray
    shifts: np.ndarray | None
    offsets: np.ndarray
    boxes: np.ndarray

    @property
    def count(self):
        """K, how many graphs."""
        return len(self.offsets) - 1

    @property
    def particles(self):
        """P, how many particles in all."""
        return len(self.positions)

    @property
    def dimension(self):
        """d, of space."""
        return self.positions.shape[1]

    @cached_property
    def incidence(self):
        """The `Incidence` of bonds and particles."""
        return Incidence(self.bonds, self.particles)

    @cached_property
    def bond_offsets(self):
        """(K + 1,): the bonds of graph k are bond_offsets[k] to bond_offsets[k + 1]."""
        return np.searchsorted(self.graph_of_particles[self.bonds[:, 0]], np.arange(self.count + 1))

    @cached_property
    def bond_vectors(self):
        """q_j - q_i + shift of each bond (i, j), (E, d)."""
        vectors = np.take(self.positions, self.bonds[:, 1], axis=0)
        vectors -= np.take(self.positions, self.bonds[:, 0], axis=0)
        if self.shifts is not None:
            vectors += self.shifts
        return vectors

    @cached_property
    def bond_lengths(self):
        """r, (E,)."""
        squares = np.zeros(len(self.bonds))
        for along in self.bond_vectors.T:  # an axis at a time: eight times as fast as einsum over rows of three numbers
            squares += along * along
        return np.sqrt(squares)

    @property
    def momentum_sizes(self):
        """|p|, (P,)."""
        return np.sqrt(np.einsum("pd,pd->p", self.momenta, self.momenta))

    @cached_property
    def graph_of_particles(self):
        """The number of the graph of each particle, (P,)."""
        return np.repeat(np.arange(self.count), np.diff(self.offsets))

    def sums_of_particles(self, values):
        """Return the sum of `values` (P,) over the particles of each graph, (K,)."""
        return np.bincount(self.graph_of_particles, values, self.count)

    def sums_of_bonds(self, values):
        """Return the sum of `values` (E,) over the bonds of each graph, (K,)."""
        return self.sums_of_particles(np.bincount(self.bonds[:, 0], values, self.particles))

    def pull_back(self, tensions):
        """Return Σ_e t_e dr_e/dq, (P, d), for t (E,): the gradient by the positions of what has the derivatives t by the lengths.

        What a bond gives to the two ends is equal and opposite to the last bit.
        """
        scale = tensions / self.bond_lengths
        first, second = np.ascontiguousarray(self.bonds.T)
        gradient = np.empty_like(self.positions)
        for axis in range(self.dimension):
            along = scale * self.bond_vectors[:, axis]
            gradient[:, axis] = np.bincount(second, along, self.particles) - np.bincount(first, along, self.particles)
        return gradient

    def at(self, positions, momenta):
        """Return the same graphs in another state; the incidence, which is the same, is taken over."""
        moved = replace(self, positions=positions, momenta=momenta)
        if "incidence" in self.__dict__:
            moved.__dict__["incidence"] = self.incidence
        return moved

    def without_bonds(self):
        """Return the particles alone."""
        return replace(self, bonds=np.empty((0, 2), dtype=np.int64), shifts=None)

    def run(self, start, stop):
        """Return the graphs [start, stop), numbered anew."""
        particles = slice(self.offsets[start], self.offsets[stop])
        bonds = slice(self.bond_offsets[start], self.bond_offsets[stop])
        return Graphs(
            self.positions[particles],
            self.momenta[particles],
            self.masses[particles],
            self.species[particles],
            self.bonds[bonds] - particles.start,
            None if self.shifts is None else self.shifts[bonds],
            self.offsets[start : stop + 1] - particles.start,
            self.boxes[start:stop],
        )

    def neighbourhood(self, chosen, hops):
        """Return (graphs, numbers, bonds): what lies within so many bonds of the `chosen` particles, an array of their numbers, sorted.

        The particles of `graphs` are `numbers`, sorted, of these, and its bonds are `bonds` of these, sorted: all those between particles
        that are there: a particle less than `hops` bonds away from a chosen one has all its bonds. Graphs of which nothing is left are left
        out.
        """
        inside = np.zeros(self.particles, bool)
        inside[chosen] = True
        front = np.asarray(chosen)
        for _ in range(hops):
            reached = self.incidence.neighbours(front, self.bonds)
            front = distinct(reached[~inside[reached]])
            inside[front] = True
        numbers = np.flatnonzero(inside)
        bonds = self.incidence.bonds_of(numbers)
        bonds = bonds[inside[self.bonds[bonds]].all(axis=1)]
        of_graph = np.searchsorted(self.offsets, numbers, "right") - 1
        starts = np.flatnonzero(np.diff(of_graph, prepend=-1))
        part = Graphs(
            self.positions[numbers],
            self.momenta[numbers],
            self.masses[numbers],
            self.species[numbers],
            np.searchsorted(numbers, self.bonds[bonds]),
            None if self.shifts is None else self.shifts[bonds],
            np.append(starts, len(numbers)),
            self.boxes[of_graph[starts]],
        )
        return part, numbers, bonds


def joined(parts):
    """Return several `Graphs`, of one dimension, side by side."""
    starts = np.cumsum([0, *(part.particles for part in parts)])
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in ("positions", "momenta", "masses", "species")]
    bonds = np.concatenate([part.bonds + start for part, start in zip(parts, starts, strict=False)])
    shifts = None
    if any(part.shifts is not None for part in parts):
        shifts = np.concatenate([np.zeros((len(part.bonds), part.dimension)) if part.shifts is None else part.shifts for part in parts])
    offsets = np.concatenate([[0], *(part.offsets[1:] + start for part, start in zip(parts, starts, strict=False))])
    return Graphs(*columns, bonds, shifts, offsets, np.concatenate([part.boxes for part in parts]))


def kinds_of(graphs, bonds):
    """Return the kind of each of the `bonds`: the species at its ends, the smaller first, (B, 2)."""
    return np.sort(graphs.species[graphs.bonds[bonds]], axis=1)
