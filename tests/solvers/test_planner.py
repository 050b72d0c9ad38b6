"""What a solve is said to cost, against what it counts when it runs; and that nothing but the problem decides which solver it is."""

import tracemalloc
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.operators import GradientOperator
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.solvers import SOLVERS, costs, plan, rates, solve
from hnn_hpc.solvers.costs import Stage, householder_flops
from hnn_hpc.solvers.planner import LSQR_GAIN
from hnn_hpc.solvers.rates import NOMINAL, Rates
from tests.solvers.problems import problem

NAMED = [name for name in SOLVERS if name != "auto"]
GRID = [(20_000, 2, 500), (20_000, 4, 2000), (200_000, 20, 2000), (10**6, 4, 500), (300, 20, 1000), (10**9, 64, 10**4)]
# Terms of lower order: the panels that dgeqrt works through, the stages' small change.
LOWER_ORDER = 0.05


def work(the_plan, stage):
    return next(found.work for found in the_plan.stages if found.name == stage)


def factoring(the_plan):
    """The work of the stages that reduce the rows to a triangle."""
    return costs.total(*(stage.work for stage in the_plan.stages if stage.name in ("first rows", "factor", "renew")))


def test_a_stage_takes_the_time_of_its_busiest_thread_and_the_longest_path():
    one = Rates(**dict.fromkeys(NOMINAL.__dataclass_fields__, 1.0))
    stage = Stage("factor", leaves=12, order=10**9, work={"multiply": 120}, merge={"memory": 1}, value=100)
    assert stage.seconds(1, 1, one) == pytest.approx(120 + 11)
    # 3 ranks of 2 threads: 2 of 12 leaves a thread, 1 merge in it, 1 between threads, 2 levels of ranks, each with a message of 800 bytes.
    assert stage.seconds(3, 2, one) == pytest.approx(20 + 1 + 1 + 2 + 2 * (800 + 1))
    # 5 ranks: one of them has 3 leaves; 100 ranks: 12 of them have one.
    assert stage.seconds(5, 1, one) == pytest.approx(30 + 2 + 3 + 3 * 801)
    assert stage.seconds(100, 8, one) == pytest.approx(10 + 4 + 4 * 801)
    alone = Stage("solve", leaves=1, order=10**9, work={"multiply": 5}, broadcast=10)
    assert alone.seconds(1, 8, one) == pytest.approx(5) and alone.seconds(4, 8, one) == pytest.approx(5 + 2 * (80 + 1))


def test_small_matrices_are_slower():
    half = rates.HALF_SPEED["householder"]
    assert NOMINAL.seconds({"householder": 1e9}, half) == pytest.approx(2e9 / NOMINAL.householder)
    assert NOMINAL.seconds({"householder": 1e9, "samples": 3e8}, 10**9) == pytest.approx(1e9 / NOMINAL.householder + 1, rel=1e-3)


