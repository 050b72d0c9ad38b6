"""The net that the optimizers train is our network, component by component, and the gradient of its loss is that of PyTorch."""

from dataclasses import replace

import numpy as np
import pytest
from graph_problems import mixed, springs

from hnn_hpc.baselines import import_torch
from hnn_hpc.baselines.graph_batches import Standardized
from hnn_hpc.baselines.graph_net import GraphNet

pytestmark = pytest.mark.baseline
WIDTH = 6
STEP = 1e-5  # of central differences: their error is its square
VIEWS = [{}, {"cutoff": 1.05}, {"edge_invariant": "1/r", "node_invariant": "p^2"}]


@pytest.fixture
def torch():
    return import_torch()


@pytest.fixture(params=VIEWS, ids=str)
def problem(torch, seed, request):
    """(net, samples, view) of two species, with or without a cutoff that some bonds are longer than."""
    samples = mixed(seed)
    view = Standardized(samples, **request.param)
    return GraphNet(torch, view, WIDTH, seed), samples, view


def gradient(net, samples):
    """∇Ĥ by our network with the net's weights, (P, d) twice."""
    feature_map, coefficients = net.feature_map_and_coefficients()
    return feature_map.gradient(samples.graphs, coefficients)


def test_every_component_is_that_of_our_network_with_the_same_weights(problem):
    net, samples, view = problem
    dH_dq, dH_dp = gradient(net, samples)
    own = samples._replace(velocities=dH_dp, forces=-dH_dq)
    size = np.mean([dH_dq**2, dH_dp**2])
    assert size > 1e-3
    assert net.mean_square(view.batch(own)) <= 1e-24 * size  # a mean of squares
    moved = dH_dq.copy()
    moved[7, 1] += 1e-3
    assert net.mean_square(view.batch(own._replace(forces=-moved))) == pytest.approx(1e-6 / (2 * moved.size), rel=1e-9)


def test_loss_is_the_mean_square_over_all_components(problem):
    net, samples, view = problem
    dH_dq, dH_dp = gradient(net, samples)
    mse = np.mean([(dH_dq + samples.forces) ** 2, (dH_dp - samples.velocities) ** 2])
    assert net.mean_square(view.batch(samples)) == pytest.approx(mse, rel=1e-12)
    assert net.set_gradients(view.batch(samples)) == pytest.approx(mse, rel=1e-12)


def test_gradient_is_that_of_central_differences(problem):
    net, samples, view = problem
    batch = view.batch(samples)
    net.set_gradients(batch)
    values, differences = net.weights.detach(), []
    assert len(values) == (len(view.kinetic) + len(view.pairs)) * 3 * WIDTH
    for index, value in enumerate(values.tolist()):
        sides = []
        for values[index] in (value + STEP, value - STEP):
            sides.append(net.mean_square(batch))
        values[index] = value
        differences.append((sides[0] - sides[1]) / (2 * STEP))
    np.testing.assert_allclose(net.weights.grad.numpy(), differences, rtol=0, atol=1e-8 * np.abs(differences).max())


def test_gradient_is_that_of_double_backpropagation(torch, seed):
    samples = springs(20).read(0, 20)
    view = Standardized(samples)
    net, graphs = GraphNet(torch, view, WIDTH, seed), samples.graphs
    net.set_gradients(view.batch(samples))
    weights = net.weights.detach().clone().requires_grad_(True)
    q, p = (torch.from_numpy(values.copy()).requires_grad_(True) for values in (graphs.positions, graphs.momenta))
    first, second = torch.from_numpy(graphs.bonds).T
    energy = 0.0
    invariants = p.square().sum(dim=1) / 2, (q[second] - q[first]).norm(dim=1)  # the masses are 1
    for z, standard, (w, b, c) in zip(invariants, [*view.kinetic, *view.pairs], weights.view(2, 3, WIDTH), strict=True):
        x = (z - standard.mean) / standard.deviation
        energy = energy + standard.scale * (torch.tanh(torch.outer(x, w) + b) @ c).sum()
    dH_dq, dH_dp = torch.autograd.grad(energy, (q, p), create_graph=True)
    errors = torch.cat([dH_dq + torch.from_numpy(samples.forces), dH_dp - torch.from_numpy(samples.velocities)])
    [theirs] = torch.autograd.grad(errors.square().mean(), weights)
    np.testing.assert_allclose(net.weights.grad.numpy(), theirs.numpy(), rtol=0, atol=1e-13 * float(theirs.abs().max()))


def test_batches_of_all_sizes_use_the_same_net(torch, seed):
    source = springs(8)
    whole, part = source.read(0, 8), source.read(2, 3)
    view = Standardized(whole)
    net = GraphNet(torch, view, WIDTH, seed)
    small, large = view.batch(part), view.batch(whole)
    alone = net.set_gradients(small), net.weights.grad.clone()
    net.set_gradients(large)
    assert (net.set_gradients(small), net.mean_square(small)) == (alone[0], alone[0])
    assert torch.equal(net.weights.grad, alone[1])


def test_inputs_of_the_training_samples_have_mean_0_and_deviation_1_in_every_layer(seed):
    samples = mixed(seed)
    view = Standardized(samples)
    halves = view.batch(samples).halves
    assert [len(half.inputs) for half in halves] == [len(view.kinetic), len(view.pairs)] == [2, 3]
    for inputs in [*halves[0].inputs, *halves[1].inputs]:
        assert (np.mean(inputs), np.std(inputs)) == (pytest.approx(0, abs=1e-12), pytest.approx(1, abs=1e-12))


def test_particles_and_bonds_that_no_layer_is_for_keep_their_whole_error(torch, seed):
    samples = mixed(seed)
    net = GraphNet(torch, Standardized(samples), WIDTH, seed)
    strange = samples._replace(graphs=replace(samples.graphs, species=np.full(samples.graphs.particles, 7)))
    mse = np.mean([samples.forces**2, samples.velocities**2])
    assert net.mean_square(Standardized(samples).batch(strange)) == pytest.approx(mse, rel=1e-12)


def test_net_starts_as_linear_layers_do_and_draws_from_nobody_else(torch, seed):
    view = Standardized(springs(4).read(0, 4))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    net = GraphNet(torch, view, WIDTH, seed)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(seed)
    expected = []
    for _ in range(2):
        hidden, output = torch.nn.Linear(1, WIDTH, dtype=torch.float64), torch.nn.Linear(WIDTH, 1, dtype=torch.float64)
        expected += [hidden.weight[:, 0], hidden.bias, output.weight[0]]
    assert torch.equal(net.weights.detach(), torch.cat(expected).detach())
