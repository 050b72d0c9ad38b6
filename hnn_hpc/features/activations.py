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
    """1 - tanh² z = e / ((1 + e)/2)² with e = exp(-2|z|).

    No digit cancels, and few calls of numpy, which threads would have to wait for each other in. With AVX-512 a value takes 1.5 ns, half of
    them for e; without, 4 ns. One temporary array.
    """
    e = np.abs(z, out=_place(z, out))
    e = np.exp(np.multiply(e, -2.0, out=e), out=e)
    square = np.add(e, 1.0, out=np.empty_like(e))
    np.multiply(square, square, out=square)
    np.multiply(square, 0.25, out=square)
    return np.divide(e, square, out=e)


def _sigmoid_derivative(z, out=None):
    """s (1 - s) with s = 1 / (1 + exp(-z)), written as (1 - tanh(z/2)²) / 4."""
    out = _tanh_derivative(np.multiply(z, 0.5, out=out), out=out)
    return np.multiply(out, 0.25, out=out)


def _place(z, out):
    """Return out, or an array of z's shape where there is none; numpy's functions would make a scalar of an array without a shape."""
    return np.empty(np.shape(z)) if out is None else out


def _softplus(z, out=None):
    """ln(1 + exp(z))."""
    return np.logaddexp(0.0, z, out=out)


def _gaussian(z, out=None):
    """exp(-z²)."""
    out = np.multiply(z, z, out=_place(z, out))
    return np.exp(np.negative(out, out=out), out=out)


def _gaussian_derivative(z, out=None):
    """-2 z exp(-z²)."""
    bell = _gaussian(z)
    out = np.multiply(z, bell, out=_place(z, out))
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
