"""A working directory with jobs of graphs, and commands that are run there."""

import json
import re

import pytest
from graph_jobs import FILE_JOB, FLUID_JOB, JOB, LIQUID, SPRINGS

from hnn_hpc.cli import main


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working directory, with job files."""
    monkeypatch.chdir(tmp_path)
    for name, text in {"job": JOB, "fluid": FLUID_JOB, "file_job": FILE_JOB}.items():
        (tmp_path / f"{name}.toml").write_text(text)
    return tmp_path


@pytest.fixture
def run(capsys):
    """Run a command that must succeed; return its JSON object, which is the last line that it prints."""

    def run(*arguments):
        capsys.readouterr()
        assert main([*map(str, arguments), "--json"]) == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


@pytest.fixture
def table(capsys):
    """Run a command that must succeed; return what a person reads, a dictionary of rows, the rows without a name put together under ""."""

    def table(*arguments):
        capsys.readouterr()
        assert main([*map(str, arguments)]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        rows = {}
        for line in out.splitlines():
            name, told = re.fullmatch(r"(\S+(?: \S+)*|) {2,}(\S.*)", line).groups()
            rows[name] = f"{rows[name]}; {told}" if name in rows else told
        return rows

    return table


@pytest.fixture
def refused(capsys, folder):
    """Run a command that must be refused; return its one sentence. Nothing that it could have written is there."""

    def refused(*arguments):
        before = sorted(folder.rglob("*"))
        capsys.readouterr()
        assert main([*map(str, arguments)]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("hnn-hpc: error: ") and err.count("\n") == 1 and "Traceback" not in err
        assert sorted(folder.rglob("*")) == before
        return err.removeprefix("hnn-hpc: error: ").rstrip("\n")

    return refused


@pytest.fixture
def files(run):
    """Files to train and to test on, one state of 16 particles, and one of a fluid."""
    run("generate", *SPRINGS, "--graphs", 40, "--set", "sizes=[3, 2]", "--seed", 1, "--output", "train.h5")
    run("generate", *SPRINGS, "--graphs", 5, "--set", "sizes=[4, 4]", "--seed", 2, "--output", "test.h5")
    run("generate", *SPRINGS, "--graphs", 1, "--set", "sizes=[4, 4]", "--seed", 3, "--output", "start.h5")
    run("generate", *LIQUID, "--graphs", 1, "--set", "count=36", "--seed", 4, "--output", "liquid.h5")
