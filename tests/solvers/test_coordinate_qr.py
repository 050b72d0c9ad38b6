"""QR coordinate by coordinate: the triangle and the answer of the dense matrix, whatever the pattern of the weights."""

from dataclasses import replace

import numpy as np
import pytest
from oracles import ROUND_OFF, column_norms, gram_error, scaled_lstsq
from problems import RCOND, dense, operator_of

from hnn_hpc.errors import Interruption
from hnn_hpc.parallel.checkpoint import NoCheckpoint
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.solvers import elimination_order, plan, solve
from hnn_hpc.solvers.coordinate_qr import coordinate_triangle

SERIAL = SerialCommunicator()
PATTERNS = {
    "chain": [[0, 1], [1, 2], [2, 3]],
    "ring": [[0, 1], [1, 2], [2, 3], [0, 3]],
    "pairs and singles": [[0, 1], [2], [3], [0]],
    "everything": [[0, 1, 2, 3]],
    "one coordinate without features": [[0, 1], [2]],
}


def sparse_problem(rng, pattern, K=300, D=4, each=12, ordered=True):
    """K samples and `each` features on every support, in the order of elimination or mixed up."""
    W = np.zeros((each * len(pattern), D))
    for number, support in enumerate(pattern):
        W[number * each : (number + 1) * each, support] = rng.standard_normal((each, len(support)))
    W = W[rng.permutation(len(W))]
    W = W[elimination_order(W != 0)[1]] if ordered else W
    return operator_of(W, rng.standard_normal(len(W)), rng.standard_normal((K, D)), rng.standard_normal((K, D)))


def sparse_plan(operator, blocks=3, threads=1, piece=None):
    """The plan of the solver, whether it would be chosen or not, with some pieces a block."""
    K, D, M = operator.samples, operator.rows_per_sample, operator.columns
    the_plan = plan(K, D, M, "khatri-rao-qr")
    return replace(
        the_plan, reduce=coordinate_triangle, layout=RowLayout(K, blocks), piece_samples=piece or K // blocks // 3 + 1, threads=threads
    )


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_the_triangle_is_that_of_the_dense_matrix(rng, pattern, ordered):
    operator = sparse_problem(rng, pattern, ordered=ordered)
    R, _ = coordinate_triangle(operator, sparse_plan(operator), SERIAL)
    assert not np.tril(R, -1).any()
    assert gram_error(R, np.column_stack(dense(operator))) < ROUND_OFF


@pytest.mark.parametrize("K", [5, 40, 600])
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_the_answer_is_that_of_lstsq(rng, pattern, K):
    operator = sparse_problem(rng, pattern, K=K, each=4)
    A, f = dense(operator)
    w, residual, rank = scaled_lstsq(A, f, RCOND)
    norms = column_norms(A)
    solution = solve(operator, sparse_plan(operator, min(K, 3)), SERIAL, RCOND)
    if rank == operator.columns:
        size = np.linalg.norm(w * norms) * np.linalg.cond(A / norms)
        np.testing.assert_allclose(solution.coefficients * norms, w * norms, atol=ROUND_OFF * size)
    assert solution.certified and solution.rank == rank
    assert solution.relative_residual * np.linalg.norm(f) == pytest.approx(residual, rel=1e-8, abs=1e-11 * np.linalg.norm(f))


def test_threads_and_pieces_keep_the_bits_they_should(rng):
    operator = sparse_problem(rng, PATTERNS["chain"])
    one, three = (coordinate_triangle(operator, sparse_plan(operator, threads=threads), SERIAL)[0] for threads in (1, 3))
    np.testing.assert_array_equal(one, three)


class InMemory(NoCheckpoint):
    """A checkpoint that keeps its arrays here; `interrupted` is set by the test."""

    is_kept = True

    def __init__(self):
        self.saved, self.interrupted = {}, False

    @property
    def names(self):
        return frozenset(self.saved)

    def load(self, name):
        return self.saved[name]

    def save(self, name, array, count=0):
        self.saved[name] = array.copy(), count

    def interrupted_anywhere(self, communicator):
        return self.interrupted


@pytest.mark.parametrize("done", [1, 2, 3])
def test_an_interrupted_reduction_goes_on_after_the_coordinates_that_are_done(rng, done):
    operator, checkpoint, leaves = sparse_problem(rng, PATTERNS["ring"], K=800), InMemory(), []
    the_plan = sparse_plan(operator, blocks=4)
    whole, rows = coordinate_triangle(operator, the_plan, SERIAL)

    def note(n):
        leaves.append(n)
        checkpoint.interrupted = len(leaves) == done

    with pytest.raises(Interruption):
        coordinate_triangle(operator, the_plan, SERIAL, note, checkpoint)
    checkpoint.interrupted, seen = False, []
    rows_along = operator.rows_along
    operator.rows_along = lambda d: seen.append(d) or rows_along(d)
    resumed, rows_resumed = coordinate_triangle(operator, the_plan, SERIAL, leaves.append, checkpoint)
    np.testing.assert_array_equal(resumed, whole)
    assert seen == list(range(done, 4)) and rows_resumed == rows and sum(leaves) == done + 4


def test_rows_along_a_coordinate_are_those_of_the_dense_matrix(rng):
    operator = sparse_problem(rng, PATTERNS["pairs and singles"])
    A, f = dense(operator)
    places = np.array([3, 4, 17])
    for d in range(4):
        some = np.flatnonzero(operator.weights[:, d])
        rows = operator.rows_along(d)(20, 60, places)
        np.testing.assert_allclose(rows[:, :-1], A[(20 + places) * 4 + d][:, some], rtol=1e-13)
        np.testing.assert_array_equal(rows[:, -1], f[(20 + places) * 4 + d])


def test_it_is_chosen_where_few_features_touch_a_coordinate():
    K, D, M = 20_000, 32, 2000
    assert plan(K, D, M, "khatri-rao-qr", touching=[2 * M // D] * D).reduce is coordinate_triangle
    assert plan(K, D, M, "auto", touching=[2 * M // D] * D).reduce is coordinate_triangle
    assert plan(K, D, M, "khatri-rao-qr", touching=[M] * D).reduce is not coordinate_triangle
    assert plan(K, D, M, "lsqr", touching=[2 * M // D] * D).solver == "lsqr"
