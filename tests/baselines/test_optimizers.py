"""Each of the fifteen optimizers of PyTorch trains the net, by steps of its own."""

import pytest
from graph_problems import springs

from hnn_hpc.baselines import import_torch
from hnn_hpc.baselines.graph_batches import Standardized
from hnn_hpc.baselines.graph_net import GraphNet
from hnn_hpc.baselines.optimizers import OPTIMIZERS, chosen_optimizers
from hnn_hpc.errors import UserError

baseline = pytest.mark.baseline
FIFTEEN = ["Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "LBFGS", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD"]
FIFTEEN += ["SGD with momentum", "SGD with Nesterov"]


@pytest.fixture
def start(seed):
    """Return (net, batch, step, settle) of an optimizer by name, at its second rate or another."""
    torch = import_torch()

    def start(name, rate=None):
        samples = springs(30).read(0, 30)
        view, recipe = Standardized(samples), OPTIMIZERS[name]
        net = GraphNet(torch, view, 8, seed)
        step, settle = recipe.start(torch, net, rate or recipe.rates[1])
        return net, view.batch(samples), step, settle

    return start


def test_the_optimizers_are_these_fifteen_and_their_rates_grow():
    assert list(OPTIMIZERS) == FIFTEEN
    assert all(list(recipe.rates) == sorted(set(recipe.rates)) and len(recipe.rates) >= 3 for recipe in OPTIMIZERS.values())
    assert [name for name, recipe in OPTIMIZERS.items() if recipe.whole] == ["LBFGS", "Rprop"]


@baseline
@pytest.mark.parametrize("name", FIFTEEN)
def test_each_lowers_the_loss_and_tells_what_it_was(start, name):
    net, batch, step, _ = start(name)
    first = net.mean_square(batch)
    assert step(batch) == pytest.approx(first, rel=1e-12)
    for _ in range(10 if name == "LBFGS" else 100):
        step(batch)
    assert net.mean_square(batch) < first / 2


@baseline
@pytest.mark.parametrize(("name", "halved"), [("SGD", True), ("Rprop", False)])
def test_the_rate_is_halved_where_the_loss_falls_no_more(start, name, halved):
    def moved(losses):
        net, batch, step, settle = start(name)
        for loss in losses:
            settle(loss)
        before = net.weights.detach().clone()
        step(batch)
        return float((net.weights.detach() - before).norm())

    falling, still = moved([3.0, 2.0, 1.0, 0.5]), moved([1.0, 1.0, 1.0])
    assert falling == moved([])
    assert still == pytest.approx(falling / 2 if halved else falling, rel=1e-9)


@baseline
def test_lbfgs_goes_on_where_changes_are_far_below_its_own_limit(start):
    net, batch, step, _ = start("LBFGS")
    for _ in range(15):
        step(batch)
    loss = net.mean_square(batch)
    assert loss < 1e-8  # without the larger loss it stays at 2.5e-8
    for _ in range(5):
        step(batch)
    assert net.mean_square(batch) < loss


def test_a_wrong_name_lists_the_right_ones():
    assert list(chosen_optimizers(["SGD", "Adam"])) == ["SGD", "Adam"]
    assert list(chosen_optimizers()) == FIFTEEN
    with pytest.raises(UserError, match="optimizer 'adam'.*Adadelta.*SGD with Nesterov"):
        chosen_optimizers(["adam"])
