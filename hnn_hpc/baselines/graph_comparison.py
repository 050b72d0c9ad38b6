"""Time to accuracy on graphs: how long our fit and each of PyTorch's optimizers take for the same error of ∇H on the same test samples.

The error is the mean square over the components of ∇H, (∂H/∂q, ∂H/∂p) of each particle along each axis. Each optimizer trains the same
network from the same first weights, as long as the cap allows; then we fit the fewest features that are as good as it ever was. Its seconds
are those of its steps alone, without the choice of its learning rate; what ours hold is for the caller to say, and best a whole fit.
"""

import math
import statistics

import numpy as np

from hnn_hpc.baselines.adam import LARGEST_SEED
from hnn_hpc.baselines.comparison import ROUNDS, powers_of_two_below
from hnn_hpc.baselines.graph_descent import choose_rate, descend, prepare_course
from hnn_hpc.baselines.optimizers import chosen_optimizers
from hnn_hpc.baselines.pytorch import import_torch, torch_threads
from hnn_hpc.errors import NotCertifiedError, UserError
from hnn_hpc.parallel.threads import available_threads
from hnn_hpc.progress import stage
from hnn_hpc.values import finite_number, whole_number


def compare_optimizers(train, test, width, communicator, *, ours, optimizers=None, cap=60.0, seed=0, progress=None, **invariants):
    """Measure all ways of training and return the comparison as a dictionary of plain values. Serial: one rank.

    Parameters
    train, test   GraphSource
    width         M: neurons of each layer of the net, one layer a species and one a pair of species; and our widest fit
    ours          a function of a width that fits `train` with so many features a term and returns (seconds, mean square error on `test`)
    optimizers    names, some of OPTIMIZERS; None: all
    cap           seconds that each optimizer may train
    seed          of the first weights, and of the order of batches
    progress      see `hnn_hpc.progress`: a stage for each optimizer and one for our fits
    invariants    edge_invariant, node_invariant: names of what V and T depend on, if not on r and |p|²/2m

    width, cap, seed, threads, graphs, test_graphs, dimension
    optimizers  for each {name, learning_rate, tuning {rates, steps, seconds, losses}, curve: a list of {seconds, steps, mse}, seconds and
                steps in all, best: the point of the curve with the lowest error, stop_reason: "cap", "diverged" or "stalled", ours: what it
                takes us to be as good as this}
    widths      our fits of 2, 4, 8 … features a term up to `width`: {width, seconds, mse, problem: why there is no error}
    best        {name of the optimizer with the lowest error of all, seconds and mse of that, ours}

    ours, in `optimizers` and `best`, is {width: the fewest of `widths` that reach it, seconds: the median of three fits, rounds, speed_up:
    the optimizer's seconds over ours}, None each where no width reaches it.
    Errors: `UserError` where PyTorch is not installed, or an option or the samples cannot be used.
    """
    whole_number(width, "width", at_least=1)
    whole_number(seed, "seed", at_least=0, at_most=LARGEST_SEED)
    if not finite_number(cap, "cap") > 0:
        raise UserError(f"cap = {cap:g}: expected a positive number of seconds")
    recipes = chosen_optimizers(optimizers)
    torch = import_torch()
    threads = available_threads(communicator)
    with torch_threads(torch, threads):
        course = prepare_course(torch, train, test, width, seed, **invariants)
        runs = [_run(course, name, recipe, cap, progress) for name, recipe in recipes.items()]
    widths = []
    with stage(progress, "our fits", len(powers_of_two_below(width)) + 1) as on_fit:
        for features in [*powers_of_two_below(width), width]:
            widths.append(_tried(ours, features))
            on_fit()
    again = _Again(ours, widths)
    for run in runs:
        run["ours"] = again.as_good_as(run["best"])
    best = min(runs, key=lambda run: run["best"]["mse"])
    return {
        "width": width,
        "cap": cap,
        "seed": seed,
        "threads": threads,
        "graphs": train.count,
        "test_graphs": test.count,
        "dimension": train.dimension,
        "optimizers": runs,
        "widths": widths,
        "best": {"name": best["name"], **best["best"], "ours": best["ours"]},
    }


def mean_square_error(hamiltonian, source):
    """Return the mean square error of ∇H over all graphs of a GraphSource, of a Hamiltonian of graphs: one that has gradient(graphs)."""
    graphs, velocities, forces, _ = source.read(0, source.count)
    dH_dq, dH_dp = hamiltonian.gradient(graphs)
    return float(np.mean([np.square(dH_dq + forces), np.square(dH_dp - velocities)]))


def _run(course, name, recipe, cap, progress):
    """Return what is told of one optimizer, but for ours."""
    _warm_up(course, recipe)
    with stage(progress, name, len(recipe.rates) + math.ceil(cap)) as on_step:
        rate, tuning = choose_rate(course, recipe, on_step)
        curve, stop_reason = descend(course.begin(recipe, rate), lambda net: net.mean_square(course.test), cap=cap, on_second=on_step)
    curve = [point._asdict() for point in curve]
    return {
        "name": name,
        "learning_rate": rate,
        "tuning": {"rates": list(recipe.rates), **tuning},
        "curve": curve,
        "seconds": curve[-1]["seconds"],
        "steps": curve[-1]["steps"],
        "best": min(curve, key=lambda point: point["mse"]),
        "stop_reason": stop_reason,
    }


def _warm_up(course, recipe):
    """Make two steps of a net that nobody needs: the first optimizer of a process takes PyTorch seconds to import."""
    start = course.begin(recipe, recipe.rates[0])
    with np.errstate(all="ignore"):
        start.settle([start.step() for _ in range(len(course.parts))])


def _tried(ours, width):
    """Return what `ours` measures at a width; where so few features cannot be fitted, the problem in place of figures."""
    try:
        seconds, mse = ours(width)
    except (NotCertifiedError, UserError) as error:
        return {"width": width, "seconds": None, "mse": None, "problem": str(error)}
    return {"width": width, "seconds": float(seconds), "mse": float(mse), "problem": None}


class _Again:
    """Our fits of one width each, measured anew where one is compared, and once for all optimizers that it is compared with."""

    def __init__(self, ours, widths):
        self._ours, self._widths, self._rounds = ours, widths, {}

    def as_good_as(self, point):
        """Return what it takes us to be as good as a point of a curve (see `compare_optimizers`)."""
        enough = next((tried for tried in self._widths if tried["problem"] is None and tried["mse"] <= point["mse"]), None)
        if enough is None:
            return dict.fromkeys(("width", "seconds", "rounds", "speed_up"))
        width = enough["width"]
        if width not in self._rounds:
            self._rounds[width] = [enough["seconds"], *(float(self._ours(width)[0]) for _ in range(ROUNDS - 1))]
        seconds = statistics.median(self._rounds[width])
        return {"width": width, "seconds": seconds, "rounds": self._rounds[width], "speed_up": point["seconds"] / seconds}
