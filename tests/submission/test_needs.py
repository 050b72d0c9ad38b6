"""How much a job needs, and asks for."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from hnn_hpc.forecast import Forecast
from hnn_hpc.job import load_job
from hnn_hpc.options import FitOptions
from hnn_hpc.solvers import NOMINAL
from hnn_hpc.submission.asking import fitted
from hnn_hpc.submission.needs import MARGIN, MPI, PETSC, Needs, needs_of, time_to_ask
from hnn_hpc.submission.partitions import Nodes, Partition, Request
from hnn_hpc.training import plan_for


def test_the_root_needs_more_than_the_others_and_a_node_holds_one_root(make_forecast):
    forecast, chosen = make_forecast(features=2000)
    needs = needs_of(forecast, chosen)
    assert needs.rank == forecast.cost(chosen)["memory_bytes"] + MPI  # what `hnn-hpc plan` says, and MPI
    assert forecast.program < needs.other < needs.rank
    assert needs.node(1) == needs.rank and needs.node(8) == needs.rank + 7 * needs.other
    assert (needs.flops, needs.seconds) == (chosen.flops, forecast.cost(chosen)["seconds"])


def test_a_problem_that_is_solved_several_times_takes_longer_and_no_more_memory(make_forecast):
    forecast, chosen = make_forecast(features=2000)
    once, thrice = needs_of(forecast, chosen), needs_of(replace(forecast, solves=3), chosen)
    assert thrice == replace(once, seconds=3 * once.seconds, flops=3 * once.flops)


def test_memory_is_asked_for_with_a_margin_in_whole_steps():
    needs = Needs(rank=400e6, other=200e6, flops=1, seconds=1, warning=60)
    assert needs.memory_to_ask(3) == 1100 * 2**20  # 1.25 x 800 MB + 100 MB = 1100 MB, 1049 MiB
    assert needs.memory_to_ask(1) == 600 * 2**20


@pytest.mark.parametrize(("seconds", "asked"), [(0.5, 600), (150, 600), (151, 900), (3600, 7500), (1e5, 200_400)])
def test_twice_the_time_is_asked_for_and_some_minutes(seconds, asked):
    assert time_to_ask(seconds) == asked


def test_every_thread_of_the_search_counts_up_to_eight(make_forecast):
    auto = {"supports": "auto", "bandwidth": "auto", "solver": "auto", "features": 500}
    one, two, eight, many = (needs_of(*make_forecast(threads=threads, **auto)).rank for threads in (1, 2, 8, 64))
    given = needs_of(*make_forecast(features=500, solver="auto")).rank
    assert given < one < two < eight
    assert many - eight < two - one  # of the solve alone
    bandwidth_alone = needs_of(*make_forecast(**(auto | {"supports": "dense"}))).rank
    assert bandwidth_alone == one


def test_the_fallback_of_a_well_conditioned_problem_fits_too(make_forecast):
    forecast, chosen = make_forecast(samples=1_000_000, dimension=20, features=1000, solver="auto")
    gram = chosen.if_well_conditioned
    assert gram.solver == "gram"
    needs, by_itself = needs_of(forecast, chosen), needs_of(forecast, replace(gram, if_well_conditioned=None))
    assert needs.rank > by_itself.rank and needs.other >= by_itself.other and needs.flops == chosen.flops


def test_libraries_count_that_the_submitting_process_has_not_loaded(make_forecast):
    (one, chosen), (two, _) = make_forecast(ranks=1, solver="lsqr"), make_forecast(ranks=2, solver="lsqr")
    qr = one.plan("khatri-rao-qr")
    assert needs_of(one, qr).rank == one.cost(qr)["memory_bytes"]
    assert needs_of(one, chosen, keep=False).rank == one.cost(chosen)["memory_bytes"] + PETSC
    assert needs_of(two, chosen, keep=False).rank == two.cost(chosen)["memory_bytes"] + PETSC + MPI


def test_an_iterative_solver_keeps_what_it_may(make_forecast):
    big = {"samples": 1_000_000, "dimension": 8, "features": 500, "solver": "lsqr"}
    forecast, chosen = make_forecast(**big)
    wanted, least = needs_of(forecast, chosen), needs_of(forecast, chosen, keep=False)
    assert wanted.other - least.other == pytest.approx(8 * 1_000_000 * 500 / 16)
    limited, chosen = make_forecast(**big, memory_per_rank=chosen.memory(1, 16) + 1000)
    assert needs_of(limited, chosen).rank == least.rank + 1000


@pytest.mark.parametrize(
    ("settings", "ranks", "least"),
    [
        (["features.count=1500", "features.supports=dense", "features.bandwidth=0.25"], 1, 0.5),
        (["features.count=300", "solver.name=lsqr"], 1, 0.5),
        (["features.count=1000"], 2, 0.2),  # a search that finds little takes little
    ],
)
def test_a_fit_stays_within_what_its_rank_would_ask_for(tmp_path, settings, ranks, least):
    file = tmp_path / "job.toml"
    file.write_text('[data]\nsystem = "henon-heiles"\nsamples = 6000\ntest_samples = 100\n[solver]\nname = "khatri-rao-qr"\n')
    options = load_job(file, settings).options
    words = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, "-m", "hnn_hpc", "fit", str(file), *words, "--output", str(tmp_path / "out"), "--json", "--quiet"]
    launcher = [] if ranks == 1 else ["mpirun", "-n", str(ranks)]
    environment = os.environ | {"HNN_HPC_THREADS": "1"}
    done = subprocess.run([*launcher, *command], capture_output=True, text=True, check=True, env=environment)
    peak = json.loads(done.stdout.splitlines()[-1])["peak_memory_bytes"]
    program = 80_000_000  # of the process that submits
    needs = needs_of(Forecast(6000, 4, options, ranks, 1, program), plan_for(6000, 4, options, "the test"))
    assert least * needs.rank < peak < MARGIN * needs.rank


def test_the_warning_is_long_enough_for_the_longest_step_that_cannot_be_interrupted():
    def warning(features):
        options = FitOptions(features, supports="dense", bandwidth=1.0, solver="khatri-rao-qr")
        forecast = Forecast(10**8, 4, options, 4, 1, 1e8)
        return needs_of(forecast, plan_for(10**8, 4, options, "here")), forecast, plan_for(10**8, 4, options, "here")

    assert warning(1000)[0].warning == 60
    needs, forecast, plan = warning(10_000)
    alone = max(stage.seconds(4, 1, forecast.rates) for stage in plan.stages if stage.leaves == 1)
    assert needs.warning > 2 * alone > 60


def test_a_limit_is_that_of_a_partition_that_the_job_fits_into():
    short = Partition("short", True, 1800, math.inf, math.inf, (Nodes(4, 8, 64e9),))
    long = Partition("long", False, 172_800, math.inf, math.inf, (Nodes(4, 8, 1e8),))
    options = FitOptions(10_000, supports="dense", bandwidth=1.0, solver="khatri-rao-qr")
    forecast = Forecast(10**7, 4, options, 4, 1, 1e8)
    chosen = plan_for(10**7, 4, options, "here")
    asked, _ = fitted(Request(2, 2, 1), forecast, chosen, {"short": short, "long": long}, [short, long])
    assert asked.seconds == 1800


def test_a_rank_that_has_one_leaf_may_need_all_of_a_stage_to_end():
    options = FitOptions(10_000, supports="dense", bandwidth=1.0, solver="khatri-rao-qr")
    chosen = plan_for(10**5, 4, options, "here")
    needs = needs_of(Forecast(10**5, 4, options, 64, 1, 1e8), chosen)
    factor = next(stage for stage in chosen.stages if stage.name == "factor")
    assert 1 < factor.leaves < 64 and needs.warning > 2 * factor.seconds(64, 1, NOMINAL) > 120
