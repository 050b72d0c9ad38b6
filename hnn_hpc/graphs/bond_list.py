"""The bonds of a cutoff for particles that move: found a little too many, they hold for a while (Verlet, Phys. Rev. 159, 98, 1967)."""

import math

import numpy as np

from hnn_hpc.graphs.neighbours import with_bonds

SKIN = 0.12  # of the cutoff, as is usual for fluids: it adds 40 % to the pairs and lasts some ten steps


class BondList:
    """Graphs whose bonds are all pairs nearer than the cutoff and some that are farther, by less than the skin.

    Parameters: graphs (`Graphs`), cutoff (float, or None for the bonds that the graphs have), skin (float): the length by which bonds are
    longer, as a part of the cutoff; less where half a period leaves no room for it. Between a state and that for which the bonds were found
    no particle may have moved by more than half the skin; then they are found anew.
    """

    def __init__(self, graphs, cutoff, skin=SKIN):
        self._cutoff, self._graphs, self._skin = cutoff, graphs, math.inf
        self.found = 0  # so often were bonds found
        if cutoff is not None:
            if math.isfinite(cutoff):
                self._skin = max(0.0, min(skin * cutoff, graphs.boxes.min() / 2 - cutoff))
            self._find(graphs)

    def at(self, positions, momenta):
        """Return the graphs in another state, (P, d) each, with bonds that hold there."""
        graphs = self._graphs.at(positions, momenta)
        return self._find(graphs) if self._is_outrun(positions) else graphs

    def _find(self, graphs):
        self._graphs = with_bonds(graphs, self._cutoff + (self._skin if math.isfinite(self._skin) else 0))
        self.found += 1
        return self._graphs

    def _is_outrun(self, positions):
        if math.isinf(self._skin):
            return False
        squares = np.zeros(len(positions))
        for then, now in zip(self._graphs.positions.T, positions.T, strict=True):
            moved = now - then
            squares += moved * moved
        return squares.max(initial=0) > self._skin * self._skin / 4
