"""Freed memory that stays with the process, or does not: pages that the kernel had to make, counted in processes of their own."""

import ctypes
import json
import os
import subprocess
import sys

import pytest

# Prints the pages made for a hundred arrays of 1 MB, one after the other: 256 each where they are new.
COUNT = """
import json, resource, threading
import numpy as np
from hnn_hpc.parallel.heap import keeping_freed_memory

def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        np.ones(2**17)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

found = [pages()]
with keeping_freed_memory():
    found.append(pages())
    with keeping_freed_memory():
        pass
    found.append(pages())
found.append(pages())
print(json.dumps(found))
"""
ALL = 100 * 256
pytestmark = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="a C library without mallopt(3)")


def pages(**variables):
    """Return the pages made before the context, in it, in it after another one has ended, and afterwards."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")} | variables
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout)


def test_it_is_kept_in_the_context_alone_where_the_environment_says_otherwise():
    before, inside, again, after = pages(MALLOC_TRIM_THRESHOLD_="65536")
    assert min(before, after) >= 0.9 * ALL
    assert max(inside, again) <= 0.1 * ALL


def test_the_c_library_is_left_alone_where_it_keeps_memory_by_itself():
    assert max(pages()) <= 0.1 * ALL


def test_a_threshold_of_the_environment_comes_back():
    before, inside, again, after = pages(MALLOC_MMAP_THRESHOLD_=str(2**23), MALLOC_TRIM_THRESHOLD_=str(2**23))
    assert max(before, inside, again, after) <= 0.1 * ALL  # arrays of 1 MB are below it
