"""A checkpoint has two generations: whichever file is damaged, another one holds what was saved before it, and nothing older is left."""

import shutil
from contextlib import suppress

import numpy as np
import pytest
from checkpoints import BLOCKS, PROBLEM, SERIAL, files, node

from hnn_hpc.parallel.checkpoint import BESIDE_NODES, COEFFICIENTS, COORDINATES, MOST_ROWS, ROWS, TRIANGLE
from hnn_hpc.parallel.layout import parent_of
from hnn_hpc.storage import Checkpoint, describe
from hnn_hpc.storage.solve_checkpoint import parse

ORDERS = [  # in which solves save their arrays
    [BESIDE_NODES, MOST_ROWS, TRIANGLE],
    [BESIDE_NODES, MOST_ROWS, ROWS, TRIANGLE, COEFFICIENTS, COEFFICIENTS, COEFFICIENTS],
    [COORDINATES, COORDINATES, COORDINATES, TRIANGLE],
    [TRIANGLE, COEFFICIENTS, COEFFICIENTS],
]


def damage(path):
    path.write_bytes(path.read_bytes()[:-1])


def parts(tmp_path):
    return {parse(file)[1] for file in files(tmp_path)}


def value_of(step):
    """Some array that is saved in the given step of a solve."""
    return np.full((3, 3), float(step))


def save(checkpoint, name, step):
    if name == BESIDE_NODES:
        checkpoint.begin_nodes(value_of(step))
        checkpoint.save_nodes([node(1, 0), node(0, 2)])
        checkpoint.end_nodes()
    else:
        checkpoint.save(name, value_of(step), step)


def step_of(checkpoint):
    """Return the step that a solve goes on from, by the order in which solvers look for what is there; None for the beginning."""
    for name in (TRIANGLE, ROWS, MOST_ROWS, COORDINATES, BESIDE_NODES):
        if name in checkpoint.names:
            return int(checkpoint.load(name)[0][0, 0])
    return None


# Nodes


def test_a_run_goes_on_from_what_was_saved(tmp_path, checkpoint_of, said):
    first = checkpoint_of()
    first.save_nodes([node(1, 0), node(0, 4)])
    assert files(tmp_path) == ["tsqr.node-0-4.h5", "tsqr.node-1-0.h5"]
    then = checkpoint_of(resume=True)
    assert then.nodes == ((1, 0), (0, 4)) and then.names == frozenset() and then.blocks_taken_over == 3
    np.testing.assert_array_equal(then.load_node((1, 0)), node(1, 0)[1])
    np.testing.assert_array_equal(then.load_node((0, 4)), node(0, 4)[1])
    assert said == [f"the fit goes on from {tmp_path}/checkpoint: 3 of 8 blocks are done"]


def test_nodes_that_are_covered_twice_go(tmp_path, checkpoint_of):
    checkpoint = checkpoint_of()
    checkpoint.save_nodes([node(0, 0)])
    checkpoint.save_nodes([node(1, 0)])
    assert files(tmp_path) == ["tsqr.node-0-0.h5", "tsqr.node-1-0.h5"]
    for _ in range(2):  # as at an interruption, with nothing new the second time
        checkpoint.save_nodes([node(1, 0), node(0, 2)])
        assert files(tmp_path) == ["tsqr.node-0-0.h5", "tsqr.node-0-2.h5", "tsqr.node-1-0.h5"]
    checkpoint.save_nodes([node(2, 0)])
    assert files(tmp_path) == ["tsqr.node-0-2.h5", "tsqr.node-1-0.h5", "tsqr.node-2-0.h5"]
    checkpoint.save_nodes([node(3, 0)])
    assert files(tmp_path) == ["tsqr.node-2-0.h5", "tsqr.node-3-0.h5"]
    then = checkpoint_of(resume=True)
    assert then.nodes == ((3, 0),)
    then.save_nodes([])
    assert files(tmp_path) == ["tsqr.node-2-0.h5", "tsqr.node-3-0.h5"]


@pytest.mark.parametrize("step", [1, 2, 3, 5])
def test_a_damaged_node_costs_no_more_blocks_than_are_computed_between_two_saves(tmp_path, checkpoint_of, step):
    stack, checkpoint = [], checkpoint_of()
    for block in range(BLOCKS):
        stack.append((0, block))
        while len(stack) > 1 and (parent := parent_of(stack[-2], stack[-1], BLOCKS)):
            stack[-2:] = [parent]
        if (block + 1) % step:
            continue
        checkpoint.save_nodes([node(*some) for some in stack])
        for file in files(tmp_path):
            path = tmp_path / "checkpoint" / file
            whole = path.read_bytes()
            damage(path)
            assert checkpoint_of(resume=True).blocks_taken_over >= block + 1 - step, (file, files(tmp_path))
            path.write_bytes(whole)
    assert len(files(tmp_path)) <= 2 * (len(stack) + 1)


