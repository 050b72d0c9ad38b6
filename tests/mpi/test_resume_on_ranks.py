"""Interrupted on any number of ranks, resumed on any other: the same bits, and all ranks agree on what happens."""

import shutil
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

from hnn_hpc import FitOptions, UserError, fit
from hnn_hpc.errors import Interruption
from hnn_hpc.operators import GradientOperator
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.samples import ArraySamples, SystemSamples
from hnn_hpc.solvers import khatri_rao_qr, refinement, row_triangle, sketched_lsqr
from hnn_hpc.storage import Checkpoint
from hnn_hpc.systems import make_system
from hnn_hpc.training import fit_source

SERIAL = SerialCommunicator()
BLOCKS = 64
WANTED = {"features": 30, "solver": "khatri-rao-qr", "bandwidth": 8.0, "supports": "dense", "block_bytes": 60_000}
SOLVERS = ["khatri-rao-qr", "tsqr", "gram"]
# Where a solve saves these when it is interrupted: while far rows are added, while coordinates merge, while the answer is checked.
PLACES = {
    "most-rows": (row_triangle, "_places_of"),
    "rows": (khatri_rao_qr, "tree_reduce"),
    "triangle": (refinement, "true_residual"),
}


def samples_with_outliers():
    """Samples of which three have far too large velocities, so that some rows go to Householder QR."""
    points, velocities, _ = SystemSamples(make_system("henon-heiles", {}), 16_000, seed=1).read(0, 16_000)
    velocities[[5000, 9001, 12_000]] *= 1e6
    return ArraySamples(points, velocities, None, 16_000)


SOURCE = samples_with_outliers()


class Signals:
    """Interruptions that a test notes."""

    def __init__(self):
        self.noted = False

    def deferred(self):
        return nullcontext()


def options(solver="khatri-rao-qr", **others):
    return FitOptions(**WANTED | {"solver": solver, **others})


