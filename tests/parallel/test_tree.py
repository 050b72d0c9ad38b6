"""The tree reduction on threads, in one go and from checkpoints; tests/mpi runs it on ranks."""

import threading
import time
from itertools import combinations

import numpy as np
import pytest

from hnn_hpc.errors import Interruption, UserError
from hnn_hpc.parallel.checkpoint import NoCheckpoint
from hnn_hpc.parallel.communicator import SerialCommunicator, as_communicator
from hnn_hpc.parallel.layout import RowLayout, leaves_of, merge_schedule, outermost, parent_of, promote, starting_nodes, subtrees
from hnn_hpc.parallel.threads import available_threads
from hnn_hpc.parallel.tree import tree_reduce


def test_threads_merge_the_same_pairs():
    # The sum of these depends on the order of additions, so equal bits mean an equal tree.
    numbers = np.random.default_rng(1).standard_normal(37) * 10.0 ** np.arange(37)
    sums = [
        tree_reduce(SerialCommunicator(), RowLayout(37, 37), lambda block: numbers[block : block + 1].copy(), np.add, threads)
        for threads in (1, 2, 3, 5, 64)
    ]
    assert all(np.array_equal(sums[0], other) for other in sums[1:])
    assert sums[0] == pytest.approx(numbers.sum(), rel=1e-9)
    assert sums[0] != sum(numbers[::-1])


def test_a_failing_leaf_stops_the_other_threads():
    done, threads_before = [], threading.active_count()

    def leaf(block):
        if block == 50:
            raise UserError("row 7 is bad")
        done.append(block)
        return np.zeros(1)

    with pytest.raises(UserError, match="row 7 is bad"):
        tree_reduce(SerialCommunicator(), RowLayout(100, 100), leaf, np.add, threads=2)
    assert threading.active_count() == threads_before


def test_progress_counts_every_block():
    ticks = []
    tree_reduce(SerialCommunicator(), RowLayout(9, 9), lambda block: np.zeros(1), np.add, 2, lambda: ticks.append(1))
    assert len(ticks) == 9


def test_thread_count_follows_the_variable(monkeypatch):
    monkeypatch.setenv("HNN_HPC_THREADS", "7")
    assert available_threads(SerialCommunicator()) == 7
    monkeypatch.setenv("HNN_HPC_THREADS", "none")
    with pytest.raises(UserError, match=r"HNN_HPC_THREADS must be a whole number of threads, 1 or more; it is 'none'"):
        available_threads(SerialCommunicator())
    monkeypatch.delenv("HNN_HPC_THREADS")
    assert available_threads(SerialCommunicator()) >= 1


def test_only_communicators_are_communicators():
    with pytest.raises(UserError, match=r"comm must be None or a communicator of mpi4py.*got int"):
        as_communicator(3)


# Checkpoints


class InMemory(NoCheckpoint):
    """A checkpoint that goes on from `values`, {node: bytes}, and saves into the same dictionary, every time that it is asked."""

    is_kept = True

    def __init__(self, values, interrupt_after=None):
        super().__init__()
        self.values, self.nodes, self._interrupt_after = values, tuple(outermost(values)), interrupt_after
        self.leaves, self._lock = [], threading.Lock()

    @property
    def interrupted(self):
        return self._interrupt_after is not None and len(self.leaves) >= self._interrupt_after

    def computing(self, leaf):
        with self._lock:
            self.leaves.append(leaf)

    def load_node(self, node):
        return np.frombuffer(self.values[node]).copy()

    def save_nodes(self, items):
        for node, value in items:
            if node in self.values:
                assert self.values[node] == value.tobytes(), "the bits of a node are always the same"
            self.values[node] = value.tobytes()

    def is_due(self):
        return True

    def interrupted_anywhere(self, communicator):
        return self.interrupted


def combine(left, right):
    """A merge that depends on the order and on every bit, and destroys both, as that of triangles does."""
    result = np.cos(3 * left) + right
    left[:], right[:] = np.nan, np.nan
    return result


