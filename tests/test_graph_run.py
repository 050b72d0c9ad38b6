"""The run of a job of graphs: its two files, what they say, and that it is refused, resumed or done as any other run."""

import json
import os
import re

import h5py
import numpy as np
import pytest

from hnn_hpc.cli.interruption import Interruptions
from hnn_hpc.errors import Interruption, NotCertifiedError, OutputError, UserError
from hnn_hpc.graph_evaluation import evaluate_graphs
from hnn_hpc.graph_model import load_graph_model
from hnn_hpc.graph_training import fit_graph_source
from hnn_hpc.job import job_from_tables
from hnn_hpc.operators.graph_rows import BondRows, KineticRows, ParticleRows
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.run import computation_of, run_job
from hnn_hpc.run_files import difference, finished_result
from hnn_hpc.storage import describe, save_graph_file

SERIAL = SerialCommunicator()
GRAPH = {"system": "springs-morse", "sizes": [3, 2], "graphs": 40, "test_sizes": [3, 3], "test_graphs": 5, "displacement": 0.2}
FEATURES = {"count": 12}
ERRORS = {"energy_error", "gradient_error", "mse", "outside"}


def job_of(directory, graph=None, **tables):
    return job_from_tables({"graph": GRAPH | (graph or {}), "features": FEATURES} | tables, directory)


def run(directory, graph=None, **how):
    return run_job(job_of(directory, graph), SERIAL, **how)


@pytest.fixture
def file(tmp_path):
    """A file of five graphs of springs."""
    source, _ = job_of(None, {"graphs": 5}).data.sources()
    save_graph_file(tmp_path / "graphs.h5", source.read(0, 5))
    return tmp_path / "graphs.h5"


def job_of_files(directory, file, **graph):
    return job_from_tables({"graph": {"file": str(file)} | graph, "features": {"count": 6}}, directory)


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


# What it leaves


def test_a_run_leaves_a_model_and_the_result_that_it_returns(tmp_path):
    result = run(tmp_path / "out")
    assert set(contents(tmp_path / "out")) == {"model.h5", "result.json"}
    assert json.loads((tmp_path / "out/result.json").read_text()) == json.loads(json.dumps(result, default=str))
    sizes = {"samples": 40, "particles": 240, "bonds": 280, "dimension": 2, "dof": 12, "features": 24, "ranks": 1}
    assert sizes.items() <= result.items() and result["terms"] == {"kinetic 0": 12, "pair 0-0": 12}
    assert (result["solver"], result["certified"], result["sampler"], result["constant_known"]) == ("tsqr", True, "anchored", True)
    assert list(result["seconds"]) == ["data", "sampling", "solve", "evaluate", "total"]
    assert sum(list(result["seconds"].values())[:-1]) <= result["seconds"]["total"]
    assert (result["resumed"], result["blocks_taken_over"], result["files"]) == (False, 0, {})
    assert result["basis"]["searched"] == ["edge_invariants", "bandwidth"] and result["predicted"]["memory_bytes"] > 0
    assert result["seeds"] == {"data": 0, "features": 0} and result["job"] == job_of(tmp_path / "out").as_dict()
    assert {"normal_residual", "condition_estimate", "rank", "spectrum", "flops", "versions", "peak_memory_bytes"} < set(result)


