"""The front: the triangle of rows in sparse groups is that of all rows at once, in the order of elimination."""

import numpy as np
import pytest
from oracles import ROUND_OFF, gram_error

from hnn_hpc.solvers.front import elimination_order, merge_groups
from hnn_hpc.solvers.triangle import triangle_of

CHAIN = [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]]
PATTERNS = {
    "one group": [[0, 1, 2]],
    "chain": CHAIN,
    "chain, out of order": [CHAIN[number] for number in (3, 0, 4, 2, 1)],
    "ring": [*CHAIN, [0, 5]],
    "star": [[0, column] for column in range(1, 6)],
    "separate": [[0, 3], [1, 4], [2]],
    "nested": [[2], [1, 2], [0, 1, 2, 3]],
    "everything": [[0, 1, 2, 3]] * 3,
    "an untouched column": [[0, 2], [2, 3]],
}


def groups(rng, pattern, rows=8):
    """(columns, dense rows of [A | f]) of each group; rows may be fewer than columns."""
    count = max(map(max, pattern)) + 1
    found = []
    for some in pattern:
        block = np.zeros((rows, count + 1))
        block[:, some] = rng.standard_normal((rows, len(some)))
        block[:, -1] = rng.standard_normal(rows)
        found.append((np.array(some), block))
    return count, found


@pytest.mark.parametrize("rows", [1, 2, 8])
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_the_triangle_is_that_of_all_rows(rng, pattern, rows):
    count, found = groups(rng, pattern, rows)
    columns = [some for some, _ in found]
    triangles = [triangle_of(np.asfortranarray(block[:, [*some, count]])) for some, block in found]
    R, order = merge_groups(columns, triangles, count)
    assert sorted(order) == list(range(count)) and not np.tril(R, -1).any()
    assert gram_error(R, np.concatenate([block for _, block in found])[:, [*order, count]]) < ROUND_OFF


def test_groups_may_come_as_rows_above_a_triangle(rng):
    count, found = groups(rng, CHAIN, 2)
    R, order = merge_groups([some for some, _ in found], [block[:, [*some, count]] for some, block in found], count)
    assert gram_error(R, np.concatenate([block for _, block in found])[:, [*order, count]]) < ROUND_OFF


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_a_column_is_eliminated_with_the_last_group_that_touches_it(pattern):
    count = max(map(max, pattern)) + 1
    touches = np.array([[column in some for some in pattern] for column in range(count)])
    groups, columns = elimination_order(touches)
    assert sorted(groups) == list(range(len(pattern))) and sorted(columns) == list(range(count))
    last = [max((step for step, group in enumerate(groups) if touches[column, group]), default=-1) for column in columns]
    assert last == sorted(last)


def test_the_order_keeps_the_front_of_a_chain_small():
    n = 40
    touches = np.zeros((n - 1, n), bool)
    numbers = np.random.default_rng(2).permutation(n)
    for bond in range(n - 1):
        touches[bond, [numbers[bond], numbers[bond + 1]]] = True
    groups, _ = elimination_order(touches)
    step = np.argsort(groups)
    open_bonds = [
        sum(min(step[numbers[b]], step[numbers[b + 1]]) <= at < max(step[numbers[b]], step[numbers[b + 1]]) for b in range(n - 1))
        for at in range(n)
    ]
    assert max(open_bonds) <= 2


def test_the_order_of_ordered_columns_is_their_own():
    touches = np.array([[column in some for some in CHAIN] for column in range(6)])
    columns = elimination_order(touches)[1]
    np.testing.assert_array_equal(elimination_order(touches[columns])[1], np.arange(6))
