"""Factors of R against the dense problem: N and P by their identities, solutions and ranks by numpy's singular value decomposition."""

from typing import NamedTuple

import numpy as np
import pytest
from oracles import ROUND_OFF, column_norms, decaying, orthonormal, scaled_lstsq, with_singular_values
from problems import dense, solved
from problems import problem as random_problem

from hnn_hpc.solvers.factor import TriangularFactor, TruncatedFactor, factor_of
from hnn_hpc.solvers.triangle import triangle_of

ORDERS = [1, 2, 3, 63, 64, 65, 130]


class Dense(NamedTuple):
    """A problem min ‖A w - f‖ and its reduction to a factor and z."""

    A: np.ndarray
    f: np.ndarray
    factor: object
    z: np.ndarray

    @property
    def scaled(self):
        return self.A / column_norms(self.A)

    @property
    def basis(self):
        """N, (M, rank)."""
        return np.column_stack([self.factor.basis(unit) for unit in np.identity(self.factor.rank)])

    def coefficients(self):
        return self.factor.basis(self.factor.project(self.z)) / self.factor.column_norms

    def residual_norm(self):
        return np.linalg.norm(self.A @ self.coefficients() - self.f)


def reduced(A, f, rcond):
    triangle = triangle_of(np.asfortranarray(np.column_stack([A, f])))
    return Dense(A, f, factor_of(triangle[:-1, :-1], rcond), triangle[:-1, -1])


def deficient(rng, order, defect):
    """A (3 order, order) matrix with columns of different sizes, and its rank."""
    A = rng.standard_normal((3 * order + 5, order)) * 10.0 ** rng.uniform(-5, 5, order)
    half = order // 2
    if defect == "twice":
        A[:, half:] = A[:, : order - half] * 10.0 ** rng.uniform(-5, 5, order - half)
        return A, order - half
    if defect == "mirrored":
        A[:, half:] = -A[:, : order - half]
        return A, order - half
    A[:, -1] = {"zero": 0, "combination": A[:, :-1] @ (rng.standard_normal(order - 1) / column_norms(A[:, :-1]))}[defect]
    return A, order - 1


DEFECTS = ["twice", "mirrored", "zero", "combination"]


@pytest.mark.parametrize("order", ORDERS)
def test_well_conditioned_problems_keep_every_direction(rng, order):
    A, f = rng.standard_normal((3 * order, order)) * 10.0 ** rng.uniform(-100, 100, order), rng.standard_normal(3 * order)
    problem = reduced(A, f, 1e-15)
    w, residual, _ = scaled_lstsq(A, f, 1e-15)
    assert isinstance(problem.factor, TriangularFactor) and not problem.factor.truncated and problem.factor.rank == order
    np.testing.assert_allclose(problem.factor.column_norms, column_norms(A), rtol=ROUND_OFF)
    np.testing.assert_allclose(problem.coefficients() * column_norms(A), w * column_norms(A), atol=1e-12)
    assert problem.residual_norm() == pytest.approx(residual, rel=1e-12)
    assert_basis_is_orthonormal(problem, 1e-12)


@pytest.mark.parametrize("order", ORDERS[1:])
@pytest.mark.parametrize("defect", DEFECTS)
def test_exact_deficiency_gives_the_shortest_scaled_solution(rng, order, defect):
    A, rank = deficient(rng, order, defect)
    f = rng.standard_normal(len(A))
    problem = reduced(A, f, 1e-12)
    w, residual, svd_rank = scaled_lstsq(A, f, 1e-12)
    assert isinstance(problem.factor, TruncatedFactor) and problem.factor.truncated and problem.factor.rank == svd_rank == rank
    norms = column_norms(A)
    # A random matrix of this shape has a condition below a hundred.
    np.testing.assert_allclose(problem.coefficients() * norms, w * norms, atol=1e-12 * np.linalg.norm(w * norms))
    assert problem.residual_norm() == pytest.approx(residual, rel=1e-12)
    assert_basis_is_orthonormal(problem, 1e-12)


