"""The files of a checkpoint notice every damage, its directory keeps what is needed and no more, and a full disk does not end a run."""

import io
import time
import tracemalloc

import h5py
import numpy as np
import pytest
from checkpoints import BLOCKS, PROBLEM, SERIAL, files, node

from hnn_hpc.errors import OutputError, UserError
from hnn_hpc.storage import Checkpoint, describe
from hnn_hpc.storage.checkpoint_file import check_checkpoint_file, load_checkpoint_file, write_checkpoint_file


def write(path, array, part="node-0-3", problem=PROBLEM):
    write_checkpoint_file(path, part, array, 7, problem)
    return path


# One file


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_comes_back_bit_for_bit_and_in_its_memory_order(tmp_path, matrix, order):
    array = np.array(matrix, order=order)
    array[0, 0], array[1, 1], array[2, 2] = -0.0, np.inf, 5e-324
    path = write(tmp_path / "a.h5", array)
    assert check_checkpoint_file(path) == {"part": "node-0-3", "count": 7, "problem": PROBLEM}
    found, count = load_checkpoint_file(path)
    assert found.tobytes("A") == array.tobytes("A") and found.shape == array.shape and found.flags.f_contiguous == (order == "F")
    assert count == 7
    vector, _ = load_checkpoint_file(write(path, matrix[0]))  # replaces the older one
    np.testing.assert_array_equal(vector, matrix[0])
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_every_changed_byte_and_every_missing_end_is_noticed(tmp_path, matrix):
    whole = write(tmp_path / "a.h5", matrix).read_bytes()
    bad = tmp_path / "bad.h5"
    damaged = [whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :] for place in range(len(whole))]
    damaged += [whole[:size] for size in range(0, len(whole), 7)] + [whole + b"\0", b"\0" * 32, b"\0" * 500]
    for content in damaged:
        bad.write_bytes(content)
        with pytest.raises(UserError, match="is truncated or damaged, or no part of a checkpoint"):
            check_checkpoint_file(bad)


def test_other_programs_can_read_the_file(tmp_path, matrix):
    with h5py.File(write(tmp_path / "a.h5", matrix)) as file:
        np.testing.assert_array_equal(file["array"][()], matrix)
    with h5py.File(write(tmp_path / "a.h5", np.asfortranarray(matrix))) as file:
        assert file.attrs["transposed"]
        np.testing.assert_array_equal(file["array"][()], matrix.T)


def test_writing_takes_no_second_copy_of_the_array(tmp_path):
    array = np.zeros((1000, 1000))
    tracemalloc.start()
    write(tmp_path / "a.h5", array)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < array.nbytes / 2


def test_info_tells_what_a_file_holds(tmp_path, matrix):
    found = describe(write(tmp_path / "a.h5", matrix, "node-1-2"))
    assert (found["kind"], found["part"], found["blocks"]) == ("checkpoint", "node-1-2", "4 to 5 of 0 to 7")
    assert found["attributes"]["problem"] == PROBLEM and found["datasets"]["array"] == {"shape": [5, 7], "type": "float64"}
    assert describe(write(tmp_path / "a.h5", matrix, "triangle"))["blocks"] == "0 to 7 of 0 to 7"
    with open(tmp_path / "a.h5", "r+b") as stream:
        stream.seek(-1, io.SEEK_END)
        stream.write(b"!")
    assert "truncated or damaged" in describe(tmp_path / "a.h5")["problem"]


@pytest.mark.parametrize("size", [100, 3000])  # too little for HDF5's own data, and for the array only
def test_a_full_disk_leaves_the_older_file_whole(tmp_path, full_disk, size):
    path = write(tmp_path / "a.h5", np.zeros((100, 100)))
    before = path.read_bytes()
    with pytest.raises(OutputError, match="File too large; nothing was written"), full_disk() as limit_to:
        limit_to(size)
        write(path, np.ones((100, 100)))
    assert path.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["a.h5"]


# The directory


def test_a_file_under_another_name_is_left_out(tmp_path, checkpoint_of, said):
    checkpoint_of().save_nodes([node(0, 0)])
    (tmp_path / "checkpoint/tsqr.node-0-0.h5").rename(tmp_path / "checkpoint/tsqr.node-0-1.h5")
    assert checkpoint_of(resume=True).nodes == ()
    assert "holds another part, node-0-0" in said[0]


