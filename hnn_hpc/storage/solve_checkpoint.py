"""The part of a fit's checkpoint that belongs to one solve: what `parallel.checkpoint.NoCheckpoint` describes, kept in files."""

import re

from hnn_hpc.parallel.checkpoint import BESIDE_NODES, COORDINATES, STAGES, NoCheckpoint
from hnn_hpc.parallel.layout import leaves_of, outermost
from hnn_hpc.storage.checkpoint_file import load_checkpoint_file

FILE_NAME = re.compile(r"([a-z0-9-]+)\.([a-z-]+|node-\d+-\d+)\.h5")


class SolveCheckpoint(NoCheckpoint):
    """The checkpoint of one solve, with the parts of an earlier run to go on from: nodes of the tree, and other arrays by name.

    A node's file goes once that of a node above it has been there since the last time something was saved, so that one damaged file
    costs one step of the tree and not its whole branch. blocks_taken_over: how many blocks the earlier run has done.
    """

    def __init__(self, checkpoint, name, problem, blocks, parts):
        self.name, self.blocks, self.is_kept = name, blocks, checkpoint.seconds > 0
        self._checkpoint, self._problem = checkpoint, problem
        self._saved, self._beside = nodes_among(parts), None
        self.nodes, self.names = tuple(outermost(self._saved)), frozenset(part for part in parts if node_of(part) is None)
        self.blocks_taken_over = blocks_in(parts, blocks)

    @property
    def interrupted(self):
        return self._checkpoint.interruptions.noted

    def begin_nodes(self, array):
        self.nodes, self._saved, self._beside, self.blocks_taken_over = (), set(), array, 0
        if array is not None:
            self._remove_until(0)

    def end_nodes(self):
        self._beside = None

    def load_node(self, node):
        return self.load(part_of(node))[0]

    def save_nodes(self, items):
        self._checkpoint.problem = None
        if self._beside is not None:
            if not self._write(BESIDE_NODES, self._beside, 0):
                return
            self._beside = None
        covered = self._saved - set(outermost(self._saved))
        self._checkpoint.remove_files(self._file(part_of(node)) for node in covered)
        self._saved -= covered
        for node, value in items:
            if node not in self._saved and self._write(part_of(node), value, 0):
                self._saved.add(node)

    def load(self, name):
        return load_checkpoint_file(self._checkpoint.directory / self._file(name))

    def save(self, name, array, count=0):
        self._checkpoint.problem = None
        if self._write(name, array, count):
            self.names |= {name}
            self._remove_until(STAGES[name] - 1)

    def is_due(self):
        return self._checkpoint.is_due()

    def interrupted_anywhere(self, communicator):
        return any(self._tell_each_other(communicator))

    def settle(self, communicator):
        self._tell_each_other(communicator)

    def deferred(self):
        return self._checkpoint.interruptions.deferred()

    def _tell_each_other(self, communicator):
        """Return every rank's `interrupted`, and learn of the others' problems."""
        told = communicator.all_gather((self.interrupted, self._checkpoint.problem))
        for rank, (_, problem) in enumerate(told):
            if problem and rank != communicator.rank:
                self._checkpoint.tell(f"{problem} (on rank {rank})")
                break
        return [interrupted for interrupted, _ in told]

    def _remove_until(self, stage):
        """Remove the files of all nodes and of the arrays up to a stage."""
        parts = (part for solve, part in map(parse, self._checkpoint.files) if solve == self.name)
        self._checkpoint.remove_files(self._file(part) for part in parts if STAGES.get(part, 0) <= stage)

    def _file(self, part):
        return f"{self.name}.{part}.h5"

    def _write(self, part, array, count):
        return self._checkpoint.write(self._file(part), part, array, count, self._problem)


def parse(file):
    """Return (solve, part) for the name of a file of a checkpoint, None for any other name."""
    match = FILE_NAME.fullmatch(file)
    return match and match.groups()


def part_of(node):
    """Return the name of the part that a node is."""
    return f"node-{node[0]}-{node[1]}"


def node_of(part):
    """Return the node that a part of this name is, or None."""
    match = re.fullmatch(r"node-(\d+)-(\d+)", part)
    return match and (int(match[1]), int(match[2]))


def nodes_among(parts):
    """Return the set of the nodes that these parts are."""
    return {node_of(part) for part in parts} - {None}


def blocks_in(parts, blocks):
    """Return how many of so many blocks are done in these parts: all where one is more than a node, being saved after the reduction."""
    nodes, parts = nodes_among(parts), set(parts) - {BESIDE_NODES, COORDINATES}
    return blocks if len(parts) > len(nodes) else sum(len(leaves_of(node, blocks)) for node in outermost(nodes))
