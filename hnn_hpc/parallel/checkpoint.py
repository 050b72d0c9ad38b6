"""What a solve asks of its checkpoint. `hnn_hpc.storage.SolveCheckpoint` keeps one; the class here answers for a solve that has none."""

from contextlib import nullcontext

from hnn_hpc.errors import Interruption

# The names of the arrays that a checkpoint holds besides nodes: what the nodes are of no use without; the triangles of the first few
# coordinates; the triangle of most rows, and the numbers of the samples that it lacks behind it; that of all rows, where more is merged
# after it; the triangle of [A | f]; w (M,) so far, and the rcond that it is for. And how far a solve is when it saves them: each is made of
# what was saved in earlier stages, which is then needed only where it is damaged.
BESIDE_NODES, COORDINATES, MOST_ROWS, ROWS = "beside-nodes", "coordinates", "most-rows", "rows"
TRIANGLE, COEFFICIENTS = "triangle", "coefficients"
STAGES = {BESIDE_NODES: 0, COORDINATES: 1, MOST_ROWS: 1, ROWS: 2, TRIANGLE: 3, COEFFICIENTS: 3}
ALL_BLOCKS = {MOST_ROWS, ROWS, TRIANGLE}  # the reduction of the tree is done where one of them is there
GROWING = {COORDINATES, COEFFICIENTS}  # saved again as they come further; the others are what they are


class NoCheckpoint:
    """The checkpoint of a solve that keeps none, and with it the interface of all.

    A checkpoint holds finished nodes of the solve's tree reduction (see `layout`) and other arrays by name. They belong to one problem,
    whatever ranks and threads compute it: any set of nodes will do to go on from, blocks that none covers being computed again.

    is_kept      whether anything is saved; without that a checkpoint may still have something to go on from
    nodes        those to go on from, disjoint and in order; the same on every rank
    names        of the other arrays, among STAGES; the same on every rank
    interrupted  whether this process was told to end: finish what is under way, save, and raise `Interruption` on all ranks
    """

    is_kept = False
    nodes = ()
    names = frozenset()
    interrupted = False

    def begin_nodes(self, array):
        """Forget all nodes. Those to come are of no use without `array`, which is to be saved, as BESIDE_NODES, before the first of them.

        On all ranks; the array, which is not to change while nodes are saved, is on rank 0, None stands for it elsewhere.
        """

    def end_nodes(self):
        """Let go of the array that `begin_nodes` was given, for no node is to come."""

    def load_node(self, node):
        """Return the value of one of `nodes`."""
        raise KeyError(node)

    def save_nodes(self, items):
        """Save those of `items`, (node, value), that are not saved yet; each rank whenever it likes, from one thread. Never fails."""

    def load(self, name):
        """Return (array, count) of one of `names`."""
        raise KeyError(name)

    def save(self, name, array, count=0):
        """Save an array under a name, unless it is there and not GROWING; on one rank only, from any thread. Never fails.

        What it was made of stays to fall back to: one of GROWING as it was saved before, and what was saved last of an earlier stage.
        """

    def is_due(self):
        """Return whether it is time to save, which then it is not again for a while."""
        return False

    def heeding(self, on_leaf=None):
        """Return an on_leaf for a pass that keeps nothing: it calls the one given, and raises `Interruption` where that is due."""

        def heed(n=1):
            if on_leaf:
                on_leaf(n)
            if self.interrupted:
                raise Interruption

        return heed

    def interrupted_anywhere(self, communicator):
        """Return whether any rank is `interrupted`, the same on all. Collective."""
        return False

    def settle(self, communicator):
        """Wait until every rank has saved what it is saving, so that none ends the program before. Collective."""

    def deferred(self):
        """Return a context in which a signal sets `interrupted` and raises nothing; what was not heeded then is raised at its end."""
        return nullcontext()


class OnlyHeeded(NoCheckpoint):
    """For a part of a solve that keeps nothing, yet ends where the solve's checkpoint says so."""

    def __init__(self, checkpoint):
        self._checkpoint = checkpoint

    @property
    def interrupted(self):
        return self._checkpoint.interrupted

    def interrupted_anywhere(self, communicator):
        return self._checkpoint.interrupted_anywhere(communicator)
