"""The cases of `hnn-hpc bench`: problems, contestants, and the bars of the solvers (two cores, medians of five rounds)."""

from collections.abc import Callable
from dataclasses import dataclass

from hnn_hpc.benchmark import bars
from hnn_hpc.benchmark.peers import PEERS
from hnn_hpc.benchmark.problem import Problem

OWN = (*bars.THREE, "tsqr", "auto")
HENON_HEILES, CHAIN = "henon-heiles", {"system": "fput-chain", "parameters": {"dof": 10}}


@dataclass(frozen=True)
class Case:
    """What is compared.

    measures      in a line
    minutes       about, on two cores of 65 GF/s together
    problems      one or more
    contestants   by label: "peer" (a name in PEERS or SOLVERS), and "options" or "iterations" (see `measure`) where they are others
    bars          measured case (dict) -> bars
    rounds        unless the user says otherwise; one where no bar is about time
    """

    measures: str
    minutes: float
    problems: tuple
    contestants: dict
    bars: Callable = lambda measured: ()
    rounds: int = 5


def plain(*names):
    return {name: {"peer": name} for name in names}


def ridge_contestants():
    return {bars.ridge_label(ridge): {"peer": "khatri-rao-qr", "options": {"ridge": ridge}} for ridge in bars.RIDGES}


def sweep():
    """The problems of the picture: K at a fixed M, then M at a fixed K, which meet in one."""
    by_samples = [Problem(HENON_HEILES, samples, 200) for samples in (1000, 4000, 16_000)]
    by_features = [Problem(HENON_HEILES, 4000, features) for features in (100, 400, 800)]
    return (*by_samples, *by_features)


CASES = {
    "scaling": Case(
        "the picture: time and memory of all, against K and against M, on small problems",
        2,
        sweep(),
        plain(*PEERS, *OWN) | {"petsc-lsqr": {"peer": "petsc-lsqr", "iterations": 100}},
        rounds=1,
    ),
    "deficient": Case(
        "errors and rank where columns depend on each other: every feature twice, a zero feature, a condition of 1e17",
        1,
        (
            Problem(HENON_HEILES, 10_000, 600, variation="every feature twice"),
            Problem(HENON_HEILES, 10_000, 600, variation="a zero feature"),
            Problem("pendulum", 10_000, 1000, "uniform-swim"),
        ),
        plain("numpy-lstsq", "scipy-gelsy", "khatri-rao-qr", "lsqr", "tsqr", "auto"),
        bars.deficient_bars,
        rounds=1,
    ),
    "accuracy": Case(
        "errors and residual at a condition of 1e10 and more, all peers",
        20,
        (Problem(HENON_HEILES, 20_000, 3000),),
        plain(*PEERS, *OWN),
        bars.accuracy_bars,
        rounds=1,
    ),
    "time-4d": Case(
        "time and memory in 4 dimensions against numpy.linalg.lstsq",
        10,
        (Problem(HENON_HEILES, 20_000, 2000),),
        plain("numpy-lstsq", "khatri-rao-qr", "lsqr", "auto"),
        bars.small_time_bars,
    ),
    "time-20d": Case(
        "time in 20 dimensions against a TSQR of the dense matrix in this program",
        70,
        (Problem(**CHAIN, samples=200_000, features=2000),),
        plain("numpy-lstsq", "tsqr", "khatri-rao-qr", "lsqr", "auto"),
        bars.large_time_bars,
    ),
    "rate": Case(
        "flops a second of khatri-rao-qr against the matrix product's",
        9,
        (Problem(HENON_HEILES, 500_000, 2000),),
        plain("khatri-rao-qr"),
        bars.rate_bars,
    ),
    "lsqr": Case(
        "iterations and time of lsqr on many features",
        45,
        (Problem(HENON_HEILES, 500_000, 4000),),
        plain("lsqr", "khatri-rao-qr"),
        bars.lsqr_bars,
    ),
    "auto": Case(
        "the choice of auto, and its predicted time and memory, on a grid of 12 (K, D, M)",
        45,
        tuple(
            Problem(**system, samples=samples, features=features)
            for system in ({"system": "pendulum"}, {"system": HENON_HEILES}, CHAIN)
            for samples in (20_000, 200_000)
            for features in (500, 2000)
        ),
        plain(*bars.THREE, "auto"),
        bars.auto_bars,
    ),
    "memory": Case(
        "peak memory while K grows from 1e5 to 3e6",
        5,
        tuple(Problem(HENON_HEILES, samples, 500) for samples in (100_000, 300_000, 1_000_000, 3_000_000)),
        plain(*bars.THREE),
        bars.memory_bars,
        rounds=1,
    ),
    "noise": Case(
        "the ridge that generalized cross-validation chooses on noisy velocities, against the best of a grid",
        7,
        tuple(Problem(HENON_HEILES, 20_000, 2000, noise=noise) for noise in (0.01, 0.05, 0.2)),
        {bars.GCV: {"peer": "khatri-rao-qr", "options": {"ridge": "gcv"}}, **ridge_contestants()},
        bars.noise_bars,
        rounds=1,
    ),
}

DEFAULT_CASES = ("scaling", "deficient")
