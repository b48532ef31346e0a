"""``python -m fashionbench`` is the command line of :mod:`fashionbench.cli`."""

import gc
import sys

from fashionbench.cli import main

if __name__ == "__main__":
    status = main()
    # Else Python looks through all that torch and MLflow have made before it ends: one second.
    gc.freeze()
    sys.exit(status)
