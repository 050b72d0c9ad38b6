"""The commands on any number of ranks give what they give on one."""

import json

import numpy as np
import pytest

from hnn_hpc import load_model
from hnn_hpc.cli import main
from hnn_hpc.generation import write_trajectories, write_uniform_samples
from hnn_hpc.job import load_job
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.run import run_job
from hnn_hpc.systems import make_system

SERIAL = SerialCommunicator()
JOB = '[data]\nsystem = "lotka-volterra"\nsamples = 700\ntest_samples = 9000\n[features]\ncount = 50\n'
SAME_SUM = 1e-12  # relative; the errors come from a fixed tree, and only threads of numpy's own could differ


def generate_alone(path, kind):
    if kind == "--samples":
        write_uniform_samples(path, make_system("toda-chain", {"dof": 3}), 10_000, 2, SERIAL)
    else:
        write_trajectories(path, make_system("toda-chain", {"dof": 3}), 37, 4, 0.1, 2, SERIAL)


@pytest.mark.parametrize(
    "size", [["--samples", "10000"], ["--trajectories", "37", "--steps", "4", "--time-step", "0.1"]], ids=lambda size: size[0]
)
def test_generated_files_have_the_same_bits(size, shared_tmp_path, communicator):
    path = shared_tmp_path / "together.h5"
    assert main(["generate", "toda-chain", "--set", "dof=3", "--seed", "2", *size, "--output", str(path)]) == 0
    with communicator.together():
        if communicator.is_root:
            generate_alone(shared_tmp_path / "alone.h5", size[0])
            assert path.read_bytes() == (shared_tmp_path / "alone.h5").read_bytes()


def test_an_import_is_that_of_one_rank_and_a_mistake_that_of_all(shared_tmp_path, communicator, capsys):
    table, path = shared_tmp_path / "data.csv", shared_tmp_path / "samples.h5"
    with communicator.together():
        if communicator.is_root:
            table.write_text("t,q,p\n0,1,2\n1,2,1\n2,3,4\n")
    arguments = ["import", str(table), "--time", "t", "--output", str(path)]
    assert main([*arguments, "--columns", "q,x"]) == 2
    assert ("has no column 'x'" in capsys.readouterr().err) == communicator.is_root and not path.exists()
    communicator.barrier()
    assert main([*arguments, "--columns", "q,p"]) == 0
    assert bool(capsys.readouterr().out) == communicator.is_root and path.exists()


def test_a_job_gives_the_same_model_and_errors(shared_tmp_path, communicator, capsys):
    with communicator.together():
        if communicator.is_root:
            (shared_tmp_path / "job.toml").write_text(JOB)
    together, alone = shared_tmp_path / "together", shared_tmp_path / "alone"
    assert main(["fit", str(shared_tmp_path / "job.toml"), "--output", str(together)]) == 0
    assert bool(capsys.readouterr().out) == communicator.is_root
    with communicator.together():
        if communicator.is_root:
            result = run_job(load_job(shared_tmp_path / "job.toml", directory=alone), SERIAL)
            models = [load_model(folder / "model.h5") for folder in (together, alone)]
            np.testing.assert_array_equal(models[0].coefficients, models[1].coefficients)
            assert models[0].constant == models[1].constant
            recorded = json.loads((together / "result.json").read_text())
            assert recorded["ranks"] == communicator.size
            assert recorded["test"]["energy_error"] == pytest.approx(result["test"]["energy_error"], rel=SAME_SUM)
            assert recorded["test"]["gradient_error"] == pytest.approx(result["test"]["gradient_error"], rel=SAME_SUM)
