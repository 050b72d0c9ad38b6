"""The command line `hnn-hpc`: one module a command."""

from hnn_hpc.cli.main import main

__all__ = ["main"]
