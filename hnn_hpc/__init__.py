"""Hamiltonian neural networks trained without backpropagation, from a laptop to a cluster.

Sample the hidden layer, solve one linear least-squares problem for the output layer (arXiv 2411.17511), at any size:

    from hnn_hpc import fit, load_model, systems

    result = fit(points, velocities, features=2000)     # points and velocities: (K, 2n)
    result.model.energy(x), result.solution.relative_residual
    result.model.save("model.h5")

Graphs of particles, where the bonds and the particles are learned once for any number of them (arXiv 2506.06558):

    from hnn_hpc import fit_graphs, load_graph_model

    result = fit_graphs("graphs.h5", features=64)       # or GraphSamples
    result.model.energy(graphs), result.model.gradient(graphs)

Importing this package starts neither MPI nor PETSc.
"""

from hnn_hpc import systems
from hnn_hpc.errors import HnnError, NotCertifiedError, UserError
from hnn_hpc.evaluation import evaluate_arrays
from hnn_hpc.graph_model import GraphModel, load_graph_model
from hnn_hpc.graph_samples import GraphSamples
from hnn_hpc.graph_training import GraphFit, fit_graphs
from hnn_hpc.graphs import Graphs
from hnn_hpc.models import HamiltonianModel, load_model
from hnn_hpc.options import FitOptions
from hnn_hpc.training import Fit, fit
from hnn_hpc.version import __version__ as __version__

__all__ = [
    "Fit",
    "FitOptions",
    "GraphFit",
    "GraphModel",
    "GraphSamples",
    "Graphs",
    "HamiltonianModel",
    "HnnError",
    "NotCertifiedError",
    "UserError",
    "evaluate_arrays",
    "fit",
    "fit_graphs",
    "load_graph_model",
    "load_model",
    "systems",
]
