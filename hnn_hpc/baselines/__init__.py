"""What the sampled network is measured against: the published Hamiltonian network, trained by Adam in PyTorch on the CPU.

The network is ours, Ĥ(x) = w·tanh(W x + b) + c with W (M, D), but every weight is trained: W, b and w start at random and follow the
gradient of the mean squared error of ∇Ĥ against J⁻¹ dx/dt, a batch of samples a step (Greydanus, Dzamba, Yosinski, NeurIPS 2019;
settings and shallow form of arXiv 2411.17511). The samples are those of our fit, and the errors those of `hnn_hpc.evaluation`.

- `pytorch`: PyTorch itself, an optional library.
- `shallow_net`: the network and the gradient of its loss, in closed form.
- `adam`: training, with the curve of errors against seconds.
- `comparison`: time to accuracy, ours against Adam's.

And the network of graphs, trained by fifteen optimizers (as in arXiv 2506.06558):

- `graph_batches`: samples of graphs as the network sees them; `graph_net`: the network and the gradient of its loss, in closed form.
- `optimizers`: the fifteen, and how each is set; `graph_descent`: training by one of them.
- `graph_comparison`: time to accuracy, ours against theirs.
"""

from hnn_hpc.baselines.adam import AdamOptions, AdamRun, published_options, train_by_adam
from hnn_hpc.baselines.comparison import compare
from hnn_hpc.baselines.graph_comparison import compare_optimizers, mean_square_error
from hnn_hpc.baselines.optimizers import OPTIMIZERS
from hnn_hpc.baselines.pytorch import import_torch

__all__ = [
    "OPTIMIZERS",
    "AdamOptions",
    "AdamRun",
    "compare",
    "compare_optimizers",
    "import_torch",
    "mean_square_error",
    "published_options",
    "train_by_adam",
]
