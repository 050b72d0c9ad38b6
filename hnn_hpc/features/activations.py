"""Activation functions sigma, each with its derivative and with the two numbers that SWIM places a feature by.

SWIM (samplers.py) lets a feature rise from one point to another: z = w·x + b is -s2 at the first point and s1 - s2 at the second. The two
numbers are chosen so that sigma has made a quarter of its rise at the first point and three quarters at the second; softplus, which never
stops rising, is placed by its slope. For tanh that is s1 = ln 3, s2 = (ln 3) / 2 (Bolager et al. 2023; arXiv 2411.17511).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import asin, log, pi, sqrt

import numpy as np
from scipy.special import erf, erfinv, expit


@dataclass(frozen=True)
class Activation:
    """A scalar function sigma, applied elementwise to float64 arrays of any shape; nothing overflows for a finite z.

    name           -- its key in ACTIVATIONS
    value          -- value(z, out=None) = sigma(z); in place when out is z
    derivative     -- derivative(z, out=None) = sigma'(z); in place when out is z
    step_scale     -- s1 > 0, the increase of z from the first point of a SWIM pair to the second
    step_offset    -- s2, minus z at the first point
    """

    name: str
    value: Callable
    derivative: Callable
    step_scale: float
    step_offset: float


def _tanh_derivative(z, out=None):
    """1 - tanh² z = 4 / (4 + q) with q = 4 sinh² z, by sums, products and one quotient only.

    q comes from its series at z / 64 and from six doublings, 4 sinh² 2a = q (q + 4). No digit cancels, and the quotient is 0 where q
    overflows. 5 ns a value where a tanh, without AVX-512, takes 15; one temporary array. The last coefficient of the series is a little
    above 1/20160, for the terms left out.
    """
    with np.errstate(over="ignore"):
        x = np.multiply(z, 1 / 32, out=np.empty(np.shape(z)) if out is None else out)
        np.multiply(x, x, out=x)
        q = np.multiply(x, 1 / 20160 + 0.02 / 1814400)
        for coefficient in (1 / 360, 1 / 12, 1.0):
            q += coefficient
            q *= x
        for _ in range(6):
            np.add(q, 4.0, out=x)
            q *= x
        q += 4.0
    return np.divide(4.0, q, out=x)


def _sigmoid_derivative(z, out=None):
    """s (1 - s) with s = 1 / (1 + exp(-z)), written as (1 - tanh(z/2)²) / 4."""
    out = _tanh_derivative(np.multiply(z, 0.5, out=out), out=out)
    return np.multiply(out, 0.25, out=out)


def _softplus(z, out=None):
    """ln(1 + exp(z))."""
    return np.logaddexp(0.0, z, out=out)


def _gaussian(z, out=None):
    """exp(-z²)."""
    out = np.multiply(z, z, out=out)
    return np.exp(np.negative(out, out=out), out=out)


def _gaussian_derivative(z, out=None):
    """-2 z exp(-z²)."""
    bell = _gaussian(z)
    out = np.multiply(z, bell, out=out)
    return np.multiply(out, -2.0, out=out)


def _erf_derivative(z, out=None):
    """(2 / sqrt(pi)) exp(-z²)."""
    out = _gaussian(z, out=out)
    return np.multiply(out, 2 / sqrt(pi), out=out)


def _activation(name, value, derivative, quarter, three_quarters):
    """An `Activation` placed by the z at which it has made a quarter and three quarters of its rise."""
    return Activation(name, value, derivative, step_scale=three_quarters - quarter, step_offset=-quarter)


ACTIVATIONS = {
    activation.name: activation
    for activation in [
        _activation("tanh", np.tanh, _tanh_derivative, -log(3) / 2, log(3) / 2),
        _activation("sigmoid", expit, _sigmoid_derivative, -log(3), log(3)),
        _activation("softplus", _softplus, expit, -log(3), log(3)),
        _activation("sine", np.sin, np.cos, -asin(0.5), asin(0.5)),
        _activation("gaussian", _gaussian, _gaussian_derivative, -sqrt(log(4)), -sqrt(log(4 / 3))),
        _activation("erf", erf, _erf_derivative, -float(erfinv(0.5)), float(erfinv(0.5))),
    ]
}
