"""A short fit that is interrupted at a given piece of its work, and what is to come of it once it has gone on."""

from pathlib import Path

import numpy as np

from hnn_hpc import load_model
from hnn_hpc.cli import main
from hnn_hpc.cli.interruption import Interruptions
from hnn_hpc.operators import GradientOperator

BLOCKS = 64
CHECKPOINT = Path("results/job/checkpoint")


def check_is(whole, result):
    """The model in results/job is bit for bit that of the uninterrupted fit, the result says the same, and nothing is left over."""
    model, expected = load_model("results/job/model.h5"), whole[1]
    for name in ("weights", "biases", "coefficients", "constant"):
        np.testing.assert_array_equal(getattr(model, name), getattr(whole[0], name))
    for name in ("solver", "relative_residual", "backward_error", "condition_estimate", "rank", "householder_rows", "flops"):
        assert result[name] == expected[name]
    assert sorted(path.name for path in Path("results/job").iterdir()) == ["model.h5", "result.json"]


def interrupted_at(monkeypatch, call, *arguments, error=None):
    """Run a fit that is interrupted in the given piece of work of its operator, or fails there; return its exit code.

    The factorization of the job has one piece a block, and so has its residual; the first look at each piece, which nothing is saved of,
    does not count.
    """
    calls, signals, factors = [], [], GradientOperator.factors

    def counted(plain):
        def count(operator, start, stop, *chosen):
            if plain is not factors or (chosen and len(chosen[0]) > (stop - start) / 2):  # without any: a probe
                calls.append(1)
                if len(calls) == call and error:
                    raise error
                if len(calls) == call:
                    signals[0].noted = True
            return plain(operator, start, stop, *chosen)

        return count

    class Remembered(Interruptions):
        def __init__(self):
            super().__init__()
            signals.append(self)

    with monkeypatch.context() as patch:
        patch.setattr("hnn_hpc.cli.interruption.Interruptions", Remembered)
        patch.setattr(GradientOperator, "factors", counted(factors))
        patch.setattr(GradientOperator, "residual", counted(GradientOperator.residual))
        return main(["fit", "job.toml", "--quiet", *arguments])
