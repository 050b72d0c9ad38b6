"""Training graph networks: from graphs to a model.

`drawing` draws the features from a pool, `search` finds what is "auto" by `trial` fits to it, `problems` solves for the output layer, and
`training` leads from one to the other; `library` is the call of a user.
"""

from hnn_hpc.graph_training.library import fit_graphs
from hnn_hpc.graph_training.problems import usual_plan
from hnn_hpc.graph_training.training import GraphFit, fit_graph_source

__all__ = ["GraphFit", "fit_graph_source", "fit_graphs", "usual_plan"]