def test_the_checkpoint_of_another_problem_is_refused_with_what_differs(checkpoint_of):
    checkpoint_of().save_nodes([node(0, 0)])
    other = PROBLEM | {"features": 5, "hidden layer": "6e" * 32}
    expected = r"belongs to another fit than this one: features 3 there and 5 here, hidden layer 5f5f5f5f… there and 6e6e6e6e… here; go on"
    with pytest.raises(UserError, match=expected):
        checkpoint_of(problem=other, resume=True)


def test_the_checkpoint_of_another_solver_is_refused(tmp_path, checkpoint_of):
    checkpoint_of().save_nodes([node(0, 0)])
    checkpoint = Checkpoint(tmp_path / "checkpoint", resume=True)
    checkpoint.prepare(["tsqr", "gram"])
    with pytest.raises(UserError, match="by another solver: tsqr there, gram or lsqr here; go on with solver.name as it was"):
        checkpoint.prepare(["gram", "lsqr"])


COMPONENTS = {f"component-{n}-tsqr": PROBLEM | {"solver": "tsqr", "hidden layer": f"{n}f" * 32} for n in range(2)}


def test_components_may_have_another_solver_than_the_whole(tmp_path, checkpoint_of):
    checkpoint_of("component-1-tsqr", COMPONENTS["component-1-tsqr"]).save_nodes([node(0, 0), node(0, 1)])
    checkpoint = Checkpoint(tmp_path / "checkpoint", resume=True)
    checkpoint.prepare(["lsqr", "gram"])
    checkpoint.check_solves(COMPONENTS, lambda name: True, SERIAL)
    solves = [checkpoint.of_solve(name, problem, BLOCKS, SERIAL) for name, problem in COMPONENTS.items()]
    assert [solve.blocks_taken_over for solve in solves] == [0, 2] and checkpoint.blocks_taken_over == 2 and checkpoint.resumed


def test_what_belongs_to_none_of_several_solves_is_refused(tmp_path, checkpoint_of):
    checkpoint_of("component-2-tsqr", PROBLEM | {"solver": "tsqr", "first share": 0.5}).save_nodes([node(0, 0)])
    checkpoint = Checkpoint(tmp_path / "checkpoint", resume=True)
    checkpoint.prepare(["tsqr"])
    with pytest.raises(UserError, match=r"holds a solve that is none of this fit, component-2-tsqr: other features have coordinates in"):
        checkpoint.check_solves(COMPONENTS, lambda name: True, SERIAL)
    others = {name: problem | {"features": 5} for name, problem in COMPONENTS.items()}
    with pytest.raises(
        UserError, match=r"component-2-tsqr\.node-0-0\.h5 belongs to another fit than this one: features 3 there and 5 here"
    ):
        checkpoint.check_solves(others, lambda name: True, SERIAL)
    checkpoint.check_solves(COMPONENTS, lambda name: name.startswith("first-"), SERIAL)  # what is no such solve is left alone
    assert files(tmp_path) == ["component-2-tsqr.node-0-0.h5"]


def test_a_damaged_file_of_one_of_several_solves_is_told_once(tmp_path, checkpoint_of, said):
    checkpoint_of("component-0-tsqr", COMPONENTS["component-0-tsqr"]).save_nodes([node(0, 0)])
    path = tmp_path / "checkpoint/component-0-tsqr.node-0-0.h5"
    path.write_bytes(path.read_bytes()[:-1])
    checkpoint = Checkpoint(tmp_path / "checkpoint", resume=True, say=said.append)
    checkpoint.check_solves(COMPONENTS, lambda name: True, SERIAL)
    assert checkpoint.of_solve("component-0-tsqr", COMPONENTS["component-0-tsqr"], BLOCKS, SERIAL).nodes == ()
    assert len(said) == 1 and "truncated or damaged" in said[0]


def test_what_lies_there_is_neither_used_nor_removed_unasked(tmp_path, checkpoint_of):
    checkpoint_of().save_nodes([node(0, 0)])
    for seconds in (0, 300):
        with pytest.raises(UserError, match="was not finished; pass --resume to go on from it, or --force to remove it and begin anew"):
            checkpoint_of(seconds=seconds)
    Checkpoint(tmp_path / "checkpoint", force=True).prepare()  # the fit may be refused yet
    assert files(tmp_path) == ["tsqr.node-0-0.h5"]
    assert checkpoint_of(force=True).nodes == ()
    assert not (tmp_path / "checkpoint").exists()


