"""The network that Adam trains, Ĥ(x) = w·tanh(W x + b) + c, in float64, and the gradient of its loss in closed form.

Backpropagation through ∇Ĥ would go through the network twice. With one hidden layer none is needed: for B samples X (B, D) with targets
F = J⁻¹ dx/dt (B, D), and t = tanh(X Wᵀ + b), s = 1 - t² (B, M),

    L     = mean (G - F)²,  G = s (w∘W)          ∇Ĥ at the samples, (B, D); the mean is over all B·D numbers
    R     = 2 (G - F) / (B·D)                    ∂L/∂G
    E     = sᵀ R                                 (M, D)
    P     = -2 t∘s∘(R (w∘W)ᵀ)                    ∂L/∂(X Wᵀ + b), (B, M), where the factor w is in w∘W
    ∂L/∂w = Σ_d (E∘W),   ∂L/∂W = w∘E + Pᵀ X,   ∂L/∂b = Σ_k P

w∘W has the rows w_m W_m. The samples are taken a few rows at a time, so that s, t and P stay in the cache. This is the fastest fair
implementation: a batch of 2048 with D = 2 and M = 1000 takes a half to a quarter of the time of PyTorch's double backpropagation, and one
with D = 4 and M = 5000 a fifth to a seventh (on one core and on two), for the same numbers.
"""

from hnn_hpc.features import ACTIVATIONS, FeatureMap

# Values of s handled at a time, 2 MB, and the fewest samples in one product.
CACHED_VALUES = 2**18
FEWEST_ROWS = 16


class ShallowNet:
    """W (M, D), b (M,) and w (M,) as parameters of PyTorch; c is fixed by whoever knows an energy.

    They start as `torch.nn.Linear` starts by itself: W and b uniform in ±1/√D, w uniform in ±1/√M, drawn from `seed`; PyTorch's own
    random numbers go on as if nothing had been drawn.
    """

    def __init__(self, torch, dimension, width, seed):
        self._torch = torch
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            hidden = torch.nn.Linear(dimension, width, dtype=torch.float64)
            output = torch.nn.Linear(width, 1, dtype=torch.float64)
        self.weights, self.biases = hidden.weight, hidden.bias
        self.coefficients = torch.nn.Parameter(output.weight.detach()[0].clone())
        rows = max(FEWEST_ROWS, CACHED_VALUES // width)
        self._buffers = [torch.empty(rows, width, dtype=torch.float64) for _ in range(3)]

    @property
    def parameters(self):
        """[W, b, w]."""
        return [self.weights, self.biases, self.coefficients]

    def set_gradients(self, points, targets):
        """Set the gradient of L with respect to W, b and w, for points and targets (B, D), tensors. 8BMD + O(BM) flops."""
        torch, (W, b, w) = self._torch, self.parameters
        with torch.no_grad():
            w_W = w[:, None] * W
            E, Pt_X, sum_P = torch.zeros_like(W), torch.zeros_like(W), torch.zeros_like(b)
            rows = len(self._buffers[0])
            for first in range(0, len(points), rows):
                X, F = points[first : first + rows], targets[first : first + rows]
                t, s, P = (buffer[: len(X)] for buffer in self._buffers)
                torch.addmm(b, X, W.T, out=t).tanh_()
                torch.mul(t, t, out=s).neg_().add_(1)
                R = torch.addmm(F, s, w_W, beta=-1).mul_(2 / targets.numel())
                E.addmm_(s.T, R)
                torch.mm(R, w_W.T, out=P).mul_(t).mul_(s)  # without its factor -2
                Pt_X.addmm_(P.T, X, alpha=-2)
                sum_P.add_(P.sum(dim=0), alpha=-2)
            W.grad, b.grad, w.grad = Pt_X.addcmul_(w[:, None], E), sum_P, (E * W).sum(dim=1)

    def feature_map_and_coefficients(self):
        """Return the hidden layer as a `FeatureMap` and w (M,), copies."""
        W, b, w = (parameter.detach().numpy().copy() for parameter in self.parameters)
        return FeatureMap(W, b, ACTIVATIONS["tanh"]), w
