"""Results as JSON that every reader accepts: NaN and infinity become null, numpy values and paths plain ones.

Bytes of a file's name that are no UTF-8, which Python keeps as half of a surrogate pair, are written as the escape \\udcXX, which JSON
reads as what it was.
"""

import json
import math
from pathlib import Path

import numpy as np


def json_text(value, indent=None):
    """Return `value` (dictionaries, sequences, numbers, texts, arrays, paths, None) as JSON; one line unless `indent` is given."""
    text = json.dumps(_plain(value), indent=indent, allow_nan=False, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def _plain(value):
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
