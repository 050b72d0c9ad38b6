"""Which coordinates interact: the statistics by loops, how seldom noise is taken for an interaction, graphs of known Hamiltonians."""

from collections import Counter

import numpy as np
import pytest
from pools import DOUBLE_PENDULUM, noisy, pool_of, supports_of, system_pool, uniform_pool
from scipy.integrate import solve_ivp

from hnn_hpc import fit
from hnn_hpc.basis.interactions import discoveries
from hnn_hpc.basis.trial import z_score
from hnn_hpc.systems import make_system

# Searches for interactions in what has none, of which not one may find any: at a false-discovery rate of 1e-3 in 99 % of all seeds.
SEARCHES = 10


def benjamini_hochberg(p, level):
    """The largest k for which k p-values are at most k level / n decides: all p-values up to the k-th are rejected."""
    n, threshold = len(p), -1.0
    for k, value in enumerate(sorted(p), 1):
        if value <= k * level / n:
            threshold = value
    return [place for place, value in enumerate(p) if value <= threshold]


def test_discoveries_are_those_of_a_loop(rng):
    for _ in range(300):
        n = rng.integers(1, 40)
        p = rng.random(n) ** rng.choice([1, 4, 20])
        p[rng.random(n) < 0.2] = rng.choice([0.0, 1.0, 0.01])  # ties
        for level in (1e-3, 0.05, 0.5):
            found = discoveries(p, level)
            assert found.tolist() == benjamini_hochberg(p.tolist(), level)


@pytest.mark.parametrize(
    "p, places",
    [([], []), ([0.0], [0]), ([1.0], []), ([np.nextafter(1e-3, 1)], []), ([1e-3], [0]), ([0.9, 1e-3, 5e-4], []), ([6e-4, 1, 6e-4], [0, 2])],
)
def test_discoveries_by_hand(p, places):
    assert discoveries(np.array(p), 1e-3).tolist() == places


def test_z_is_the_mean_in_standard_errors(rng):
    values = rng.uniform(0, 1, 4000)
    exact = values.mean() / values.std() * np.sqrt(4000)
    assert z_score(values) == pytest.approx(exact, rel=0.01)  # the largest hundredth is cut back a little
    assert z_score(-values) == -z_score(values)
    assert z_score(1e150 * values) == pytest.approx(z_score(values), rel=1e-12)


def test_z_of_noise_is_standard_normal(rng):
    z = np.array([z_score(row) for row in rng.standard_normal((2000, 100))])
    assert abs(z.mean()) < 0.1 and abs(z.std() - 1) < 0.1
    assert (z > 3.5).sum() <= 3


def test_z_of_heavy_tails_does_not_hang_on_the_largest_value(rng):
    values = rng.uniform(0, 1, 1000)
    outlier = values.copy()
    outlier[7] = -1e12
    assert z_score(outlier) == pytest.approx(z_score(values), rel=0.05)
    z = [z_score(row) for row in rng.standard_cauchy((500, 400))]
    assert np.abs(z).max() < 5


@pytest.mark.parametrize("values", [[0.0], [1.0], [3.0] * 50, [-2.0] * 7, [0.0] * 999 + [5.0]], ids=len)
def test_z_is_zero_where_nothing_can_be_told(values):
    assert z_score(np.array(values)) == 0


def waves(dimension, rng):
    """The gradient of a sum of waves, one along each coordinate, slow and fast."""
    factors, phases = rng.uniform(0.5, 6, dimension), rng.uniform(0, 6, dimension)
    return lambda x: factors * np.cos(factors * x + phases)


@pytest.mark.parametrize("dimension, noise", [(4, 0.0), (4, 0.1), (6, 0.1)])
def test_separable_energies_have_no_pairs(dimension, noise, rng):
    found = Counter()
    for seed in range(SEARCHES):
        supports = supports_of(uniform_pool(waves(dimension, rng), dimension, 1000, rng, noise), seed=seed)
        found[tuple(map(len, supports))] += 1
    assert found == {(1,) * dimension: SEARCHES}


@pytest.mark.parametrize("noise", ["normal", "heavy tails", "uneven"])
def test_no_pair_is_found_in_noise(noise, rng):
    for seed in range(SEARCHES):
        points, gradients = rng.uniform(-1, 1, (800, 4)), rng.standard_normal((800, 4))
        if noise == "heavy tails":
            gradients = rng.standard_cauchy((800, 4))
        elif noise == "uneven":
            gradients *= np.abs(points[:, :1] * points[:, 3:]) * 10.0 ** np.arange(-2, 2)
        assert {len(support) for support in supports_of(pool_of(points, gradients), seed=seed)} <= {1, 4}  # nothing, or all on all


