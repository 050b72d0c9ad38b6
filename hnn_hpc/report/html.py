"""HTML from plain functions. Every text is escaped unless this module has made it: what a job file says can do no harm on a page."""

from html import escape
from itertools import zip_longest

VOID = {"img", "meta"}  # elements without an end


class Html(str):
    """Text that is HTML already. Only `tag` and `joined` make it."""

    __slots__ = ()


def tag(name, /, *children, **attributes):
    """Return one element. Children: `Html`, or anything else as escaped text, None left out.

    Attributes: `class_` and `aria_label` stand for class and aria-label; one that is None is left out.
    """
    words = [f'{key.strip("_").replace("_", "-")}="{escape(str(value))}"' for key, value in attributes.items() if value is not None]
    start = f"<{' '.join([name, *words])}>"
    return Html(start if name in VOID else f"{start}{joined(children)}</{name}>")


def joined(children, between=""):
    """Return the children of `tag` one after the other."""
    return Html(between.join(child if isinstance(child, Html) else escape(str(child)) for child in children if child is not None))


def paragraph(*children):
    """Return a paragraph."""
    return tag("p", *children)


def table(caption, header, rows, numbers=(), words=()):
    """Return a table in a box of its own, which scrolls where the window is narrow.

    header: names of the columns; rows: lists of cells, the first of which names its row; numbers: columns that are set to the right;
    words: columns of sentences, which are kept wide enough to be read.
    """
    kinds = ["number" if column in numbers else "words" if column in words else None for column in range(len(header))]
    head = tag("tr", *(tag("th", name, scope="col", class_=kind) for name, kind in zip(header, kinds, strict=True)))
    body = [
        tag("tr", tag("th", first, scope="row"), *(tag("td", cell, class_=kind) for cell, kind in zip_longest(rest, kinds[1:])))
        for first, *rest in rows
    ]
    whole = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body))
    return tag("div", whole, class_="scroll", role="region", aria_label=caption, tabindex=0)


def explained(rows):
    """Return a list of rows (name, value, sentence about it)."""
    return tag("dl", *(joined([tag("dt", f"{name}: ", tag("b", value)), tag("dd", sentence)]) for name, value, sentence in rows))


def preformatted(label, text):
    """Return lines of a file or program, which scroll in their own box where the window is narrow."""
    return tag("pre", tag("code", text), class_="scroll", role="region", aria_label=label, tabindex=0)
