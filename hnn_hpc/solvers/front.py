"""The triangle of a matrix whose rows come in groups that touch few columns each: the groups one after the other, a small front at a time.

Let group g of the rows have entries in the columns C_g only, and be reduced to a triangle of them already. In a fixed order of the groups,
and with the columns in the order of the last group that touches them, the front holds what the groups so far have left: rows over the
columns that are still to be touched. Merging the next group is a QR over the columns of the front and of C_g together. Of its triangle the
first rows, those of columns that no later group touches, are rows of R; the others are the new front (multifrontal QR, Duff & Reid, ACM
TOMS 9, 1983, with the fronts in a chain). For the rows of a chain of particles a front has the columns of two bonds, however long it is.
"""

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import reverse_cuthill_mckee

from hnn_hpc.solvers.triangle import triangle_of


def merge_groups(columns, triangles, count):
    """Return (R, order): the triangle (n + 1, n + 1) of [A | f] for its n = `count` columns in that order, (n,).

    Parameters, one each a group: the columns (m,) that it touches, sorted; its triangle (m + 1, m + 1) of [A | f], or rows above one.
    """
    touches = np.zeros((count, len(columns)), bool)
    for group, some in enumerate(columns):
        touches[some, group] = True
    groups, order = elimination_order(touches)
    place, last = np.empty_like(order), np.full(count, -1)
    place[order] = np.arange(count)
    for step, group in enumerate(groups):
        last[place[columns[group]]] = step
    front = Front(count)
    for step, group in enumerate(groups):
        by_place = np.argsort(place[columns[group]])
        triangle = triangles[group][:, np.append(by_place, len(by_place))]
        front.merge(place[columns[group]][by_place], triangle, int(np.searchsorted(last, step, side="right")))
    return front.finished(), order


def elimination_order(touches):
    """Return (the order of the groups (D,), the order of the columns (M,)) for `touches` (M, D): which group touches which column.

    Groups that share columns come close to each other (reverse Cuthill-McKee); columns that no group touches come first.
    """
    touches = csr_array(touches, dtype=np.int64)
    groups = reverse_cuthill_mckee(csr_array(touches.T @ touches), symmetric_mode=True).astype(np.int64)
    step = np.empty(len(groups), dtype=np.int64)
    step[groups] = np.arange(len(groups))
    last = np.full(touches.shape[0], -1)
    columns, touching = touches.nonzero()
    np.maximum.at(last, columns, step[touching])
    return groups, np.argsort(last, kind="stable")


class Front:
    """The front, and R (n + 1, n + 1) of [A | f] as far as it is known, for n columns in the order of their elimination."""

    def __init__(self, n):
        self.R = np.zeros((n + 1, n + 1), order="F")
        self._columns, self._rows = np.empty(0, dtype=np.int64), np.zeros((0, 1))

    def merge(self, columns, triangle, done):
        """Merge a group: its columns (m,), sorted; its triangle of [A | f]. After it the first `done` of all columns are done."""
        together, n, old = np.union1d(self._columns, columns), len(self.R) - 1, len(self._rows)
        pile = np.zeros((old + len(triangle), len(together) + 1), order="F")
        for rows, some, part in ((slice(old), self._columns, self._rows), (slice(old, None), columns, triangle)):
            places = np.append(np.searchsorted(together, some), len(together))
            pile[rows, places] = part
        merged = triangle_of(pile)
        final = int(np.searchsorted(together, done))
        self.R[np.ix_(together[:final], np.append(together, n))] = merged[:final]
        self._columns, self._rows = together[final:], merged[final:, final:]

    def finished(self):
        """Return R once all columns are done."""
        assert not len(self._columns)
        self.R[-1, -1] = np.linalg.norm(self._rows)
        return self.R
