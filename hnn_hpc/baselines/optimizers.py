"""The optimizers of PyTorch that train the graph network, each set as well as it can be by simple means.

- A step is one of a batch of some 160 particles, a tenth of the usual training set: the errors after the same time are lower than with
  steps of the whole set, for most two to four times. LBFGS and Rprop compare gradients of different steps, which must be of the whole set.
- The first learning rate is the best of a few, over two decades or so, by short runs (see `graph_descent.choose_rate`), whose time is told
  but not counted against the optimizer. PyTorch's ReduceLROnPlateau halves it whenever the loss has not fallen twice in a row, which makes
  the errors up to a hundred times lower than a constant rate. Those of LBFGS and Rprop are no rates, and stay.
- All else is PyTorch's default but for what would hold an optimizer back: weight decay (AdamW's 1e-2, ASGD's 1e-4) is as good as none, for
  the data have no noise; RMSprop has momentum; the steps of Rprop may fall below 1e-6; and LBFGS searches along its lines by the strong
  Wolfe conditions, remembers 100 steps rather than 10, stops at no tolerance, and minimizes the loss times 1e12, for it passes over changes
  below 1e-10.
- All weights are one vector, the cheapest for an optimizer; only Adafactor asks which belong together, and it does better so. Where PyTorch
  has a fused step for the CPU, that is taken.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hnn_hpc.errors import look_up

LOSS_SCALE = 1e12  # of LBFGS
ITERATIONS = 20  # of LBFGS in a step


@dataclass(frozen=True)
class Recipe:
    """How an optimizer trains a net.

    build         of (torch.optim, [all weights], learning rate): return the optimizer
    rates         the learning rates to choose from, in order
    whole         whether each step takes all samples
    tuning_steps  the steps that each rate is tried for
    searches      whether it asks for losses along a line, within a step
    """

    build: Callable
    rates: tuple
    whole: bool = False
    tuning_steps: int = 2000
    searches: bool = False

    def start(self, torch, net, rate):
        """Return two functions: step(batch) makes one step and returns the loss L before it; settle(L), called now and then with the mean
        of many L, halves the learning rate where L falls no more."""
        optimizer = self.build(torch.optim, [net.weights], rate)
        if self.searches:
            return lambda batch: optimizer.step(lambda: _enlarged_loss(net, batch)) / LOSS_SCALE, lambda loss: None

        def step(batch):
            loss = net.set_gradients(batch)
            optimizer.step()
            return loss

        if self.whole:
            return step, lambda loss: None
        return step, torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1).step


def _enlarged_loss(net, batch):
    loss = net.set_gradients(batch)
    net.weights.grad.mul_(LOSS_SCALE)
    return LOSS_SCALE * loss


def _plain(name, **options):
    """Return `build` for a class of torch.optim and some of its options."""
    return lambda optim, parameters, rate: getattr(optim, name)(parameters, lr=rate, **options)


ADAPTIVE = (3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
LINE_SEARCH = {"max_iter": ITERATIONS, "history_size": 100, "line_search_fn": "strong_wolfe", "tolerance_grad": 0, "tolerance_change": 0}

OPTIMIZERS = {
    "Adadelta": Recipe(_plain("Adadelta"), (1.0, 3.0, 10.0, 30.0, 100.0)),
    "Adafactor": Recipe(_plain("Adafactor"), ADAPTIVE),
    "Adagrad": Recipe(_plain("Adagrad", fused=True), (1e-2, 3e-2, 1e-1, 3e-1, 1.0)),
    "Adam": Recipe(_plain("Adam", fused=True), ADAPTIVE),
    "AdamW": Recipe(_plain("AdamW", weight_decay=1e-8, fused=True), ADAPTIVE),
    "Adamax": Recipe(_plain("Adamax"), ADAPTIVE),
    "ASGD": Recipe(_plain("ASGD", lambd=1e-8), (0.1, 0.3, 1.0, 3.0, 10.0)),
    "LBFGS": Recipe(_plain("LBFGS", **LINE_SEARCH), (0.1, 0.3, 1.0), whole=True, tuning_steps=20, searches=True),
    "NAdam": Recipe(_plain("NAdam"), ADAPTIVE),
    "RAdam": Recipe(_plain("RAdam"), ADAPTIVE),
    "RMSprop": Recipe(_plain("RMSprop", momentum=0.9), (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)),
    "Rprop": Recipe(_plain("Rprop", step_sizes=(1e-12, 50)), (1e-6, 1e-5, 1e-4, 1e-3, 1e-2), whole=True, tuning_steps=500),
    "SGD": Recipe(_plain("SGD", fused=True), (0.1, 0.3, 1.0, 3.0, 10.0)),
    "SGD with momentum": Recipe(_plain("SGD", momentum=0.9, fused=True), (0.03, 0.1, 0.3, 1.0, 3.0)),
    "SGD with Nesterov": Recipe(_plain("SGD", momentum=0.9, nesterov=True, fused=True), (0.03, 0.1, 0.3, 1.0, 3.0)),
}


def chosen_optimizers(names=None):
    """Return {name: Recipe} of some of OPTIMIZERS by name, of all for None. Errors: `UserError` for a name that is none."""
    return {name: look_up(OPTIMIZERS, name, "optimizer") for name in (OPTIMIZERS if names is None else names)}
