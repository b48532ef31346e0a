"""``python -m fashionbench`` is the command line of :mod:`fashionbench.cli`."""

import sys

from fashionbench.cli import main

if __name__ == "__main__":
    sys.exit(main())
