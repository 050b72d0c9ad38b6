"""A fit that is interrupted, killed or not certified goes on with --resume, to the bits that it would have had. Needs an mpirun on PATH."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from interrupted_fits import BLOCKS, CHECKPOINT, check_is, interrupted_at
from slow_fit import JOB

from hnn_hpc import load_model
from hnn_hpc.cli import main
from hnn_hpc.cli.interruption import Interruptions
from hnn_hpc.errors import Interruption

ROOT = Path(__file__).parents[2]
SLOW_FIT = ROOT / "tests/slow_fit.py"
LONGEST = 60  # seconds; a hang is a failure


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The model of the uninterrupted fit and its result."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "job.toml").write_text(JOB)
    assert main(["fit", str(folder / "job.toml"), "--output", str(folder), "--quiet"]) == 0
    assert not (folder / "checkpoint").exists()
    return load_model(folder / "model.h5"), json.loads((folder / "result.json").read_text())


def start_slow(*arguments, ranks=1, **environment):
    launcher = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [*launcher, sys.executable, SLOW_FIT, "fit", "job.toml", "--log", *arguments]
    process = subprocess.Popen(command, stdout=-1, stderr=-1, text=True, env=environment)
    while "factor starts" not in process.stderr.readline():
        assert process.poll() is None
    return process


def finish(process):
    _, err = process.communicate(timeout=LONGEST)
    return process.returncode, err


def resume(ranks=1, threads=1, *arguments):
    """Go on in a process of its own; return its result and what it said."""
    launcher = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
    command = [*launcher, sys.executable, "-m", "hnn_hpc", "fit", "job.toml", "--resume", "--json", "--quiet", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HNN_HPC_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=LONGEST, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


# Signals to the program


@pytest.mark.parametrize(
    ("number", "ranks", "then"),
    [
        (signal.SIGTERM, 1, (1, 2)),
        (signal.SIGTERM, 2, (1, 3)),
        (signal.SIGINT, 1, (3, 1)),
        (signal.SIGTERM, 2, (2, 1)),
    ],
)
def test_a_signal_ends_the_fit_with_code_75_and_resume_with_the_same_bits(whole, number, ranks, then):
    process = start_slow(ranks=ranks, HNN_HPC_THREADS="2" if ranks == 1 else "1")
    time.sleep(0.7)
    process.send_signal(number)
    code, err = finish(process)
    assert code == 75 and "Traceback" not in err
    assert err.count("hnn-hpc: error: interrupted; ") == 1
    saved = int(err.split("interrupted; ")[1].split(" of 64 blocks are saved in results/job/checkpoint; the same command with --resume")[0])
    assert 0 < saved < BLOCKS
    assert [path.name for path in Path("results/job").iterdir()] == ["checkpoint"]
    result, err = resume(*then)
    assert err == f"hnn-hpc: the fit goes on from results/job/checkpoint: {saved} of 64 blocks are done\n"
    assert (result["resumed"], result["blocks_taken_over"]) == (True, saved)
    check_is(whole, result)


def test_a_killed_fit_goes_on_from_what_it_saved_every_so_many_seconds(whole):
    process = start_slow("--set", "output.checkpoint_seconds=0.2", ranks=2, HNN_HPC_THREADS="1")
    deadline = time.monotonic() + LONGEST
    while len(list(CHECKPOINT.glob("*node-*"))) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    finish(process)
    result, _ = resume()
    assert result["blocks_taken_over"] > 0
    check_is(whole, result)


# Within this process


@pytest.mark.parametrize("threads", ["1", "3"])
def test_an_interruption_at_any_moment_costs_no_finished_block(whole, monkeypatch, capsys, threads):
    monkeypatch.setenv("HNN_HPC_THREADS", threads)
    for call in [1, 2, 17, 24, BLOCKS - 1, BLOCKS, BLOCKS + 1, 2 * BLOCKS - 1]:
        assert interrupted_at(monkeypatch, call, "--force") == 75
        assert "--resume goes on from there" in capsys.readouterr().err
        assert main(["fit", "job.toml", "--resume", "--force", "--json", "--quiet"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["resumed"]
        check_is(whole, result)


def test_many_interruptions_in_a_row_come_to_the_same_bits(whole, monkeypatch, capsys):
    monkeypatch.setenv("HNN_HPC_THREADS", "2")
    saved = []
    while saved[-1:] != [BLOCKS]:
        assert interrupted_at(monkeypatch, 7, "--resume", "--json") == 75
        saved.append(int(json.loads(capsys.readouterr().out)["error"].split()[1]))
    assert saved == sorted(set(saved)) and len(saved) > 5
    assert main(["fit", "job.toml", "--quiet", "--resume", "--json"]) == 0
    check_is(whole, json.loads(capsys.readouterr().out))


def test_a_fit_with_a_first_fit_resumes_both(monkeypatch, capsys):
    sampler = ["--set", "features.sampler=approximate-swim", "--set", "features.count=30"]
    assert main(["fit", "job.toml", "--quiet", "--output", "whole", *sampler]) == 0
    expected = load_model("whole/model.h5")
    for call in (10, BLOCKS + 10, 2 * BLOCKS + 10, 3 * BLOCKS + 10):
        assert interrupted_at(monkeypatch, call, *sampler) == 75
        assert main(["fit", "job.toml", "--quiet", "--resume", "--force", *sampler]) == 0
        model = load_model("results/job/model.h5")
        np.testing.assert_array_equal(model.weights, expected.weights)
        np.testing.assert_array_equal(model.coefficients, expected.coefficients)
        Path("results/job/model.h5").unlink()
        Path("results/job/result.json").unlink()


def test_an_interruption_at_the_first_look_leaves_nothing(whole, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr("hnn_hpc.solvers.row_triangle.stack_rows", lambda *_: os.kill(os.getpid(), signal.SIGTERM) or time.sleep(0.2))
        assert main(["fit", "job.toml", "--quiet"]) == 75
    assert "interrupted; nothing is saved yet" in capsys.readouterr().err
    assert not Path("results").exists()


def test_without_an_interruption_nothing_is_written_before_its_time(monkeypatch, capsys):
    assert interrupted_at(monkeypatch, 40, error=OSError("the samples are gone")) == 1
    assert not Path("results").exists()
    assert interrupted_at(monkeypatch, 40, "--set", "output.checkpoint_seconds=0") == 0  # nobody asks whether it was noted
    assert not CHECKPOINT.exists()


def test_an_interruption_before_the_factorization_is_code_75_too(monkeypatch, capsys):
    def survey(*_):
        raise Interruption

    monkeypatch.setattr("hnn_hpc.training.survey_samples", survey)
    assert main(["fit", "job.toml"]) == 75
    assert capsys.readouterr().err.endswith("interrupted; nothing is saved yet; the same command with --resume begins at the beginning\n")
    assert not Path("results").exists()
    CHECKPOINT.mkdir(parents=True)
    (CHECKPOINT / "khatri-rao-qr.node-0-0.h5").touch()
    assert main(["fit", "job.toml", "--resume"]) == 75
    assert capsys.readouterr().err.endswith(
        "an earlier run saved is in results/job/checkpoint; the same command with --resume goes on from there\n"
    )


def test_what_lies_there_is_resumed_or_removed_as_asked(whole, monkeypatch, capsys):
    assert interrupted_at(monkeypatch, 30) == 75
    before = sorted(CHECKPOINT.iterdir())
    capsys.readouterr()
    assert main(["fit", "job.toml", "--quiet"]) == 2
    assert "pass --resume to go on from it, or --force to remove it and begin anew" in capsys.readouterr().err
    assert main(["fit", "job.toml", "--quiet", "--resume", "--set", "features.count=41"]) == 2
    assert "belongs to another fit than this one: features 40 there and 41 here" in capsys.readouterr().err
    assert main(["fit", "job.toml", "--quiet", "--resume", "--set", "data.seed=1"]) == 2
    assert "checksum of the samples" in capsys.readouterr().err
    assert main(["fit", "job.toml", "--quiet", "--resume", "--set", "solver.block_bytes=20000"]) == 2
    assert ": piece " in capsys.readouterr().err
    assert main(["fit", "job.toml", "--quiet", "--resume", "--set", "solver.name=tsqr"]) == 2
    assert "by another solver: khatri-rao-qr there" in capsys.readouterr().err
    assert sorted(CHECKPOINT.iterdir()) == before
    assert main(["fit", "job.toml", "--quiet", "--force", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["resumed"], result["blocks_taken_over"]) == (False, 0)
    check_is(whole, result)


def test_to_resume_without_a_checkpoint_is_to_begin(whole, capsys):
    assert main(["fit", "job.toml", "--quiet", "--resume", "--json"]) == 0
    output = capsys.readouterr()
    assert output.err == "hnn-hpc: there is no checkpoint in results/job/checkpoint, so the fit begins at its beginning\n"
    assert not json.loads(output.out)["resumed"]
    check_is(whole, json.loads(output.out))


def test_a_damaged_file_costs_its_blocks_only(whole, monkeypatch, capsys):
    assert interrupted_at(monkeypatch, 40) == 75
    path = max(CHECKPOINT.glob("*node-*"), key=lambda path: int(path.name.split("-")[-2]))  # the highest node
    path.write_bytes(path.read_bytes()[:-100])
    capsys.readouterr()
    assert main(["fit", "job.toml", "--quiet", "--resume", "--json"]) == 0
    output = capsys.readouterr()
    assert f"{path} is truncated or damaged" in output.err and "what it held is computed again" in output.err
    check_is(whole, json.loads(output.out))


def test_the_finished_factorization_serves_another_rcond_and_ridge_without_reading_the_samples_for_it(monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr("hnn_hpc.solvers.solution.LARGEST_BACKWARD_ERROR", 0)  # no solution is that good
        assert main(["fit", "job.toml", "--set", "solver.rcond=0"]) == 3
    err = capsys.readouterr().err
    assert "its factorization is kept in results/job/checkpoint, and --resume goes on from that with another solver.rcond or ridge" in err
    assert [path.name for path in Path("results/job").iterdir()] == ["checkpoint"]
    assert [path.name for path in CHECKPOINT.iterdir()] == ["khatri-rao-qr.triangle.h5"]
    for setting in ("solver.rcond=1e-4", "solver.ridge=1e-3"):
        assert main(["fit", "job.toml", "--quiet", "--output", setting, "--set", setting]) == 0
        expected = load_model(Path(setting) / "model.h5")
        triangle = (CHECKPOINT / "khatri-rao-qr.triangle.h5").read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr("hnn_hpc.solvers.khatri_rao_qr.reduce_rows", lambda *_: pytest.fail("factored again"))
            assert main(["fit", "job.toml", "--quiet", "--json", "--resume", "--force", "--set", setting]) == 0
        result = json.loads(capsys.readouterr().out)
        assert (result["resumed"], result["blocks_taken_over"]) == (True, BLOCKS)
        np.testing.assert_array_equal(load_model("results/job/model.h5").coefficients, expected.coefficients)
        CHECKPOINT.mkdir()
        (CHECKPOINT / "khatri-rao-qr.triangle.h5").write_bytes(triangle)


def test_a_full_disk_is_told_and_the_fit_goes_on(whole, monkeypatch, capsys, full_disk):
    with full_disk() as limit_to:
        limit_to(14_000)  # of the 15 kB of a triangle; the model and its result need less
        assert main(["fit", "job.toml", "--quiet", "--json", "--set", "output.checkpoint_seconds=1e-9"]) == 0
    output = capsys.readouterr()
    assert output.err.startswith("hnn-hpc: the fit goes on, but its checkpoint is not complete: cannot write results/job/checkpoint/")
    assert "File too large" in output.err and output.err.count("\n") == 1
    check_is(whole, json.loads(output.out))


def test_an_interruption_that_a_full_disk_keeps_from_saving_is_exit_1(monkeypatch, capsys, full_disk):
    with full_disk() as limit_to:
        limit_to(14_000)
        assert interrupted_at(monkeypatch, 30) == 1
    assert "error: interrupted; nothing is saved yet, for not everything could be saved: cannot write" in capsys.readouterr().err


# Signals within the block that puts them off


def test_a_signal_that_was_put_off_and_not_heeded_is_raised_at_the_end():
    signals = Interruptions()
    with pytest.raises(Interruption), signals.deferred():
        signals.arrive()
        assert signals.noted
        signals.noted = True
    with pytest.raises(Interruption):
        signals.arrive()  # raises at once outside