def test_a_node_is_written_once(tmp_path, checkpoint_of):
    checkpoint = checkpoint_of()
    for _ in range(2):
        checkpoint.save_nodes([node(0, 0)])
        before = (tmp_path / "checkpoint/tsqr.node-0-0.h5").stat().st_mtime_ns
    assert (tmp_path / "checkpoint/tsqr.node-0-0.h5").stat().st_mtime_ns == before
    checkpoint_of(resume=True).save_nodes([node(0, 0)])
    assert (tmp_path / "checkpoint/tsqr.node-0-0.h5").stat().st_mtime_ns == before


def test_what_nodes_are_of_no_use_without_is_saved_twice_before_them(tmp_path, checkpoint_of, matrix):
    first = checkpoint_of()
    first.begin_nodes(matrix)
    assert not (tmp_path / "checkpoint").exists()
    first.save_nodes([node(0, 0)])
    beside = ["tsqr.beside-nodes-1.h5", "tsqr.beside-nodes.h5"]
    assert files(tmp_path) == [*beside, "tsqr.node-0-0.h5"]
    then = checkpoint_of(resume=True)
    assert then.nodes == ((0, 0),) and then.names == {BESIDE_NODES} and then.blocks_taken_over == 1
    np.testing.assert_array_equal(then.load(BESIDE_NODES)[0], matrix)
    then.save_nodes([node(0, 1)])
    assert files(tmp_path) == [*beside, "tsqr.node-0-0.h5", "tsqr.node-0-1.h5"]
    for file in beside:
        whole = (tmp_path / "checkpoint" / file).read_bytes()
        damage(tmp_path / "checkpoint" / file)
        then = checkpoint_of(resume=True)
        assert then.nodes == ((0, 0), (0, 1))
        np.testing.assert_array_equal(then.load(BESIDE_NODES)[0], matrix)
        (tmp_path / "checkpoint" / file).write_bytes(whole)


def test_nodes_without_it_are_forgotten(tmp_path, checkpoint_of, matrix):
    first = checkpoint_of()
    first.begin_nodes(matrix)
    first.save_nodes([node(0, 0), node(1, 1)])
    for file in ("tsqr.beside-nodes.h5", "tsqr.beside-nodes-1.h5"):
        damage(tmp_path / "checkpoint" / file)
    then = checkpoint_of(resume=True)
    assert then.names == set() and then.nodes == ((0, 0), (1, 1))
    then.begin_nodes(2 * matrix)
    assert then.nodes == () and files(tmp_path) == []
    then.save_nodes([node(0, 0)])
    assert files(tmp_path) == ["tsqr.beside-nodes-1.h5", "tsqr.beside-nodes.h5", "tsqr.node-0-0.h5"]


def test_no_node_is_saved_unless_what_belongs_to_it_is(tmp_path, checkpoint_of, matrix, full_disk):
    checkpoint = checkpoint_of()
    checkpoint.begin_nodes(np.zeros((30, 30)))
    with full_disk() as limit_to:
        limit_to(4000)
        checkpoint.save_nodes([node(0, 0)])
    assert files(tmp_path) == []
    checkpoint.save_nodes([node(0, 0)])
    assert len(files(tmp_path)) == 3


def test_a_damaged_file_is_left_out_with_its_reason_and_its_branch_is_there_still(tmp_path, checkpoint_of, said):
    checkpoint = checkpoint_of()
    checkpoint.save_nodes([node(1, 0), node(0, 2)])
    checkpoint.save_nodes([node(2, 0)])
    path = tmp_path / "checkpoint/tsqr.node-2-0.h5"
    damage(path)
    then = checkpoint_of(resume=True)
    assert then.nodes == ((1, 0), (0, 2))
    assert said[0].startswith(f"{path} is truncated or damaged")
    assert said[0].endswith("what it held is computed again, as far as no other file holds it")
    then.save_nodes([node(2, 0)])
    assert checkpoint_of(resume=True).nodes == ((2, 0),)


# Arrays of later stages


