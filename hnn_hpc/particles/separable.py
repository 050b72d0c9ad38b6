"""Whether H of graphs is T(p) + V(q), which Störmer and Verlet's method needs."""

import numpy as np

from hnn_hpc.errors import UserError

TOLERANCE = 1e-6  # of the largest velocity, far above round-off


def check_separable(bonded, alone):
    """Raise UserError where dH/dp (P, d) is another with bonds, `bonded`, than `alone`: then it depends on positions."""
    if np.abs(bonded - alone).max(initial=0) > TOLERANCE * np.abs(bonded).max(initial=0):
        raise UserError("stormer-verlet needs a separable Hamiltonian, H = T(p) + V(q), which this one is not: dH/dp depends on positions")
