"""`hnn-hpc bench` from end to end on a tiny case: files, table, JSON, exit codes."""

import json
import re

import pytest

from hnn_hpc.benchmark.bars import bar
from hnn_hpc.benchmark.cases import Case, plain
from hnn_hpc.benchmark.problem import Problem
from hnn_hpc.cli import main
from hnn_hpc.cli.main import _parse
from hnn_hpc.cli.text import columns
from hnn_hpc.errors import UserError


def tiny(contestants, at_most):
    def bars(measured):
        yield bar("a figure", [1.5], at_most=at_most)

    return Case("a tiny comparison", 0.1, (Problem("pendulum", 200, 10),), contestants, bars, rounds=1)


@pytest.fixture
def cases(monkeypatch, tmp_path):
    """Two cases in place of the real ones, one of them with a bar that is missed; and no matrix product of two seconds."""
    cases = {"met": tiny(plain("numpy-lstsq", "auto", "magic"), 2), "missed": tiny({}, 1)}
    monkeypatch.setattr("hnn_hpc.cli.bench.CASES", cases)
    monkeypatch.setattr("hnn_hpc.benchmark.comparison._dgemm", lambda *_: 5e9)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_comparison_is_a_table_a_json_line_and_two_files(cases, capsys):
    assert main(["bench", "--cases", "met,missed", "--json"]) == 0
    output = capsys.readouterr().out
    printed = json.loads(output.splitlines()[-1])
    assert json.loads((cases / "results/bench/bench.json").read_text()) == printed
    assert (cases / "results/bench/bench.png").read_bytes()[:4] == b"\x89PNG"
    assert printed["bars_missed"] == 1 and printed["settings"]["ranks"] == 1 and printed["machine"]["versions"]["numpy"]
    met, _ = printed["cases"]
    numpy, auto, magic = met["problems"][0]["runs"].values()
    assert numpy["digest"] == auto["digest"] and numpy["gradient_error"] == pytest.approx(auto["gradient_error"], rel=1e-8)
    assert magic["reason"] == "this program has no solver 'magic'"
    assert re.search(r"^auto +\d\S* s  +\d+ MB .* chose \S+$", output, re.MULTILINE)
    assert re.search(r"^magic +- .*  skipped: this program has no solver 'magic'$", output, re.MULTILINE)
    assert re.search(r"^a figure  1.5       ≤ 2     yes$", output, re.MULTILINE)
    assert re.search(r"^a figure  1.5       ≤ 1     MISSED$", output, re.MULTILINE)


def test_check_is_exit_code_1_where_a_bar_is_missed(cases, capsys):
    assert main(["bench", "--cases", "missed", "--check", "--json", "--figure", "none"]) == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["exit_code"] == 1
    assert not (cases / "results/bench/bench.png").exists()
    assert main(["bench", "--cases", "missed", "--figure", "svg", "--force"]) == 0
    assert (cases / "results/bench/bench.svg").exists()


def test_earlier_results_are_not_replaced_unasked(cases, capsys):
    (cases / "results/bench").mkdir(parents=True)
    (cases / "results/bench/bench.png").write_text("mine")
    assert main(["bench", "--cases", "missed"]) == 2
    assert "bench.png exists; pass --force" in capsys.readouterr().err
    assert (cases / "results/bench/bench.png").read_text() == "mine" and not (cases / "results/bench/bench.json").exists()
    assert main(["bench", "--cases", "missed", "--force"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cases", "met,nothing"], "unknown case 'nothing'; the cases are: met, missed"),
        (["--cases", ","], "--cases: expected names with commas between, of met, missed"),
        (["--repeat", "0"], "--repeat = 0: expected a whole number of at least 1"),
        (["--ranks", "0"], "--ranks = 0: expected a whole number of at least 1"),
        (["--limit", "nan"], "--limit = nan: expected a positive number of seconds"),
        (["--output", "/proc/none/bench"], "the output directory /proc/none/bench cannot be made"),
    ],
)
def test_what_cannot_be_used_is_exit_code_2(cases, capsys, arguments, message):
    assert main(["bench", "--cases", "missed", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_ranks_need_mpirun(cases, capsys, monkeypatch):
    monkeypatch.setattr("hnn_hpc.cli.bench.shutil.which", lambda name: None)
    assert main(["bench", "--cases", "missed", "--ranks", "2"]) == 2
    assert "--ranks needs mpirun, which is not on PATH" in capsys.readouterr().err


def test_it_is_not_to_be_run_under_mpirun():
    from contextlib import nullcontext
    from types import SimpleNamespace

    arguments = _parse(["bench"], is_root=True)
    ranks = SimpleNamespace(size=2, together=nullcontext)
    with pytest.raises(UserError, match="run it without mpirun, and say --ranks N"):
        arguments.command.run(arguments, ranks, None)


def test_the_list_tells_what_there_is_and_measures_nothing(cases, capsys):
    assert main(["bench", "--list", "--json"]) == 0
    output = capsys.readouterr().out
    assert re.search(r"^missed  0.1      a tiny comparison$", output, re.MULTILINE)
    assert [case["name"] for case in json.loads(output.splitlines()[-1])["list"]] == ["met", "missed"]
    assert not (cases / "results").exists()


def test_columns_are_aligned_and_empty_ones_left_out():
    assert (
        columns([["", "time", "none", "note"], ["peer", "1 s", "", ""], ["a", "12 s", "", "x"]])
        == "      time  note\npeer  1 s\na     12 s  x"
    )
