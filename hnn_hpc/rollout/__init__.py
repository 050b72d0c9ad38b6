"""Rollouts of up to millions of particles over ranks, by Störmer-Verlet.

One graph of P particles is cut into blocks of space, one a rank. A rank owns the state of its O particles and moves them. What their
forces need besides are ghosts: particles that other ranks own, no more than `reach` bonds away, whose positions these send in each step.

    p ← p - h/2 dH/dq(q),  q ← q + h dH/dp(p),  p ← p - h/2 dH/dq(q)             one gradient a step, that at its end being the next one's

The Hamiltonian is any one of graphs that is separable, H = Σ_i T_i(p_i) + V(q), known or learned, with

    gradient(graphs)              (dH/dq, dH/dp), (P, d) each
    energies_of_particles(graphs) (P,): shares of H, one a particle, of which each depends on nothing more than `reach` bonds away, as do
                                  dH/dq and dH/dp of that particle; for energies of pairs half of that of each of its bonds. The sum is H
    cutoff                        None where the bonds belong to the graph, or the length below which a pair is one; longer bonds, of which
                                  a rollout makes some, count as absent
    reach                         so many bonds away positions may count, at least 1

- `partition`: which rank owns which particles.
- `halo`: which ghosts a rank needs, and their exchange.
- `blocks`: the graph in its blocks, which follow the particles where there is a cutoff.
- `parts`: what is asked of the Hamiltonian. `records`: what is told. `stepping`: the steps.

Source: Verlet, Physical Review 159, 98, 1967 (steps, lists of neighbours); Plimpton, Journal of Computational Physics 117, 1, 1995 (blocks
of space); Berger and Bokhari, IEEE Transactions on Computers C-36, 570, 1987 (bisection).
"""

from hnn_hpc.rollout.records import Rollout
from hnn_hpc.rollout.stepping import rollout

__all__ = ["Rollout", "rollout"]
