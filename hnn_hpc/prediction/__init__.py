"""Prediction: how far, and how well, a learned Hamiltonian Ĥ follows the motion of the true one, H.

Of T starts x(0), states of D = 2n coordinates (q1..qn, p1..pn), dimensionless, plain arrays with one row a start:

    valid time       the first time at which ‖x̂(t) - x(t)‖ / ⟨‖x‖²⟩^(1/2) exceeds a threshold, ⟨‖x‖²⟩ being the mean over the true
                     trajectory: Pathak et al., Chaos 28, 041101 (2018), who take 0.4                                    `rollouts`
    energy drift     how far a symplectic method strays from the energy in millions of steps, of which few are kept      `drift`
    section          the states in which an orbit crosses x_s = value upwards (Poincaré; Hénon and Heiles,
                     Astronomical Journal 69, 1964): the n-th of the learned orbit against the n-th of the true one      `section`
    Lyapunov exponent  λ = lim ln(|v(t)|/|v(0)|)/t of a small separation v, by its largest growth rate
                     (Benettin, Galgani, Strelcyn, Phys. Rev. A 14, 2338, 1976)                                          `lyapunov`

Where λ > 0 an error grows like exp(λ t), so that a model with an error e is valid for some ln(0.4/e)/λ, and valid times are told in
units of 1/λ too. Where λ = 0, on regular orbits, errors grow in proportion to t.

Chaos magnifies the errors of the numbers of a computer, too. So the true motion is followed by two methods, and where these part no model
can be told right or wrong: the `reference` valid time.

Every function here is serial and follows all its starts at once; `map_starts` spreads one over ranks in blocks of starts that do not depend
on the number of ranks, so that the bits do not either. `predict` measures all of the above.
"""

from hnn_hpc.prediction.drift import long_energy_drift
from hnn_hpc.prediction.lyapunov import lyapunov_exponent
from hnn_hpc.prediction.measure import PredictionOptions, predict
from hnn_hpc.prediction.rollouts import outside_domain, rollout_error, rollouts, valid_times
from hnn_hpc.prediction.section import section_distances, section_points
from hnn_hpc.prediction.spread import map_starts
from hnn_hpc.prediction.starts import energy_starts, uniform_starts

__all__ = [
    "PredictionOptions",
    "energy_starts",
    "long_energy_drift",
    "lyapunov_exponent",
    "map_starts",
    "outside_domain",
    "predict",
    "rollout_error",
    "rollouts",
    "section_distances",
    "section_points",
    "uniform_starts",
    "valid_times",
]
