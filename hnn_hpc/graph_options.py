"""What a graph network is made of, besides the `FitOptions` that it shares with every fit."""

from collections.abc import Sequence
from dataclasses import dataclass

from hnn_hpc.basis import AUTO
from hnn_hpc.errors import UserError
from hnn_hpc.graph_features import KINETIC, EdgeInvariants, NodeInvariants, reach_of
from hnn_hpc.options import FitOptions
from hnn_hpc.values import whole_number

SAMPLERS = ("anchored", "gradient-swim", "uniform-swim", "elm")
SOLVERS = ("auto", "tsqr")
MOST_CHANNELS, MOST_STEPS = 64, 8
FEATURES = 64  # of a term, unless the user says: those of one or two invariants need few


@dataclass(frozen=True)
class GraphOptions:
    """The network's invariants and messages.

    edge_invariants   a list of EDGE_INVARIANTS that features of bonds depend on, or "auto": the one that trial fits find best
    node_invariants   a list of NODE_INVARIANTS that the kinetic energy depends on
    messages          channels of each step of message passing; 0: pairs alone
    message_steps     steps of it
    Errors: `UserError` naming the option.
    """

    edge_invariants: str | Sequence[str] = AUTO
    node_invariants: Sequence[str] = (KINETIC,)
    messages: int = 0
    message_steps: int = 1

    def __post_init__(self):
        def keep(name, value):
            object.__setattr__(self, name, value)

        if self.edge_invariants != AUTO:
            keep("edge_invariants", EdgeInvariants(_names(self.edge_invariants, "edge_invariants")).names)
        keep("node_invariants", NodeInvariants(_names(self.node_invariants, "node_invariants")).names)
        keep("messages", whole_number(self.messages, "messages", 0, MOST_CHANNELS))
        keep("message_steps", whole_number(self.message_steps, "message_steps", 1, MOST_STEPS))

    @property
    def reach(self):
        """How many bonds away a particle may act on another's force."""
        return reach_of(self.message_steps if self.messages else 0)


def check_options(options):
    """Raise `UserError` unless a graph network can be fitted with these `FitOptions`."""
    plain = FitOptions()
    for name in ("supports", "separable", "coordinates", "rule", "stride", "corrections", "dissipation"):
        if getattr(options, name) != getattr(plain, name):
            raise UserError(f"{name} is not for graphs, whose features depend on invariants of particles and bonds; leave it out")
    for name, known in {"sampler": SAMPLERS, "solver": SOLVERS}.items():
        if getattr(options, name) not in known:
            raise UserError(f"the {name} {getattr(options, name)!r} is not for graphs; use one of {', '.join(known)}")
    if not isinstance(options.bandwidth, str | float):
        raise UserError(f"bandwidth = {list(options.bandwidth)}: graphs take one number, or 'auto'")


def _names(value, name):
    if isinstance(value, str) or not isinstance(value, Sequence) or not value or not all(isinstance(each, str) for each in value):
        raise UserError(f"{name} = {value!r}: expected a list of names such as ['r']{' or auto' if name == 'edge_invariants' else ''}")
    if len(set(value)) < len(value):
        raise UserError(f"{name} = {list(value)}: a name comes twice")
    return tuple(value)
