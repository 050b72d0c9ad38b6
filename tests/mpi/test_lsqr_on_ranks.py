"""The sketch and LSQR on this run's ranks and on parts of them, against one rank that works alone; failures end on all ranks."""

import json

import numpy as np
import pytest

from hnn_hpc.cli import main
from hnn_hpc.errors import HnnError, UserError
from hnn_hpc.features import ACTIVATIONS, FeatureMap
from hnn_hpc.operators import GradientOperator
from hnn_hpc.operators.kept import keep_derivatives
from hnn_hpc.parallel.communicator import MPICommunicator, SerialCommunicator
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.parallel.petsc import options_in_petsc
from hnn_hpc.samples import ArraySamples
from hnn_hpc.solvers.factor import factor_of
from hnn_hpc.solvers.lsqr import lsqr_correction, residual_rows
from hnn_hpc.solvers.sketch import sketch_samples, sketched

SERIAL = SerialCommunicator()
K, D, M = 1200, 4, 60
# Sums of a thousand numbers of order 1 in another order.
ROUND_OFF = 1e-12


def problem(layout, communicator, scale=0.1, seed=11):
    """The operator as this rank has it, with its own samples only, and the one that has all."""
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((K, D))
    velocities = np.sin(points[:, ::-1])
    W = scale * rng.standard_normal((M, D))
    feature_map = FeatureMap(W, -(W * points[:M]).sum(axis=1), ACTIVATIONS["tanh"])
    start, stop = layout.owned_rows(communicator.rank, communicator.size)
    own = ArraySamples(points[start:stop], velocities[start:stop], None, K, start)
    return GradientOperator(feature_map, own), GradientOperator(feature_map, ArraySamples(points, velocities, None, K))


def factor_alone(whole):
    """The factor of the sketched A by numpy, and the solution of the sketched problem."""
    s = sketch_samples(whole.weights, K)
    factors = sketched(whole, RowLayout(K, 1), RowLayout(s, 1), SERIAL).factors(0, s)
    A = (factors[:, None, :M] * whole.weights.T).reshape(D * s, M)
    R = np.linalg.qr(np.column_stack([A, factors[:, M:].ravel()]), mode="r")
    factor = factor_of(R[:-1, :-1], 1e-13)
    return factor, factor.basis(factor.project(R[:-1, -1])) / factor.column_norms


def corrected(operator, factor, w, layout, communicator, **options):
    """w after one correction, on every rank, and the iterations."""
    y, iterations, reachable = lsqr_correction(
        operator, factor if communicator.is_root else None, w, layout, communicator, **{"reachable": 1e-9, **options}
    )
    assert (y is None) != communicator.is_root
    assert len(set(communicator.all_gather((iterations, reachable)))) == 1
    return communicator.broadcast(w + factor.basis(y) / factor.column_norms if communicator.is_root else None), iterations


@pytest.mark.parametrize("sketch_blocks", [1, 7])
@pytest.mark.parametrize("blocks", [1, 3, 12])
def test_sketch_is_the_sum_over_the_ranks(communicator, blocks, sketch_blocks):
    layout, s = RowLayout(K, blocks), 150
    sketch_layout = RowLayout(s, sketch_blocks)
    own, whole = problem(layout, communicator)
    sketch = sketched(own, layout, sketch_layout, communicator, threads=2, seed=5)
    expected = sketched(whole, layout, sketch_layout, SERIAL, seed=5).factors(0, s)
    start, stop = sketch_layout.owned_rows(communicator.rank, communicator.size)
    np.testing.assert_allclose(sketch.factors(start, stop), expected[start:stop], atol=ROUND_OFF)
    assert sketch.samples == s


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("blocks", [1, 5, 12])
def test_answer_is_that_of_one_rank_and_of_lstsq(communicator, blocks, threads):
    layout = RowLayout(K, blocks)  # with one block there are ranks without rows
    own, whole = problem(layout, communicator)
    factor, w = factor_alone(whole)
    ours, iterations = corrected(own, factor, w, layout, communicator, threads=threads)
    alone, iterations_alone = corrected(whole, factor, w, layout, SERIAL)
    block = whole.dense_rows(0, K)
    A, f = block[:, :-1], block[:, -1]
    assert 1e3 < np.linalg.cond(A / factor.column_norms) < 1e6
    r = {name: np.linalg.norm(f - A @ w) for name, w in {"ours": ours, "alone": alone, "lstsq": np.linalg.lstsq(A, f)[0]}.items()}
    assert r["ours"] == pytest.approx(r["alone"], rel=1e-12) == pytest.approx(r["lstsq"], rel=1e-12)
    assert abs(iterations - iterations_alone) <= 1 and iterations <= 25
    # Round-off times the condition, of A and of the norm of w.
    np.testing.assert_allclose(ours, alone, atol=1e-9 * np.linalg.norm(alone))


