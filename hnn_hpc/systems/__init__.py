"""Known Hamiltonian systems: where samples come from, and what a learned Hamiltonian is measured against.

A state is x = (q, p) = (q1..qn, p1..pn) in R^D with n degrees of freedom and D = 2n coordinates, all dimensionless. A system gives its
energy H(x), its gradient (dH/dq, dH/dp), and by Hamilton's equations its vector field

    dq/dt = dH/dp,    dp/dt = -dH/dq.

Its box holds the lower and the upper limit of every coordinate, (D, 2); samples are uniform in it. H is separable where it is
T(p) + V(q): then explicit symplectic integrators apply. A trained model has the same methods, so either serves where one is asked for.

    name             n    H                                                                                 separable
    pendulum         1    p^2/2 + 1 - cos(f q)                                                              yes
    lotka-volterra   1    beta e^q - alpha q + delta e^p - gamma p                                          yes
    double-pendulum  2    (p1^2 + 2 p2^2 - 2 p1 p2 cos(q1-q2)) / (2 + 2 sin^2(q1-q2)) - 2 cos q1 - cos q2   no
    henon-heiles     2    |p|^2/2 + |q|^2/2 + alpha (q1^2 q2 - q2^3/3)                                      yes
    fput-chain       any  |p|^2/2 + sum over bonds of d^2/2 + alpha d^3/3 + beta d^4/4                      yes
    toda-chain       any  |p|^2/2 + sum over bonds of e^d - d - 1                                           yes

The first four with their boxes: Rahma, Datar, Dietrich, arXiv 2411.17511. The chains: see `chain`.
"""

from dataclasses import fields

from hnn_hpc.errors import UserError, look_up
from hnn_hpc.systems.base import HamiltonianSystem
from hnn_hpc.systems.chain import FputChain, TodaChain
from hnn_hpc.systems.double_pendulum import DoublePendulum
from hnn_hpc.systems.henon_heiles import HenonHeiles
from hnn_hpc.systems.lotka_volterra import LotkaVolterra
from hnn_hpc.systems.pendulum import Pendulum

SYSTEMS = {system.name: system for system in (Pendulum, LotkaVolterra, DoublePendulum, HenonHeiles, FputChain, TodaChain)}

__all__ = ["SYSTEMS", "HamiltonianSystem", "make_system", "parameter_names", *(system.__name__ for system in SYSTEMS.values())]


def parameter_names(name):
    """Return the names of the parameters of the system called `name`, a tuple of str."""
    return tuple(field.name for field in fields(look_up(SYSTEMS, name, "system")) if field.name != "box")


def make_system(name, parameters=None, box=None):
    """Return the system called `name`.

    Parameters: parameters (dict of numbers by name, defaults for those left out), box ((D, 2) or None for the system's own).
    Raises UserError: unknown system or parameter, a value of the wrong kind, a box of the wrong shape or with low >= high.
    """
    known = parameter_names(name)
    parameters = parameters or {}
    for parameter in parameters:
        if parameter not in known:
            raise UserError(f"{name} has no parameter {parameter!r}; its parameters are: {', '.join(known) or 'none'}")
    return SYSTEMS[name](**parameters, box=box)
