"""Systems, sources and fits that the tests of graph networks share."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from hnn_hpc import FitOptions
from hnn_hpc.graph_options import GraphOptions
from hnn_hpc.graph_samples import GeneratedGraphs
from hnn_hpc.graph_training import fit_graph_source
from hnn_hpc.graphs import chain, kinds_of, lattice, populated, random_geometric, with_bonds
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.particles import make_particle_system
from hnn_hpc.particles.base import PairSystem

SERIAL = SerialCommunicator()
SPRINGS, MORSE, GRAVITY, METAL = (make_particle_system(name) for name in ("springs-linear", "springs-morse", "gravity", "embedded-atom"))


@dataclass(frozen=True)
class Alloy(PairSystem):
    """Springs of stiffness 1 + s + t between species s and t, at rest at the length 1 + (s + t)/10."""

    name: ClassVar[str] = "alloy"

    def bond_energies(self, graphs):
        stiffness, stretch = self._of_bonds(graphs)
        return stiffness * stretch * stretch / 2

    def tensions(self, graphs):
        stiffness, stretch = self._of_bonds(graphs)
        return stiffness * stretch

    @staticmethod
    def _of_bonds(graphs):
        sums = kinds_of(graphs, np.arange(len(graphs.bonds))).sum(axis=1)
        return 1 + sums, graphs.bond_lengths - 1 - sums / 10


def springs(system=MORSE, sizes=(4, 4), count=40, seed=1, displacement=0.2, periodic=False, **others):
    """States of springs on a lattice."""
    return GeneratedGraphs(system, lattice(list(sizes), periodic=periodic), count, seed, displacement=displacement, **others)


def stars(count=40, seed=1, species=1, masses=(0.5, 2), masses_seed=0):
    """States of twelve stars, all pairs of which attract; where there are two species, those of the second have the mass 1."""
    rest = populated(with_bonds(random_geometric(12, 3, 5.0, 3), math.inf), masses, species, masses_seed)
    rest = replace(rest, masses=np.where(rest.species == 1, 1.0, rest.masses))
    return GeneratedGraphs(GRAVITY, rest, count, seed, displacement=0.05)


def fitted(source, graph_options=None, communicator=SERIAL, **options):
    options = {"features": 64} | options
    how = {name: options.pop(name) for name in ("covariance", "require_certified", "checkpoint", "progress") if name in options}
    return fit_graph_source(source, FitOptions(**options), GraphOptions(**(graph_options or {})), communicator, **how)


def errors(model, source):
    """Return the relative errors of forces, of velocities and of energies, the last one with the model's constants."""
    graphs, velocities, forces, energies = source.read(0, source.count)
    along_q, along_p = model.gradient(graphs)
    pairs = ((-along_q, forces), (along_p, velocities), (model.energy(graphs), energies))
    return [float(np.linalg.norm(found - true) / np.linalg.norm(true)) for found, true in pairs]


def small_chain(count=40):
    return GeneratedGraphs(SPRINGS, chain(6), count, 1, displacement=0.2)
