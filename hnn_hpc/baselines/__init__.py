"""What the sampled network is measured against: the published Hamiltonian network, trained by Adam in PyTorch on the CPU.

The network is ours, Ĥ(x) = w·tanh(W x + b) + c with W (M, D), but every weight is trained: W, b and w start at random and follow the
gradient of the mean squared error of ∇Ĥ against J⁻¹ dx/dt, a batch of samples a step (Greydanus, Dzamba, Yosinski, NeurIPS 2019;
settings and shallow form of arXiv 2411.17511). The samples are those of our fit, and the errors those of `hnn_hpc.evaluation`.

- `pytorch`: PyTorch itself, an optional library.
- `shallow_net`: the network and the gradient of its loss, in closed form.
- `adam`: training, with the curve of errors against seconds.
- `comparison`: time to accuracy, ours against Adam's.
"""

from hnn_hpc.baselines.adam import AdamOptions, AdamRun, published_options, train_by_adam
from hnn_hpc.baselines.comparison import compare
from hnn_hpc.baselines.pytorch import import_torch

__all__ = ["AdamOptions", "AdamRun", "compare", "import_torch", "published_options", "train_by_adam"]