def test_residual_lies_with_its_owners(communicator):
    layout = RowLayout(K, 5)
    own, whole = problem(layout, communicator)
    w = np.random.default_rng(1).standard_normal(M)
    rows, residual = residual_rows(own, w, layout, communicator)
    expected, expected_residual = residual_rows(whole, w, layout, SERIAL)
    start, stop = layout.owned_rows(communicator.rank, communicator.size)
    np.testing.assert_array_equal(rows, expected[start:stop])  # the same blocks, the same bits
    if communicator.is_root:
        assert residual[:2] == expected_residual[:2]
        np.testing.assert_array_equal(residual.At_r, expected_residual.At_r)
    else:
        assert residual is None


def test_ranks_may_keep_different_parts(communicator):
    layout = RowLayout(K, 12)
    own, whole = problem(layout, communicator)
    factor, w = factor_alone(whole)
    kept = keep_derivatives(own, layout, communicator, 8 * M * 150 * communicator.rank)
    assert len(kept.kept) == min(150 * communicator.rank, len(own.source.points)) // 100 * 100  # whole blocks, being shorter than a piece
    ours, _ = corrected(kept, factor, w, layout, communicator, iterations=6)
    np.testing.assert_array_equal(ours, corrected(own, factor, w, layout, communicator, iterations=6)[0])


def test_parts_of_the_ranks_work_at_the_same_time(communicator):
    if communicator.size == 1:
        return  # nobody to differ from
    comm = communicator.of_mpi4py.Split(communicator.rank % 2, key=-communicator.rank)
    part = MPICommunicator(comm)
    layout = RowLayout(K, 5)
    own, whole = problem(layout, part, seed=communicator.rank % 2)
    factor, w = factor_alone(whole)
    ours, _ = corrected(own, factor, w, layout, part)
    alone, _ = corrected(whole, factor, w, layout, SERIAL)
    comm.Free()
    np.testing.assert_allclose(ours, alone, atol=1e-9 * np.linalg.norm(alone))


def test_one_rank_may_solve_while_the_others_do_not(communicator):
    if communicator.rank == communicator.size - 1:
        layout = RowLayout(K, 2)
        _, whole = problem(layout, SERIAL)
        factor, w = factor_alone(whole)
        corrected(whole, factor, w, layout, SERIAL)


@pytest.mark.parametrize("where", ["a product", "the first pass", "the factor", "its transpose", "the progress"])
def test_a_failure_on_one_rank_ends_on_all(communicator, where, monkeypatch):
    layout = RowLayout(K, 12)
    own, whole = problem(layout, communicator)
    factor, w = factor_alone(whole)
    failing = 0 if where in ("the factor", "its transpose") else communicator.size - 1
    steps = []

    def fail(*_):
        raise ZeroDivisionError("here")

    def fail_later(*run):
        steps.append(run)
        return fail() if len(steps) > 20 or where == "the first pass" else GradientOperator.residual(own, *run)

    if communicator.rank == failing:
        if where in ("a product", "the first pass"):
            monkeypatch.setattr(own, "residual", fail_later)
        elif where != "the progress":
            monkeypatch.setattr(factor, "basis" if where == "the factor" else "basis_transposed", fail)
    progress = fail if where == "the progress" and communicator.rank == failing else None
    expected = ZeroDivisionError if communicator.rank == failing else HnnError
    with pytest.raises(expected, match="here"):
        corrected(own, factor, w, layout, communicator, on_iteration=progress or (lambda _: None))
    # The communicator is as good as before.
    corrected(own if communicator.rank != failing else problem(layout, communicator)[0], factor_alone(whole)[0], w, layout, communicator)


