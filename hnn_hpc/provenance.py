"""Where a model comes from: what is written into it, and what can be read back."""

import platform
from contextlib import suppress
from importlib import metadata

from hnn_hpc.errors import UserError
from hnn_hpc.systems import make_system
from hnn_hpc.version import __version__


def versions():
    """Return the versions of the program and of what its numbers depend on, a dict of text by name."""
    found = {"hnn-hpc": __version__, "python": platform.python_version()}
    for name in ("numpy", "scipy", "h5py", "mpi4py"):
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def known_system(model):
    """Return the system that a model's training samples came from, as its provenance tells, or None; none of ours has damping."""
    if getattr(model, "damping", None) is not None:
        return None
    try:
        samples = model.provenance["samples"]
        system = make_system(samples["system"], samples.get("parameters", {}))
    except (AttributeError, KeyError, TypeError, UserError):  # samples of somebody else may say anything of themselves
        return None
    return system if system.dimension == model.dimension else None
