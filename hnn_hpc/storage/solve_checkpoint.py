"""The part of a fit's checkpoint that belongs to one solve: what `parallel.checkpoint.NoCheckpoint` describes, kept in files."""

import re
from threading import Lock

from hnn_hpc.parallel.checkpoint import ALL_BLOCKS, BESIDE_NODES, GROWING, STAGES, NoCheckpoint
from hnn_hpc.parallel.layout import leaves_of, outermost
from hnn_hpc.storage.checkpoint_file import load_checkpoint_file

NODE, ARRAY = re.compile(r"node-(\d+)-(\d+)"), re.compile(rf"({'|'.join(STAGES)})(?:-(\d+))?")
FILE_NAME = re.compile(rf"([a-z0-9-]+)\.({NODE.pattern}|{ARRAY.pattern})\.h5")
COPIES = 2  # of BESIDE_NODES


class SolveCheckpoint(NoCheckpoint):
    """The checkpoint of one solve, with the parts of an earlier run to go on from: nodes of the tree, and other arrays by name.

    On disk are two generations, the latest and one to fall back to, so that a damaged file costs what was computed between two saves:

    - nodes that no other one covers, and of the others those that these alone cover: about as many, at most log2(blocks) / 2 times as many;
    - once there are arrays of later stages, the latest and those of the stage saved before it, or the nodes, until the fit is done;
    - one of GROWING also as it was saved the time before, each in a file of its own: coordinates.h5, coordinates-1.h5, …;
    - BESIDE_NODES, which is never made anew and without which all nodes are lost, in two copies.

    What goes, goes before the next is written, and a full disk leaves the latest as it was. What is saved first has nothing before it; so
    has the triangle of a sketch, which costs little.

    blocks_taken_over: how many blocks the earlier run has done.
    """

    def __init__(self, checkpoint, name, problem, blocks, parts):
        self.name, self.blocks, self.is_kept = name, blocks, checkpoint.seconds > 0
        self._checkpoint, self._problem, self._beside, self._lock = checkpoint, problem, None, Lock()
        self._whole = frozenset(parts)  # those found and those saved by this rank; replaced, never changed, for any thread may look
        self.nodes = () if self.names & ALL_BLOCKS else tuple(outermost(nodes_among(parts)))
        self.blocks_taken_over = blocks_in(parts, blocks)

    @property
    def names(self):
        return frozenset(map(name_of, self._whole)) - {None}

    @property
    def interrupted(self):
        return self._checkpoint.interruptions.noted

    def begin_nodes(self, array):
        self.nodes, self._beside, self.blocks_taken_over = (), array, 0
        if array is not None:
            self._remove(part for part in self._parts_there() if stage_of(part) == 0)
        self._whole = frozenset(part for part in self._whole if stage_of(part) > 0)

    def end_nodes(self):
        self._beside = None

    def load_node(self, node):
        return self._load(part_of(node))[0]

    def save_nodes(self, items):
        self._checkpoint.problem = None
        if self._beside is not None and not self._save_beside():
            return
        new = {part_of(node): value for node, value in items if part_of(node) not in self._whole}
        nodes = nodes_among(self._whole)
        self._remove(map(part_of, nodes - two_generations(nodes | nodes_among(new))))
        for part, value in new.items():
            self._write(part, value, 0)

    def load(self, name):
        return self._load(self._latest(name))

    def save(self, name, array, count=0):
        self._checkpoint.problem = None
        with self._lock:  # a thread may find it due while another is still at it
            if name not in self.names:
                self._make_room_for(name)
                self._write(name, array, count)
            elif name in GROWING:
                self._make_room_for(name)
                self._write(f"{name}-{number_of(self._latest(name)) + 1}", array, count)

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

    def _save_beside(self):
        """Save the copies of the array beside the nodes that are not there yet; return whether there is any."""
        missing = [part for part in (BESIDE_NODES, *(f"{BESIDE_NODES}-{n}" for n in range(1, COPIES))) if part not in self._whole]
        if all(self._write(part, self._beside, 0) for part in missing):
            self._beside = None
        return BESIDE_NODES in self.names

    def _make_room_for(self, name):
        """Remove all that comes before an array of this name but what is the latest of that, and older ones of the name itself."""
        stage, names = STAGES[name], self.names
        before = max((STAGES[other] for other in names if STAGES[other] < stage), default=0)
        stays = {self._latest(other) for other in names if STAGES[other] >= before}
        if before == 0:  # then nodes are the latest, those of all ranks
            stays.update(part for part in self._parts_there() if stage_of(part) == 0)
        self._remove(part for part in self._parts_there() if part not in stays and (stage_of(part) < stage or name_of(part) == name))

    def _latest(self, name):
        """Return the part that is the latest array of one of `names`."""
        return max((part for part in self._whole if name_of(part) == name), key=number_of)

    def _parts_there(self):
        """Return the parts of this solve that have a file, whole or not, whichever rank has written it."""
        return [part for solve, part in map(parse, self._checkpoint.files) if solve == self.name]

    def _remove(self, parts):
        parts = set(parts)
        self._checkpoint.remove_files(map(self._file, parts))
        self._whole -= parts

    def _file(self, part):
        return f"{self.name}.{part}.h5"

    def _load(self, part):
        return load_checkpoint_file(self._checkpoint.directory / self._file(part))

    def _write(self, part, array, count):
        if not self._checkpoint.write(self._file(part), part, array, count, self._problem):
            return False
        self._whole |= {part}
        return True


def parse(file):
    """Return (solve, part) for the name of a file of a checkpoint, None for any other name."""
    match = FILE_NAME.fullmatch(file)
    return match and match.group(1, 2)


def part_of(node):
    """Return the name of the part that a node is."""
    return f"node-{node[0]}-{node[1]}"


def node_of(part):
    """Return the node that a part of this name is, or None."""
    match = NODE.fullmatch(part)
    return match and (int(match[1]), int(match[2]))


def name_of(part):
    """Return the name of the array that a part is, among STAGES, or None for a node."""
    match = ARRAY.fullmatch(part)
    return match and match[1]


def number_of(part):
    """Return how many times its array was saved before a part, which is no node."""
    return int(ARRAY.fullmatch(part)[2] or 0)


def stage_of(part):
    """Return the stage that a part is saved in."""
    return STAGES.get(name_of(part), 0)


def nodes_among(parts):
    """Return the set of the nodes that these parts are."""
    return {node_of(part) for part in parts} - {None}


def two_generations(nodes):
    """Return the set of those of `nodes` that no other of them covers, and of the others those that no other of the others covers."""
    latest = set(outermost(nodes))
    return latest | set(outermost(nodes - latest))


def blocks_in(parts, blocks):
    """Return how many of so many blocks are done in these parts: all where one is saved after the reduction, else those of the nodes."""
    if any(name_of(part) in ALL_BLOCKS for part in parts):
        return blocks
    return sum(len(leaves_of(node, blocks)) for node in outermost(nodes_among(parts)))
