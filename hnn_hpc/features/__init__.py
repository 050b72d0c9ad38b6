"""The hidden layer, drawn from the data instead of trained.

For phase-space points x in R^D and M features, with W (M, D), b (M,) and an activation sigma applied elementwise,

    phi(x) = sigma(W x + b)                     (M,)      the features
    H(x) = phi(x)·c + c0                                  the Hamiltonian: coefficients c (M,), constant c0
    grad H(x) = Wᵀ (sigma'(W x + b) ∘ c)        (D,)      linear in c, which is why c is a least-squares solution

W and b are drawn once, by a sampler, from a bounded pool of P samples, so drawing costs the same however many samples K there are. For a
block of B samples the matrix of derivatives, S = sigma'(X Wᵀ + b) (B, M), is all that a solver needs: the rows of the system are the
products S[k, m] W[m, d]. Its B M values are, after the factorization, the second most expensive thing the program computes.

Features may live in coordinates z(x) in R^E derived from x: angles on a circle, differences, distances (coordinates.py). Then z takes the
place of x, W is (M, E), and grad H begins with Jᵀ, J = dz/dx.

Where the features should bend is the samplers' question. Anchored features bend anywhere in the data's box, each along some coordinates
alone and at a width of its own; SWIM and its relatives take position and width from pairs of samples; ELM ignores the data but for its
limits.
"""

from hnn_hpc.features.activations import ACTIVATIONS, Activation
from hnn_hpc.features.coordinates import (
    Coordinates,
    coordinate_names,
    coordinates_from_dict,
    make_coordinates,
    names_told,
    plain_coordinates,
)
from hnn_hpc.features.feature_map import FeatureMap
from hnn_hpc.features.pool import HiddenLayer, Pool
from hnn_hpc.features.samplers import SAMPLERS, Sampler, anchored_parameters, check_requirements, checked_bandwidth, feature_scales

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Coordinates",
    "FeatureMap",
    "HiddenLayer",
    "Pool",
    "SAMPLERS",
    "Sampler",
    "anchored_parameters",
    "check_requirements",
    "checked_bandwidth",
    "coordinate_names",
    "coordinates_from_dict",
    "feature_scales",
    "make_coordinates",
    "names_told",
    "plain_coordinates",
]
