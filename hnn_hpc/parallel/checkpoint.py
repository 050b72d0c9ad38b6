"""What a solve asks of its checkpoint. `hnn_hpc.storage.SolveCheckpoint` keeps one; the class here answers for a solve that has none."""

from contextlib import nullcontext


class NoCheckpoint:
    """The checkpoint of a solve that keeps none, and with it the interface of all.

    A checkpoint holds finished nodes of the solve's tree reduction (see `layout`) and other arrays by name. They belong to one problem,
    whatever ranks and threads compute it: any set of nodes will do to go on from, blocks that none covers being computed again.

    is_kept      whether anything is saved; without that a checkpoint may still have something to go on from
    nodes        those to go on from, disjoint and in order; the same on every rank
    names        of the other arrays; the same on every rank
    counts       block -> a whole number that is saved with the nodes, and is back when a node is loaded: summed, at its first block
    interrupted  whether this process was told to end: finish what is under way, save, and raise `Interruption` on all ranks
    """

    is_kept = False
    nodes = ()
    names = frozenset()
    interrupted = False

    def __init__(self):
        self.counts = {}

    def load_node(self, node):
        """Return the value of one of `nodes`, and set its count."""
        raise KeyError(node)

    def save_nodes(self, items):
        """Save those of `items`, (node, value), that are not saved yet; each rank whenever it likes, from one thread. Never fails."""

    def load(self, name):
        """Return (array, count) of one of `names`."""
        raise KeyError(name)

    def save(self, name, array, count=0):
        """Save an array under a name, in place of an older one and of all nodes; one rank only, after the reduction. Never fails."""

    def is_due(self):
        """Return whether it is time to save, which then it is not again for a while."""
        return False

    def interrupted_anywhere(self, communicator):
        """Return whether any rank is `interrupted`, the same on all. Collective."""
        return False

    def settle(self, communicator):
        """Wait until every rank has saved what it is saving, so that none ends the program before. Collective."""

    def deferred(self):
        """Return a context in which a signal sets `interrupted` and raises nothing; what was not heeded then is raised at its end."""
        return nullcontext()
