"""A basis that fits the data: which coordinates the features depend on, and how fast they vary along them, found by trial fits.

The published features depend on all coordinates and know nothing of how H varies. A Hamiltonian of physics is a sum of terms of a few
coordinates each, H(x) = Σ_s H_s(x_s), and along each it varies at a pace of its own. Features on those supports s, at that pace, are far
better: errors fall by orders of magnitude, and the dimension of the phase space no longer matters, for that of the terms is what counts.

- `interactions`: the supports, found with false-discovery control; `bandwidths`: the pace; `shares`: how many features each support gets.
- `trial`: the small fits that both are judged by: on some samples, scored on others.
- `choice`: what a fit asks for. All is in units of the data's box, so that it does not depend on units of measurement.

Features with zeros among their weights are features like any others; what the zeros save is saved in the solve: A falls apart into its
connected components, and within one of them the rows of a coordinate meet only the features that touch it.
"""

from hnn_hpc.basis.choice import AUTO, DENSE, Basis, choose_basis

__all__ = ["AUTO", "DENSE", "Basis", "choose_basis"]
