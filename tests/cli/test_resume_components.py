"""A fit of several components that is interrupted goes on with --resume, each of them, to the bits that it would have had."""

import json

import pytest
from interrupted_fits import BLOCKS, CHECKPOINT, check_is, interrupted_at
from slow_fit import JOB

from hnn_hpc import load_model
from hnn_hpc.cli import main

COMPONENTS = ["--set", 'features.supports=[["q1", "q2"], ["p1"], ["p2"]]']  # solved in the order p1, p2, (q1, q2)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.toml").write_text(JOB)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_a_fit_of_several_components_resumes_each(monkeypatch, capsys, threads):
    monkeypatch.setenv("HNN_HPC_THREADS", threads)
    assert main(["fit", "job.toml", "--quiet", "--output", "whole", "--json", *COMPONENTS]) == 0
    expected, model = json.loads(capsys.readouterr().out), load_model("whole/model.h5")
    saved_in = set()
    for call in range(20, 6 * BLOCKS, BLOCKS - 11):  # each has a factorization and at least one pass for its residual
        assert interrupted_at(monkeypatch, call, "--force", *COMPONENTS) == 75
        assert "--resume goes on from there" in capsys.readouterr().err
        saved_in |= {path.name.split(".")[0] for path in CHECKPOINT.iterdir()}
        assert main(["fit", "job.toml", "--resume", "--force", "--json", "--quiet", *COMPONENTS]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["resumed"] and 0 < result["blocks_taken_over"] <= 3 * BLOCKS
        check_is((model, expected), result)
    assert saved_in == {f"component-{number}-khatri-rao-qr" for number in range(3)}


def test_a_fit_whose_components_were_found_resumes_with_code_75_and_the_same_bits(monkeypatch, capsys):
    found = [
        "--set",
        "features.supports=auto",
        "--set",
        "features.bandwidth=auto",
        "--set",
        "solver.name=auto",
        "--set",
        "features.count=150",
    ]
    assert main(["fit", "job.toml", "--quiet", "--output", "whole", "--json", *found]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert sorted(expected["basis"]["supports"]) == [["p1"], ["p2"], ["q1", "q2"]]
    assert interrupted_at(monkeypatch, 4 * BLOCKS + 20, *found) == 75
    assert main(["fit", "job.toml", "--resume", "--json", "--quiet", *found]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["resumed"] and result["basis"]["supports"] == expected["basis"]["supports"]
    check_is((load_model("whole/model.h5"), expected), result)


@pytest.mark.parametrize("call", [20, 4 * BLOCKS + 20])  # in the first component, and in the last one
def test_components_of_another_fit_are_refused_by_name_before_anything_is_solved(monkeypatch, capsys, call):
    assert interrupted_at(monkeypatch, call, *COMPONENTS) == 75
    before = sorted(CHECKPOINT.iterdir())
    assert before and all(path.name.startswith("component-") for path in before)
    capsys.readouterr()
    monkeypatch.setattr("hnn_hpc.least_squares.solve", lambda *_, **__: pytest.fail("solved"))
    for settings, words in [
        (["features.count=41"], "belongs to another fit than this one: features 40 there and 41 here"),
        (["features.count=3"], "features 40 there and 3 here"),
        (["features.supports=dense", "features.count=41"], "features 40 there and 41 here"),
        (["solver.name=tsqr"], "solver khatri-rao-qr there and tsqr here"),
        (["features.supports=dense"], "hidden layer "),
        (["features.bandwidth=1"], "hidden layer "),
        (["data.seed=1"], "checksum of the samples "),
    ]:
        assert main(["fit", "job.toml", "--quiet", "--resume", *COMPONENTS, *(f"--set={setting}" for setting in settings)]) == 2
        assert words in capsys.readouterr().err
    assert sorted(CHECKPOINT.iterdir()) == before


def test_the_checkpoint_of_one_dense_solve_is_none_of_components(monkeypatch, capsys):
    assert interrupted_at(monkeypatch, 20) == 75
    capsys.readouterr()
    monkeypatch.setattr("hnn_hpc.least_squares.solve", lambda *_, **__: pytest.fail("solved"))
    assert main(["fit", "job.toml", "--quiet", "--resume", *COMPONENTS]) == 2
    assert "holds a solve that is none of this fit, khatri-rao-qr: " in capsys.readouterr().err
    assert main(["fit", "job.toml", "--quiet", "--resume", *COMPONENTS, "--set=features.count=41"]) == 2
    assert "features 40 there and 41 here" in capsys.readouterr().err
