"""Hamiltonian neural networks trained without backpropagation, from a laptop to a cluster.

Sample the hidden layer, solve one linear least-squares problem for the output layer (arXiv 2411.17511), at any size:

    from hnn_hpc import fit, load_model, systems

    result = fit(points, velocities, features=2000)     # points and velocities: (K, 2n)
    result.model.energy(x), result.solution.relative_residual
    result.model.save("model.h5")

Importing this package starts neither MPI nor PETSc.
"""

from hnn_hpc import systems
from hnn_hpc.errors import HnnError, NotCertifiedError, UserError
from hnn_hpc.evaluation import evaluate_arrays
from hnn_hpc.models import HamiltonianModel, load_model
from hnn_hpc.options import FitOptions
from hnn_hpc.training import Fit, fit
from hnn_hpc.version import __version__ as __version__

__all__ = [
    "Fit",
    "FitOptions",
    "HamiltonianModel",
    "HnnError",
    "NotCertifiedError",
    "UserError",
    "evaluate_arrays",
    "fit",
    "load_model",
    "systems",
]
