"""`hnn-hpc compare` from end to end on a small square of springs: files, table, JSON, exit codes."""

import json
import re
import sys
from dataclasses import replace

import pytest

from hnn_hpc.baselines.optimizers import OPTIMIZERS
from hnn_hpc.cli import main
from hnn_hpc.job import load_job
from hnn_hpc.storage import save_graph_file

JOB = """
[graph]
system = "springs-linear"
sizes = [2, 2]
graphs = 40
test_graphs = 10
displacement = 0.2
[features]
count = 6
"""
QUICK = ["--cap", "0.3", "--optimizers", "Rprop,LBFGS", "--seed", "5"]  # of all those that try learning rates in the fewest steps
baseline = pytest.mark.baseline


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with a job file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HNN_HPC_THREADS", "1")
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


@baseline
def test_a_comparison_is_a_table_a_json_line_and_two_files(folder, capsys, monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, "Rprop", replace(OPTIMIZERS["Rprop"], tuning_steps=50))
    assert main(["compare", "job.toml", *QUICK, "--json"]) == 0
    output = capsys.readouterr().out
    printed = json.loads(output.splitlines()[-1])
    assert json.loads((folder / "results/job/compare.json").read_text()) == printed
    assert (folder / "results/job/compare.svg").read_text().startswith("<?xml")
    assert sorted(path.name for path in (folder / "results/job").iterdir()) == ["compare.json", "compare.svg"]

    sizes = {"width": 6, "cap": 0.3, "seed": 5, "threads": 1, "graphs": 40, "test_graphs": 10, "dimension": 2, "sampler": "anchored"}
    assert sizes.items() <= printed.items() and printed["job"] == json.loads(json.dumps(load_job("job.toml").as_dict(), default=str))
    assert "torch" in printed["machine"]["versions"] and printed["files"] == ["results/job/compare.json", "results/job/compare.svg"]
    assert [fit["width"] for fit in printed["widths"]] == [2, 4, 6] and printed["widths"][-1]["mse"] < 1e-8
    assert [run["name"] for run in printed["optimizers"]] == ["Rprop", "LBFGS"]
    for run in printed["optimizers"]:
        assert run["best"] == min(run["curve"], key=lambda point: point["mse"]) and run["learning_rate"] in run["tuning"]["rates"]
        assert run["stop_reason"] in ("cap", "stalled") and run["steps"] > 1 and run["best"]["mse"] < run["curve"][0]["mse"]
    best = min(printed["optimizers"], key=lambda run: run["best"]["mse"])
    assert printed["best"] == {"name": best["name"], **best["best"], "ours": best["ours"]}

    assert re.search(r"^graphs +40 graphs, 10 others to test on$", output, re.MULTILINE)
    assert re.search(r"^ours +6 features a term, anchored: mse \d\.\d\de-\d\d in \d\.\d{3} s$", output, re.MULTILINE)
    assert re.search(
        rf"^best of all +{best['name']}: mse \d\.\d\de[-+]\d\d after \d+\.\d s(; \d of our features reach|, which)", output, re.M
    )
    assert re.search(r"^optimizer +rate +steps +best mse +seconds +ended by +our M +seconds +speed-up$", output, re.MULTILINE)
    names = re.findall(r"^(Rprop|LBFGS) +\S+ +\d+ +\d\.\d\de[-+]\d\d +\d+\.\d +(?:cap|stalled) +\S+ +\S+ +\S+$", output, re.MULTILINE)
    assert names == sorted(names, key=lambda name: name != best["name"]) and len(names) == 2
    assert re.search(r"^written +results/job/compare.json\nwritten +results/job/compare.svg$", output, re.MULTILINE)


@baseline
def test_earlier_results_are_not_replaced_unasked(folder, refused):
    (folder / "out").mkdir()
    (folder / "out/compare.svg").write_text("mine")
    assert refused("compare", "job.toml", "--output", "out") == "out/compare.svg exists; pass --force to replace it (force=True in Python)"
    how = ["--output", "out", "--force", "--cap", "0.05", "--optimizers", "LBFGS", "--quiet", "--width", "2"]
    assert main(["compare", "job.toml", *how]) == 0
    assert (folder / "out/compare.svg").read_text() != "mine"
    told = json.loads((folder / "out/compare.json").read_text())
    assert (told["width"], [fit["width"] for fit in told["widths"]]) == (2, [2])


@baseline
def test_files_are_compared_on_graphs_of_their_own(folder, refused):
    train, test = load_job("job.toml").data.sources()
    save_graph_file("train.h5", train.read(0, 40))
    (folder / "job.toml").write_text('[graph]\nfile = "train.h5"\n[features]\ncount = 4\n')
    assert refused("compare", "job.toml") == "job.toml: compare needs graphs to test on; add test_file to [graph]"
    save_graph_file("test.h5", test.read(0, 7))
    how = ["--set", "graph.test_file=test.h5", "--cap", "0.05", "--optimizers", "LBFGS", "--quiet"]
    assert main(["compare", "job.toml", *how]) == 0
    assert json.loads((folder / "results/job/compare.json").read_text())["test_graphs"] == 7


@baseline
@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--steps", "5"], "--steps is for Adam on samples of phase space; for graphs each optimizer's rate is found"),
        (["--learning-rate", "0.1"], "--learning-rate is for Adam on samples of phase space"),
        (["--set", "graph.messages=2"], "the network that PyTorch trains passes no messages; compare a job with graph.messages=0"),
        (["--optimizers", "Adam,Eve"], f"unknown optimizer 'Eve'; the optimizers are: {', '.join(OPTIMIZERS)}"),
        (["--optimizers", ""], "unknown optimizer ''"),
        (["--cap", "0"], "--cap = 0.0: expected a positive number of seconds"),
        (["--width", "0"], "width = 0: expected a whole number of at least 1"),
        (["--seed", "-1"], "seed = -1: expected a whole number of at least 0"),
        (["--set", "features.count=500"], "500 features are more than the 160 rows"),
        (["--set", "graph.momentum=0"], "p^2/2m is 0 for the kinetic energy of species 0"),
        (["--output", "/proc/none/compare"], "the output directory /proc/none/compare cannot be made"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_used_is_exit_code_2_and_leaves_nothing(refused, arguments, words):
    assert words in refused("compare", "job.toml", *arguments)


@baseline
def test_optimizers_are_for_graphs_alone(folder, capsys):
    (folder / "job.toml").write_text('[data]\nsystem = "pendulum"\nsamples = 50\n[features]\ncount = 10\n')
    assert main(["compare", "job.toml", "--optimizers", "Adam"]) == 2
    assert "--optimizers is for jobs of graphs; samples of phase space are compared with Adam alone" in capsys.readouterr().err


def test_a_missing_pytorch_is_one_sentence_that_names_the_extra(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    words = refused("compare", "job.toml")
    assert "needs PyTorch" in words and words.endswith("pip install 'hnn-hpc[baseline]'")
