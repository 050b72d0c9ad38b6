"""A problem is the same for everybody: the hidden layer is training's own, and the matrix is that of the operator."""

import numpy as np
import pytest

from hnn_hpc import FitOptions
from hnn_hpc.benchmark.problem import Problem, assembled, digest, hidden_layer, relative_residual
from hnn_hpc.operators import GradientOperator
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.training import fit_source


@pytest.mark.parametrize("sampler", ["gradient-swim", "uniform-swim", "elm"])
def test_the_hidden_layer_is_bitwise_the_one_that_training_draws(sampler, seed):
    problem = Problem("henon-heiles", 1500, 20, sampler, seed=seed)
    feature_map, domain = hidden_layer(problem, problem.training_samples())
    options = FitOptions(features=20, sampler=sampler, seed=seed)
    model = fit_source(problem.training_samples(), options, SerialCommunicator()).model
    np.testing.assert_array_equal(feature_map.weights, model.weights)
    np.testing.assert_array_equal(feature_map.biases, model.biases)
    np.testing.assert_array_equal(domain, model.domain)


def test_the_assembled_matrix_is_that_of_the_operator_and_so_is_the_residual(monkeypatch, seed):
    monkeypatch.setattr("hnn_hpc.benchmark.problem.SAMPLES_PER_BLOCK", 64)  # blocks of 64, 64 and 22 samples
    problem = Problem("henon-heiles", 150, 12, seed=seed)
    source = problem.training_samples()
    operator = GradientOperator(hidden_layer(problem, source)[0], source)
    A, f = assembled(operator)
    np.testing.assert_array_equal(np.column_stack([A, f]), operator.dense_rows(0, 150))
    w = np.linalg.lstsq(A, f)[0]
    assert relative_residual(operator, w) == pytest.approx(np.linalg.norm(A @ w - f) / np.linalg.norm(f), rel=1e-12)


def test_variations_make_the_matrix_deficient_as_they_say(seed):
    ranks = {"none": 12, "every feature twice": 6, "a zero feature": 11}
    for variation, rank in ranks.items():
        problem = Problem("henon-heiles", 150, 12, variation=variation, seed=seed)
        source = problem.training_samples()
        A, _ = assembled(GradientOperator(hidden_layer(problem, source)[0], source))
        assert A.shape == (600, 12) and np.linalg.matrix_rank(A, rtol=1e-12) == rank


def test_noise_is_as_large_as_asked_and_in_the_velocities_alone():
    clean, noisy = (Problem("henon-heiles", 20_000, 10, noise=noise).training_samples().read(0, 20_000) for noise in (0, 0.05))
    np.testing.assert_array_equal(clean.points, noisy.points)
    difference = np.linalg.norm(noisy.velocities - clean.velocities, axis=0) / np.linalg.norm(clean.velocities, axis=0)
    np.testing.assert_allclose(difference, 0.05, rtol=0.03)  # the mean of 20 000 squares: 1 % is two standard deviations


def test_the_digest_tells_problems_apart():
    problems = [
        Problem("pendulum", 100, 8),
        Problem("pendulum", 100, 8, seed=1),
        Problem("pendulum", 100, 8, noise=0.1),
        Problem("pendulum", 100, 8, "elm"),
        Problem("pendulum", 100, 8, variation="a zero feature"),
        Problem("pendulum", 100, 8, parameters={"frequency": 2}),
    ]
    digests = [digest(hidden_layer(problem, source := problem.training_samples())[0], source) for problem in [*problems, problems[0]]]
    assert len(set(digests)) == len(problems) and digests[0] == digests[-1]


def test_the_title_says_what_the_problem_is():
    problem = Problem("fput-chain", 200_000, 2000, parameters={"dof": 10}, variation="a zero feature", noise=0.05)
    assert problem.title == "fput-chain, gradient-swim, K = 200 000, D = 20, M = 2000, a zero feature, noise 5 %"