def interrupt(folder, communicator, monkeypatch, call, solver="khatri-rao-qr", ranks=None, work="factors"):
    """Begin a fit that those `ranks` (default: all) are told to end in the given block of theirs; returns its checkpoint.

    The first look at a block, which nothing is saved of, does not count.
    """
    signals, calls, plain = Signals(), set(), getattr(GradientOperator, work)

    def count(self, start, stop, *others):
        if work == "residual" or not others or len(others[0]) > (stop - start) / 2:
            calls.add(((start + 1) * BLOCKS - 1) // SOURCE.count)
        if len(calls) == call and communicator.rank in (range(communicator.size) if ranks is None else ranks):
            signals.noted = True
        return plain(self, start, stop, *others)

    checkpoint = Checkpoint(folder / "checkpoint", interruptions=signals)
    checkpoint.calls = calls
    with monkeypatch.context() as patch, pytest.raises(Interruption):
        patch.setattr(GradientOperator, work, count)
        fit_source(SOURCE, options(solver), communicator, checkpoint=checkpoint)
    return checkpoint


def interrupt_while(name, folder, communicator, monkeypatch, solver="khatri-rao-qr", resume=False):
    """Begin or go on with a fit whose last rank is told to end at one of PLACES; returns its checkpoint."""
    signals, plain = Signals(), getattr(*PLACES[name])

    def told(*arguments, **others):
        signals.noted = communicator.rank == communicator.size - 1
        return plain(*arguments, **others)

    checkpoint = Checkpoint(folder / "checkpoint", interruptions=signals, resume=resume)
    with monkeypatch.context() as patch, pytest.raises(Interruption):
        patch.setattr(*PLACES[name], told)
        fit_source(SOURCE, options(solver), communicator, checkpoint=checkpoint)
    return checkpoint


def resume(folder, communicator, solver="khatri-rao-qr", said=None, **others):
    """Go on and return (the fit, the checkpoint)."""
    checkpoint = Checkpoint(folder / "checkpoint", resume=True, say=None if said is None else said.append)
    return fit_source(SOURCE, options(solver, **others), communicator, checkpoint=checkpoint), checkpoint


def check_same(found, solver="khatri-rao-qr"):
    whole = fit_source(SOURCE, options(solver), SERIAL)
    np.testing.assert_array_equal(found.model.coefficients, whole.model.coefficients)
    assert found.solution.backward_error == whole.solution.backward_error
    assert found.solution.householder_rows == whole.solution.householder_rows and (
        solver != "khatri-rao-qr" or whole.solution.householder_rows
    )


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("call", [1, 5])
def test_interrupted_here_and_resumed_here_and_on_one_rank(communicator, shared_tmp_path, monkeypatch, call, solver):
    checkpoint = interrupt(shared_tmp_path, communicator, monkeypatch, call, solver)
    communicator.barrier()
    with communicator.together():
        if communicator.is_root:
            assert call * communicator.size <= int(checkpoint.summary().split()[0]) < BLOCKS
            shutil.copytree(shared_tmp_path / "checkpoint", shared_tmp_path / "alone/checkpoint")
            check_same(resume(shared_tmp_path / "alone", SERIAL, solver)[0], solver)
    found, checkpoint = resume(shared_tmp_path, communicator, solver)
    check_same(found, solver)
    assert found.record["resumed"] and call * communicator.size <= found.record["blocks_taken_over"] < BLOCKS
    with communicator.together():
        if communicator.is_root:
            checkpoint.remove()
            assert not (shared_tmp_path / "checkpoint").exists()


@pytest.mark.parametrize("call", [1, 11, 63, 64])
def test_interrupted_on_one_rank_and_resumed_here(communicator, shared_tmp_path, monkeypatch, call):
    with communicator.together():
        if communicator.is_root:
            interrupt(shared_tmp_path, SERIAL, monkeypatch, call)
    found, _ = resume(shared_tmp_path, communicator)
    check_same(found)
    assert call <= found.record["blocks_taken_over"] <= min(BLOCKS, call + 3)


def test_told_to_one_rank_it_holds_for_all(communicator, shared_tmp_path, monkeypatch):
    interrupt(shared_tmp_path, communicator, monkeypatch, 3, ranks=[communicator.size - 1])
    said = []
    found, _ = resume(shared_tmp_path, communicator, said=said)
    check_same(found)
    if communicator.size > 1:  # the ranks that nobody told have done all of theirs
        assert found.record["blocks_taken_over"] >= BLOCKS // communicator.size * (communicator.size - 1)
    assert len(said) == communicator.is_root


@pytest.mark.parametrize("solver", SOLVERS)
def test_while_the_answer_is_checked_one_rank_is_told_and_the_triangle_is_kept(communicator, shared_tmp_path, monkeypatch, solver):
    checkpoint = interrupt(shared_tmp_path, communicator, monkeypatch, 2, solver, ranks=[communicator.size - 1], work="residual")
    assert checkpoint.files == [f"{solver}.triangle.h5"]
    if communicator.rank == communicator.size - 1:
        assert len(checkpoint.calls) < 6  # each thread has ended its block
    monkeypatch.setattr(GradientOperator, "factors", lambda *_: pytest.fail("factored again"))
    found, _ = resume(shared_tmp_path, communicator, solver)
    assert found.record["blocks_taken_over"] == BLOCKS
    monkeypatch.undo()
    check_same(found, solver)


@pytest.mark.parametrize("solver", ["khatri-rao-qr", "tsqr"])
def test_while_far_rows_are_added_one_rank_is_told_and_most_rows_are_kept(communicator, shared_tmp_path, monkeypatch, solver):
    checkpoint = interrupt_while("most-rows", shared_tmp_path, communicator, monkeypatch, solver)
    assert checkpoint.files == [f"{solver}.most-rows.h5"]
    with monkeypatch.context() as patch:
        patch.setattr(row_triangle._Reduction, "add_by_cholesky", lambda *_: pytest.fail("factored again"))
        found, _ = resume(shared_tmp_path, communicator, solver)
    assert found.record["blocks_taken_over"] == BLOCKS
    check_same(found, solver)


def test_while_coordinates_merge_one_rank_is_told_and_the_triangle_of_the_rows_is_kept(communicator, shared_tmp_path, monkeypatch):
    checkpoint = interrupt_while("rows", shared_tmp_path, communicator, monkeypatch)
    assert checkpoint.files == ["khatri-rao-qr.rows.h5"]
    with monkeypatch.context() as patch:
        patch.setattr(GradientOperator, "factors", lambda *_: pytest.fail("factored again"))
        found, _ = resume(shared_tmp_path, communicator)
    assert found.record["blocks_taken_over"] == BLOCKS
    check_same(found)


def interrupt_lsqr(folder, communicator, monkeypatch, iteration):
    """Begin a fit by lsqr whose last rank is told to end in the given iteration; returns its checkpoint."""
    iterations, signals, plain = [], Signals(), sketched_lsqr.lsqr_correction

    def lsqr_correction(*arguments, on_iteration, **others):
        def count(found):
            iterations.append(found)
            signals.noted = signals.noted or (len(iterations) == iteration and communicator.rank == communicator.size - 1)
            on_iteration(found)

        return plain(*arguments, on_iteration=count, **others)

    checkpoint = Checkpoint(folder / "checkpoint", interruptions=signals)
    with monkeypatch.context() as patch, pytest.raises(Interruption):
        patch.setattr(sketched_lsqr, "lsqr_correction", lsqr_correction)
        fit_source(SOURCE, options("lsqr", bandwidth=0.2), communicator, checkpoint=checkpoint)
    assert len(iterations) == iteration and checkpoint.files == ["lsqr.coefficients.h5", "lsqr.triangle.h5"]
    return checkpoint


@pytest.mark.parametrize("iteration", [1, 5])
def test_lsqr_goes_on_from_its_triangle_and_its_answer_so_far(communicator, shared_tmp_path, monkeypatch, iteration):
    wanted = options("lsqr", bandwidth=0.2)
    whole = fit_source(SOURCE, wanted, communicator)
    interrupt_lsqr(shared_tmp_path, communicator, monkeypatch, iteration)
    monkeypatch.setattr(sketched_lsqr, "sketched", lambda *_, **__: pytest.fail("sketched again"))
    found, _ = resume(shared_tmp_path, communicator, "lsqr", bandwidth=0.2)
    assert found.solution.certified and found.record["blocks_taken_over"] == BLOCKS
    assert found.solution.iterations <= whole.solution.iterations - iteration + 2
    np.testing.assert_allclose(found.model.coefficients, whole.model.coefficients, rtol=1e-9)
    communicator.barrier()
    other, _ = resume(shared_tmp_path, communicator, "lsqr", bandwidth=0.2, rcond=1e-2)  # whose answer is another one
    monkeypatch.undo()
    expected = fit_source(SOURCE, replace(wanted, rcond=1e-2), communicator)
    assert other.solution.rank == expected.solution.rank < 30
    np.testing.assert_allclose(other.model.coefficients, expected.model.coefficients, rtol=1e-9)


@pytest.mark.parametrize("name", ["triangle", "coefficients"])
def test_lsqr_goes_on_where_one_of_the_two_is_damaged(communicator, shared_tmp_path, monkeypatch, name):
    whole = fit_source(SOURCE, options("lsqr", bandwidth=0.2), communicator)
    interrupt_lsqr(shared_tmp_path, communicator, monkeypatch, 5)
    communicator.barrier()
    with communicator.together():
        if communicator.is_root:
            path = shared_tmp_path / f"checkpoint/lsqr.{name}.h5"
            path.write_bytes(path.read_bytes()[:-1])
    communicator.barrier()
    said = []
    found, _ = resume(shared_tmp_path, communicator, "lsqr", said, bandwidth=0.2)
    assert found.solution.certified and found.record["blocks_taken_over"] == (BLOCKS if name == "coefficients" else 0)
    np.testing.assert_allclose(found.model.coefficients, whole.model.coefficients, rtol=1e-9)
    if name == "coefficients":
        assert found.solution.iterations == whole.solution.iterations
    else:
        assert found.solution.iterations <= whole.solution.iterations - 5 + 2
    assert ["truncated or damaged" in text for text in said] == ([True, False] if communicator.is_root else [])


def test_a_damaged_file_is_told_by_the_root_and_left_out_on_all(communicator, shared_tmp_path, monkeypatch):
    checkpoint = interrupt(shared_tmp_path, communicator, monkeypatch, 7)
    communicator.barrier()
    with communicator.together():
        if communicator.is_root:
            path = shared_tmp_path / "checkpoint" / checkpoint.files[-1]
            path.write_bytes(path.read_bytes()[:-7])
    said = []
    found, _ = resume(shared_tmp_path, communicator, said=said)
    check_same(found)
    assert ["truncated or damaged" in text for text in said] == ([True, False] if communicator.is_root else [])


@pytest.mark.parametrize(
    "names", [["most-rows"], ["rows"], ["triangle"], ["most-rows", "rows"], ["rows", "triangle"], ["most-rows", "rows", "triangle"]]
)
def test_what_is_saved_after_the_nodes_may_be_damaged(communicator, shared_tmp_path, monkeypatch, names):
    interrupt(shared_tmp_path, communicator, monkeypatch, 5)
    for name in names:
        communicator.barrier()
        checkpoint = interrupt_while(name, shared_tmp_path, communicator, monkeypatch, resume=True)
    communicator.barrier()
    files = checkpoint.files
    communicator.barrier()
    with communicator.together():
        if communicator.is_root:
            path = shared_tmp_path / f"checkpoint/khatri-rao-qr.{names[-1]}.h5"
            path.write_bytes(path.read_bytes()[:-1])
    communicator.barrier()
    said = []
    with monkeypatch.context() as patch:
        if len(names) > 1:  # then the one before is there, and nodes are not
            assert files == sorted(f"khatri-rao-qr.{name}.h5" for name in names[-2:])
            patch.setattr(row_triangle._Reduction, "add_by_cholesky", lambda *_: pytest.fail("factored again"))
        found, _ = resume(shared_tmp_path, communicator, said=said)
    check_same(found)
    taken_over = found.record["blocks_taken_over"]
    assert taken_over == BLOCKS if len(names) > 1 else 5 * communicator.size <= taken_over < BLOCKS
    assert ["truncated or damaged" in text for text in said] == ([True, False] if communicator.is_root else [])


def test_another_problem_is_refused_on_all(communicator, shared_tmp_path, monkeypatch):
    interrupt(shared_tmp_path, communicator, monkeypatch, 2)
    with pytest.raises(UserError, match="features 30 there and 31 here"):
        resume(shared_tmp_path, communicator, features=31)
    with pytest.raises(UserError, match="by another solver"):
        resume(shared_tmp_path, communicator, "tsqr")
    with pytest.raises(UserError, match="pass --resume"):
        fit_source(SOURCE, options(), communicator, checkpoint=Checkpoint(shared_tmp_path / "checkpoint"))


def test_what_one_rank_cannot_save_is_told_by_the_root(communicator, shared_tmp_path, monkeypatch, full_disk):
    said, last = [], communicator.size - 1
    checkpoint = Checkpoint(shared_tmp_path / "checkpoint", seconds=1e-9, say=said.append)
    with full_disk() as limit_to:
        if communicator.rank == last:
            limit_to(5000)  # of the 9 kB of a triangle
        check_same(fit_source(SOURCE, options(), communicator, checkpoint=checkpoint))
    assert len(said) == communicator.is_root and all("checkpoint is not complete" in text for text in said)
    assert all(f"(on rank {last})" in text for text in said) or communicator.size == 1


def test_samples_spread_over_the_ranks_resume_too(communicator, shared_tmp_path, monkeypatch):
    samples = SOURCE.read(0, SOURCE.count)
    own = slice(SOURCE.count * communicator.rank // communicator.size, SOURCE.count * (communicator.rank + 1) // communicator.size)
    interrupt(shared_tmp_path, communicator, monkeypatch, 3)
    checkpoint = Checkpoint(shared_tmp_path / "checkpoint", resume=True)
    result = fit(samples.points[own], samples.velocities[own], comm=communicator, checkpoint=checkpoint, **WANTED)
    check_same(result)
    assert result.record["resumed"]
    communicator.barrier()
    assert not (shared_tmp_path / "checkpoint").exists()
