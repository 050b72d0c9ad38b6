"""One step of an explicit Runge-Kutta method of order 8, for many states at once.

The method is that of Dormand and Prince, DOP853, without its control of the step: with a fixed one all states move together, the path of
one does not depend on the others, and H, which the method does not conserve, tells whether the step is small enough.
Source: Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, 2nd ed. 1993, section II.5.
"""

from functools import cache

import numpy as np


def runge_kutta_step(field, x, step):
    """Return the states one step later, the shape of x.

    Parameters: field (x -> dx/dt of the same shape), x (any shape), step (a number, or an array that broadcasts against x: a step for each
    state). 12 evaluations of the field and as many arrays like x. What overflows is not finite in the answer.
    """
    a, b = _coefficients()
    slopes = np.empty((len(b), *x.shape))
    for stage, row in enumerate(a):
        slopes[stage] = field(x + step * np.tensordot(row[:stage], slopes[:stage], 1) if stage else x)
    return x + step * np.tensordot(b, slopes, 1)


@cache
def _coefficients():
    """Return a (12, 12), strictly lower triangular, and b (12,)."""
    from scipy.integrate import DOP853  # here, for it takes 17 MB that fits do without

    return DOP853.A, DOP853.B
