"""One column of a table, how it is looked up by name, and labels as numbers."""

import difflib
from typing import Any, NamedTuple

from hnn_hpc.errors import UserError

MOST_NAMES = 12  # of the columns that a message lists


class Column(NamedTuple):
    """A column: its name for messages, and the key by which its table reads it."""

    name: str
    key: Any


class Labels:
    """Numbers labels 0, 1, 2 … in the order in which they appear."""

    def __init__(self):
        self._number_of = {}

    def numbers(self, labels):
        """Return the list of the numbers of these labels, any hashable values."""
        return [self._number_of.setdefault(label, len(self._number_of)) for label in labels]


def look_up_column(name, names, location, what="column"):
    """Return the place of `name` in the list `names`; UserError, with a guess and the right names, unless it is there once."""
    if names.count(name) == 1:
        return names.index(name)
    if name in names:
        raise UserError(f"{location} has {names.count(name)} {what}s named {name!r}; rename all but one")
    lower = {known.lower(): known for known in reversed(names)}
    close = difflib.get_close_matches(name.lower(), lower, n=1)
    guess = f"; did you mean {lower[close[0]]!r}?" if close else "."
    shown = [*names[:MOST_NAMES], *["..."] * (len(names) > MOST_NAMES)]
    raise UserError(f"{location} has no {what} {name!r}{guess} Its {what}s are: {', '.join(shown)}")
