"""Known systems of particles: where states of graphs come from, and what a learned Hamiltonian of graphs is measured against.

    H = Σ_i |p_i|²/2m_i + V,    dq_i/dt = p_i/m_i,    dp_i/dt = -∂V/∂q_i

in 1 to 3 dimensions, all dimensionless. V is made of the lengths r of bonds, so that no translation, rotation, reflection or exchange of
like particles changes it. Each is a Hamiltonian of graphs: it has energy, gradient, cutoff and reach, as a trained model has.

    name                 V                                                                        bonds
    springs-linear       Σ_bonds k s²/2, s = r - length                                           given
    springs-anharmonic   Σ_bonds k (s²/2 + α s³/3 + β s⁴/4)                                       given
    springs-morse        Σ_bonds D (1 - exp(-a s))²                                               given
    lennard-jones        Σ_bonds 4ε ((σ/r)¹² - (σ/r)⁶) - c                                        pairs nearer than the cutoff
    gravity              Σ_bonds -G m_i m_j / sqrt(r² + s²)                                       given: all pairs
    embedded-atom        Σ_bonds B x⁶ - A Σ_i sqrt(Σ_j x_ij⁴), x = 1 - r/cutoff                   pairs nearer than the cutoff

`verlet` follows any separable Hamiltonian of graphs in time.
"""

from dataclasses import fields

from hnn_hpc.errors import UserError, look_up
from hnn_hpc.particles.base import ParticleSystem
from hnn_hpc.particles.embedded_atom import EmbeddedAtom
from hnn_hpc.particles.gravity import Gravity
from hnn_hpc.particles.lennard_jones import LennardJones
from hnn_hpc.particles.springs import AnharmonicSprings, LinearSprings, MorseSprings
from hnn_hpc.particles.verlet import verlet

PARTICLE_SYSTEMS = {system.name: system for system in (LinearSprings, AnharmonicSprings, MorseSprings, LennardJones, Gravity, EmbeddedAtom)}

__all__ = [
    "PARTICLE_SYSTEMS",
    "ParticleSystem",
    "make_particle_system",
    "verlet",
    *(system.__name__ for system in PARTICLE_SYSTEMS.values()),
]


def make_particle_system(name, parameters=None):
    """Return the system of particles called `name`.

    Parameters: parameters (dict of numbers by name, defaults for those left out).
    Raises UserError: unknown system or parameter, a value of the wrong kind.
    """
    system = look_up(PARTICLE_SYSTEMS, name, "particle system")
    known = [field.name for field in fields(system)]
    parameters = parameters or {}
    for parameter in parameters:
        if parameter not in known:
            raise UserError(f"{name} has no parameter {parameter!r}; its parameters are: {', '.join(known)}")
    return system(**parameters)
