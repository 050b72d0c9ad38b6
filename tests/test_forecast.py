"""The forecast of a fit's costs; tests/cli/test_plan_command.py has it as the command tells it."""

import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.forecast import Forecast
from hnn_hpc.json_text import json_text
from hnn_hpc.options import FitOptions
from hnn_hpc.solvers import NOMINAL, plan

DENSE = {"supports": "dense", "bandwidth": 0.25}


def test_costs_are_those_of_the_plan_beside_the_program_and_the_pool():
    forecast = Forecast(1_000_000, 20, FitOptions(features=1000, **DENSE), ranks=8, threads=2, program=100)
    chosen = plan(1_000_000, 20, 1000)
    told = forecast.of(chosen)
    cost = told["solvers"][chosen.solver]
    assert forecast.pool == 8 * 32_768 * 41 and forecast.base == 100 + forecast.pool
    limited = chosen.limited_to(2)
    assert (cost["threads"], cost["flops"], cost["fits"]) == (2, chosen.flops, True)
    assert cost["memory_bytes"] == forecast.base + limited.memory(2, 8) and cost["seconds"] == limited.seconds(8, NOMINAL)
    assert told["chosen"] == chosen.solver and told["rates"]["multiply"] == NOMINAL.multiply
    assert json_text(told)  # plain values


def test_a_limit_counts_program_and_pool_and_takes_threads_before_it_refuses():
    options = FitOptions(features=1000, solver="tsqr", **DENSE)
    free = Forecast(1_000_000, 20, options, ranks=2, threads=8, program=10**8)
    tsqr = free.plan("tsqr")
    needed = [free.base + tsqr.memory(threads, 2) for threads in (1, 3)]
    one, three = (Forecast(1_000_000, 20, options, 2, 8, 10**8, limit=limit) for limit in needed)
    assert (free.limited(tsqr).threads, three.limited(tsqr).threads, one.limited(tsqr).threads) == (8, 3, 1)
    with pytest.raises(UserError, match="^tsqr does not fit: with one thread it needs "):
        Forecast(1_000_000, 20, options, 2, 8, 10**8, limit=needed[0] - 1).of(tsqr)


@pytest.mark.parametrize(("options", "supports"), [({}, "auto"), ({"supports": [["q1"], ["p1"]]}, "given"), ({"separable": True}, "auto")])
def test_sparse_features_are_never_refused_for_they_may_take_less(options, supports):
    forecast = Forecast(10_000, 2, FitOptions(features=1000, **options), ranks=1, threads=1, program=10**8, limit=10**8)
    told = forecast.of(forecast.plan("auto"))
    assert (told["supports"], told["is_upper_bound"]) == (supports, True)
    assert not any(cost["fits"] for cost in told["solvers"].values())
