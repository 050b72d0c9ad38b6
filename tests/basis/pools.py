"""Pools of samples with known Hamiltonians, and their bases."""

import numpy as np

from hnn_hpc import FitOptions
from hnn_hpc.basis import choose_basis
from hnn_hpc.basis.trial import TrialSamples
from hnn_hpc.features import ACTIVATIONS, Pool, feature_scales, make_coordinates
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.systems import make_system

DOUBLE_PENDULUM = {"angles": ["q1", "q2"], "differences": [["q1", "q2"]]}
DERIVED = make_coordinates(6, ["q1", "q2"], [["q1", "q2"], ["p2", "p3"]], [[["q3"], ["p1"]]])


def pool_of(points, gradients):
    return Pool(points, gradients, None, points.min(axis=0), points.max(axis=0))


def uniform_pool(gradient, dimension, count, rng, noise=0.0):
    """Points uniform in [-1, 1]^D; noise relative to the size of each component of the gradient."""
    points = rng.uniform(-1, 1, (count, dimension))
    return pool_of(points, noisy(gradient(points), noise, rng))


def system_pool(name, count, rng, noise=0.0, **parameters):
    system = make_system(name, parameters)
    points = rng.uniform(*system.box.T, (count, system.dimension))
    return pool_of(points, noisy(system.gradient(points), noise, rng))


def noisy(gradients, noise, rng):
    return gradients + noise * np.sqrt((gradients**2).mean(axis=0)) * rng.standard_normal(gradients.shape)


def basis_of(pool, features=300, **options):
    return choose_basis(pool, FitOptions(features, **options), SerialCommunicator())


def supports_of(pool, bandwidth=1.0, **options):
    """The supports found; the bandwidth is given, for that takes less time."""
    return [tuple(support) for support in basis_of(pool, bandwidth=bandwidth, **options).report["supports"]]


def trial_samples(points, gradients, coordinates, activation="tanh"):
    """`TrialSamples` by their definition, h being 1 for all."""
    scales = feature_scales(pool_of(points, gradients), coordinates)
    return TrialSamples(coordinates.embed(points), coordinates.jacobian(points), gradients, coordinates, scales, ACTIVATIONS[activation])
