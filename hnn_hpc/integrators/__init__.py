"""Trajectories of dx/dt = J grad H, x = (q, p) in R^D, for anything with a `gradient`: a known system or a trained model.

Symplectic methods of fixed step h, for long times: the energy error stays bounded, near h^order, instead of growing. One step:

    symplectic-euler   q' = q + h dH/dp(q, p),  p' = p - h dH/dq(q', p)               order 1, explicit, separable H
    stormer-verlet     half a kick of p, a drift of q, half a kick of p               order 2, explicit, separable H
    implicit-midpoint  x' = x + h J grad H((x + x') / 2)                              order 2, an equation to solve, any H

Separable means H = T(p) + V(q); only then is the explicit form above symplectic, so `integrate` refuses other H there. The two methods of
order 2 are time-reversible: a step of -h undoes a step of h.

`accurate_trajectories` follows trajectories to about 1e-12 instead, as training data and as the measure of the rest; not symplectic.
Source: Hairer, Lubich, Wanner, Geometric Numerical Integration, 2nd ed. 2006, chapters I.1, II.1, VI.3 and VIII.6.
"""

from hnn_hpc.integrators.accurate import accurate_trajectories
from hnn_hpc.integrators.fixed_step import INTEGRATORS, integrate
from hnn_hpc.integrators.quality import energy_drift, is_separable, separability_defect

__all__ = ["INTEGRATORS", "accurate_trajectories", "energy_drift", "integrate", "is_separable", "separability_defect"]
