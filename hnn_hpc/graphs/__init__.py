"""Graphs of particles: positions, momenta, masses, species and bonds.

A graph has N particles in R^d with positions q_i, momenta p_i, masses m_i and species s_i, and bonds (i, j) of length

    r = |q_j - q_i + shift|,

the shift being whole periods of the box where that is periodic. All is dimensionless. Many graphs lie side by side in one `Graphs`, as if
they were one graph that falls into parts, so that every sum over bonds or particles is one pass over arrays.

- `graph`: the structure, `incidence`: which bonds meet at a particle, `copies`: one graph many times over.
- `neighbours`: the bonds of a cutoff, `bond_list`: those of particles that move.
- `geometries`: graphs at rest, by name.
- `checks`: whether arrays from outside are graphs at all.
"""

from hnn_hpc.graphs.bond_list import BondList
from hnn_hpc.graphs.checks import check_graphs
from hnn_hpc.graphs.copies import copies
from hnn_hpc.graphs.geometries import GEOMETRIES, chain, fluid, lattice, populated, random_geometric
from hnn_hpc.graphs.graph import Graphs, joined, kinds_of
from hnn_hpc.graphs.incidence import Incidence, distinct
from hnn_hpc.graphs.neighbours import bonds_within, with_bonds

__all__ = [
    "GEOMETRIES",
    "BondList",
    "Graphs",
    "Incidence",
    "bonds_within",
    "chain",
    "check_graphs",
    "copies",
    "distinct",
    "fluid",
    "joined",
    "kinds_of",
    "lattice",
    "populated",
    "random_geometric",
    "with_bonds",
]
