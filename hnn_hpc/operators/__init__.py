"""The gradient feature matrix A and its products, block by block; never the whole matrix.

K samples x_k in R^D, M features σ(w_m·x + b_m). With S = σ'(X Wᵀ + b) of shape (K, M) and rows ordered (sample, coordinate),

    A[(k, d), m] = S[k, m] W[m, d]          (the Khatri-Rao product of S and Wᵀ, row by row)
    A c  = S (c∘W)                          (K, D), c∘W scaling the rows of W
    Aᵀ r = rowsum((Sᵀ R)∘W)                 R = r reshaped to (K, D)

and the targets are F = J⁻¹ dx/dt, so that A c = F says grad Ĥ = grad H (arXiv 2411.17511, section 3). The constant of Ĥ has no
gradient and is fixed afterwards. Features of derived coordinates z(x) have the rows of `embedded`, where J stands for dz/dx.

An operator may be asked for the rows of some coordinates d only: where the features fall into groups that touch no coordinate in common,
A is block-diagonal, and each block a smaller problem.
"""

from hnn_hpc.operators.components import Component, components_of
from hnn_hpc.operators.embedded import EmbeddedGradientOperator, gradient_operator
from hnn_hpc.operators.gradient import GradientOperator
from hnn_hpc.operators.graph_rows import BondPlaces, BondRows, KineticRows
from hnn_hpc.operators.kept import keep_derivatives
from hnn_hpc.operators.row_operator import RowOperator

__all__ = [
    "BondPlaces",
    "BondRows",
    "Component",
    "EmbeddedGradientOperator",
    "GradientOperator",
    "KineticRows",
    "RowOperator",
    "components_of",
    "gradient_operator",
    "keep_derivatives",
]
