"""`python -m hnn_hpc` is `hnn-hpc`."""

import sys

from hnn_hpc.cli import main

if __name__ == "__main__":
    sys.exit(main())
