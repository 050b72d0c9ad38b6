"""Whatever happens to a file of a checkpoint, `fit --resume` notices it, says so, and comes to the bits that it would have had."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from interrupted_fits import BLOCKS, CHECKPOINT, check_is, interrupted_at
from slow_fit import JOB

from hnn_hpc import load_model
from hnn_hpc.cli import main
from hnn_hpc.storage.checkpoint_file import check_checkpoint_file, load_checkpoint_file, write_checkpoint_file

CASES = 20
BESIDE = ["beside-nodes", "beside-nodes-1"]
# What lies there after which interruptions, and how many blocks are done without each of the files. The first run ends after 24 blocks, in
# the nodes (4, 0) and (3, 2), the second after 40.
NODES = {**dict.fromkeys(BESIDE, 40), "node-4-0": 40, "node-3-2": 40, "node-5-0": 32, "node-3-4": 32}
STATES = {
    "nodes": ([(24,), (16, "--resume")], NODES),
    "triangle": ([(24,), (16, "--resume"), (30, "--resume")], dict.fromkeys(NODES, BLOCKS) | {"triangle": 40}),
    "rows": ([(24,), (50, "--resume", "--set", "output.checkpoint_seconds=1e-9")], {"rows": BLOCKS, "triangle": BLOCKS}),
}


def path_of(part):
    return CHECKPOINT / f"khatri-rao-qr.{part}.h5"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The uninterrupted fit in whole/, and in a directory a state its checkpoint."""
    folder = tmp_path_factory.mktemp("damaged")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HNN_HPC_THREADS", "1")  # blocks in their order
        Path("job.toml").write_text(JOB)
        assert main(["fit", "job.toml", "--output", "whole", "--quiet"]) == 0
        for state, (interruptions, expected) in STATES.items():
            for interruption in interruptions:
                assert interrupted_at(patch, *interruption) == 75
            assert {path.name for path in CHECKPOINT.iterdir()} == {path_of(part).name for part in expected}
            CHECKPOINT.rename(state)
    return folder


@pytest.fixture
def whole(folder):
    """The model of the uninterrupted fit and its result."""
    return load_model(folder / "whole/model.h5"), json.loads((folder / "whole/result.json").read_text())


@pytest.fixture
def put(folder, tmp_path, monkeypatch):
    """Puts the checkpoint of a state where the fit is to go on from it, in place of what is there."""
    monkeypatch.chdir(tmp_path)
    Path("job.toml").write_text(JOB)

    def put(state):
        shutil.rmtree("results", ignore_errors=True)
        shutil.copytree(folder / state, CHECKPOINT)

    return put


@pytest.fixture
def resume(capsys):
    """Goes on; returns (its result, the lines that it said before it went on)."""

    def resume(blocks=None):
        capsys.readouterr()
        assert main(["fit", "job.toml", "--quiet", "--resume", "--json"]) == 0
        output = capsys.readouterr()
        *said, last = output.err.splitlines()
        assert last == f"hnn-hpc: the fit goes on from {CHECKPOINT}: {blocks} of {BLOCKS} blocks are done"
        result = json.loads(output.out)
        assert result["resumed"] and result["blocks_taken_over"] == blocks
        return result, said

    return resume


def truncated(content, random):
    return content[: random.integers(len(content))]


def flipped(content, random):
    place = random.integers(len(content))
    return content[:place] + bytes([content[place] ^ random.integers(1, 256)]) + content[place + 1 :]


@pytest.mark.parametrize("damage", [truncated, flipped])
@pytest.mark.parametrize("state", ["nodes", "triangle"])
def test_a_damaged_file_is_noticed_and_another_used(put, resume, whole, seed, state, damage):
    random, expected = np.random.default_rng(seed), STATES[state][1]
    for _ in range(CASES):
        put(state)
        part = str(random.choice(list(expected))) if state == "nodes" else "triangle"
        path_of(part).write_bytes(damage(path_of(part).read_bytes(), random))
        result, said = resume(expected[part])
        assert len(said) == 1 and said[0].startswith(f"hnn-hpc: {path_of(part)} is truncated or damaged, or no part of a checkpoint: ")
        check_is(whole, result)