def test_nodes_stay_until_two_later_stages_are_there(tmp_path, checkpoint_of, matrix):
    checkpoint, other = checkpoint_of(), checkpoint_of("first-tsqr", resume=True)
    checkpoint.save_nodes([node(1, 0), node(1, 1)])
    other.save_nodes([node(0, 0)])
    checkpoint.save(ROWS, 2 * matrix, 39)
    nodes = ["first-tsqr.node-0-0.h5", "tsqr.node-1-0.h5", "tsqr.node-1-1.h5"]
    assert files(tmp_path) == [*nodes, "tsqr.rows.h5"] and checkpoint.names == {ROWS}
    checkpoint.save(TRIANGLE, matrix, 40)
    assert files(tmp_path) == ["first-tsqr.node-0-0.h5", "tsqr.rows.h5", "tsqr.triangle.h5"] and checkpoint.names == {ROWS, TRIANGLE}
    then = checkpoint_of(resume=True)
    assert (then.nodes, then.names, then.blocks_taken_over) == ((), {ROWS, TRIANGLE}, 8)
    array, count = then.load(TRIANGLE)
    np.testing.assert_array_equal(array, matrix)
    assert count == 40


@pytest.mark.parametrize("order", ORDERS)
def test_whichever_file_is_damaged_or_gone_a_solve_goes_on_from_the_step_before_at_the_latest(tmp_path, checkpoint_of, order):
    checkpoint = checkpoint_of()
    for step, name in enumerate(order):
        save(checkpoint, name, step)
        assert len(parts(tmp_path) - {"node-1-0", "node-0-2", f"{BESIDE_NODES}-1"}) <= (2 if COEFFICIENTS not in order else 4)
        latest = max(number for number, some in enumerate(order[: step + 1]) if some != COEFFICIENTS)
        assert step_of(checkpoint_of(resume=True)) == latest
        for file in files(tmp_path):
            path = tmp_path / "checkpoint" / file
            whole = path.read_bytes()
            for make_unusable in (damage, type(path).unlink):
                make_unusable(path)
                then = checkpoint_of(resume=True)
                found = step_of(then)
                if latest == 0 and name != BESIDE_NODES:
                    assert found in (None, 0)  # nothing was saved before it
                else:
                    assert found is not None and found >= latest - 1, file
                if name == COEFFICIENTS and order[step - 1] == COEFFICIENTS:
                    assert then.load(COEFFICIENTS)[0][0, 0] >= step - 1
                path.write_bytes(whole)


def test_one_that_has_come_further_is_saved_beside_the_one_before(tmp_path, checkpoint_of):
    checkpoint = checkpoint_of()
    for step in range(4):
        checkpoint.save(COORDINATES, value_of(step), step)
        numbers = ["" if number == 0 else f"-{number}" for number in range(max(0, step - 1), step + 1)]
        assert parts(tmp_path) == {COORDINATES + number for number in numbers}
        assert checkpoint.load(COORDINATES)[1] == checkpoint_of(resume=True).load(COORDINATES)[1] == step
        assert checkpoint.names == {COORDINATES}
    damage(tmp_path / "checkpoint/tsqr.coordinates-3.h5")
    then = checkpoint_of(resume=True)
    assert then.load(COORDINATES)[1] == 2
    then.save(COORDINATES, value_of(5), 5)
    assert parts(tmp_path) == {"coordinates-2", "coordinates-3"}
    assert checkpoint_of(resume=True).load(COORDINATES)[1] == 5
    then.save(TRIANGLE, value_of(6))
    assert parts(tmp_path) == {"coordinates-3", "triangle"}


def test_the_others_are_written_once(tmp_path, checkpoint_of):
    checkpoint = checkpoint_of()
    checkpoint.save_nodes([node(0, 0)])
    for step in range(2):
        checkpoint.save(MOST_ROWS, value_of(step))
    then = checkpoint_of(resume=True)
    then.save(MOST_ROWS, value_of(2))
    assert parts(tmp_path) == {"node-0-0", "most-rows"} and step_of(then) == 0


def test_nodes_that_a_later_stage_has_left_are_not_to_go_on_from(tmp_path, checkpoint_of):
    for name in (MOST_ROWS, ROWS, TRIANGLE):
        checkpoint = checkpoint_of(resume=True)
        save(checkpoint, BESIDE_NODES, 0)
        checkpoint.save(name, value_of(1))
        then = checkpoint_of(resume=True)
        assert then.names == {BESIDE_NODES, name} and then.nodes == () and then.blocks_taken_over == BLOCKS
        damage(tmp_path / f"checkpoint/tsqr.{name}.h5")
        then = checkpoint_of(resume=True)
        assert then.names == {BESIDE_NODES} and then.nodes == ((1, 0), (0, 2)) and then.blocks_taken_over == 3
        shutil.rmtree(tmp_path / "checkpoint")