def test_the_model_is_that_of_the_fit_and_its_test_that_of_an_evaluation(tmp_path):
    job = job_of(tmp_path)
    result = run_job(job, SERIAL)
    train, test = job.data.sources()
    model, expected = load_graph_model(tmp_path / "model.h5"), fit_graph_source(train, job.options, job.network, SERIAL).model
    graphs, _, _, energies = test.read(0, 5)
    np.testing.assert_array_equal(model.energy(graphs), expected.energy(graphs))
    for ours, theirs in zip(model.gradient(graphs), expected.gradient(graphs), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert set(result["test"]) == {"samples", "particles", "bonds"} | ERRORS
    assert result["test"] == {"samples": 5} | {key: value for key, value in evaluate_graphs(model, test, SERIAL).items() if key != "graphs"}
    assert 0 < result["test"]["energy_error"] < 1e-4 and result["test"]["particles"] == 45
    np.testing.assert_allclose(model.energy(graphs), energies, rtol=1e-3)


def test_the_job_is_added_to_what_the_model_remembers(tmp_path):
    result = run(tmp_path)
    provenance = load_graph_model(tmp_path / "model.h5").provenance
    recorded = json.loads((tmp_path / "result.json").read_text())
    assert provenance["job"] == recorded["job"] and provenance["petsc_options"] == []
    assert provenance["samples"]["system"] == "springs-morse" and provenance["graph_options"]["messages"] == 0
    assert (provenance["versions"], provenance["seeds"], provenance["basis"]) == (result["versions"], result["seeds"], recorded["basis"])


def test_what_a_status_and_a_plan_tell_is_that_of_the_bonds(tmp_path):
    job = job_of(tmp_path, {"species": 2, "messages": 3})
    computation = computation_of(job)
    assert computation.about == {"samples": 40, "dof": 12, "features": 12}
    plan, sizes = computation.planned()
    terms = run_job(job, SERIAL)["terms"]
    assert set(terms) == {"kinetic 0", "kinetic 1", "pair 0-0", "pair 0-1", "pair 1-1", "many-body 0", "many-body 1"}
    columns = sum(features for name, features in terms.items() if not name.startswith("kinetic"))
    assert (plan.solver, plan.columns) == ("tsqr", columns + 1)  # and the targets
    assert (sizes["samples"], sizes["dimension"], sizes["options"].features, sizes["how"]["khatri_rao"]) == (240, 2, columns, False)


# Twice


def test_a_second_run_is_refused_replaced_or_done(tmp_path, monkeypatch):
    first, before = run(tmp_path), contents(tmp_path)
    with pytest.raises(UserError, match=r"model\.h5 exists; pass --force"):
        run(tmp_path)
    said = []
    with monkeypatch.context() as patch:
        patch.setattr("hnn_hpc.graph_run.fit_graph_source", lambda *_, **__: pytest.fail("fitted again"))
        assert run(tmp_path, resume=True, say=said.append) == json.loads(json.dumps(first, default=str))
    assert said == [f"this job is done already: its results are in {tmp_path}, and --force computes them anew"]
    assert contents(tmp_path) == before
    second = run(tmp_path, force=True)
    assert second["seconds"] != first["seconds"] and second["test"] == first["test"]


CHANGES = {
    "system": "springs-linear",
    "depth": 2.0,
    "rate": 1.5,
    "length": 1.1,
    "geometry": "chain",
    "sizes": [2, 3],
    "spacing": 1.1,
    "periodic": True,
    "masses": [0.5, 2.0],
    "species": 2,
    "test_geometry": "chain",
    "test_sizes": [3, 4],
    "test_spacing": 1.2,
    "test_periodic": True,
    "displacement": 0.3,
    "momentum": 2.0,
    "graphs": 41,
    "test_graphs": 6,
    "seed": 1,
    "edge_invariants": ["r"],
    "node_invariants": ["p^2"],
    "messages": 1,
    "message_steps": 2,
}
BESIDES = {"geometry": {"count": 6, "sizes": None, "test_sizes": None}, "test_geometry": {"test_count": 9, "test_sizes": None}}


def test_any_other_key_makes_another_job(tmp_path):
    job = job_of(tmp_path)
    result = run_job(job, SERIAL)
    tables = json.loads((tmp_path / "result.json").read_text())["job"]
    assert set(CHANGES) == set(tables["graph"]) and difference(job, tables) is None
    assert finished_result(job) == json.loads(json.dumps(result, default=str))
    for key, value in CHANGES.items():
        changed = GRAPH | {key: value} | BESIDES.get(key, {})
        if key == "system":
            changed = {name: value for name, value in changed.items() if name not in ("depth", "rate")}
        changed = {name: value for name, value in changed.items() if value is not None}
        other = job_from_tables({"graph": changed, "features": FEATURES}, tmp_path)
        assert difference(other, tables)[0].startswith("graph."), key
        assert finished_result(other) is None, key
    assert finished_result(job_of(tmp_path, solver={"rcond": 1e-14})) is None
    assert finished_result(job_of(tmp_path, features={"count": 13})) is None
    assert finished_result(job_of(tmp_path, output={"checkpoint_seconds": 1})) is not None
    with pytest.raises(UserError, match=r"model\.h5 exists; pass --force"):
        run(tmp_path, {"seed": 1}, resume=True)


def test_a_default_that_is_given_makes_no_other_job(tmp_path):
    run(tmp_path)
    assert finished_result(job_of(tmp_path, {"geometry": "lattice", "momentum": 1.0, "test_spacing": 1, "seed": 0}))


def test_a_job_of_phase_space_finds_no_result_in_the_directory_of_graphs(tmp_path):
    run(tmp_path)
    other = job_from_tables({"data": {"system": "pendulum", "samples": 50}, "features": {"count": 20}}, tmp_path)
    assert finished_result(other) is None
    with pytest.raises(UserError, match=r"model\.h5 exists; pass --force"):
        run_job(other, SERIAL, resume=True)


def test_a_run_that_was_killed_between_its_two_files_is_done_again(tmp_path):
    run(tmp_path)
    before = load_graph_model(tmp_path / "model.h5")
    (tmp_path / "result.json").unlink()
    with pytest.raises(UserError, match=r"model\.h5 exists; pass --force"):
        run(tmp_path)
    assert not run(tmp_path, resume=True)["resumed"]
    np.testing.assert_array_equal(load_graph_model(tmp_path / "model.h5").coefficients, before.coefficients)


# Files


def test_a_job_with_a_file_is_tested_where_there_is_a_test_file(tmp_path, file):
    result = run_job(job_of_files(tmp_path / "out", file), SERIAL)
    assert result["test"] == dict.fromkeys(("samples", "particles", "bonds", *ERRORS))
    assert set(result["files"]) == {str(file)} and result["seconds"]["evaluate"] < 0.1
    tested = run_job(job_of_files(tmp_path / "tested", file, test_file=str(file)), SERIAL)
    assert tested["test"]["samples"] == 5 and tested["test"]["mse"] < 1e-6
    assert tested["test"]["outside"] == {"bonds": 0, "particles": 0}  # they are those of the training
    ours, theirs = (load_graph_model(tmp_path / folder / "model.h5").coefficients for folder in ("out", "tested"))
    np.testing.assert_array_equal(ours, theirs)


def test_graphs_in_a_file_give_the_model_of_the_system_that_they_came_from(tmp_path, file):
    run_job(job_of_files(tmp_path / "file", file), SERIAL)
    run_job(job_of(tmp_path / "system", {"graphs": 5}, features={"count": 6}), SERIAL)
    ours, theirs = (load_graph_model(tmp_path / folder / "model.h5") for folder in ("file", "system"))
    np.testing.assert_array_equal(ours.coefficients, theirs.coefficients)
    assert ours.constants == theirs.constants and ours.constants_known


def test_energies_that_are_missing_are_told(tmp_path, file):
    with h5py.File(file, "a") as opened:
        del opened["energies"]
    result = run_job(job_of_files(tmp_path / "out", file, test_file=str(file)), SERIAL)
    assert (result["constant_known"], result["test"]["energy_error"]) == (False, None) and result["test"]["gradient_error"] < 1e-2


def test_a_job_whose_file_has_changed_is_not_done(tmp_path, file):
    job = job_of_files(tmp_path / "out", file)
    run_job(job, SERIAL)
    assert finished_result(job)
    os.utime(file, ns=(1, 1))
    assert finished_result(job) is None


@pytest.mark.parametrize("ending", ["a position that is no number", "another kind of bonds"])
def test_a_test_file_that_cannot_be_used_is_noticed_before_the_fit(tmp_path, file, monkeypatch, ending):
    monkeypatch.setattr("hnn_hpc.graph_run.fit_graph_source", lambda *_, **__: pytest.fail("fitted"))
    source, _ = job_of(None, {"graphs": 5}).data.sources()
    samples = source.read(0, 5)
    if ending == "another kind of bonds":
        words = r"the bonds of the model are given with a graph, but those of .*test\.h5 are all pairs below a cutoff"
        save_graph_file(tmp_path / "test.h5", samples, cutoff=1.5)
    else:
        words = r"test\.h5: .*particle 1 of graph 2.* nan"
        samples.graphs.positions[13, 0] = np.nan
        save_graph_file(tmp_path / "test.h5", samples)
    with pytest.raises(UserError, match=words):
        run_job(job_of_files(tmp_path / "out", file, test_file=str(tmp_path / "test.h5")), SERIAL)
    assert not (tmp_path / "out").exists()


# Failures and interruptions


def test_options_of_petsc_are_refused(tmp_path):
    with pytest.raises(UserError, match="options of PETSc are for the solver lsqr, which graphs do not use; leave them out"):
        computation_of(job_of(tmp_path), ("-ksp_max_it", "3"))


@pytest.mark.parametrize("error", [Interruption, OSError, UserError])
def test_a_run_that_fails_leaves_no_status_and_no_directory_that_it_made(tmp_path, monkeypatch, error):
    seen = []

    def evaluate(*_):
        seen.extend(path.name for path in (tmp_path / "a/b").iterdir())
        raise error("no such luck")

    monkeypatch.setattr("hnn_hpc.graph_run.evaluate_graphs", evaluate)
    with pytest.raises(error):
        run(tmp_path / "a/b")
    assert "status.json" in seen and list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_both_earlier_results(tmp_path, full_disk):
    run(tmp_path)
    before = contents(tmp_path)
    for size in (100, len(before["result.json"]) + 100):  # too little for either file, and for the model only
        with pytest.raises(OutputError, match="File too large"), full_disk() as limit_to:
            limit_to(size)
            run(tmp_path, force=True)
        assert contents(tmp_path) == before


class Interrupted:
    """Tells a run to end in the given call for the rows of a block of one kind: there are two of each, for the first rows and the rest."""

    def __init__(self, monkeypatch, kind, call):
        self.signals, calls, plain = Interruptions(), [], ParticleRows.dense_rows

        def dense_rows(operator, start, stop, *places):
            if isinstance(operator, kind) and stop - start < operator.samples:  # a block, not a trial
                calls.append(1)
                self.signals.noted = self.signals.noted or len(calls) == call
            return plain(operator, start, stop, *places)

        monkeypatch.setattr(ParticleRows, "dense_rows", dense_rows)


@pytest.fixture
def blocks(monkeypatch):
    """Small fits have some blocks; how many those of the jobs here have, in each of their two problems."""
    monkeypatch.setattr("hnn_hpc.graph_training.training.BLOCK_PARTICLES", 8)
    return 16


@pytest.mark.parametrize("kind, call", [(KineticRows, 22), (KineticRows, 28), (BondRows, 20), (BondRows, 26)])
def test_interrupted_and_resumed_gives_the_same_bits(tmp_path, monkeypatch, blocks, kind, call):
    expected = run(tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(Interruption) as failure:
        run(tmp_path / "out", interruptions=Interrupted(patch, kind, call).signals)
    told = rf"interrupted; (\d+) of {blocks} blocks are saved in {tmp_path}/out/checkpoint; the same command with --resume goes on"
    saved = int(re.match(told, str(failure.value))[1])
    assert 0 < saved < blocks and failure.value.resumable
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["checkpoint"]
    files = sorted((tmp_path / "out/checkpoint").iterdir())
    name = f"component-{int(kind is BondRows)}-tsqr"
    assert {file.name.split(".")[0] for file in files} == {name}
    assert all(" of 0 to 15" in describe(file)["blocks"] for file in files)  # as `hnn-hpc info` tells them
    with pytest.raises(UserError, match="pass --resume to go on from it, or --force to remove it"):
        run(tmp_path / "out")
    with pytest.raises(UserError, match="belongs to another fit than this one: .*checksum of the graphs"):
        run(tmp_path / "out", {"seed": 1}, resume=True)
    result = run(tmp_path / "out", resume=True)
    assert (result["resumed"], result["blocks_taken_over"]) == (True, saved)
    assert set(contents(tmp_path / "out")) == {"model.h5", "result.json"} and not (tmp_path / "out/checkpoint").exists()
    ours, theirs = (load_graph_model(tmp_path / folder / "model.h5") for folder in ("out", "whole"))
    np.testing.assert_array_equal(ours.coefficients, theirs.coefficients)
    assert (ours.constants, ours.ranges) == (theirs.constants, theirs.ranges)
    for name in ("test", "relative_residual", "backward_error", "condition_estimate", "rank", "flops"):
        assert result[name] == expected[name], name


@pytest.mark.parametrize("kind", [KineticRows, BondRows])
def test_an_interruption_before_anything_is_saved_begins_at_the_beginning(tmp_path, monkeypatch, blocks, kind):
    with (
        monkeypatch.context() as patch,
        pytest.raises(Interruption, match="nothing is saved yet; .* with --resume begins at the beginning"),
    ):
        run(tmp_path / "out", interruptions=Interrupted(patch, kind, 1).signals)
    assert not (tmp_path / "out").exists() and not run(tmp_path / "out", resume=True)["resumed"]


def test_a_run_that_saves_now_and_then_leaves_nothing_of_it(tmp_path, blocks):
    results = [run_job(job_of(tmp_path / str(seconds), output={"checkpoint_seconds": seconds}), SERIAL) for seconds in (300, 1e-9)]
    assert results[0]["test"] == results[1]["test"]
    assert set(contents(tmp_path / "1e-09")) == {"model.h5", "result.json"} and not (tmp_path / "1e-09/checkpoint").exists()


def test_the_finished_factorization_of_an_uncertified_fit_serves_another_rcond(tmp_path, monkeypatch, blocks):
    strict = {"rcond": 0.0}
    with (
        monkeypatch.context() as patch,
        pytest.raises(NotCertifiedError, match="its factorization is kept in .*/out/checkpoint, and --resu"),
    ):
        patch.setattr("hnn_hpc.solvers.solution.LARGEST_BACKWARD_ERROR", 0)  # no solution is that good
        run_job(job_of(tmp_path / "out", solver=strict), SERIAL)
    assert [path.name for path in (tmp_path / "out/checkpoint").iterdir()] == ["component-0-tsqr.triangle.h5"]
    expected = run(tmp_path / "whole")
    result = run(tmp_path / "out", resume=True)
    assert (result["blocks_taken_over"], result["test"]) == (blocks, expected["test"])


def test_an_interruption_without_checkpoints_saves_nothing(tmp_path, monkeypatch, blocks):
    job = job_of(tmp_path / "out", output={"checkpoint_seconds": 0})
    run_job(job, SERIAL, interruptions=Interrupted(monkeypatch, ParticleRows, 9).signals)  # nobody asks whether it was noted
    assert set(contents(tmp_path / "out")) == {"model.h5", "result.json"}
