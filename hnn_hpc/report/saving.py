"""How every picture becomes a file: whole or not at all, its text as text, the same bytes for the same picture."""

import os

from hnn_hpc.storage import written_beside

DOTS = 130  # an inch
DATELESS = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def save_figure(figure, path, force=False):
    """Write a figure of matplotlib to `path`, in the format that its ending tells; `force`: replace an existing file."""
    with written_beside(path, force) as temporary:
        write_figure(figure, temporary, os.path.splitext(path)[1][1:].lower())


def write_figure(figure, target, kind, dots=DOTS):
    """Write a figure of matplotlib to a path or stream as "svg", "png" or "pdf", in so many dots an inch."""
    from matplotlib import rc_context

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "hnn-hpc"}):
        figure.savefig(target, format=kind, dpi=dots, metadata=DATELESS.get(kind))