def reduce(leaves, checkpoint=None, threads=1, before_leaf=lambda leaf: None):
    def value_of(leaf):
        before_leaf(leaf)
        if checkpoint:
            checkpoint.computing(leaf)
        return np.array([np.sin(leaf), leaf])

    return tree_reduce(SerialCommunicator(), RowLayout(leaves, leaves), value_of, combine, threads, checkpoint=checkpoint)


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def values_of_all_nodes(leaves):
    """{node: bytes} for every node of the tree."""
    values, stack = {}, []
    for leaf in range(leaves):
        stack.append((promote((0, leaf), leaves), np.array([np.sin(leaf), leaf])))
        while values.setdefault(stack[-1][0], stack[-1][1].tobytes()) and len(stack) > 1:
            (left, left_value), (right, right_value) = stack[-2:]
            if (parent := parent_of(left, right, leaves)) is None:
                break
            stack[-2:] = [(parent, combine(left_value, right_value))]
    return values


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("leaves", [1, 2, 3, 4, 5, 6])
def test_from_every_set_of_finished_nodes_the_bits_are_the_same(leaves, threads):
    whole, values = reduce(leaves), values_of_all_nodes(leaves)
    sets = [chosen for size in range(len(values) + 1) for chosen in combinations(values, size)]
    for chosen in sets if threads == 1 else sets[:: max(1, len(sets) // 60)]:
        checkpoint = InMemory({node: values[node] for node in chosen})
        np.testing.assert_array_equal(reduce(leaves, checkpoint, threads), whole)
        done = {leaf for node in chosen for leaf in leaves_of(node, leaves)}
        assert sorted(checkpoint.leaves) == [leaf for leaf in range(leaves) if leaf not in done]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("leaves", [1, 3, 6, 13])
def test_every_number_of_ranks_takes_over_every_set_of_nodes(leaves, size):
    rng, layout = np.random.default_rng(leaves), RowLayout(leaves, leaves)
    nodes = sorted({promote((level, index), leaves) for level in range(5) for index in range(-(-leaves >> level))})
    for _ in range(40):
        done = outermost([node for node in nodes if rng.random() < 0.2])
        owned = [layout.owned_blocks(rank, size) for rank in range(size)]
        started = [starting_nodes(run, leaves, done) for run in owned]
        assert sorted(leaf for run in started for node, _ in run for leaf in leaves_of(node, leaves)) == list(range(leaves))
        assert [node for run in started for node, leaf in run if leaf is None] == done
        assert all(leaf in run for run, some in zip(owned, started, strict=True) for _, leaf in some if leaf is not None)
        holder = {node: rank for rank, run in enumerate(owned) for node in subtrees(run, leaves, done)}
        for left, right, parent, left_rank, right_rank in merge_schedule([subtrees(run, leaves, done) for run in owned], leaves):
            assert (holder.pop(left), holder.pop(right)) == (left_rank, right_rank)
            holder[parent] = left_rank
        assert len(holder) == 1 and set(holder.values()) == {0} and [*leaves_of(next(iter(holder)), leaves)] == list(range(leaves))


def test_outermost_nodes_are_disjoint_and_in_order():
    assert outermost([(0, 5), (2, 0), (0, 0), (1, 1), (0, 4)]) == [(2, 0), (0, 4), (0, 5)]
    assert outermost([(0, 0), (2, 1)]) == [(0, 0), (2, 1)]
    assert outermost([]) == []


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("after", [1, 4, 9, 12])
def test_an_interrupted_reduction_saves_every_block_it_has_done(after, threads):
    values, whole, threads_before = {}, reduce(13), threading.active_count()
    first = InMemory(values, interrupt_after=after)
    with pytest.raises(Interruption):
        reduce(13, first, threads)
    assert after <= len(first.leaves) < after + threads  # each thread ends its block
    assert {leaf for node in values for leaf in leaves_of(node, 13)} == set(first.leaves)
    for threads_then in (1, 2, 3):
        then = InMemory(dict(values))
        np.testing.assert_array_equal(reduce(13, then, threads_then), whole)
        assert sorted([*first.leaves, *then.leaves]) == list(range(13))
    assert threading.active_count() == threads_before


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("bad", [1, 6, 12])
def test_what_was_saved_before_a_failure_is_good_to_go_on_from(bad, threads):
    values = {}

    def before_leaf(leaf):
        if leaf == bad:
            wait_until(lambda: values)
            raise UserError("row 7 is bad")

    with pytest.raises(UserError, match="row 7 is bad"):
        reduce(13, InMemory(values), threads, before_leaf)
    then = InMemory(dict(values))
    np.testing.assert_array_equal(reduce(13, then, threads), reduce(13))
    assert bad in then.leaves and len(then.leaves) < 13


def test_saving_does_not_wait_for_the_block_that_is_under_way():
    values = {}

    def before_leaf(leaf):
        if leaf == 5:
            wait_until(lambda: (0, 4) in values)

    reduce(8, InMemory(values), 1, before_leaf)


def test_an_interruption_saves_at_once_and_again_when_the_blocks_under_way_have_ended():
    class DueOnce(InMemory):
        due = True

        def computing(self, leaf):
            super().computing(leaf)
            if self.interrupted:
                wait_until(lambda: (2, 0) in self.values)  # while this block is still under way

        def is_due(self):
            was_due, self.due = self.interrupted and self.due, self.due and not self.interrupted
            return was_due

    checkpoint = DueOnce({}, interrupt_after=5)
    with pytest.raises(Interruption):
        reduce(13, checkpoint)
    assert set(checkpoint.values) == {(2, 0), (0, 4)}


def test_what_is_saved_while_two_nodes_merge_is_whole(monkeypatch):
    plain = combine

    def slow(left, right):
        result = plain(left, right)
        time.sleep(0.25)  # with both destroyed, and the saving due all the time
        return result

    monkeypatch.setitem(globals(), "combine", slow)
    values = {}
    reduce(4, InMemory(values))
    monkeypatch.undo()
    assert values and values.items() <= values_of_all_nodes(4).items()


def test_threads_share_the_blocks_that_are_left():
    values = values_of_all_nodes(16)
    checkpoint = InMemory({node: values[node] for node in [(2, 0), (2, 2)]})  # blocks 0-3 and 8-11
    threads_of = {}
    reduce(16, checkpoint, 2, lambda leaf: (time.sleep(0.02), threads_of.setdefault(threading.get_ident(), []).append(leaf)))
    assert sorted(map(sorted, threads_of.values())) == [[4, 5, 6, 7], [12, 13, 14, 15]]


def test_progress_counts_the_blocks_that_a_checkpoint_spares():
    values, ticks = values_of_all_nodes(6), []
    checkpoint = InMemory({(1, 0): values[1, 0]})
    tree_reduce(SerialCommunicator(), RowLayout(6, 6), lambda leaf: np.zeros(2), combine, 1, lambda n=1: ticks.append(n), checkpoint)
    assert ticks == [2, 1, 1, 1, 1]
