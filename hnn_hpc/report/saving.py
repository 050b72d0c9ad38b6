"""How every picture becomes a file: whole or not at all, its text as text, the same bytes for the same picture."""

import os

from hnn_hpc.storage import written_beside

DATELESS = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def save_figure(figure, path, force=False):
    """Write a figure of matplotlib to `path`, in the format that its ending tells; `force`: replace an existing file."""
    from matplotlib import rc_context

    kind = os.path.splitext(path)[1][1:].lower()
    with written_beside(path, force) as temporary, rc_context({"svg.fonttype": "none", "svg.hashsalt": "hnn-hpc"}):
        figure.savefig(temporary, format=kind, dpi=130, metadata=DATELESS.get(kind))
