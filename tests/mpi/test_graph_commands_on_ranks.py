"""The commands on graphs of particles, on any number of ranks, give what they give on one; mistakes are those of all."""

import json

import numpy as np
import pytest

from hnn_hpc.cli import main
from hnn_hpc.cli.interruption import Interruptions
from hnn_hpc.errors import Interruption
from hnn_hpc.graph_evaluation import evaluate_graphs
from hnn_hpc.graph_model import load_graph_model
from hnn_hpc.job import load_job
from hnn_hpc.operators.graph_rows import ParticleRows
from hnn_hpc.parallel.communicator import SerialCommunicator, world_communicator
from hnn_hpc.particles import verlet
from hnn_hpc.run import run_job
from hnn_hpc.storage import GraphFile, save_graph_file

SERIAL = SerialCommunicator()
SPRINGS = """
[graph]
system = "springs-morse"
sizes = [5, 4]
masses = [0.5, 2.0]
species = 2
graphs = 100
test_sizes = [9, 7]
test_graphs = 150
displacement = 0.2
[features]
count = 21
"""
METAL = """
[graph]
system = "embedded-atom"
geometry = "fluid"
dimension = 2
density = 0.9
count = 64
test_count = 100
graphs = 25
test_graphs = 3
temperature = 0.2
time_step = 0.02
burn_in = 20
interval = 5
messages = 4
[features]
count = 24
[solver]
rcond = 1e-6
"""  # that keeps coefficients small, which multiply the round-off of a motion
JOBS = {"springs": SPRINGS, "metal": METAL}
every_job = pytest.mark.parametrize("name", JOBS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A directory that all ranks share, with job files, files of test graphs and of one graph, and models that one rank has fitted."""
    communicator = world_communicator()
    folder = communicator.broadcast(tmp_path_factory.mktemp("shared") if communicator.is_root else None)
    with communicator.together():
        if communicator.is_root:
            for name, text in JOBS.items():
                (folder / f"{name}.toml").write_text(text)
                job = load_job(folder / f"{name}.toml", directory=folder / name)
                run_job(job, SERIAL)
                _, test = job.data.sources()
                save_graph_file(folder / f"{name}-test.h5", test.read(0, test.count), test.cutoff)
                save_graph_file(folder / f"{name}-start.h5", test.read(1, 2), test.cutoff)
    return folder


@pytest.fixture
def run(communicator, capsys):
    """Run a command on all ranks, which must succeed; return its JSON object, the same on every rank. Only rank 0 prints."""

    def run(*arguments, code=0):
        assert main([*map(str, arguments), "--json"]) == code
        out, err = capsys.readouterr()
        assert bool(out) == communicator.is_root and bool(err) == (communicator.is_root and code > 0)
        return json.loads(communicator.broadcast(out.splitlines()[-1] if communicator.is_root else None))

    return run


@every_job
def test_fit_gives_the_model_and_the_errors_of_one_rank(folder, shared_tmp_path, run, communicator, name):
    result = run("fit", folder / f"{name}.toml", "--output", shared_tmp_path)
    expected = json.loads((folder / name / "result.json").read_text())
    ours, theirs = (load_graph_model(folder / "model.h5") for folder in (shared_tmp_path, folder / name))
    np.testing.assert_array_equal(ours.coefficients, theirs.coefficients)
    for one, other in zip(ours.feature_map.layers, theirs.feature_map.layers, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
        np.testing.assert_array_equal(one.biases, other.biases)
    assert (ours.constants, ours.constants_known, ours.ranges) == (theirs.constants, theirs.constants_known, theirs.ranges)
    assert result == json.loads((shared_tmp_path / "result.json").read_text()) and result["ranks"] == communicator.size
    for key in ("test", "terms", "bonds", "relative_residual", "condition_estimate", "rank", "stop_reason"):
        assert result[key] == expected[key], key


@every_job
def test_evaluate_finds_the_figures_of_one_rank(folder, run, name):
    model, test = folder / name / "model.h5", folder / f"{name}-test.h5"
    found = run("evaluate", model, test)
    expected = evaluate_graphs(load_graph_model(model), GraphFile(test), SERIAL)
    assert {key: found[key] for key in expected} == expected and found["samples"] == expected["graphs"]
    assert expected["gradient_error"] > 0


@every_job
def test_simulate_moves_as_on_one_rank(folder, shared_tmp_path, run, communicator, name):
    model, start = folder / name / "model.h5", folder / f"{name}-start.h5"
    how = ["--time", 0.6, "--time-step", 0.01, "--save-every", 20]
    told = run("simulate", model, "--start", start, *how, "--output", shared_tmp_path / "end.h5")
    first = GraphFile(start).read(0, 1).graphs
    *_, last = verlet(load_graph_model(model), first, 0.01, 60)
    end = GraphFile(shared_tmp_path / "end.h5", needs_derivatives=False).read(0, 1).graphs
    for values, expected in ((end.positions, last.positions), (end.momenta, last.momenta)):
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    assert (told["ranks"], told["steps"], told["particles"]) == (communicator.size, 60, first.particles)
    assert 0 < told["energy_drift"] < 1e-2 and told["momentum_drift"] < 1e-12 and (told["lists"] > 0) == (name == "metal")
    whole = run("simulate", model, "--start", shared_tmp_path / "end.h5", *how, "--output", shared_tmp_path / "later.h5")
    assert whole["bonds"] > 0


def test_generate_writes_one_file(shared_tmp_path, run):
    told = run("generate", "springs-linear", "--graphs", 3, "--set", "sizes=[4]", "--output", shared_tmp_path / "graphs.h5")
    assert (told["graphs"], told["particles"], GraphFile(shared_tmp_path / "graphs.h5").count) == (3, 12, 3)


def test_mistakes_are_those_of_all_ranks(folder, shared_tmp_path, run):
    model = folder / "springs/model.h5"
    assert "given with a graph" in run("evaluate", model, folder / "metal-test.h5", code=2)["error"]
    told = run("simulate", model, "--start", folder / "springs-test.h5", "--time", 1, "--output", shared_tmp_path / "end.h5", code=2)
    assert "holds 150 graphs; expected one" in told["error"] and not (shared_tmp_path / "end.h5").exists()
    assert "pass --force" in run("fit", folder / "springs.toml", "--output", folder / "springs", code=2)["error"]
    assert "needs sizes" in run("generate", "gravity", "--graphs", 3, "--output", shared_tmp_path / "graphs.h5", code=2)["error"]
    assert "report tells of phase space alone" in run("report", folder / "springs", code=2)["error"]


def test_an_interrupted_fit_goes_on_here_to_the_bits_of_one_rank(shared_tmp_path, communicator, monkeypatch):
    monkeypatch.setattr("hnn_hpc.graph_training.training.BLOCK_PARTICLES", 16)
    signals, calls, dense_rows = Interruptions(), [], ParticleRows.dense_rows

    def counted(operator, start, stop, *places):
        calls.append(1)
        is_last = communicator.rank == communicator.size - 1
        signals.noted |= is_last and len(calls) == 104 // communicator.size  # in the second pass of 64 blocks
        return dense_rows(operator, start, stop, *places)

    def job(name):
        return load_job(shared_tmp_path / "job.toml", ["features.bandwidth=0.5", "graph.edge_invariants=['r']"], shared_tmp_path / name)

    with communicator.together():
        if communicator.is_root:
            (shared_tmp_path / "job.toml").write_text(SPRINGS)
            run_job(job("alone"), SERIAL)
    with monkeypatch.context() as patch, pytest.raises(Interruption, match="; the same command with --resume goes on from there"):
        patch.setattr(ParticleRows, "dense_rows", counted)
        run_job(job("together"), communicator, interruptions=signals)
    result = run_job(job("together"), communicator, resume=True)
    assert result["resumed"] and result["blocks_taken_over"] > 0
    ours, theirs = (load_graph_model(shared_tmp_path / name / "model.h5") for name in ("together", "alone"))
    np.testing.assert_array_equal(ours.coefficients, theirs.coefficients)
    assert ours.constants == theirs.constants and result["test"] == json.loads((shared_tmp_path / "alone/result.json").read_text())["test"]
