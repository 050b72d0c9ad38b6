"""Poincaré sections: the states in which an orbit crosses a plane x_s = value upwards, of any number of degrees of freedom.

For H with the kinetic energy |p|²/2 "upwards" through q1 = 0 is p1 > 0, and the points (q2, p2) of the crossings are the picture of
Hénon and Heiles, Astronomical Journal 69, 73, 1964: curves for regular orbits, clouds for chaotic ones.
"""

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.integrators.runge_kutta import runge_kutta_step
from hnn_hpc.prediction.arguments import checked_rollout
from hnn_hpc.samples.survey import coordinate_name
from hnn_hpc.values import finite_number, whole_number

ROUNDS = 60  # of bisection, at worst; Newton's method takes four
# Of a step: after a Newton step so short the next one ends at round-off. Of a learned ∇Ĥ that is 1e-14 to 1e-12, of coefficients that
# cancel, and no bound on the distance that is known beforehand would ever be met.
CLOSE = 2.0**-24


def section_points(hamiltonian, starts, crossings, time_step, steps, coordinate=0, value=0.0, must_cross=True):
    """Return the first crossings of the plane x_s = value upwards: states (T, crossings, D), in the order of time.

    Parameters: hamiltonian (a system or a trained model), starts (T, D), crossings (int), time_step h > 0 and steps: how far to look,
    coordinate (int): s, in the order q1..qn, p1..pn, value (float). A start on the plane counts as no crossing.
    Crossings that do not come within `steps` steps, or because the orbit escapes, are NaN. Coordinates are taken as they are: an angle that
    goes round and round crosses a plane once.

    Between two states a step of order 8 (`runge_kutta`) apart, on either side of the plane, the part of the step that ends on it is found
    by Newton's method, kept between the two by bisection, to round-off. (Hénon's trick, Physica D 5, 412, 1982, takes x_s for the
    independent variable of one last step; that is as exact, but divides by dx_s/dt, which is small where an orbit grazes the plane.) Two
    crossings within one step are missed. How exact the points are is told by their energies, which should be that of the start.
    Errors: `UserError` for values that cannot be used, and, where `must_cross`, for an orbit that never crosses.
    """
    starts, time_step, steps = checked_rollout(hamiltonian, starts, time_step, steps)
    crossings = whole_number(crossings, "crossings", at_least=1)
    s = whole_number(coordinate, "coordinate", at_least=0, at_most=hamiltonian.dimension - 1)
    value = finite_number(value, "value")

    points = np.full((len(starts), crossings, hamiltonian.dimension), np.nan)
    found = np.zeros(len(starts), dtype=int)
    active, x = np.arange(len(starts)), starts
    for _ in range(steps):
        with np.errstate(all="ignore"):
            stepped = runge_kutta_step(hamiltonian.vector_field, x, time_step)
        is_finite = np.isfinite(stepped).all(axis=-1)
        crossed = is_finite & (x[:, s] < value) & (stepped[:, s] >= value)
        if crossed.any():
            rows = active[crossed]
            points[rows, found[rows]] = _crossing(hamiltonian, x[crossed], time_step, s, value)
            found[rows] += 1
        goes_on = is_finite & (found[active] < crossings)
        active, x = active[goes_on], stepped[goes_on]
        if not active.size:
            break
    if must_cross and not found.all():
        raise UserError(
            f"the orbit of start {np.argmin(found)} never crosses {coordinate_name(s, hamiltonian.dimension)} = {value:g} upwards within"
            f" the time {time_step * steps:g}, or escapes before; give a longer time, or another section"
        )
    return points


def _crossing(hamiltonian, x, time_step, s, value):
    """Return the states on the plane (B, D) that lie less than a step after the states x (B, D) below it.

    A row that is found stays as it is, however long the others take: it does not depend on them.
    """
    low, high = np.zeros(len(x)), np.full(len(x), time_step)
    duration, done, slack = high / 2, np.zeros(len(x), dtype=bool), CLOSE * time_step
    for _ in range(ROUNDS):
        with np.errstate(all="ignore"):
            state = runge_kutta_step(hamiltonian.vector_field, x, duration[:, None])
            distance = state[:, s] - value
            newton = duration - distance / hamiltonian.vector_field(state)[:, s]
        done |= distance == 0
        if done.all():
            break
        low, high = np.where(distance < 0, duration, low), np.where(distance < 0, high, duration)
        is_between = (newton > low - slack) & (newton < high + slack)  # by round-off it may lie beside them
        is_last = is_between & (np.abs(newton - duration) <= slack)
        duration = np.where(done, duration, np.where(is_between, newton, (low + high) / 2))
        done |= is_last
    return state


def section_distances(true_points, learned_points):
    """Return the largest distance of the n-th crossings of two sections (T, N, D) of the same starts: (T,).

    Crossings that the true orbit does not have, NaN, do not count, and where it has none at all the distance is NaN; crossings that only
    the learned orbit misses are infinitely far.
    """
    distances = np.linalg.norm(learned_points - true_points, axis=-1)
    distances = np.where(np.isnan(distances), np.inf, distances)
    has_none = np.isnan(true_points).any(axis=-1)
    return np.where(has_none.all(axis=-1), np.nan, np.where(has_none, 0, distances).max(axis=-1))
