"""A short job, and the program whose pieces of rows take SLOW_FIT_SECONDS each (0.1), so that what happens to a fit meets it at work."""

import os
import sys
import time

from hnn_hpc.cli import main
from hnn_hpc.operators import GradientOperator

# 64 blocks, one piece each.
JOB = """
[data]
system = "henon-heiles"
samples = 20_000
test_samples = 500
[features]
count = 40
bandwidth = 0.5
supports = "dense"
[solver]
name = "khatri-rao-qr"
"""
SECONDS = float(os.environ.get("SLOW_FIT_SECONDS", "0.1"))
factors = GradientOperator.factors


def slow_factors(self, start, stop, places=slice(None)):
    time.sleep(0 if isinstance(places, slice) or len(places) < (stop - start) / 2 else SECONDS)  # the first look takes few of them
    return factors(self, start, stop, places)


if __name__ == "__main__":
    GradientOperator.factors = slow_factors
    sys.exit(main(sys.argv[1:]))