def test_rows_of_a_sum_go_to_their_owners(communicator):
    rng = np.random.default_rng(communicator.rank)
    mine, counts = rng.standard_normal((10, 3)), [10 // communicator.size] * communicator.size
    counts[-1] += 10 - sum(counts)
    total = sum(np.random.default_rng(rank).standard_normal((10, 3)) for rank in range(communicator.size))
    first = sum(counts[: communicator.rank])
    np.testing.assert_allclose(communicator.sum_rows(mine, counts), total[first : first + counts[communicator.rank]], atol=1e-14)


def test_missing_petsc_is_said_on_all_ranks(communicator, monkeypatch):
    layout = RowLayout(K, 3)
    own, whole = problem(layout, communicator)
    factor, w = factor_alone(whole)
    monkeypatch.setattr("hnn_hpc.parallel.petsc.start_petsc", lambda: (_ for _ in ()).throw(UserError("no PETSc")))
    with pytest.raises(UserError, match="no PETSc"):
        corrected(own, factor, w, layout, communicator)


# PETSc's options after `--`


JOB = """
[data]
system = "henon-heiles"
samples = 2000
[features]
count = 40
bandwidth = 0.25
supports = "dense"
[solver]
name = "lsqr"
"""


@pytest.fixture
def job(shared_tmp_path, communicator):
    """The path of a job that lsqr solves, in a directory that all ranks share."""
    path = shared_tmp_path / "job.toml"
    with communicator.together():
        if communicator.is_root:
            path.write_text(JOB)
    return path


def test_options_reach_all_ranks(job, communicator, capfd):
    words = ["-ksp_monitor", "-ksp_max_it", "5"]
    assert main(["fit", str(job), "--output", str(job.parent / "five"), "--set", "solver.rcond=1e-9", "--quiet", "--", *words]) == 0
    output = capfd.readouterr()
    assert ("5 KSP Residual norm" in output.out) == communicator.is_root and "6 KSP Residual norm" not in output.out and output.err == ""
    result = json.loads((job.parent / "five/result.json").read_text())
    assert result["petsc_options"] == words and result["iterations"] % 5 == 0 and result["ranks"] == communicator.size
    assert main(["fit", str(job), "--output", str(job.parent / "all"), "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("setting", "words", "sentence"),
    [
        ("lsqr", ["job.toml"], "expected an option of PETSc such as -ksp_monitor, got 'job.toml'"),
        ("lsqr", ["-ksp_monitro"], "PETSc's LSQR knows no option -ksp_monitro"),
        ("lsqr", ["-ksp_monitor", "ascii:/none/of/these"], "PETSc cannot use its options: "),
        ("gram", ["-ksp_monitor"], "options of PETSc are for the solver lsqr, but solver.name is gram"),
    ],
)
def test_wrong_options_end_all_ranks_with_one_sentence(setting, words, sentence, job, communicator, capfd):
    folder = job.parent / "results"
    assert main(["fit", str(job), "--output", str(folder), "--set", f"solver.name={setting}", "--", *words]) == 2
    output = capfd.readouterr()
    assert output.out == "" and output.err.startswith(f"hnn-hpc: error: {sentence}") == communicator.is_root
    assert output.err.count("\n") == communicator.is_root and not folder.exists()


def test_options_that_differ_between_the_ranks_are_refused(communicator):
    if communicator.size == 1:
        return  # nobody to differ from
    words = ("-ksp_monitor",) if communicator.rank else ()
    with pytest.raises(UserError, match="the options of PETSc on rank 1"), options_in_petsc(words, communicator):
        pytest.fail("nothing was to be done")
