"""Who owns which rows, and in which order partial results merge: pure arithmetic, no MPI.

K rows are cut into B global blocks, and a rank owns a run of whole blocks. The blocks are the leaves of a fixed binary tree: node
(level, index) covers the blocks [index 2^level, (index + 1) 2^level). Blocks and tree depend on the problem alone, never on the
number of ranks or threads, so every rank count merges the same pairs and gives the same bits.
"""

from dataclasses import dataclass
from math import ceil, log2

# A power of two, so that halves of the tree hold as many rows each; and the least rows of a block, in units of the columns.
BLOCKS = 64
BLOCK_ROWS = 2
# 2 rows columns² of the largest block where there are more than BLOCKS: some five to ten seconds of a core.
BLOCK_FLOPS = 2e11


@dataclass(frozen=True)
class RowLayout:
    """`rows` rows cut into `blocks` contiguous global blocks whose sizes differ by one at most."""

    rows: int
    blocks: int

    def bounds(self, block):
        """Return (start, stop): the rows of one block."""
        return self.rows * block // self.blocks, self.rows * (block + 1) // self.blocks

    def owned_blocks(self, rank, size):
        """Return the range of blocks that `rank` of `size` ranks owns; rank 0 owns some always, others none if there are too few."""
        return range(-(-self.blocks * rank // size), -(-self.blocks * (rank + 1) // size))

    def owned_rows(self, rank, size):
        """Return (start, stop): the rows of the rank's blocks."""
        blocks = self.owned_blocks(rank, size)
        return self.rows * blocks.start // self.blocks, self.rows * blocks.stop // self.blocks

    @property
    def largest_block(self):
        """The rows of the largest block."""
        return -(-self.rows // self.blocks)


def plan_layout(samples, columns, rows_per_sample=1):
    """Cut `samples` into the blocks of a QR factorization of rows with `columns` columns.

    A block is long, for its sum or triangle costs as much as some of its rows. There are BLOCKS of them at most, and more only where one
    would take more than BLOCK_FLOPS, so that what waits for each other in the tree, and with it the memory, hardly grows with the samples.
    """
    rows, blocks = samples * rows_per_sample, BLOCKS
    while blocks > 1 and (rows < blocks * BLOCK_ROWS * columns or samples < blocks):
        blocks //= 2
    if blocks == BLOCKS:
        most = min(rows // (BLOCK_ROWS * columns), samples)
        times = max(1, min(ceil(2 * rows * columns**2 / (blocks * BLOCK_FLOPS)), most // blocks))
        blocks *= 2 ** int(log2(times))
    return RowLayout(samples, blocks)


def promote(node, leaves):
    """Climb from a node that has no right sibling among `leaves` leaves to the ancestor that covers the same leaves."""
    level, index = node
    while index and index % 2 == 0 and (index + 1) << level >= leaves:
        level, index = level + 1, index // 2
    return level, index


def parent_of(left, right, leaves):
    """Return the node that `left` and `right` merge into, or None where they are not siblings."""
    (level, index), (right_level, right_index) = left, right
    if level == right_level and index % 2 == 0 and right_index == index + 1:
        return promote((level + 1, index // 2), leaves)
    return None


def merge_top(stack, leaves, merge):
    """Merge siblings on top of a stack of (node, value), like the carry of a binary counter: merge(parent, left, right) of two values."""
    while len(stack) > 1 and (parent := parent_of(stack[-2][0], stack[-1][0], leaves)):
        (_, left), (_, right) = stack[-2:]
        stack[-2:] = [(parent, merge(parent, left, right))]


def leaves_of(node, leaves):
    """Return the range of leaves that a node covers."""
    level, index = node
    return range(index << level, min((index + 1) << level, leaves))


def outermost(nodes):
    """Return, in the order of their leaves, those of `nodes` that no other of them covers."""
    kept = []
    for level, index in sorted(nodes, key=lambda node: (node[1] << node[0], -node[0])):
        if not kept or index << level >= (kept[-1][1] + 1) << kept[-1][0]:
            kept.append((level, index))
    return kept


def starting_nodes(owned, leaves, done=()):
    """Return the list of (node, leaf) that the run of leaves `owned` (a range) is reduced from: leaf is None for a node of `done`.

    `done` are disjoint nodes, in order, whose values exist already. One that reaches beyond the run belongs to where it starts, so that the
    lists of all ranks together cover each leaf once.
    """
    nodes, covered = [], {}
    for node in done:
        covered.update(dict.fromkeys(leaves_of(node, leaves), node))
    for leaf in owned:
        node = covered.get(leaf)
        if node is None:
            nodes.append((promote((0, leaf), leaves), leaf))
        elif leaf == leaves_of(node, leaves)[0]:
            nodes.append((node, None))
    return nodes


def subtrees(owned, leaves, done=()):
    """Return the nodes, in order, that the run of leaves `owned` (a range) reduces to on its own: at most 2 log2(leaves)."""
    stack = []
    for node, _ in starting_nodes(owned, leaves, done):
        stack.append((node, None))
        merge_top(stack, leaves, lambda parent, left, right: None)
    return [node for node, _ in stack]


def merge_schedule(owned_nodes, leaves):
    """Return the merges that remain once every rank has reduced its own leaves, in an order that all ranks can follow.

    `owned_nodes[rank]` are the rank's nodes as `subtrees` gives them. The answer is a list of (left, right, parent, left_rank,
    right_rank): the right rank sends its value to the left rank, which merges. The root ends on rank 0.
    """
    stack, schedule = [], []

    def merge(parent, left, right):
        (left_node, left_rank), (right_node, right_rank) = left, right
        schedule.append((left_node, right_node, parent, left_rank, right_rank))
        return parent, left_rank

    for rank, nodes in enumerate(owned_nodes):
        for node in nodes:
            stack.append((node, (node, rank)))
            merge_top(stack, leaves, merge)
    return schedule
