"""Runs the command line: ``python -m fashionbench``."""

import gc
import sys

from fashionbench.cli import main

if __name__ == "__main__":
    status = main()
    # Otherwise a last garbage collection over the objects of torch and MLflow takes a second.
    gc.freeze()
    sys.exit(status)
