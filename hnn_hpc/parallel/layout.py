"""Who owns which rows, and in which order partial results merge: pure arithmetic, no MPI.

K rows are cut into B global blocks, and a rank owns a run of whole blocks. The blocks are the leaves of a fixed binary tree: node
(level, index) covers the blocks [index 2^level, (index + 1) 2^level). Blocks and tree depend on the problem alone, never on the
number of ranks or threads, so every rank count merges the same pairs and gives the same bits.
"""

from dataclasses import dataclass

# Block counts that ranks of 1, 2, 3, 4, 6, 12 share evenly.
EVEN_BLOCKS = 12
DEFAULT_BLOCK_BYTES = 128 * 2**20


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


def plan_layout(samples, columns, rows_per_sample=1, block_bytes=None):
    """Cut `samples` into blocks that suit a QR factorization of row blocks with `columns` columns.

    A block has about four times as many rows as columns (tall enough for BLAS-3 speed, short enough for the cache), at most `block_bytes`
    (default 128 MiB), but never fewer rows than columns unless `block_bytes` is given: merging triangles would then cost more than
    factoring rows. Few samples are still cut into up to 12 blocks, so that small problems share out evenly as well.
    """
    fitting = (block_bytes or DEFAULT_BLOCK_BYTES) // (8 * columns)
    rows = min(4 * columns, fitting) if block_bytes else min(4 * columns, max(columns, fitting))
    samples_per_block = max(1, rows // rows_per_sample)
    blocks = max(1, -(-samples // samples_per_block))
    if blocks >= EVEN_BLOCKS:
        return RowLayout(samples, min(samples, -(-blocks // EVEN_BLOCKS) * EVEN_BLOCKS))
    fair = [count for count in (12, 8, 4, 2) if blocks <= count <= samples * rows_per_sample // columns]
    return RowLayout(samples, fair[0] if fair else blocks)


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


def subtrees(owned, leaves):
    """Return the nodes, in order, that the run of leaves `owned` (a range) reduces to on its own: at most 2 log2(leaves)."""
    nodes = []
    for leaf in owned:
        nodes.append(promote((0, leaf), leaves))
        while len(nodes) > 1 and (parent := parent_of(nodes[-2], nodes[-1], leaves)):
            nodes[-2:] = [parent]
    return nodes


def merge_schedule(owned_nodes, leaves):
    """Return the merges that remain once every rank has reduced its own leaves, in an order that all ranks can follow.

    `owned_nodes[rank]` are the rank's nodes as `subtrees` gives them. The answer is a list of (left, right, parent, left_rank,
    right_rank): the right rank sends its value to the left rank, which merges. The root ends on rank 0.
    """
    stack, schedule = [], []
    for rank, nodes in enumerate(owned_nodes):
        for node in nodes:
            stack.append((node, rank))
            while len(stack) > 1 and (parent := parent_of(stack[-2][0], stack[-1][0], leaves)):
                (left, left_rank), (right, right_rank) = stack[-2:]
                schedule.append((left, right, parent, left_rank, right_rank))
                stack[-2:] = [(parent, left_rank)]
    return schedule
