"""A fit that is interrupted in one of its later fits, to rows that the first one has corrected, goes on to the same bits."""

import json

import h5py
import numpy as np
import pytest
from interrupted_fits import interrupted_at

from hnn_hpc import load_model
from hnn_hpc.cli import main
from hnn_hpc.integrators import accurate_trajectories
from hnn_hpc.systems import make_system

JOB = """
[data]
file = "states.h5"
[dynamics]
corrections = 2
[features]
count = 40
bandwidth = 0.5
supports = "dense"
[solver]
name = "khatri-rao-qr"
"""
# A sampler that fits first, and looks for features anew once the damping is known.
TWICE = ["--set", "features.sampler=approximate-swim", "--set", "features.bandwidth=auto", "--set", "features.supports=auto"]
HOW = {"corrections": [], "damping": ["--set", "dynamics.dissipation=true", "--set", "dynamics.corrections=1"]}
HOW["damping, after a first fit"] = HOW["damping"] + TWICE


@pytest.fixture(scope="module")
def states():
    return accurate_trajectories(make_system("henon-heiles", {}), np.random.default_rng(1).uniform(-0.3, 0.3, (20, 4)), 0.1, 500)


@pytest.fixture
def folder(tmp_path, monkeypatch, states):
    """The working directory, with the job and its trajectories."""
    monkeypatch.chdir(tmp_path)
    with h5py.File("states.h5", "w") as file:
        file["trajectories"], file["time_step"] = states, 0.1
    (tmp_path / "job.toml").write_text(JOB)


@pytest.mark.parametrize(
    "how, share", [("corrections", 0.2), ("corrections", 0.5), ("corrections", 0.8), ("damping", 0.7), ("damping, after a first fit", 0.4)]
)
def test_it_goes_on_to_the_same_bits(monkeypatch, folder, capsys, how, share):
    calls, options = [], HOW[how]
    with monkeypatch.context() as patch:
        counting(patch, calls)
        assert main(["fit", "job.toml", "--quiet", "--output", "whole", *options]) == 0
    whole = load_model("whole/model.h5")
    call = int(share * len(calls))
    assert interrupted_at(monkeypatch, call, *options) == 75
    capsys.readouterr()
    assert main(["fit", "job.toml", "--quiet", "--resume", "--json", *options]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["resumed"] and result["blocks_taken_over"] > 0
    model = load_model("results/job/model.h5")
    for name in ("weights", "coefficients", "constant"):
        np.testing.assert_array_equal(getattr(model, name), getattr(whole, name))


def counting(patch, calls):
    """Count the pieces of work as `interrupted_at` does."""
    from hnn_hpc.operators import GradientOperator

    factors, residual = GradientOperator.factors, GradientOperator.residual

    def count_factors(operator, start, stop, *chosen):
        if chosen and len(chosen[0]) > (stop - start) / 2:
            calls.append(1)
        return factors(operator, start, stop, *chosen)

    def count_residual(operator, *run):
        calls.append(1)
        return residual(operator, *run)

    patch.setattr(GradientOperator, "factors", count_factors)
    patch.setattr(GradientOperator, "residual", count_residual)