def test_an_answer_so_far_says_nothing_of_blocks(tmp_path, checkpoint_of):
    checkpoint = checkpoint_of()
    checkpoint.save_nodes([node(1, 0)])
    checkpoint.save(TRIANGLE, value_of(1))
    checkpoint.save(COEFFICIENTS, value_of(2))
    assert parts(tmp_path) == {"node-1-0", "triangle", "coefficients"}
    (tmp_path / "checkpoint/tsqr.triangle.h5").unlink()
    then = checkpoint_of(resume=True)
    assert then.names == {COEFFICIENTS} and then.nodes == ((1, 0),) and then.blocks_taken_over == 2
    then.save(TRIANGLE, value_of(3))
    assert parts(tmp_path) == {"node-1-0", "triangle", "coefficients"}


def test_damaged_files_go_with_their_stage_and_never_count(tmp_path, checkpoint_of):
    checkpoint = checkpoint_of()
    save(checkpoint, BESIDE_NODES, 0)
    checkpoint.save(MOST_ROWS, value_of(1))
    damage(tmp_path / "checkpoint/tsqr.most-rows.h5")
    checkpoint = Checkpoint(tmp_path / "checkpoint", resume=True)
    then = checkpoint.of_solve("tsqr", PROBLEM, BLOCKS, SERIAL)
    assert checkpoint.summary().startswith("3 of 8 blocks are saved")
    then.save_nodes([node(0, 3)])
    assert checkpoint.summary().startswith("4 of 8 blocks are saved")
    then.save(TRIANGLE, value_of(2))
    assert checkpoint.summary().startswith("8 of 8 blocks are saved")
    assert parts(tmp_path) == {BESIDE_NODES, f"{BESIDE_NODES}-1", "node-1-0", "node-0-2", "node-0-3", "triangle"}
    damage(tmp_path / "checkpoint/tsqr.node-1-0.h5")
    checkpoint = Checkpoint(tmp_path / "checkpoint", resume=True)
    checkpoint.of_solve("tsqr", PROBLEM, BLOCKS, SERIAL)
    assert checkpoint.summary().startswith("8 of 8 blocks are saved")


def test_a_damaged_file_that_was_written_again_counts(tmp_path, checkpoint_of):
    checkpoint_of().save_nodes([node(2, 0)])
    damage(tmp_path / "checkpoint/tsqr.node-2-0.h5")
    checkpoint = Checkpoint(tmp_path / "checkpoint", resume=True)
    then = checkpoint.of_solve("tsqr", PROBLEM, BLOCKS, SERIAL)
    assert checkpoint.summary().startswith("what an earlier run saved is in")
    then.save_nodes([node(2, 0)])
    assert checkpoint.summary().startswith("4 of 8 blocks are saved")


@pytest.mark.parametrize("order", ORDERS)
def test_a_full_disk_leaves_the_latest_whole(tmp_path, checkpoint_of, full_disk, order):
    for failing in range(1, len(order)):
        checkpoint = checkpoint_of(force=True)
        with suppress(FileNotFoundError):
            shutil.rmtree(tmp_path / "checkpoint")
        for step, name in enumerate(order[:failing]):
            save(checkpoint, name, step)
        before = step_of(checkpoint_of(resume=True))
        with full_disk() as limit_to:
            limit_to(100)
            for _ in range(2):
                save(checkpoint, order[failing], failing)
        then = checkpoint_of(resume=True)
        assert step_of(then) == before and then.names == checkpoint.names
        save(checkpoint, order[failing], failing)  # there is space again
        assert order[failing] in checkpoint_of(resume=True).names


def test_parts_have_names_of_their_own_kind_alone():
    for file in ("tsqr.node-0-12.h5", "component-3-khatri-rao-qr.coordinates-10.h5", "lsqr.beside-nodes.h5", "a.most-rows-1.h5"):
        assert parse(file) == tuple(file.removesuffix(".h5").split("."))
    for file in ("tsqr.node-0.h5", "tsqr.notes.h5", "tsqr.triangle-.h5", "tsqr.triangle-1-2.h5", ".tsqr.rows.h5", "tsqr.rows.h5.partial"):
        assert parse(file) is None


def test_info_tells_which_blocks_such_a_file_holds(tmp_path, checkpoint_of):
    checkpoint = checkpoint_of()
    save(checkpoint, BESIDE_NODES, 0)
    checkpoint.save(TRIANGLE, value_of(1))
    for step in (2, 3):
        checkpoint.save(COEFFICIENTS, value_of(step))
    told = {part: describe(tmp_path / f"checkpoint/tsqr.{part}.h5")["blocks"] for part in parts(tmp_path)}
    none = "none of 0 to 7"
    assert told.pop("node-1-0") == "0 to 1 of 0 to 7" and told.pop("node-0-2") == "2 to 2 of 0 to 7"
    assert told.pop("triangle") == "0 to 7 of 0 to 7"
    assert told == dict.fromkeys([BESIDE_NODES, f"{BESIDE_NODES}-1", COEFFICIENTS, f"{COEFFICIENTS}-1"], none)
