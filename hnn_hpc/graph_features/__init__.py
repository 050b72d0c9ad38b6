"""Features of graphs, from invariants of particles and bonds.

    Ĥ = Σ_i T(|p_i|²/2m_i) + Σ_(i,j) V(r_ij) + Σ_i F(h_i),

with T for each species, V for each pair of species, F for each species and h_i what particle i hears of its neighbours (see `messages`):
each a sum of sampled features with coefficients that one least-squares problem gives. Energies are sums over particles and bonds, so that
those of parts add up exactly, and depend on distances and sizes of momenta alone, so that no permutation, translation, rotation or
reflection changes them (arXiv 2506.06558 uses a frame instead, which jumps where the particle that it hangs on changes).

Particles of unseen numbers, neighbours and arrangements need no other features: trained on a few, the sums are those of millions.
"""

from hnn_hpc.graph_features.description import described, graph_feature_map_from
from hnn_hpc.graph_features.graph_feature_map import GraphFeatureMap
from hnn_hpc.graph_features.invariants import (
    EDGE_INVARIANTS,
    KINETIC,
    LENGTH_INVARIANTS,
    MASS,
    MASS_PRODUCT,
    NODE_INVARIANTS,
    EdgeInvariants,
    NodeInvariants,
)
from hnn_hpc.graph_features.messages import ManyBodyTerm, MessagePassing, reach_of
from hnn_hpc.graph_features.terms import KineticTerm, PairTerm, mass_products

__all__ = [
    "EDGE_INVARIANTS",
    "KINETIC",
    "LENGTH_INVARIANTS",
    "MASS",
    "MASS_PRODUCT",
    "NODE_INVARIANTS",
    "EdgeInvariants",
    "GraphFeatureMap",
    "KineticTerm",
    "ManyBodyTerm",
    "MessagePassing",
    "NodeInvariants",
    "PairTerm",
    "described",
    "graph_feature_map_from",
    "mass_products",
    "reach_of",
]
