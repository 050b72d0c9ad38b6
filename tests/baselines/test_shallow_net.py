"""The gradient of the loss in closed form, against central differences and against PyTorch's own, and how the net starts."""

import numpy as np
import pytest

from hnn_hpc.baselines import import_torch
from hnn_hpc.baselines.shallow_net import ShallowNet

pytestmark = pytest.mark.baseline
DIMENSION, WIDTH, BATCH = 4, 6, 9
STEP = 1e-5  # of central differences: their error is its square


@pytest.fixture
def torch():
    return import_torch()


@pytest.fixture
def batch(torch, seed):
    """Points and targets, (9, 4) each."""
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.normal(size=(BATCH, DIMENSION))) for _ in range(2)]


def loss(net, points, targets):
    """L of the docstring, by numpy."""
    feature_map, w = net.feature_map_and_coefficients()
    return np.mean((feature_map.energy_gradient(points.numpy(), w) - targets.numpy()) ** 2)


def gradients(net, batch):
    net.set_gradients(*batch)
    return [parameter.grad.numpy().copy() for parameter in net.parameters]


def test_gradient_is_that_of_central_differences(torch, batch, seed):
    net = ShallowNet(torch, DIMENSION, WIDTH, seed)
    for parameter, gradient in zip(net.parameters, gradients(net, batch), strict=True):
        values, differences = parameter.detach().view(-1), np.empty(parameter.numel())
        for index, value in enumerate(values.tolist()):
            sides = []
            for values[index] in (value + STEP, value - STEP):
                sides.append(loss(net, *batch))
            values[index] = value
            differences[index] = (sides[0] - sides[1]) / (2 * STEP)
        np.testing.assert_allclose(gradient.ravel(), differences, rtol=0, atol=1e-8 * np.abs(differences).max())


def test_gradient_is_that_of_double_backpropagation(torch, batch, seed):
    net = ShallowNet(torch, DIMENSION, WIDTH, seed)
    closed_form = gradients(net, batch)
    points, targets = batch
    x = points.clone().requires_grad_(True)
    [gradient] = torch.autograd.grad((torch.tanh(x @ net.weights.T + net.biases) @ net.coefficients).sum(), x, create_graph=True)
    for ours, theirs in zip(closed_form, torch.autograd.grad(((gradient - targets) ** 2).mean(), net.parameters), strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-14 * float(theirs.abs().max()))


def test_pieces_of_a_batch_give_the_gradient_of_the_whole(torch, batch, seed, monkeypatch):
    whole = gradients(ShallowNet(torch, DIMENSION, WIDTH, seed), batch)
    monkeypatch.setattr("hnn_hpc.baselines.shallow_net.CACHED_VALUES", 4 * WIDTH)
    monkeypatch.setattr("hnn_hpc.baselines.shallow_net.FEWEST_ROWS", 1)
    in_pieces = gradients(ShallowNet(torch, DIMENSION, WIDTH, seed), batch)  # of 4, 4 and 1 samples
    for one, other in zip(whole, in_pieces, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-14 * np.abs(one).max())


def test_net_starts_as_linear_layers_do_and_draws_from_nobody_else(torch, seed):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    net = ShallowNet(torch, DIMENSION, WIDTH, seed)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(seed)
    hidden, output = torch.nn.Linear(DIMENSION, WIDTH, dtype=torch.float64), torch.nn.Linear(WIDTH, 1, dtype=torch.float64)
    for ours, theirs in zip(net.parameters, (hidden.weight, hidden.bias, output.weight[0]), strict=True):
        assert torch.equal(ours, theirs)
