"""`auto` on any number of ranks takes the solver that it takes on one, to the same bits, and predicts the same on every rank."""

from dataclasses import replace

import numpy as np
import pytest

from hnn_hpc import FitOptions
from hnn_hpc.cli import main
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.samples import SystemSamples
from hnn_hpc.systems import make_system
from hnn_hpc.training import fit_source

JOB = '[data]\nsystem = "fput-chain"\nsamples = 100_000\n[features]\ncount = 300\n'


@pytest.mark.parametrize(
    "system, parameters, bandwidth, solver", [("fput-chain", {"dof": 8}, 1.0, "gram"), ("pendulum", {}, 0.25, "khatri-rao-qr")]
)
def test_the_choice_and_the_bits_are_those_of_one_rank(communicator, system, parameters, bandwidth, solver):
    source = SystemSamples(make_system(system, parameters), 6000, seed=1)
    options = FitOptions(features=100, bandwidth=bandwidth, supports="dense")
    ours, serial = fit_source(source, options, communicator), fit_source(source, options, SerialCommunicator())
    assert ours.solution.solver == serial.solution.solver == solver
    np.testing.assert_array_equal(ours.model.coefficients, serial.model.coefficients)
    predicted = communicator.all_gather(ours.record["predicted"])
    assert all(other == predicted[0] for other in predicted)
    assert predicted[0]["seconds"] > 0 and predicted[0]["memory_bytes"] > 10**7


def test_a_probe_that_was_wrong_costs_time_and_no_more(communicator, monkeypatch):
    source = SystemSamples(make_system("pendulum", {}), 6000, seed=1)
    dense = FitOptions(features=100, bandwidth=0.25, supports="dense")
    named = fit_source(source, replace(dense, solver="khatri-rao-qr"), communicator)
    monkeypatch.setattr("hnn_hpc.solvers.probe.is_well_conditioned", lambda operator: True)
    auto = fit_source(source, dense, communicator)
    assert auto.solution.solver == "khatri-rao-qr"
    np.testing.assert_array_equal(auto.model.coefficients, named.model.coefficients)


def test_plan_counts_the_ranks_and_measures_what_lies_between_them(communicator, shared_tmp_path, capsys, monkeypatch):
    from hnn_hpc.cli import plan

    monkeypatch.setitem(plan.CALIBRATION, "order", 32)
    with communicator.together():
        if communicator.is_root:
            (shared_tmp_path / "job.toml").write_text(JOB)
    assert main(["plan", str(shared_tmp_path / "job.toml")]) == 0
    out = capsys.readouterr().out
    assert bool(out) == communicator.is_root
    if communicator.is_root:
        ranks = f"{communicator.size} rank{'s' if communicator.size > 1 else ''}, "
        assert ranks in out and ("measured\n" if communicator.size > 1 else "assumed\n") in out
