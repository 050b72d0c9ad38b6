"""`hnn-hpc info FILE`: what is in a samples or model file, or one of a checkpoint."""

from hnn_hpc import storage
from hnn_hpc.cli.text import byte_size, table
from hnn_hpc.json_text import json_text

HELP = "tell what is in a samples or model file, or one of a checkpoint"


def add_arguments(parser):
    parser.add_argument("file", metavar="FILE", help="HDF5 file")


def run(arguments, communicator, progress):
    with communicator.together():
        return storage.describe(arguments.file)


def describe(result):
    datasets = [
        (f"/{name}", f"{'x'.join(map(str, found['shape'] or ())) or 'scalar'} {found['type']}")
        for name, found in result["datasets"].items()
    ]
    summary = {key: value for key, value in result.items() if key not in ("datasets", "attributes", "bytes")}
    return table([*summary.items(), ("size", byte_size(result["bytes"])), *datasets, *_flat(result["attributes"])])


def _flat(values, prefix=""):
    """Yield (dotted name, text) for the leaves of nested dictionaries."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value if isinstance(value, str) else json_text(value)