def assert_basis_is_orthonormal(problem, tolerance):
    """Ā N has orthonormal columns, and N is where Āᵀ reaches: N Nᵀ = (ĀᵀĀ)⁺."""
    AN, N = problem.scaled @ problem.basis, problem.basis
    np.testing.assert_allclose(AN.T @ AN, np.identity(problem.factor.rank), atol=tolerance)
    inverse = np.linalg.pinv(problem.scaled, 1e-10)
    np.testing.assert_allclose(N @ N.T, inverse @ inverse.T, atol=1e3 * tolerance * np.linalg.norm(inverse) ** 2)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", ["random", "twice", "decaying", "zero"])
def test_basis_and_its_transpose_agree(rng, order, kind):
    A = {
        "random": lambda: rng.standard_normal((3 * order, order)),
        "twice": lambda: deficient(rng, order, "twice")[0],
        "decaying": lambda: decaying(rng, 3 * order, order, 1e20),
        "zero": lambda: np.zeros((3 * order, order)),
    }[kind]()
    factor = reduced(A, np.ones(len(A)), 1e-12).factor
    y, g = rng.standard_normal(factor.rank), rng.standard_normal(order)
    Ny = factor.basis(y)
    left, right = Ny @ g, y @ factor.basis_transposed(g)
    assert left == pytest.approx(right, abs=ROUND_OFF * np.linalg.norm(Ny) * np.linalg.norm(g)), f"⟨N y, g⟩ = {left}, ⟨y, Nᵀ g⟩ = {right}"


@pytest.mark.parametrize("kind", ["random", "twice"])
def test_several_columns_at_once_are_as_one_at_a_time(rng, kind):
    A = rng.standard_normal((90, 30)) if kind == "random" else deficient(rng, 30, "twice")[0]
    factor = reduced(A, np.ones(len(A)), 1e-12).factor
    y, g = rng.standard_normal((factor.rank, 4)), rng.standard_normal((30, 4))
    np.testing.assert_allclose(factor.basis(y), np.column_stack([factor.basis(column) for column in y.T]), rtol=1e-12)
    np.testing.assert_allclose(factor.basis_transposed(g), np.column_stack([factor.basis_transposed(column) for column in g.T]), atol=1e-12)


@pytest.mark.parametrize("order", ORDERS[3:])
@pytest.mark.parametrize("rcond", [1e-15, 1e-12, 1e-6])
def test_smooth_decay_is_cut_near_the_rank_of_the_svd(rng, order, rcond):
    A = decaying(rng, 3 * order, order, 1e18)
    f = A @ rng.standard_normal(order) + 10 * rcond * rng.standard_normal(3 * order)
    problem = reduced(A, f, rcond)
    values = np.linalg.svd(problem.scaled, compute_uv=False) / np.linalg.norm(problem.scaled, 2)
    rank = problem.factor.rank
    assert np.count_nonzero(values > 5 * rcond) <= rank <= np.count_nonzero(values > rcond / 5) and rank < order
    assert problem.residual_norm() < 1.1 * scaled_lstsq(A, f, rcond)[1]


@pytest.mark.parametrize("order", ORDERS[3:])
@pytest.mark.parametrize("rcond", [1e-12, 1e-6])
def test_an_exact_fit_is_no_worse_than_a_slightly_larger_rcond(rng, order, rcond):
    """Where truncation alone decides the residual, one direction more or less is a factor: it lies between those of rcond and 10 rcond."""
    A = decaying(rng, 3 * order, order, 1e18)
    f = A @ rng.standard_normal(order)
    assert reduced(A, f, rcond).residual_norm() < 1.1 * scaled_lstsq(A, f, 10 * rcond)[1]


@pytest.mark.parametrize("order", ORDERS)
def test_nothing_is_left_of_zeros(order):
    problem = reduced(np.zeros((3 * order, order)), np.ones(3 * order), 1e-15)
    assert problem.factor.rank == 0 and problem.factor.condition == np.inf
    np.testing.assert_array_equal(problem.coefficients(), np.zeros(order))
    assert problem.factor.basis_transposed(np.ones(order)).shape == (0,)


