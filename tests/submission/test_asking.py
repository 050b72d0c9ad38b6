"""What a job asks for, on a cluster that is known or not."""

import math
import re

import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.submission.asking import fitted
from hnn_hpc.submission.needs import needs_of, time_to_ask
from hnn_hpc.submission.partitions import Nodes, Partition, Request

GIB = 2**30
SIZE = Request(nodes=2, tasks=8, cores=1)
LSQR = {"samples": 10_000_000, "dimension": 8, "features": 500, "solver": "lsqr"}  # keeps 40 GB of σ'


def partition(memory, seconds=math.inf):
    """One partition, as a cluster and as the list of those wanted."""
    main = Partition("main", True, seconds, math.inf, math.inf, (Nodes(2, 8, memory),))
    return {"main": main}, [main]


def test_where_nobody_knows_the_cluster_the_prediction_is_asked_for(make_forecast):
    forecast, chosen = make_forecast()
    request, needs = fitted(SIZE, forecast, chosen, None, [])
    assert needs == needs_of(forecast, chosen)
    assert request == Request(2, 8, 1, needs.memory_to_ask(8), time_to_ask(needs.seconds))


def test_a_time_that_is_given_stays(make_forecast):
    given = Request(2, 8, 1, seconds=7200)
    assert fitted(given, *make_forecast(), *partition(64 * GIB, 7200))[0].seconds == 7200
    with pytest.raises(UserError, match="--time 02:00:00 is above the limit of the partition main, 01:00:00"):
        fitted(given, *make_forecast(), *partition(64 * GIB, 3600))


def test_the_time_that_is_predicted_is_cut_to_the_limit_of_the_partition(make_forecast):
    forecast, chosen = make_forecast(samples=1_000_000_000)
    request, needs = fitted(SIZE, forecast, chosen, *partition(64 * GIB, 3600))
    assert time_to_ask(needs.seconds) > 3600 and request.seconds == 3600


def test_memory_is_not_asked_for_where_it_is_not_counted_or_not_wanted(make_forecast):
    assert fitted(SIZE, *make_forecast(), *partition(None))[0].memory is None
    assert fitted(SIZE, *make_forecast(), *partition(GIB // 8), with_memory=False)[0].memory is None
    with pytest.raises(UserError, match="a node needs"):
        fitted(SIZE, *make_forecast(), *partition(GIB // 8))


def test_an_iterative_solver_makes_do_with_what_a_node_has(make_forecast):
    forecast, chosen = make_forecast(**LSQR)
    wanted, least = needs_of(forecast, chosen), needs_of(forecast, chosen, keep=False)
    assert wanted.memory_to_ask(8) > 16 * GIB > least.memory_to_ask(8)
    assert fitted(SIZE, forecast, chosen, *partition(64 * GIB))[0].memory == wanted.memory_to_ask(8)
    assert fitted(SIZE, forecast, chosen, *partition(16 * GIB))[0].memory == least.memory_to_ask(8)


def test_as_many_tasks_as_are_advised_do_fit_and_one_more_does_not(make_forecast):
    options, cluster = {"features": 5000, "samples": 1_000_000}, partition(6 * GIB)
    with pytest.raises(UserError) as refusal:
        fitted(SIZE, *make_forecast(**options), *cluster)
    tasks = int(re.search(r"what would fit: (\d) tasks a node and more nodes", str(refusal.value))[1])

    def fits(tasks):
        return fitted(Request(2, tasks, 1), *make_forecast(ranks=2 * tasks, **options), *cluster)[0].memory <= 6 * GIB

    assert fits(tasks)
    with pytest.raises(UserError, match="a node needs"):
        fits(tasks + 1)
