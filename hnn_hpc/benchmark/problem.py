"""One least-squares problem of the benchmark: K samples of a known system, M features, and so A and f, the same for everybody."""

import hashlib
from dataclasses import dataclass, field

import numpy as np

from hnn_hpc.evaluation import evaluate
from hnn_hpc.features import ACTIVATIONS, SAMPLERS, FeatureMap
from hnn_hpc.models import HamiltonianModel
from hnn_hpc.operators import GradientOperator
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.parallel.threads import single_threaded_blas
from hnn_hpc.random_streams import random_stream
from hnn_hpc.samples import ArraySamples, SystemSamples, survey_samples
from hnn_hpc.systems import make_system

ACTIVATION = "tanh"
MOST_TEST_SAMPLES = 20_000
SAMPLES_PER_BLOCK = 256  # of what is assembled or checked at a time


def _every_feature_twice(weights, biases):
    half = len(weights) // 2
    return np.concatenate([weights[:half]] * 2), np.concatenate([biases[:half]] * 2)


def _zero_feature(weights, biases):
    return np.concatenate([weights[:-1], np.zeros((1, weights.shape[1]))]), biases


# What is done to the drawn hidden layer, W (M, D) and b (M,): None, or a function of both.
VARIATIONS = {"none": None, "every feature twice": _every_feature_twice, "a zero feature": _zero_feature}


@dataclass(frozen=True)
class Problem:
    """What fixes A and f.

    system, parameters    of `systems.make_system`
    samples, features     K and M
    sampler               name in SAMPLERS; the activation is tanh
    variation             name in VARIATIONS
    noise                 standard deviation of Gaussian noise on each velocity, relative to that component's root mean square
    seed                  of samples, features and noise
    """

    system: str
    samples: int
    features: int
    sampler: str = "gradient-swim"
    parameters: dict = field(default_factory=dict)
    variation: str = "none"
    noise: float = 0.0
    seed: int = 0

    @property
    def title(self):
        """The problem in a line: "henon-heiles, gradient-swim, K = 20 000, D = 4, M = 2000, noise 5 %"."""
        dimension = make_system(self.system, self.parameters).dimension
        parts = [self.system, self.sampler, f"K = {self.samples:_}".replace("_", " "), f"D = {dimension}, M = {self.features}"]
        parts += [self.variation] if self.variation != "none" else []
        return ", ".join(parts + ([f"noise {100 * self.noise:g} %"] if self.noise else []))

    def training_samples(self):
        """Return the `SampleSource` of the K training samples; with noise they are held in memory."""
        source = SystemSamples(make_system(self.system, self.parameters), self.samples, self.seed)
        if not self.noise:
            return source
        points, velocities, _ = source.read(0, self.samples)
        noise = random_stream(self.seed, "checks").standard_normal(velocities.shape)
        velocities = velocities + self.noise * np.sqrt(np.mean(velocities**2, axis=0)) * noise
        return ArraySamples(points, velocities, None, self.samples)

    def test_samples(self):
        """Return the `SampleSource` of the clean test samples."""
        system = make_system(self.system, self.parameters)
        return SystemSamples(system, min(self.samples, MOST_TEST_SAMPLES), self.seed, "test points")

    @property
    def reference(self):
        """(x0, H(x0)), which fixes the constant."""
        return self.test_samples().reference


def hidden_layer(problem, source):
    """Return the `FeatureMap` that `training.fit_source` draws for the same samples, sampler and seed, and its domain (D, 2); varied."""
    with single_threaded_blas():
        pool = survey_samples(source, RowLayout(source.count, 1), SerialCommunicator(), problem.features, problem.seed)
        rng, activation = random_stream(problem.seed, "features"), ACTIVATIONS[ACTIVATION]
        layer = SAMPLERS[problem.sampler].draw(pool, problem.features, rng, activation=activation)
    vary = VARIATIONS[problem.variation]
    weights, biases = vary(layer.weights, layer.biases) if vary else (layer.weights, layer.biases)
    return FeatureMap(weights, biases, activation), np.stack([pool.lower, pool.upper], axis=1)


def assembled(operator):
    """Return A (K D, M), column-major, and f (K D,), filled block by block, so that nothing but themselves takes memory."""
    D = operator.rows_per_sample
    A, f = np.empty((operator.samples * D, operator.columns), order="F"), np.empty(operator.samples * D)
    for start, stop in _blocks(operator.samples):
        rows = operator.dense_rows(start, stop)
        A[start * D : stop * D], f[start * D : stop * D] = rows[:, :-1], rows[:, -1]
    return A, f


def digest(feature_map, source):
    """Return a text that two runs share only if their hidden layers agree in every bit, and the first block of their samples too."""
    samples = source.read(0, min(source.count, SAMPLES_PER_BLOCK))
    arrays = feature_map.weights, feature_map.biases, samples.points, samples.velocities
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def errors_of(problem, source, feature_map, coefficients, domain):
    """Return {"energy_error", "gradient_error", "relative_residual"} of the coefficients w (M,): on the test samples, and ‖f - A w‖/‖f‖."""
    x0, H0 = problem.reference
    constant = H0 - float(feature_map.energy(x0, coefficients))
    model = HamiltonianModel(feature_map, coefficients, constant, True, domain)
    errors = evaluate(model, problem.test_samples(), SerialCommunicator())
    return {
        "energy_error": errors["energy_error"],
        "gradient_error": errors["gradient_error"],
        "relative_residual": relative_residual(GradientOperator(feature_map, source), coefficients),
    }


def relative_residual(operator, coefficients):
    """Return ‖f - A w‖ / ‖f‖, recomputed from A block by block."""
    r_squared = f_squared = 0.0
    for start, stop in _blocks(operator.samples):
        r, _, f = operator.residual(start, stop, coefficients)
        r_squared, f_squared = r_squared + np.vdot(r, r), f_squared + np.vdot(f, f)
    return float(np.sqrt(r_squared / f_squared))


def _blocks(samples):
    return ((start, min(start + SAMPLES_PER_BLOCK, samples)) for start in range(0, samples, SAMPLES_PER_BLOCK))
