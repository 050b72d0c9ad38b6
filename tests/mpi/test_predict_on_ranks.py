"""Predictions on any number of ranks have the bits of one, and fail on all ranks alike."""

import numpy as np
import pytest

from hnn_hpc import FitOptions, UserError
from hnn_hpc.cli import main
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.prediction import PredictionOptions, energy_starts, map_starts, predict, rollouts
from hnn_hpc.samples import SystemSamples
from hnn_hpc.storage import load_prediction_file
from hnn_hpc.systems import make_system
from hnn_hpc.training import fit_source

SERIAL = SerialCommunicator()
SYSTEM = make_system("henon-heiles", box=[[-1, 1]] * 4)
FIT = FitOptions(features=100, bandwidth=0.25, supports="dense")


def learned():
    return fit_source(SystemSamples(SYSTEM, 600, seed=1), FIT, SERIAL).model


def test_the_arrays_are_bitwise_those_of_one_rank(communicator):
    model, starts = learned(), energy_starts(SYSTEM, 1 / 12, 19, seed=0)  # three blocks: a fourth rank has none
    options = PredictionOptions(time_step=0.1, steps=80, section=0, crossings=2)
    (found, ours), (found_alone, alone) = (predict(model, SYSTEM, starts, options, comm) for comm in (communicator, SERIAL))
    assert set(ours) == set(alone) and found == found_alone
    for name, values in alone.items():
        np.testing.assert_array_equal(ours[name], values)


def test_the_command_writes_the_same_bits(shared_tmp_path, communicator, capsys):
    with communicator.together():
        if communicator.is_root:
            learned().save(shared_tmp_path / "model.h5")
    arguments = ["predict", str(shared_tmp_path / "model.h5"), "--time", "8", "--time-step", "0.1", "--energy", "1/12", "--starts", "9"]
    path = shared_tmp_path / "together.h5"
    assert main([*arguments, "--output", str(path)]) == 0
    assert bool(capsys.readouterr().out) == communicator.is_root
    options = PredictionOptions(time_step=0.1, steps=80, section=0)
    with communicator.together():
        system = make_system("henon-heiles", box=learned().domain)
        starts = energy_starts(system, 1 / 12, 9, seed=0, coordinate=0)
        _, alone = predict(learned(), system, starts, options, SERIAL)
        written, _ = load_prediction_file(path)
        assert set(written) == set(alone)
        for name, values in alone.items():
            np.testing.assert_array_equal(written[name], values)


def test_bad_input_is_refused_on_every_rank(shared_tmp_path, communicator, capsys):
    with communicator.together():
        if communicator.is_root:
            learned().save(shared_tmp_path / "model.h5")
    arguments = ["predict", str(shared_tmp_path / "model.h5"), "--time", "8", "--output", str(shared_tmp_path / "p.h5")]
    assert main([*arguments, "--energy", "1e9"]) == 2  # before anything is computed
    assert main([*arguments, "--start", "3,3,1,1"]) == 2  # once the motions are computed
    assert capsys.readouterr().err.count("hnn-hpc: error: ") == 2 * communicator.is_root


def test_a_failure_in_the_last_block_reaches_every_rank(communicator):
    starts = np.zeros((30, 4))
    starts[29] = [3.0, 3.0, 1.0, 1.0]
    with pytest.raises(UserError, match="among the starts 22 to 29, counted from their first: start 7 cannot be followed"):
        map_starts(lambda block: rollouts(SYSTEM, SYSTEM, block, 0.1, 100), starts, communicator)


def test_a_motion_that_escapes_in_the_last_block_is_told_on_every_rank(communicator):
    starts = np.zeros((30, 4))
    starts[29] = [3.0, 3.0, 1.0, 1.0]
    found, arrays = predict(SYSTEM_AS_A_MODEL, SYSTEM, starts, PredictionOptions(time_step=0.1, steps=100), communicator)
    assert found["true_escapes"] == found["drift_failures"] == 1 and np.isnan(arrays["valid_times"]).nonzero()[0].tolist() == [29]
    assert found["true_escape"].startswith("start 29 cannot be followed beyond") and found["drift_failure"].startswith("start 29: ")


def test_different_starts_on_one_rank_stop_all(communicator):
    starts = np.zeros((3, 4)) + communicator.rank
    if communicator.size == 1:
        assert map_starts(lambda block: block, starts, communicator).shape == (3, 4)
        return
    with pytest.raises(UserError, match="every rank must pass the same; the starts of a prediction on rank 1"):
        map_starts(lambda block: block, starts, communicator)


class AsAModel:
    """A system as a trained model shows itself, with a domain."""

    dof, dimension, domain = 2, 4, SYSTEM.box
    energy, gradient, vector_field = SYSTEM.energy, SYSTEM.gradient, SYSTEM.vector_field


SYSTEM_AS_A_MODEL = AsAModel()
