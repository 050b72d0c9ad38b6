"""The learned motion from a few starts, beside the true one where that is known: what a report shows of predictions.

Starts are looked for in boxes around the middle of the model's domain, smaller and smaller, and those are taken whose orbit stays in the
domain, for outside a model extrapolates. They are followed for PERIODS of the fastest oscillation in the middle, by fixed steps, the same
for the learned and the true orbit: what the steps get wrong is told by how well the true orbit keeps the true energy.
"""

from dataclasses import dataclass

import numpy as np

from hnn_hpc.integrators.quality import drift_over_time
from hnn_hpc.integrators.runge_kutta import runge_kutta_step
from hnn_hpc.prediction import outside_domain, valid_times
from hnn_hpc.prediction.rollouts import normalized_errors, steps_alone
from hnn_hpc.random_streams import random_stream

STARTS = 3
SCALES, CANDIDATES = (0.8, 0.5, 0.3, 0.15, 0.05), 6  # of the domain, and starts tried in each
PERIODS, STEPS_A_PERIOD, TRIAL_STEPS_A_PERIOD = 25, 32, 8
SUBSTEPS, MOST_SUBSTEPS = 2, 8
STEPS = PERIODS * STEPS_A_PERIOD


@dataclass(frozen=True)
class Motion:
    """T starts, N times.

    times (N,); learned (T, N, D), NaN where it has escaped; true (T, N, D), errors (T, N) and valid (T,), see `prediction`, each None where
    there is no known system; drift (T, N) and true_drift (T, N) or None: |Ĥ - Ĥ(0)| and |H - H(0)| along the learned orbits, relative to
    the energy that they exchange between kinetic and potential, and drift_of_true (T, N) or None, |H - H(0)| along the true ones;
    is_damped: whether the model loses energy.
    """

    times: np.ndarray
    learned: np.ndarray
    true: np.ndarray | None
    errors: np.ndarray | None
    valid: np.ndarray | None
    drift: np.ndarray
    true_drift: np.ndarray | None
    drift_of_true: np.ndarray | None = None
    is_damped: bool = False


def motion_of(model, system=None):
    """Return the `Motion` of a model, None where no orbit stays in its domain."""
    guide = system or model
    middle = model.domain.mean(axis=1)
    slow = _fastest_frequency(guide, middle, model.domain)
    period = 2 * np.pi / slow
    starts = staying_starts(guide, model.domain, period)
    if not len(starts):
        return None
    fast = max(_fastest_frequency(guide, x, model.domain) for x in starts)
    substeps = int(np.clip(np.ceil(SUBSTEPS * fast / slow), SUBSTEPS, MOST_SUBSTEPS))
    times = period / STEPS_A_PERIOD * np.arange(STEPS + 1)
    learned = steps_alone(model, starts, times[1], STEPS, substeps)
    true = errors = valid = true_drift = drift_of_true = None
    if system:
        true = steps_alone(system, starts, times[1], STEPS, substeps)
        errors = normalized_errors(true, learned)
        valid = valid_times(times, errors)
        true_drift, drift_of_true = _drift(system, learned), _drift(system, true)
    is_damped = getattr(model, "damping", None) is not None
    return Motion(times, learned, true, errors, valid, _drift(model, learned), true_drift, drift_of_true, is_damped)


def _drift(hamiltonian, states):
    """Return `drift_over_time` of states (T, N, D), as (T, N)."""
    return drift_over_time(hamiltonian, np.moveaxis(states, 1, 0)).T


def staying_starts(hamiltonian, domain, period):
    """Return up to STARTS starts (T, D) whose orbits stay in the domain (D, 2) for PERIODS, those of the largest box first."""
    middle, half = domain.mean(axis=1), np.ptp(domain, axis=1) / 2
    rng = random_stream(0, "trajectory starts")
    scales = np.repeat(SCALES, CANDIDATES)[:, None]
    candidates = middle + scales * half * rng.uniform(-1, 1, size=(len(scales), len(domain)))
    active, x = np.arange(len(candidates)), candidates
    for _ in range(PERIODS * TRIAL_STEPS_A_PERIOD):
        with np.errstate(all="ignore"):
            x = runge_kutta_step(hamiltonian.vector_field, x, period / TRIAL_STEPS_A_PERIOD)
        stays = ~outside_domain(x, domain)
        active, x = active[stays], x[stays]
        if not len(active):
            break
    return candidates[active[:STARTS]]


def _fastest_frequency(hamiltonian, x, domain):
    """Return the largest |eigenvalue| of d(dx/dt)/dx at a state (D,), by central differences; where it is 0, of crossing the domain."""
    width = np.ptp(domain, axis=1)
    steps = np.diag(1e-4 * width)
    jacobian = (hamiltonian.vector_field(x + steps) - hamiltonian.vector_field(x - steps)) / (2e-4 * width[:, None])
    frequency = np.abs(np.linalg.eigvals(jacobian)).max()
    return frequency or float(np.max(np.abs(hamiltonian.vector_field(x)) / width)) or 1.0
