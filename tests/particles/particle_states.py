"""States of every system of particles, in 1 to 3 dimensions, open and periodic, with unlike masses, for the tests."""

import math

import numpy as np

from hnn_hpc.graphs import fluid, joined, lattice, populated, random_geometric, with_bonds
from hnn_hpc.particles import make_particle_system

SYSTEMS = [
    make_particle_system(name, parameters)
    for name, parameters in (
        ("springs-linear", {}),
        ("springs-linear", {"stiffness": 3, "length": 0.8}),
        ("springs-anharmonic", {}),
        ("springs-anharmonic", {"stiffness": 2, "alpha": -0.5, "beta": 0.7}),
        ("springs-morse", {}),
        ("springs-morse", {"depth": 2, "rate": 1.5, "length": 1.2}),
        ("lennard-jones", {}),
        ("lennard-jones", {"epsilon": 0.5, "sigma": 0.9, "cutoff": 1.6}),
        ("gravity", {}),
        ("gravity", {"constant": 2, "softening": 0}),
        ("embedded-atom", {}),
        ("embedded-atom", {"binding": 2, "repulsion": 7, "cutoff": 1.7}),
    )
]


def stirred(graphs, seed, displacement=0.15):
    """The same graphs with unlike masses, displaced and moved."""
    generator, shape = np.random.default_rng(seed), graphs.positions.shape
    graphs = populated(graphs, (0.5, 2), 2, seed)
    return graphs.at(graphs.positions + generator.uniform(-displacement, displacement, shape), generator.normal(size=shape))


def bonded(system, graphs):
    """The graphs with the bonds that the system is meant for."""
    if system.cutoff is not None:
        return with_bonds(graphs, system.cutoff)
    return with_bonds(graphs, math.inf) if system.name == "gravity" else graphs


def open_graph(system, dimension, seed):
    """Some 25 particles in a state of their own, at random for springs."""
    if system.name.startswith("springs"):
        graph = random_geometric(25, dimension, 1.6, seed)
    else:
        graph = lattice([24] if dimension == 1 else [5, 5] if dimension == 2 else [3, 3, 3])
    return bonded(system, stirred(graph, seed))


def some_graphs(system, dimension, seed):
    """Two open graphs and, unless all pairs are bonds, a periodic one."""
    parts = [open_graph(system, dimension, seed), open_graph(system, dimension, seed + 1)]
    if system.cutoff is not None:
        sites = math.ceil(2 * system.cutoff / 1.1)
        parts.append(bonded(system, stirred(fluid(sites**dimension, dimension, 1.1**-dimension), seed + 2)))
    elif system.name != "gravity":
        parts.append(stirred(lattice([3] * dimension, periodic=True), seed + 2))
    return joined(parts)