def chain(dof):
    bonds = [(f"q{i}", f"q{i + 1}") for i in range(1, dof)]
    return bonds + [(f"p{i}",) for i in range(1, dof + 1)]


GRAPHS = {
    "pendulum": ({}, [("q1",), ("p1",)]),
    "henon-heiles": ({}, [("q1", "q2"), ("p1",), ("p2",)]),
    "fput-chain": ({"dof": 6}, chain(6)),
    "toda-chain": ({"dof": 6}, chain(6)),
    "lotka-volterra": ({}, [("q1",), ("p1",)]),
}


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_of_systems_are_found(name, noise, rng):
    parameters, supports = GRAPHS[name]
    assert supports_of(system_pool(name, 3000, rng, noise, **parameters), features=100) == supports


def test_the_double_pendulum_in_its_own_units(rng):
    supports = supports_of(system_pool("double-pendulum", 8000, rng), coordinates=DOUBLE_PENDULUM)
    assert supports == [("q1",), ("q2",), ("p1", "p2", "q1-q2")]


def triple(x):
    """∇(q1 q2 q3 + |p|²/2): over symmetric boxes no pair of the q has an effect by itself."""
    q1, q2, q3 = x[:, :3].T
    return np.column_stack([q2 * q3, q1 * q3, q1 * q2, x[:, 3:]])


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_a_pure_interaction_of_three(noise, rng):
    assert supports_of(uniform_pool(triple, 6, 3000, rng, noise)) == [("q1", "q2", "q3"), ("p1",), ("p2",), ("p3",)]


def test_a_cyclic_coordinate_is_in_no_support(rng):
    def gradient(x):
        return np.column_stack([np.sin(x[:, 0]) * x[:, 2], np.zeros(len(x)), 1 - np.cos(x[:, 0]), x[:, 3]])

    assert supports_of(uniform_pool(gradient, 4, 2000, rng)) == [("q1", "p1"), ("p2",)]
    assert supports_of(uniform_pool(lambda x: x * [0, 1], 2, 500, rng)) == [("p1",)]
    assert supports_of(uniform_pool(lambda x: np.ones_like(x) * [9.81, 0], 2, 500, rng)) == [("q1",)]  # a constant force


def test_where_all_interact_features_are_dense(rng):
    w = np.array([1, 0.7, -0.8, 0.6])
    pool = uniform_pool(lambda x: np.exp(x @ w)[:, None] * w, 4, 2000, rng)
    assert supports_of(pool, bandwidth="auto") == [("q1", "q2", "p1", "p2")]


@pytest.mark.parametrize("strength", [1e-2, 1e-3])
def test_weak_interactions_are_found_behind_strong_terms(strength, rng):
    def gradient(x):
        q1, q2, p1, p2 = x.T
        return np.column_stack([np.sinh(q1) + strength * 2 * q1 * q2**2, np.cos(3 * q2) + strength * 2 * q1**2 * q2, p1, p2**3])

    assert supports_of(uniform_pool(gradient, 4, 3000, rng)) == [("q1", "q2"), ("p1",), ("p2",)]


def test_interactions_that_are_forbidden_are_not_found(rng):
    def gradient(x):
        return np.column_stack([x[:, 1] + x[:, 2], x[:, 0], x[:, 0] + x[:, 2], x[:, 3]])  # of q1 q2 + q1 p1 + |p|²/2

    pool = uniform_pool(gradient, 4, 2000, rng)
    assert supports_of(pool) == [("q1", "q2"), ("q1", "p1"), ("p2",)]
    assert supports_of(pool, separable=True) == [("q1", "q2"), ("p1",), ("p2",)]
    flat = pool_of(pool.points, np.zeros((2000, 4)))
    assert supports_of(flat, separable=True) == [("q1", "q2"), ("p1", "p2")]


def test_samples_of_trajectories_give_a_model(rng):
    """Along few trajectories the coordinates depend on each other; what is learned holds near other trajectories of the same energies."""
    system = make_system("henon-heiles", {})

    def points(count):
        starts = rng.uniform(-0.25, 0.25, (count, 4))
        runs = [solve_ivp(lambda _, x: system.vector_field(x), (0, 20), s, t_eval=np.linspace(0, 20, 60), rtol=1e-10).y.T for s in starts]
        return np.concatenate(runs)

    training, test = points(20), points(5)
    velocities = noisy(system.vector_field(training), 1e-6, rng)
    model = fit(training, velocities, features=200).model
    error = model.vector_field(test) - system.vector_field(test)
    assert np.linalg.norm(error) < 1e-4 * np.linalg.norm(system.vector_field(test))
