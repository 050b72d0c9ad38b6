"""The library call, end to end on one rank: what it learns, what it records, and what it refuses."""

import inspect
from dataclasses import fields

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from hnn_hpc import FitOptions, NotCertifiedError, UserError, fit, load_model
from hnn_hpc.features import SAMPLERS
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.samples import SystemSamples
from hnn_hpc.solvers import SOLVERS
from hnn_hpc.symplectic import vector_field_from_gradient
from hnn_hpc.systems import make_system
from hnn_hpc.training import fit_source

PENDULUM = make_system("pendulum", {})
TRAINING = SystemSamples(PENDULUM, 3000, seed=1).read(0, 3000)
TEST = SystemSamples(PENDULUM, 1000, seed=1, stream="test points").read(0, 1000)
DENSE = {"bandwidth": 0.25, "supports": "dense"}  # one dense solve, and no search of a basis


def energy_error(model):
    """Relative L2 error of H on the test points, up to a constant."""
    error = model.energy(TEST.points) - TEST.energies
    return np.linalg.norm(error - error.mean()) / np.linalg.norm(TEST.energies)


@pytest.mark.parametrize("solver", ["auto", "khatri-rao-qr", "tsqr"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_and_solver_learns_the_pendulum(sampler, solver):
    result = fit(*TRAINING[:2], energies=TRAINING.energies, features=300, sampler=sampler, solver=solver, bandwidth=2, supports="dense")
    # Three to five times what one seed gives: 1e-8 to 4e-7, and 2e-4 for ELM, whose features do not know the data.
    assert energy_error(result.model) < (1e-3 if sampler == "elm" else 1e-6)
    assert result.solution.certified


def test_gram_learns_as_much_as_a_qr_where_the_condition_allows_it():
    system = make_system("henon-heiles", {})
    training = SystemSamples(system, 2000, seed=1).read(0, 2000)
    qr, gram = (fit(*training[:2], features=200, solver=solver, **DENSE) for solver in ("khatri-rao-qr", "gram"))
    assert 1e4 < gram.solution.condition_estimate < 3e7 and gram.solution.certified
    assert gram.solution.relative_residual == pytest.approx(qr.solution.relative_residual, rel=1e-8)
    np.testing.assert_allclose(gram.model.vector_field(training.points), qr.model.vector_field(training.points), atol=1e-6)


def test_gram_refuses_what_it_cannot_solve_and_names_the_way_out():
    with pytest.raises(NotCertifiedError, match=r"squares the condition number.* must be below 3e\+07; use khatri-rao-qr or lsqr"):
        fit(*TRAINING[:2], features=300, solver="gram", bandwidth=2, supports="dense", require_certified=False)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus", "sine", "gaussian", "erf"])
def test_every_activation_learns_the_pendulum(activation):
    result = fit(*TRAINING[:2], features=300, bandwidth=3, supports="dense", activation=activation)
    assert energy_error(result.model) < 1e-5


def test_options_given_as_text_and_numbers_mean_the_same():
    dense = {"features": 50, "supports": "dense"}
    first = fit(*TRAINING[:2], memory_per_rank="1GB", block_bytes="1 MiB", bandwidth=[2, 1], **dense)
    second = fit(*TRAINING[:2], memory_per_rank=10**9, block_bytes=2**20, bandwidth=np.array([2.0, 1.0]), **dense)
    np.testing.assert_array_equal(first.model.coefficients, second.model.coefficients)


def test_blas_threads_do_not_change_a_bit():
    """D = 20 and many features: sizes at which OpenBLAS gives other bits on two threads than on one where nobody holds it."""
    samples = SystemSamples(make_system("fput-chain", {"dof": 10}), 1500, seed=1).read(0, 1500)
    fits = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            fits.append(fit(*samples[:2], features=300, sampler="approximate-swim", reference=(np.full(20, 0.3), 1.0)))
    np.testing.assert_array_equal(fits[0].model.weights, fits[1].model.weights)
    np.testing.assert_array_equal(fits[0].model.coefficients, fits[1].model.coefficients)
    assert fits[0].model.constant == fits[1].model.constant


@pytest.mark.parametrize("solver", ["khatri-rao-qr", "tsqr", "gram"])
def test_no_more_rows_are_read_at_once_than_block_bytes_allow(solver):
    sizes = {}

    class Recording(SystemSamples):
        def read(self, start, stop):
            if sizes:
                sizes[stage].append(stop - start)
            return super().read(start, stop)

    class Stages:
        def start(self, name, total):
            nonlocal stage
            stage = name
            sizes[stage] = []

        def advance(self, n=1):
            pass

        def finish(self):
            pass

    # 64 KiB hold 256 rows of 32 columns, those of [S | F], or 264 of 31, those of [A | f], which tsqr makes 2 of a sample.
    most = 264 // 2 if solver == "tsqr" else 256
    for count in (20_000, 40_000):
        sizes, stage = {}, None
        options = FitOptions(features=30, solver=solver, block_bytes="64KiB", bandwidth=2, sampler="elm")
        fit_source(Recording(PENDULUM, count, seed=1), options, SerialCommunicator(), Stages(), require_certified=False)
        assert most / 2 <= max(sizes["factor"]) == max(sizes["certify"]) <= most
        # A QR looks at pieces with some of the first rows twice, and further at those with far ones.
        assert sum(sizes["factor"]) == count if solver == "gram" else count < sum(sizes["factor"]) <= 3 * count
        assert sum(sizes["certify"]) % count == 0


def test_approximate_swim_draws_as_swim_does_with_the_energies_of_a_first_fit():
    first = fit(*TRAINING[:2], features=100, sampler="uniform-swim", seed=3).model
    swim = fit(*TRAINING[:2], energies=first.energy(TRAINING.points), features=100, sampler="swim", seed=3).model
    approximate = fit(*TRAINING[:2], features=100, sampler="approximate-swim", seed=3).model
    uniform = fit(*TRAINING[:2], features=100, sampler="uniform-swim", seed=3).model
    np.testing.assert_array_equal(approximate.weights, swim.weights)
    assert not np.array_equal(approximate.weights, uniform.weights)


def test_the_signature_shows_the_options_and_their_defaults():
    shown = {name: parameter.default for name, parameter in inspect.signature(fit).parameters.items()}
    assert {field.name: field.default for field in fields(FitOptions)}.items() <= shown.items()


def test_seed_decides_the_features():
    weights = [fit(*TRAINING[:2], features=20, seed=seed, **DENSE).model.weights for seed in (0, 0, 1)]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.isin(weights[2], weights[0]).any()


def test_reference_fixes_the_constant():
    x0 = np.array([0.3, -0.2])
    H0 = float(PENDULUM.energy(x0))
    without = fit(*TRAINING[:2], features=300, bandwidth=2, supports="dense")
    with_reference = fit(*TRAINING[:2], features=300, bandwidth=2, supports="dense", reference=(x0, H0 + 7))
    assert (without.model.constant, without.model.constant_known) == (0, False)
    assert with_reference.model.constant_known
    np.testing.assert_allclose(with_reference.model.energy(TEST.points) - 7, TEST.energies, atol=1e-4)


def test_energies_fix_the_constant_where_there_is_no_reference():
    model = fit(*TRAINING[:2], energies=TRAINING.energies + 7, features=300, bandwidth=2, supports="dense").model
    assert model.constant_known
    np.testing.assert_allclose(model.energy(TEST.points) - 7, TEST.energies, atol=1e-4)


def test_the_constant_comes_from_the_data_also_where_a_first_fit_gave_the_energies_to_sample_by():
    model = fit(*TRAINING[:2], energies=TRAINING.energies + 7, features=300, sampler="approximate-swim").model
    np.testing.assert_allclose(model.energy(TEST.points) - 7, TEST.energies, atol=1e-4)


def test_approximate_swim_needs_no_energies_and_swim_says_so():
    assert fit(*TRAINING[:2], features=50, sampler="approximate-swim").solution.certified
    with pytest.raises(
        UserError, match=r"'swim' needs energies, and there are none in the arrays; use 'gradient-swim'.*'approximate-swim'"
    ):
        fit(*TRAINING[:2], features=50, sampler="swim")


def test_record_says_what_was_done():
    record = fit(*TRAINING[:2], features=50, **DENSE).record
    assert (record["samples"], record["dof"]) == (3000, 1)
    assert set(record["seconds"]) == {"data", "sampling", "solve", "total"}
    assert record["seconds"]["total"] == pytest.approx(sum(record["seconds"][stage] for stage in ("data", "sampling", "solve")))
    assert 10**7 < record["peak_memory_bytes"] < 10**11


def test_progress_is_told_every_stage():
    stages = []

    class Recorder:
        def start(self, stage, total):
            stages.append([stage, total, 0])

        def advance(self, n=1):
            stages[-1][2] += n

        def finish(self):
            stages[-1].append("finished")

    fit(*TRAINING[:2], features=50, progress=Recorder(), **DENSE)
    assert [stage for stage, *_ in stages][:5] == ["survey", "search", "factor", "solve", "certify"]
    assert all(total == done and end == "finished" for _, total, done, end in stages)


@pytest.mark.parametrize(
    "option, value, words",
    [
        ("features", 0, r"features = 0: expected a whole number of at least 1"),
        ("features", -5, r"features = -5"),
        ("features", 2.5, r"features = 2.5"),
        ("features", True, r"features = True"),
        ("seed", -1, r"seed = -1: expected a whole number of at least 0"),
        ("sampler", "svim", r"unknown sampler 'svim'; the samplers are: .*swim"),
        ("solver", "qr", rf"unknown solver 'qr'; the solvers are: {', '.join(SOLVERS)}"),
        ("activation", "relu", r"unknown activation 'relu'; the activations are: tanh"),
        ("bandwidth", 0, r"bandwidth must be 'auto', a positive number"),
        ("bandwidth", 1e160, r"bandwidth must be 'auto', a positive number, .* from 1e-50 to 1e.50"),
        ("ridge", 1e200, r"ridge = 1e.200: expected 0, a number from 1e-100 to 1e.100"),
        ("block_bytes", "9" * 400 + "GB", r"block_bytes = 9{400}0{9}: expected a whole number of at least 1 and at most"),
        ("bandwidth", [1, -1], r"bandwidth must be 'auto', a positive number"),
        ("bandwidth", [1, 1, 1], r"bandwidth has 3 values, but there are 2 coordinates \(q1, p1\)"),
        ("bandwidth", "wide", r"bandwidth must be 'auto', a positive number"),
        ("rcond", -1e-3, r"rcond = -0.001: expected a number of at least 0 and below 1"),
        ("rcond", 1, r"rcond = 1.0"),
        ("rcond", float("nan"), r"rcond = nan: expected a finite number"),
        ("block_bytes", 0, r"block_bytes = 0"),
        ("memory_per_rank", "4 bananas", r"memory_per_rank = '4 bananas': expected bytes, or a size such as '4GB'"),
        ("memory_per_rank", 1000, r"memory_per_rank = 1000 bytes is too little"),
    ],
)
def test_bad_options_are_named(option, value, words):
    with pytest.raises(UserError, match=words):
        fit(*TRAINING[:2], **{option: value})


@pytest.mark.parametrize("samples", [0, 1, 2])
def test_too_few_samples(samples):
    with pytest.raises(UserError, match=rf"the arrays: got {samples} samples; at least 3 are needed"):
        fit(TRAINING.points[:samples], TRAINING.velocities[:samples])


def test_more_features_than_rows():
    with pytest.raises(UserError, match=r"features = 21 is more than the 20 rows that 10 samples of 2 coordinates give"):
        fit(TRAINING.points[:10], TRAINING.velocities[:10], features=21)
    assert fit(TRAINING.points[:10], TRAINING.velocities[:10], features=20, **DENSE).solution.certified


@pytest.mark.parametrize("reference", [([0.0], 1.0), ([0.0, np.nan], 1.0), ([0.0, 0.0], np.inf), 3, (1, 2, 3), (["a", "b"], 1.0)])
def test_bad_reference(reference):
    with pytest.raises(UserError, match="reference"):
        fit(*TRAINING[:2], features=10, reference=reference)


def test_model_survives_its_file(tmp_path):
    model = fit(*TRAINING[:2], features=50, reference=([0.0, 0.0], 0.0), **DENSE).model
    model.save(tmp_path / "model.h5")
    loaded = load_model(tmp_path / "model.h5")
    for name in ("weights", "biases", "coefficients", "constant", "domain"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))
    np.testing.assert_array_equal(loaded.vector_field(TEST.points), model.vector_field(TEST.points))
    assert loaded.constant_known is True
    with pytest.raises(UserError, match="exists"):
        model.save(tmp_path / "model.h5")


def test_options_are_checked_by_the_same_code_everywhere():
    assert FitOptions(bandwidth=[1, 2]).bandwidth == (1.0, 2.0)
    assert FitOptions(memory_per_rank="1.5KiB").memory_per_rank == 1536


def gradient_error(model, system, count=500):
    """Relative L2 error of dx/dt on test points."""
    test = SystemSamples(system, count, seed=1, stream="test points").read(0, count)
    return np.linalg.norm(model.vector_field(test.points) - test.velocities) / np.linalg.norm(test.velocities)


def test_the_defaults_learn_the_pendulum_to_round_off():
    result = fit(*TRAINING[:2], features=300)
    basis = result.record["basis"]
    assert energy_error(result.model) < 1e-12 and result.solution.certified
    assert basis["supports"] == [["q1"], ["p1"]] and basis["features"] == [150, 150]
    np.testing.assert_array_equal((result.model.weights != 0).sum(axis=0), [150, 150])
    assert result.model.provenance["basis"] == basis


@pytest.mark.parametrize(
    "options, supports, tolerance",
    [
        ({"separable": True}, [["q1", "q2"], ["p1"], ["p2"]], 1e-8),
        ({"separable": True, "supports": "dense"}, [["q1", "q2"], ["p1", "p2"]], 1e-6),
        ({"supports": [["q2", "q1"], ["p2"], ["p1"]]}, [["q1", "q2"], ["p1"], ["p2"]], 1e-8),
        ({"supports": [["q1", "q2"], ["p1"], ["p2"]], "bandwidth": 0.25}, [["q1", "q2"], ["p1"], ["p2"]], 1e-6),
        ({"supports": "dense", "bandwidth": 0.25}, [["q1", "q2", "p1", "p2"]], 1e-2),
    ],
    ids=str,
)
def test_given_supports_are_those_of_the_features(options, supports, tolerance):
    system = make_system("henon-heiles", {})
    result = fit(*SystemSamples(system, 2000, seed=1).read(0, 2000)[:2], features=300, **options)
    basis, names = result.record["basis"], ["q1", "q2", "p1", "p2"]
    assert basis["supports"] == supports and gradient_error(result.model, system) < tolerance
    of_features = [[name for name, weight in zip(names, row, strict=True) if weight] for row in result.model.weights]
    assert of_features == [support for support, count in zip(supports, basis["features"], strict=True) for _ in range(count)]


def test_supports_must_hold_what_the_energy_depends_on():
    with pytest.raises(UserError, match=r'no feature depends on p1, along which H changes; add \["p1"\] to the supports'):
        fit(*TRAINING[:2], features=50, supports=[["q1"]], bandwidth=2)


def test_derived_coordinates_learn_what_plain_ones_do_not():
    system = make_system("double-pendulum", {})
    samples = SystemSamples(system, 2000, seed=1).read(0, 2000)
    coordinates = {"angles": ["q1", "q2"], "differences": [["q1", "q2"]]}
    result = fit(*samples[:2], features=400, bandwidth=0.3, coordinates=coordinates, supports=[["q1"], ["q2"], ["p1", "p2", "q1-q2"]])
    plain = fit(*samples[:2], features=400, **DENSE)
    assert gradient_error(result.model, system) < 0.01 < 0.1 * gradient_error(plain.model, system)
    assert result.model.weights.shape == (400, 8) and set(result.record["basis"]["bandwidths"]) == {"q1", "q2", "p1", "p2", "q1-q2"}


def test_fewer_features_than_supports():
    """Found supports give way to features of all coordinates; given ones are refused."""
    result = fit(*TRAINING[:2], features=1)
    assert result.record["basis"]["supports"] == [["q1", "p1"]] and result.model.weights.all() and result.solution.certified
    for options in ({"supports": [["q1"], ["p1"]]}, {"separable": True}, {"separable": True, "bandwidth": 1}):
        with pytest.raises(UserError, match="features = 1 is fewer than the 2 supports, each of which needs one at least"):
            fit(*TRAINING[:2], features=1, **options)


@pytest.mark.parametrize("samples", [3, 4, 10])
@pytest.mark.parametrize("options", [{}, {"separable": True}, {"coordinates": {"angles": ["q1"]}}, {"bandwidth": 2}], ids=str)
def test_few_samples_are_fitted(samples, options):
    for features in (2, 2 * samples):
        result = fit(TRAINING.points[:samples], TRAINING.velocities[:samples], features=features, **options)
        assert result.solution.certified and np.isfinite(result.model.vector_field(TEST.points)).all()


@pytest.mark.parametrize("samples", [3, 10, 500])
def test_a_constant_energy_is_learned_as_one(samples):
    result = fit(TRAINING.points[:samples], np.zeros((samples, 2)), features=6)
    assert not result.model.vector_field(TEST.points).any() and not result.model.energy(TEST.points).any()
    assert result.solution.certified and result.solution.relative_residual == 0


def test_the_basis_is_a_matter_of_the_seed_and_not_of_the_solver():
    first, tsqr, other = (
        fit(*TRAINING[:2], features=100, seed=seed, solver=solver) for seed, solver in ((0, "auto"), (0, "tsqr"), (1, "auto"))
    )
    np.testing.assert_array_equal(first.model.weights, tsqr.model.weights)
    assert not np.isin(other.model.weights[other.model.weights != 0], first.model.weights).any()


def test_a_model_of_one_sparse_component_is_as_good_as_its_residual():
    """All coordinates hang together, but no feature depends on all: its coefficients must come back in the order of its features."""

    def gradient(x):  # of q1 q2 + q2 p1 + p1 sin p2 + |p|²/2
        q1, q2, p1, p2 = x.T
        return np.column_stack([q2, q1 + p1, q2 + np.sin(p2) + p1, p1 * np.cos(p2) + p2])

    points = np.random.default_rng(1).uniform(-1, 1, (3000, 4))
    velocities = vector_field_from_gradient(gradient(points))
    result = fit(points[:2000], velocities[:2000], features=200)
    assert result.record["basis"]["supports"] == [["q1", "q2"], ["q2", "p1"], ["p1", "p2"]]
    error = np.linalg.norm(result.model.vector_field(points[2000:]) - velocities[2000:]) / np.linalg.norm(velocities[2000:])
    assert error < 3 * result.solution.relative_residual + 1e-12 < 1e-6