@pytest.mark.parametrize("state", STATES)
def test_each_file_may_be_empty_or_gone(put, resume, whole, state):
    for part, blocks in STATES[state][1].items():
        put(state)
        path_of(part).write_bytes(b"")
        result, said = resume(blocks)
        assert len(said) == 1 and f"{path_of(part)} is truncated or damaged" in said[0]
        check_is(whole, result)
        put(state)
        path_of(part).unlink()
        result, said = resume(blocks)
        assert said == []
        check_is(whole, result)


def test_where_no_file_is_whole_the_fit_begins_anew_and_says_so(put, whole, seed, capsys):
    random = np.random.default_rng(seed)
    put("triangle")
    for path in CHECKPOINT.iterdir():
        path.write_bytes(flipped(path.read_bytes(), random))
    assert main(["fit", "job.toml", "--quiet", "--resume", "--json"]) == 0
    output = capsys.readouterr()
    assert output.err.count("is truncated or damaged") == output.err.count("\n") == len(STATES["triangle"][1])
    assert not json.loads(output.out)["resumed"]
    check_is(whole, json.loads(output.out))


def test_an_interruption_after_that_counts_what_is_whole_alone(put, resume, whole, seed, monkeypatch, capsys):
    monkeypatch.setenv("HNN_HPC_THREADS", "1")
    put("triangle")
    path_of("triangle").write_bytes(flipped(path_of("triangle").read_bytes(), np.random.default_rng(seed)))
    assert interrupted_at(monkeypatch, 4, "--resume") == 75
    assert "error: interrupted; 44 of 64 blocks are saved" in capsys.readouterr().err
    result, said = resume(44)  # the damaged file is there still
    assert len(said) == 1
    check_is(whole, result)


# Files of another part or run


def test_a_file_under_another_name_and_a_directory_are_noticed(put, resume, whole):
    put("triangle")
    path_of("node-5-0").replace(path_of("triangle"))
    result, said = resume(32)
    assert said == [f"hnn-hpc: {path_of('triangle')} holds another part, node-5-0; what it held is computed again, as far as no other file "
                    "holds it"]  # fmt: skip
    check_is(whole, result)

    put("triangle")
    path_of("triangle").unlink()
    path_of("triangle").mkdir()
    result, said = resume(40)
    assert len(said) == 1 and said[0].startswith(f"hnn-hpc: {path_of('triangle')} is no regular file")
    path_of("triangle").rmdir()
    CHECKPOINT.rmdir()
    check_is(whole, result)


@pytest.mark.parametrize(("key", "other"), [("program", "0.0.1"), ("checksum of the samples", "0" * 16)])
def test_a_file_of_another_program_or_of_other_samples_among_them_is_refused(put, capsys, key, other):
    for part in ("node-3-2", "triangle"):  # one that would not be used, and one that would
        put("triangle")
        array, count = load_checkpoint_file(path_of(part))
        problem = check_checkpoint_file(path_of(part))["problem"]
        write_checkpoint_file(path_of(part), part, array, count, problem | {key: other})
        before = {path.name: path.read_bytes() for path in CHECKPOINT.iterdir()}
        capsys.readouterr()
        assert main(["fit", "job.toml", "--quiet", "--resume"]) == 2
        assert f"{path_of(part)} belongs to another fit than this one: {key} {other} there and " in capsys.readouterr().err
        assert {path.name: path.read_bytes() for path in CHECKPOINT.iterdir()} == before


def test_the_file_of_another_kind_is_noticed(put, resume, whole, folder):
    put("triangle")
    shutil.copy(folder / "whole/model.h5", path_of("triangle"))
    result, said = resume(40)
    assert len(said) == 1 and f"{path_of('triangle')} is truncated or damaged, or no part of a checkpoint" in said[0]
    check_is(whole, result)
    put("triangle")
    with h5py.File(path_of("triangle"), "r+") as file:  # by somebody who meant well
        file["array"][0, 0] += 1
    result, said = resume(40)
    assert len(said) == 1
    check_is(whole, result)
