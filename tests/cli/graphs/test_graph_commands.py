"""Every command on graphs of particles, from end to end on small problems, in this process."""

import json
import re
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from graph_jobs import LIQUID, LIQUID_MODEL, MODEL, SPRINGS

from hnn_hpc.cli import main
from hnn_hpc.graph_evaluation import evaluate_graphs
from hnn_hpc.graph_model import load_graph_model
from hnn_hpc.job import load_job
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.storage import GraphFile


def without_energies(name):
    with h5py.File(name, "a") as file:
        del file["energies"]


# generate


def test_generate_writes_the_graphs_of_a_job(run, table):
    settings = ["--set", "sizes=[3, 2]", "--graphs", 40]
    told = run("generate", *SPRINGS, *settings, "--output", "train.h5")
    sizes = {"file": "train.h5", "system": "springs-morse", "graphs": 40, "particles": 240, "bonds": 280, "dimension": 2, "seed": 0}
    assert told == sizes | {"parameters": {"depth": 1.0, "rate": 1.0, "length": 1.0}}
    found, (expected, _) = GraphFile("train.h5"), load_job("job.toml").data.sources()
    assert (found.count, found.has_energies, found.cutoff, found.description["displacement"]) == (40, True, None, 0.2)
    for ours, theirs in zip(found.read(0, 40)[1:], expected.read(0, 40)[1:], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert table("generate", *SPRINGS, *settings, "--output", "train.h5", "--force", "--seed", "7") == {
        "written": "train.h5",
        "system": "springs-morse with depth = 1.0, rate = 1.0, length = 1.0",
        "space": "2 dimensions",
        "size": "40 graphs, 240 particles and 280 bonds",
        "seed": "7",
    }
    assert GraphFile("train.h5").description["seed"] == 7


def test_generate_finds_bonds_by_the_cutoff_of_a_system(run):
    told = run("generate", *LIQUID, "--graphs", 2, "--set", "count=36", "--set", "masses=[0.5, 2]", "--output", "liquid.h5")
    source = GraphFile("liquid.h5")
    graphs = source.read(0, 2).graphs
    assert (told["particles"], told["bonds"], source.cutoff) == (72, len(graphs.bonds), 1.6)
    assert "bonds" not in h5py.File("liquid.h5") and np.ptp(graphs.masses) > 0.1


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["springs-linear", "--samples", 4], "springs-linear is a system of particles: give --graphs K in place of --samples, --trajecto"),
        (["springs-linear"], "springs-linear is a system of particles: give --graphs K"),
        (["springs-linear", "--graphs", 4, "--steps", 3], "springs-linear is a system of particles: give --graphs K"),
        (["pendulum", "--graphs", 4], "--graphs is for systems of particles, springs-linear, springs-anharmonic, springs-morse, lennar"),
        (["springs-linear", "--graphs", 4], "the geometry 'lattice' needs sizes"),
        (["springs-linear", "--graphs", 0, "--set", "sizes=[2]"], "graphs = 0: expected a whole number of at least 1"),
        (["springs-linear", "--graphs", 2, "--set", "sizes=[2]", "--seed", -1], "seed = -1: expected a whole number of at least 0"),
        (["springs-linear", "--graphs", 2, "--set", "sizes=[2]", "--seed", 2**63], "seed = 9223372036854775808: expected a whole number"),
        (["springs-linear", "--graphs", 2, "--set", "sise=[2]"], "unknown key 'sise' in [graph] with the system 'springs-linear'; did you"),
        (["springs-linear", "--graphs", 2, "--set", "sizes=[2]", "--set", "seed=9"], "--set seed=9: seed is told by --seed here"),
        (["springs-linear", "--graphs", 2, "--set", "graphs=3"], "--set graphs=3: graphs is told by --graphs here"),
        (["springs-linear", "--graphs", 2, "--set", "system=gravity"], "--set system=gravity: system is told by SYSTEM here"),
        (["springs", "--graphs", 2], "--graphs is for systems of particles"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_generate_refuses_what_it_cannot_use(refused, arguments, words):
    assert words in refused("generate", *arguments, "--output", "new.h5")


def test_generate_replaces_a_file_only_when_told(files, refused):
    words = refused("generate", *SPRINGS, "--graphs", 1, "--set", "sizes=[2, 2]", "--output", "train.h5")
    assert words.startswith("train.h5 exists; pass --force")


# fit


def test_fit_writes_a_model_and_the_result_it_prints(run, folder):
    printed = run("fit", "job.toml")
    assert json.loads((folder / "results/job/result.json").read_text()) == printed
    assert (printed["samples"], printed["features"], printed["test"]["samples"]) == (40, 32, 4)
    assert sorted(path.name for path in (folder / "results/job").iterdir()) == ["model.h5", "result.json"]
    assert load_graph_model(MODEL).feature_map.count == 32


def test_a_person_gets_a_table(table):
    rows = table("fit", "job.toml")
    expected = {
        "graphs": r"40 graphs, 240 particles and 280 bonds in 2 dimensions",
        "features": r"32 features, anchored",
        "": r"16 kinetic 0, 16 pair 0-0; results/job/result.json",
        "bonds by": r"r, found",
        "bandwidth": r"[\d.]+ kinetic, [\d.]+ pairs, found",
        "solver": r"tsqr on 1 rank, \d+ threads? each",
        "stop reason": r".*, certified",
        "residual": r"\d\.\d\de-\d\d of the data",
        "condition": r".*, numerical rank \d+ of 32",
        "test": r"4 other graphs, 64 particles and 96 bonds",
        "energy error": r"\d\.\d\de-\d\d relative",
        "gradient error": r"\d\.\d\de-\d\d relative",
        "mse": r"\d\.\d\de-\d\d a component of the gradient",
        "time": r"data .* s, sampling .* s, solve .* s, evaluate .* s, total .* s",
        "peak memory": r"\d+ MB on the largest rank",
        "predicted": r"solve .* s, peak memory \d+ MB",
        "written": r"results/job/model.h5",
    }
    assert set(rows) - {"warning"} == set(expected)
    for name, pattern in expected.items():
        assert re.fullmatch(pattern, rows[name]), (name, rows[name])


def test_the_table_tells_what_was_given_and_what_is_not_known(table, files):
    without_energies("train.h5")
    given = ["--set", "graph.edge_invariants=['r^2']", "--set", "features.bandwidth=0.5", "--set", "solver.ridge=1e-6"]
    rows = table("fit", "file_job.toml", *given)
    assert (rows["bonds by"], rows["bandwidth"]) == ("r^2, given", "0.5 kinetic, 0.5 pairs, given")
    assert rows["energy error"].endswith(" relative, up to constants, which the model does not know")
    assert re.fullmatch(r"1\.00e-06, \d+ effective coefficients", rows["ridge"])
    without_energies("test.h5")
    rows = table("fit", "file_job.toml", "--force", "--set", "features.sampler=elm", "--set", "graph.messages=2")
    assert rows["energy error"] == "unknown, there are no energies that tell it" and "bandwidth" not in rows
    assert rows["features"] == "48 features, elm" and rows[""].startswith("16 kinetic 0, 16 pair 0-0, 16 many-body 0; ")
    Path("untested.toml").write_text('[graph]\nfile = "train.h5"\n[features]\ncount = 8\n')
    rows = table("fit", "untested.toml")
    assert rows["test"] == "none" and not {"energy error", "gradient error", "mse", "warning"} & set(rows)


def test_a_warning_tells_of_test_graphs_beyond_the_training(table, files):
    rows = table("fit", "file_job.toml", "--output", "results/job", "--set", "graph.test_file=train.h5")
    assert "warning" not in rows
    far = ["--set", "sizes=[4, 4]", "--set", "displacement=0.3", "--set", "momentum=2"]
    table("generate", "springs-morse", "--graphs", 2, *far, "--output", "far.h5")
    warning = table("evaluate", MODEL, "far.h5")["warning"]
    words = r"(\S+) of the bonds and (\S+) of the particles lie outside the range of the training data: extrapolation"
    shares = [float(share) for share in re.fullmatch(words, warning).groups()]
    told = evaluate_graphs(load_graph_model(MODEL), GraphFile("far.h5"), SerialCommunicator())["outside"]
    assert shares == [pytest.approx(told[name], abs=0.005) for name in ("bonds", "particles")] and min(shares) > 0.05


def test_a_second_fit_is_refused_replaced_or_done(run, refused, capsys):
    first = run("fit", "job.toml")
    assert refused("fit", "job.toml") == f"{MODEL} exists; pass --force to replace it (force=True in Python)"
    assert main(["fit", "job.toml", "--resume", "--quiet", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == first
    assert err == "hnn-hpc: this job is done already: its results are in results/job, and --force computes them anew\n"
    assert run("fit", "job.toml", "--force", "--set", "features.count=8")["features"] == 16
    assert main(["fit", "job.toml", "--force", "--quiet"]) == 0 and capsys.readouterr() == ("", "")


def test_log_lines_name_the_stages(capsys, files):
    assert main(["fit", "file_job.toml", "--quiet", "--log"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d rank 0: [\w -]+ (starts, \d+ steps?|took \d+\.\d+ s)", line) for line in lines)
    started = [line.split(": ")[1].removesuffix(" starts, 1 steps") for line in lines if "starts" in line]
    assert started[:3] == ["check", "survey", "search"] and started[-1] == "evaluate"


@pytest.mark.parametrize(
    "setting, words",
    [
        ("graph.sise=[3]", "job.toml: unknown key 'sise' in [graph]"),
        ("data.samples=3", "job.toml: [data] and [graph] do not go together"),
        ("features.sampler=swim", "job.toml: the sampler 'swim' is not for graphs"),
        ("features.count=3000", "3000 features are more than the 240 rows that 240 particles of the samples of springs-morse give"),
        ("graph.momentum=0", "p^2/2m is 0 for the kinetic energy of species 0 in all samples"),
        ("graph.edge_invariants=['r', 'm m']", "m m is 1 for the bonds between species 0 and 0 in all samples"),
        ("solver.memory_per_rank=1000", "memory_per_rank = 1000 bytes is too little"),
    ],
)
def test_a_fit_that_cannot_be_made_is_exit_code_2(refused, setting, words):
    assert words in refused("fit", "job.toml", "--set", setting)


def test_options_of_petsc_are_refused(refused):
    assert "options of PETSc are for the solver lsqr, which graphs do not use" in refused("fit", "job.toml", "--", "-ksp_max_it", "3")


# evaluate


def test_evaluate_finds_the_errors_of_the_fit(run, table, files, capsys):
    fitted = run("fit", "file_job.toml")
    found = run("evaluate", "results/file_job/model.h5", "test.h5")
    assert found == fitted["test"] | {"graphs": 5, "constant_known": True}
    assert 0 < found["energy_error"] < 1e-5 and 0 < found["gradient_error"] < 1e-4 and found["mse"] < 1e-9
    rows = table("evaluate", "results/file_job/model.h5", "test.h5")
    assert rows["test"] == "5 other graphs, 80 particles and 120 bonds" and rows["energy error"] == f"{found['energy_error']:.2e} relative"
    assert set(rows) - {"warning"} == {"test", "energy error", "gradient error", "mse"}
    assert main(["evaluate", "results/file_job/model.h5", "test.h5", "--quiet"]) == 0 and capsys.readouterr() == ("", "")


def test_evaluate_refuses_what_does_not_go_together(run, refused, files):
    run("fit", "job.toml")
    run("fit", "fluid.toml")
    given, found = "given with a graph", "all pairs below a cutoff"
    words = refused("evaluate", MODEL, "liquid.h5")
    assert words == f"the bonds of the model are {given}, but those of {Path('liquid.h5').absolute()} are {found}"
    assert f"the bonds of the model are {found}, but those of" in refused("evaluate", LIQUID_MODEL, "test.h5")
    assert f"{MODEL} holds a model of graphs" in refused("evaluate", MODEL, MODEL)
    run("generate", "pendulum", "--samples", 5, "--output", "samples.h5")
    assert "samples.h5 holds samples" in refused("evaluate", MODEL, "samples.h5")
    assert "nowhere.h5 does not exist" in refused("evaluate", MODEL, "nowhere.h5")
    with h5py.File("liquid.h5", "a") as file:
        file.attrs["cutoff"] = 1.5
    assert "are the pairs nearer than its cutoff, 1.5, but the model needs all those nearer than 1.6" in refused(
        "evaluate", LIQUID_MODEL, "liquid.h5"
    )


# info, status, plan, submit


def test_info_tells_what_is_in_graphs_and_their_models(run, table, files):
    run("fit", "job.toml")
    graphs, model = run("info", "train.h5"), run("info", MODEL)
    assert {"kind": "graphs", "graphs": 40, "particles": 240, "dimension": 2, "energies": True}.items() <= graphs.items()
    assert graphs["attributes"]["seed"] == 1 and graphs["datasets"]["bonds"] == {"shape": [280, 2], "type": "int64"}
    assert {"kind": "graph-model", "features": 32, "layers": 2, "dimension": 2}.items() <= model.items()
    assert model["attributes"]["provenance"]["job"]["graph"]["graphs"] == 40
    rows = table("info", MODEL)
    assert (rows["kind"], rows["provenance.job.features.count"], rows["constants_known"]) == ("graph-model", "16", "true")
    rows = table("info", "train.h5")
    assert (rows["graphs"], rows["/bonds"], rows["displacement"]) == ("40", "280x2 int64", "0.2")


def test_status_tells_of_one_fit_and_of_several(run, table, capsys):
    fitted = run("fit", "job.toml")
    rows = table("status", "results/job")
    assert (rows["state"], rows["fit"]) == ("finished", "40 samples of 24 coordinates, 32 features")
    assert rows["gradient error"] == f"{fitted['test']['gradient_error']:.2e} relative" and rows["run"].startswith("tsqr on 1 rank")
    run("fit", "fluid.toml")
    assert main(["status", "results"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:6] == ["results/fluid", "finished", "4", "64", "anchored", "0"]
    assert lines[2].split()[:6] == ["results/job", "finished", "40", "32", "anchored", "0"]
    assert lines[-1] == "2 fits: 2 finished"
    assert [one["result"]["terms"] for one in run("status", "results")["runs"]][1] == fitted["terms"]


def test_plan_tells_the_problem_of_the_bonds(run, table, refused, monkeypatch, capsys):
    monkeypatch.setitem(main.__globals__["plan"].CALIBRATION, "order", 32)
    told = run("plan", "job.toml", "--ranks", 2, "--set", "graph.messages=3")
    assert (told["samples"], told["dimension"], told["features"], told["chosen"], told["ranks"]) == (240, 2, 32, "tsqr", 2)
    assert set(told["solvers"]) == {"tsqr"} and told["solvers"]["tsqr"]["fits"]
    assert main(["plan", "job.toml"]) == 0
    assert re.search(r"^tsqr +\d+ +[\d.]+ MB +\d\.\d\de\+\d\d +\S+ s +yes$", capsys.readouterr().out, re.MULTILINE)
    assert "tsqr does not fit" in refused("plan", "job.toml", "--memory", "1MB")
    assert not Path("results").exists()


def test_submit_prints_the_script_of_a_fit(run, refused, monkeypatch, capsys, folder):
    monkeypatch.setenv("PATH", str(folder))  # without SLURM
    how = ["submit", "job.toml", "--nodes", "1", "--tasks-per-node", "2", "--print"]
    assert main(how) == 0
    script, err = capsys.readouterr()
    assert err == "" and script.endswith("\nsurvive srun hnn-hpc fit job.toml\n")
    assert "# problem    240 samples of 2 coordinates, 16 features; tsqr in 8 blocks on 2 ranks, 1 thread each\n" in script
    assert re.search(r"^#SBATCH --mem=\d+M$", script, re.MULTILINE) and "#SBATCH --time=00:10:00" in script
    syntax = subprocess.run(["/bin/bash", "-n"], input=script, capture_output=True, text=True)
    assert (syntax.returncode, syntax.stderr) == (0, "")
    told = run(*how)
    assert (told["solver"], told["job"], told["output"]) == ("tsqr", None, f"{folder}/results/job")
    run("fit", "job.toml")
    assert refused(*how).startswith(f"{MODEL} exists; pass --force")


# What is for phase space alone


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["report", "results/job"], "results/job holds a fit of graphs, and a report tells of phase space alone; see `hnn-hpc evaluate`"),
        (["figure", MODEL, "--output", "f.svg"], f"{MODEL} holds a model of graphs"),
        (["figure", MODEL, "--interactions", "--output", "f.svg"], f"{MODEL} holds a model of graphs"),
        (["predict", MODEL, "--time", 1], f"{MODEL} holds a model of graphs"),
        (["reproduce", ".", "--seeds", 1, "--samplers", "elm"], "job.toml: [data] and [graph] do not go together"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_commands_of_phase_space_refuse_graphs(run, refused, folder, arguments, words):
    run("fit", "job.toml")
    (folder / "published.toml").write_text(
        'source = "a paper"\nfigures = "means"\n[cases.one]\ntitle = "springs"\njob = "job.toml"\nwidths = [8]\n'
    )
    assert words in refused(*arguments)