@pytest.mark.parametrize("defect", [None, *DEFECTS])
def test_a_right_hand_side_of_zeros_gives_zeros(rng, defect):
    A = rng.standard_normal((60, 20)) if defect is None else deficient(rng, 20, defect)[0]
    problem = reduced(A, np.zeros(len(A)), 1e-12)
    np.testing.assert_array_equal(problem.coefficients(), np.zeros(20))


@pytest.mark.parametrize("condition", [1e1, 1e4, 1e8, 1e12, 1e15])
@pytest.mark.parametrize("order", [20, 130])
def test_condition_is_estimated_within_a_factor(rng, order, condition):
    # The matrix has columns of similar norm, so that scaling them hardly changes it.
    A = with_singular_values(rng, 3 * order, np.append(np.ones(order - 1), 1 / condition))
    problem = reduced(A, np.ones(len(A)), 1e-18)
    exact = np.linalg.cond(problem.scaled)
    # κ₁ is at most M times κ₂; a pivot is at most sqrt(M) times its singular value, and seldom much smaller.
    assert exact / 10 < problem.factor.condition < 10 * order * exact


def test_rcond_decides_what_is_dropped(rng):
    A = with_singular_values(rng, 100, 10.0 ** -np.arange(12))
    values = np.linalg.svd(A / column_norms(A), compute_uv=False)
    ranks = []
    for rcond in (0.0, 1e-15, 3e-9, 3e-6, 3e-3):
        factor = reduced(A, np.ones(100), rcond).factor
        ranks.append(factor.rank)
        assert abs(factor.rank - np.count_nonzero(values > rcond * values[0])) <= 1  # the columns are scaled, so the gaps are uneven
        assert factor.truncated == (rcond > 1e-12)
    assert ranks == sorted(ranks, reverse=True) and len(set(ranks)) == 4


@pytest.mark.parametrize("order", ORDERS[1:])
@pytest.mark.parametrize("kind", ["random", "nearly parallel", "twice", "zero"])
def test_the_largest_rcond_leaves_a_direction(rng, order, kind):
    """A pivot is 1 at most, and σ_max up to the square root of M: rcond σ_max may be larger than any pivot."""
    A = rng.standard_normal((3 * order + 5, order))
    if kind == "nearly parallel":
        A = A[:, :1] + 1e-3 * A
    elif kind in DEFECTS:
        A, _ = deficient(rng, order, kind)
    f = A.sum(axis=1)
    problem = reduced(A, f, 1 - 1e-15)
    assert problem.factor.truncated and 1 <= problem.factor.rank <= order and problem.coefficients().any()
    if kind == "nearly parallel":
        assert problem.factor.rank == 1 and problem.residual_norm() < 1e-2 * np.linalg.norm(f)


@pytest.mark.parametrize("rcond", [0.5, 1 - 1e-15])
@pytest.mark.parametrize("solver", ["khatri-rao-qr", "tsqr", "gram"])
def test_a_solve_by_the_largest_rcond_has_an_answer(rng, solver, rcond):
    operator = random_problem(rng, 200, 4, 30)
    W, b = operator.weights, operator.feature_map.biases
    W[:], b[:] = W[0] + 0.1 * W, b[0]  # features so much alike that σ_max is above 5
    f = dense(operator)[0].sum(axis=1).reshape(200, 4)
    operator.source.velocities[:] = np.hstack([f[:, 2:], -f[:, :2]])
    solution = solved(solver, operator, rcond=rcond)
    assert solution.rank == 1 and solution.stop_reason == "rank-deficient" and solution.certified
    assert solution.coefficients.any() and solution.relative_residual < 0.5


def test_the_threshold_is_relative_to_the_largest_singular_value_whatever_the_signs(rng):
    """σ_max is 10, of fifty columns and fifty opposite ones whose sum is zero; the last pivot is 0.3."""
    Q = orthonormal(rng, 300, 3)
    A = np.column_stack([Q[:, [0] * 50], -Q[:, [0] * 50], Q[:, 1], Q[:, 1:] @ [np.sqrt(1 - 0.3**2), 0.3]])
    assert reduced(A, np.ones(300), 0.031).factor.rank == 2
    assert reduced(A, np.ones(300), 0.029).factor.rank == 3
