"""How this program compares with what a user would pick instead, measured on this machine: `hnn-hpc bench`.

A case (see `cases`) is one or more problems, those who solve them, and the bars that the figures are held to. A problem fixes samples,
hidden layer and so A and f: everybody gets the same ones, and a digest of them comes back with every run to prove it.

- Every run is a fresh process (see `measure`), so that its peak memory, VmHWM of Linux, is its own.
- Peers and ours take turns within a round; rounds are repeated. A ratio is taken within each round, then the median over the rounds,
  because a machine is not equally fast at all times. The rate of the matrix product is measured before and after each round.
- Peers find A assembled, outside the timed part; ours makes its rows while it solves, and certifies the answer within its time.
- Everybody may use all cores: peers by the threads of their BLAS or scheduler, ours by its ranks times its threads.
- Errors and residuals of all are computed by the same function from their coefficients, on the same test points.

What cannot run (no memory, no such library) or does not end well (time limit, refused, failed, not finite) is labelled with the reason.
"""

from hnn_hpc.benchmark.cases import CASES, DEFAULT_CASES
from hnn_hpc.benchmark.comparison import Settings, compare
from hnn_hpc.benchmark.machine import describe_machine

__all__ = ["CASES", "DEFAULT_CASES", "Settings", "compare", "describe_machine"]