def test_values_wait_like_the_digits_of_a_binary_counter():
    stage = Stage("factor", leaves=48, order=1, work={}, value=10**6, held=7 * 10**6, leaf=3 * 10**6, spread=8 * 10**6)
    fixed = 7 * 10**6 + 3 * 10**6 + costs.THREAD
    assert stage.memory(1, 1) == 8 * (fixed + 5 * 10**6 + 8 * 10**6)
    assert stage.memory(4, 1) == 8 * (fixed + 3 * 10**6 + 2 * 10**6)
    assert stage.memory(48, 9) == 8 * (fixed + 8 * 10**6 // 48 + 1)
    assert stage.memory(1, 2) - stage.memory(1, 1) == 8 * (3 * 10**6 + costs.THREAD + 3 * 10**6)


@pytest.mark.parametrize("rows, columns", [(400, 60), (60, 400), (200, 200)])
def test_householder_flops_are_those_of_its_reflections(rows, columns):
    reflections = sum(4 * (rows - j) * (columns - j) for j in range(min(rows, columns)))
    assert householder_flops(rows, columns) == pytest.approx(reflections, rel=0.02)


class Counted:
    """Counts flops and values by kind while a solve runs on one thread."""

    def __init__(self, monkeypatch):
        self.counts = dict.fromkeys(("householder", "cholesky_qr", "gram"), 0)
        self._count(monkeypatch, "hnn_hpc.solvers.triangle.triangle_of", "householder", lambda rows: householder_flops(*rows.shape))
        self._count(monkeypatch, "hnn_hpc.solvers.triangle.merge_rows_in_place", "householder", lambda R, rows: 2 * rows.size * len(R))
        self._count(monkeypatch, "hnn_hpc.solvers.row_triangle.divide_by_triangle", "cholesky_qr", lambda rows, R: rows.size * len(R))
        self._count(monkeypatch, "hnn_hpc.solvers.row_triangle.add_packed_gram", "cholesky_qr", lambda _, Y: Y.size * Y.shape[1])
        self._count(monkeypatch, "hnn_hpc.solvers.row_triangle.cholesky_in_place", "householder", lambda G: len(G) ** 3 / 3)
        self._count(monkeypatch, "hnn_hpc.solvers.row_triangle.multiply_triangles", "householder", lambda G, R, _: len(R) ** 3 / 3)
        self._count(monkeypatch, "hnn_hpc.solvers.hadamard_gram.add_packed_gram", "gram", lambda _, X: X.size * X.shape[1])

    def _count(self, monkeypatch, name, kind, amount):
        module, _, attribute = name.rpartition(".")
        function = getattr(__import__(module, fromlist=[attribute]), attribute)

        def counted(*arguments):
            self.counts[kind] += amount(*arguments)
            return function(*arguments)

        monkeypatch.setattr(name, counted)


@pytest.mark.parametrize("name, K, D, M", [
    ("khatri-rao-qr", 30_000, 4, 60), ("khatri-rao-qr", 500, 4, 60), ("tsqr", 9000, 6, 65), ("gram", 5000, 4, 60)
])  # fmt: skip
def test_flops_of_a_factorization_are_those_counted(monkeypatch, rng, name, K, D, M):
    operator, counted = problem(rng, K, D, M), Counted(monkeypatch)
    the_plan = plan(K, D, M, name, block_bytes=8 * (M + D) * 100)
    solve(operator, the_plan, SerialCommunicator())
    said = factoring(the_plan)
    for kind in ("householder", "cholesky_qr", "gram"):
        assert said.get(kind, 0) == pytest.approx(counted.counts[kind], rel=LOWER_ORDER), kind
    # Householder QR of short blocks costs up to a third less than the flops that a solution tells of.
    assert sum(said.get(kind, 0) for kind in ("householder", "cholesky_qr", "gram")) <= 1.2 * the_plan.factor_flops


@pytest.mark.parametrize("name", [name for name in NAMED if name != "lsqr"])
def test_activations_and_samples_are_those_counted(monkeypatch, rng, name):
    K, D, M = 3000, 4, 50
    operator, values, samples = problem(rng, K, D, M), [], []

    class Source:
        count, dimension = K, D

        def read(self, start, stop):
            samples.append(stop - start)
            return operator.source.read(start, stop)

    def derivative(z, out):
        values.append(z.size)
        return activation.derivative(z, out=out)

    activation = operator.feature_map.activation
    feature_map = replace(operator.feature_map, activation=replace(activation, derivative=derivative))
    the_plan = plan(K, D, M, name)
    solution = solve(GradientOperator(feature_map, Source()), the_plan, SerialCommunicator())
    passes = (solution.flops - the_plan.factor_flops) / the_plan.pass_flops
    assert passes == round(passes)
    factor, certify = factoring(the_plan), work(the_plan, "certify")
    assert sum(values) == factor["activations"] + passes / costs.PASSES * certify["activations"]
    said = factor["samples"] + passes / costs.PASSES * certify["samples"]
    assert 0.7 * said < 16 * D * sum(samples) <= said  # pieces with none of the first rows are not read for them


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("K, D, M", [(10_000, 4, 300), (900, 4, 300), (2000, 12, 200)])
@pytest.mark.parametrize("name", NAMED)
def test_memory_is_what_the_arrays_take(rng, name, K, D, M, threads):
    operator, the_plan = problem(rng, K, D, M), plan(K, D, M, name).limited_to(threads)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        solve(operator, the_plan, SerialCommunicator())
        taken = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    said = the_plan.memory(the_plan.threads) - 8 * costs.THREAD * the_plan.threads  # what BLAS takes is not traced
    assert 0.5 * said < taken < 1.25 * said  # which of two threads holds what at once is a matter of luck


@pytest.mark.parametrize("name", NAMED)
def test_memory_limit_reduces_threads_and_then_says_what_would_fit(name):
    the_plan = plan(10**6, 8, 1000, name)
    enough = the_plan.memory(2)
    assert the_plan.limited_to(8, enough).threads == 2
    assert the_plan.limited_to(8, None).threads == 8
    with pytest.raises(UserError, match=rf"memory_per_rank = 1000 bytes is too little: .* needs {the_plan.memory(1)} bytes a rank"):
        the_plan.limited_to(8, 1000)


PROGRAM = 10**8  # bytes that the imports take


def test_memory_hardly_grows_with_the_samples():
    for name in [name for name in NAMED if name != "lsqr"]:  # which has vectors of the rows
        sizes = [PROGRAM + plan(K, 4, 500, name).memory(2) for K in (10**5, 3 * 10**5, 10**6, 3 * 10**6)]
        assert max(sizes) < 1.1 * min(sizes), name


@pytest.mark.parametrize("K, D, M", GRID)
@pytest.mark.parametrize("name", NAMED)
def test_more_ranks_take_no_more_memory_and_no_longer_but_for_the_network(name, K, D, M):
    the_plan, ranks = plan(K, D, M, name), (1, 2, 4, 16, 64)
    seconds = [the_plan.seconds(count, replace(NOMINAL, network=1e15, messages=1e15)) for count in ranks]
    assert all(more <= 1.001 * fewer for fewer, more in pairwise(seconds))
    memory = [the_plan.memory(1, count) for count in ranks]
    assert memory == sorted(memory, reverse=True)
    assert the_plan.seconds(64, replace(NOMINAL, network=1e6)) > the_plan.seconds(64)


def test_auto_takes_the_fastest_of_the_accurate_at_nominal_rates():
    for K, D, M in GRID:
        auto = plan(K, D, M)
        seconds = {name: plan(K, D, M, name).seconds() for name in ("khatri-rao-qr", "tsqr", "lsqr")}
        seconds["lsqr"] *= LSQR_GAIN
        if K * D >= 2**31:
            del seconds["lsqr"]  # more rows than PETSc usually counts
        assert auto.solver == min(seconds, key=seconds.get)
        assert all(name in auto.reason for name in (*seconds, "nominal"))
    assert plan(60_000, 4, 300).solver == "khatri-rao-qr"
    assert plan(200, 40, 2000).solver == "tsqr"
    assert plan(500_000, 4, 4000).solver == "lsqr"


def test_auto_does_without_lsqr_where_there_is_no_petsc_and_with_a_ridge(monkeypatch):
    assert plan(500_000, 4, 4000, ridge=0.1).solver == "khatri-rao-qr"
    monkeypatch.setattr("hnn_hpc.solvers.planner.petsc_at_hand", lambda: False)
    assert plan(500_000, 4, 4000).solver == "khatri-rao-qr"


def test_lsqr_needs_neither_petsc_nor_memory_where_nobody_keeps_rows(monkeypatch):
    K, D, M = 100_000, 20, 2000
    with_rows = plan(K, D, M, "lsqr")
    assert with_rows.needs_petsc and with_rows.keepable_bytes == 8 * K * M
    monkeypatch.setattr("hnn_hpc.solvers.planner.petsc_at_hand", lambda: False)
    without = plan(K, D, M, "lsqr", with_rows=False)
    assert not without.needs_petsc and without.keepable_bytes == 0
    assert without.memory(1) < with_rows.memory(1)
    assert without.seconds() > with_rows.seconds()  # it makes S in every iteration
    assert plan(10**6, 4, 4000, with_rows=False).solver == "lsqr"
    assert plan(10**6, 4, 4000, ridge="gcv", with_rows=False).solver != "lsqr"
    assert plan(10**10, 4, 4000, with_rows=False).solver == "lsqr"  # more rows than PETSc can count


def test_neither_a_measurement_nor_threads_choose(monkeypatch):
    before = [plan(*sizes) for sizes in GRID]
    monkeypatch.setattr(rates, "calibrate", lambda *_, **__: pytest.fail("measured"))
    assert [plan(*sizes) for sizes in GRID] == before
    for chosen in before:
        assert chosen.limited_to(64).solver == chosen.solver and chosen.limited_to(64).layout == chosen.layout


def test_gram_is_held_ready_where_it_pays_and_only_there():
    held = plan(200_000, 20, 2000)
    quick = held.if_well_conditioned
    assert quick.solver == "gram"
    assert quick.layout == held.layout and quick.seconds() < held.seconds()
    assert plan(200_000, 20, 2000, ridge=1e-3).if_well_conditioned is None  # it has no triangle that a ridge could trust
    assert plan(2000, 2, 2000).if_well_conditioned is None  # the probe would take as many samples as there are
    assert plan(200_000, 20, 2000, "khatri-rao-qr").if_well_conditioned is None


def test_without_the_khatri_rao_form_only_tsqr_serves():
    for K, D, M in GRID:
        named, auto = (plan(K, D, M, name, khatri_rao=False) for name in ("tsqr", "auto"))
        assert auto.solver == "tsqr" and auto.if_well_conditioned is None and "Khatri-Rao" in auto.reason
        assert named == plan(K, D, M, "tsqr") == replace(auto, reason=named.reason)
    for name in ("khatri-rao-qr", "gram", "lsqr"):
        with pytest.raises(UserError, match=rf"has no Khatri-Rao form, which {name} needs; use 'auto' or 'tsqr'$"):
            plan(2000, 4, 100, name, khatri_rao=False)
    with pytest.raises(UserError, match="unknown solver 'qr'; the solvers are: auto, khatri-rao-qr, tsqr"):
        plan(2000, 4, 100, "qr", khatri_rao=False)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_layout_may_be_given(rng, name):
    """Two solves over the same blocks, though their sizes would suggest others."""
    K, layout = 3000, plan(3000, 4, 300).layout
    for D, M in ((1, 4), (3, 30)):
        assert plan(K, D, M, name).layout != layout
        the_plan = plan(K, D, M, name, layout=layout)
        assert the_plan.layout == layout
        assert next(stage.leaves for stage in the_plan.stages if stage.name == "certify") == layout.blocks
        whole = problem(rng, K, 4, M)
        operator = GradientOperator(replace(whole.feature_map, weights=whole.weights[:, :D].copy()), whole.source, np.arange(D))
        solution = solve(operator, the_plan, SerialCommunicator())
        block = operator.dense_rows(0, K)
        w = np.linalg.lstsq(block[:, :-1], block[:, -1], rcond=None)[0]
        assert solution.certified
        np.testing.assert_allclose(solution.coefficients, w, rtol=0, atol=1e-8 * np.linalg.norm(w))
    assert plan(K, 4, 300, name, khatri_rao=name not in ("auto", "tsqr"), layout=layout).layout == layout


def test_a_ridge_costs_rank_0_more():
    without, given, found = (work(plan(20_000, 4, 1000, "tsqr", ridge=ridge), "solve") for ridge in (0.0, 0.1, "gcv"))
    assert NOMINAL.seconds(without, 1000) < NOMINAL.seconds(given, 1000) < NOMINAL.seconds(found, 1000)


def test_calibration_measures_every_kind_but_the_network_and_samples():
    measured = rates.calibrate(np.tanh, order=32, repeats=1)
    for kind in NOMINAL.__dataclass_fields__:
        value = getattr(measured, kind)
        assert (value == getattr(NOMINAL, kind)) == (kind in ("network", "messages", "samples"))
        assert np.isfinite(value) and value > 0
    assert rates.calibrate(np.tanh, order=32, repeats=1) is measured


@pytest.mark.parametrize("kept", [True, False])
def test_lsqr_evaluates_the_activation_once_where_it_is_kept(kept):
    K, D, M, s = 10**6, 4, 1000, 2000
    small = plan(s, D, M, "khatri-rao-qr")
    factored = [stage for stage in small.stages if stage.name in ("factor", "coordinates")]
    stages = costs.lsqr_stages(K, D, M, 48, s, factored, small.stages[-3], kept, with_rows=True)
    of_samples = [stage for stage in stages if stage.name != "factor"]
    passes = 1 if kept else 1 + costs.ITERATIONS + costs.PASSES
    assert sum(stage.work.get("activations", 0) for stage in of_samples) == passes * K * M
    held = next(stage.spread for stage in stages if stage.name == "iterate")
    assert held == 5 * K * D
    assert plan(K, D, M, "lsqr").keepable_bytes == 8 * K * M
    assert [stage.name for stage in stages if "householder" in stage.work] == ["factor", "solve"]


# The stages that a solve reports


@pytest.mark.parametrize(("K", "D", "M"), GRID)
@pytest.mark.parametrize("solver", NAMED)
def test_what_is_expected_of_the_stages_is_in_all_what_the_plan_takes(solver, K, D, M):
    the_plan = replace(plan(K, D, M, solver, ridge="gcv" if solver == "tsqr" else 0.0), threads=2)
    half = Rates(**{name: value / 2 for name, value in vars(NOMINAL).items()})
    for ranks, given in ((1, NOMINAL), (3, NOMINAL), (64, half)):
        stages = the_plan.expected(ranks, given)
        assert sum(seconds for _, seconds in stages) == pytest.approx(the_plan.seconds(ranks, given), rel=1e-12)
        assert all(seconds >= 0 for _, seconds in stages) and len(dict(stages)) == len(stages)
    assert dict(stages)["factor"] > 0 and dict(stages)["certify"] > 0


def test_the_stages_are_expected_by_the_names_and_in_the_order_that_a_solve_reports():
    dense = ["factor", "solve", "certify"]
    assert [name for name, _ in plan(20_000, 4, 300, "khatri-rao-qr").expected()] == dense
    assert [name for name, _ in plan(20_000, 4, 300, "gram").expected()] == dense
    sparse = plan(20_000, 4, 300, "khatri-rao-qr", touching=[30] * 4)
    assert "fronts" in [stage.name for stage in sparse.stages] and [name for name, _ in sparse.expected()] == dense
    assert {name for name, _ in plan(20_000, 4, 300, "lsqr").expected()} == {*dense, "keep", "iterate"}