def test_resume_goes_before_force(checkpoint_of):
    checkpoint_of().save_nodes([node(0, 0)])
    assert checkpoint_of(resume=True, force=True).nodes == ((0, 0),)


def test_to_resume_where_nothing_is_means_to_begin(tmp_path, checkpoint_of, said):
    assert checkpoint_of(resume=True).nodes == ()
    assert said == [f"there is no checkpoint in {tmp_path}/checkpoint, so the fit begins at its beginning"]


def test_files_of_others_stay_and_those_half_written_go(tmp_path, checkpoint_of):
    checkpoint_of().save_nodes([node(0, 0)])
    for name in ("notes.txt", "tsqr.node-0.h5", ".tsqr.node-0-1.h5.0a1b2c3d.partial"):
        (tmp_path / "checkpoint" / name).touch()
    checkpoint = Checkpoint(tmp_path / "checkpoint", resume=True)
    checkpoint.prepare()
    checkpoint.of_solve("tsqr", PROBLEM, BLOCKS, SERIAL)
    assert files(tmp_path) == ["notes.txt", "tsqr.node-0-0.h5", "tsqr.node-0.h5"]
    checkpoint.remove()
    assert files(tmp_path) == ["notes.txt", "tsqr.node-0.h5"]


def test_a_full_disk_is_told_once_and_what_is_there_stays(tmp_path, checkpoint_of, full_disk, said):
    checkpoint = checkpoint_of()
    checkpoint.save_nodes([node(0, 0)])
    with full_disk() as limit_to:
        limit_to(100)
        for _ in range(2):
            checkpoint.save_nodes([node(0, 1), node(0, 2)])
    assert files(tmp_path) == ["tsqr.node-0-0.h5"]
    assert len(said) == 1 and said[0].startswith("the fit goes on, but its checkpoint is not complete: cannot write")
    checkpoint.save_nodes([node(0, 1), node(0, 2)])  # there is space again
    assert len(files(tmp_path)) == 3


@pytest.mark.parametrize("obstacle", ["a file in the place of the directory", "a directory in the place of a file"])
def test_whatever_is_in_the_way_of_saving_does_not_end_the_run(tmp_path, checkpoint_of, said, obstacle):
    checkpoint = checkpoint_of()
    if obstacle.startswith("a file"):
        (tmp_path / "checkpoint").touch()
    else:
        (tmp_path / "checkpoint/tsqr.node-0-0.h5").mkdir(parents=True)
    checkpoint.save_nodes([node(0, 0)])
    if obstacle.startswith("a file"):
        checkpoint.save("triangle", np.zeros((2, 2)))
    assert len(said) == 1 and "not complete" in said[0] and checkpoint.names == frozenset()


def test_saving_is_due_every_so_many_seconds_and_at_an_interruption(checkpoint_of):
    class Signals:
        noted = False

    checkpoint = checkpoint_of(seconds=0.2, interruptions=Signals)
    assert not checkpoint.is_due() and not checkpoint.interrupted
    time.sleep(0.25)
    assert [checkpoint.is_due() for _ in range(3)] == [True, False, False]
    Signals.noted = True
    assert [checkpoint.is_due() for _ in range(3)] == [True, False, False] and checkpoint.interrupted
    never = checkpoint_of(seconds=0, interruptions=Signals)
    assert not (never.is_due() or never.interrupted or never.is_kept)


def test_the_summary_counts_each_block_once(tmp_path, checkpoint_of):
    checkpoint = Checkpoint(tmp_path / "checkpoint")
    assert checkpoint.summary() == "nothing is saved yet"
    checkpoint.write("gram.node-0-0.h5", "node-0-0", np.zeros(2), 0, PROBLEM)
    assert checkpoint.summary() == f"what an earlier run saved is in {tmp_path}/checkpoint"
    checkpoint.remove()
    solve = checkpoint.of_solve("tsqr", PROBLEM, BLOCKS, SERIAL)
    solve.save_nodes([node(0, 0), node(0, 1), node(1, 0), node(0, 6)])
    assert checkpoint.summary() == f"3 of 8 blocks are saved in {tmp_path}/checkpoint"
    solve.save("triangle", np.zeros((2, 2)))
    assert checkpoint.summary() == f"8 of 8 blocks are saved in {tmp_path}/checkpoint"
