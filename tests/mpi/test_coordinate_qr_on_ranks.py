"""QR coordinate by coordinate on any number of ranks: the bits of one rank, interrupted and resumed or not."""

from contextlib import nullcontext

import numpy as np
import pytest

from hnn_hpc import FitOptions
from hnn_hpc.errors import Interruption
from hnn_hpc.operators import GradientOperator
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.samples import SystemSamples
from hnn_hpc.solvers import coordinate_qr
from hnn_hpc.storage import Checkpoint
from hnn_hpc.systems import make_system
from hnn_hpc.training import fit_source

SERIAL, DOF = SerialCommunicator(), 16
SOURCE = SystemSamples(make_system("fput-chain", {"dof": DOF}), 6000, seed=1)
BONDS = [[f"q{number}", f"q{number + 1}"] for number in range(1, DOF)] + [[f"p{number}"] for number in range(1, DOF + 1)]
OPTIONS = FitOptions(features=900, bandwidth=0.5, supports=BONDS, solver="khatri-rao-qr")


class Signals:
    """Interruptions that a test notes."""

    noted = False
    deferred = staticmethod(nullcontext)


@pytest.fixture
def coordinates(monkeypatch):
    """The coordinates of the chain's bonds whose rows are asked for, in order."""
    asked, plain = [], GradientOperator.rows_along
    monkeypatch.setattr(GradientOperator, "rows_along", lambda self, row: asked.append(row) or plain(self, row))
    return asked


def test_the_bits_are_those_of_one_rank(communicator, coordinates):
    ours, serial = fit_source(SOURCE, OPTIONS, communicator), fit_source(SOURCE, OPTIONS, SERIAL)
    assert coordinates == [*range(DOF), *range(DOF)]  # it is what the planner chooses
    np.testing.assert_array_equal(ours.model.coefficients, serial.model.coefficients)
    assert (ours.solution.backward_error, ours.solution.rank) == (serial.solution.backward_error, serial.solution.rank)
    assert ours.solution.relative_residual < 1e-3


def test_a_rank_that_has_no_room_for_its_samples_reads_them_again(communicator, monkeypatch):
    serial = fit_source(SOURCE, OPTIONS, SERIAL)
    monkeypatch.setattr("hnn_hpc.least_squares.SHARE_FOR_SAMPLES", 0.0 if communicator.is_root else 0.1)
    np.testing.assert_array_equal(fit_source(SOURCE, OPTIONS, communicator).model.coefficients, serial.model.coefficients)


@pytest.mark.parametrize("last", [0, 4, DOF - 1])
def test_interrupted_in_a_coordinate_and_resumed(communicator, shared_tmp_path, coordinates, monkeypatch, last):
    """Told to one rank alone; on as many ranks, the coordinates that are done are not reduced again."""
    signals, reduce_rows = Signals(), coordinate_qr.reduce_rows

    def interrupted(*arguments):
        if coordinates[-1] == last and communicator.rank == communicator.size - 1:
            signals.noted = True
        return reduce_rows(*arguments)

    checkpoint = Checkpoint(shared_tmp_path / "checkpoint", interruptions=signals)
    with monkeypatch.context() as patch, pytest.raises(Interruption):
        patch.setattr(coordinate_qr, "reduce_rows", interrupted)
        fit_source(SOURCE, OPTIONS, communicator, checkpoint=checkpoint)
    communicator.barrier()
    coordinates.clear()
    found = fit_source(SOURCE, OPTIONS, communicator, checkpoint=Checkpoint(shared_tmp_path / "checkpoint", resume=True))
    assert coordinates[0] in (last, last + 1) and coordinates[-1] == DOF - 1
    np.testing.assert_array_equal(found.model.coefficients, fit_source(SOURCE, OPTIONS, SERIAL).model.coefficients)
