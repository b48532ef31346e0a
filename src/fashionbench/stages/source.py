"""Stage ``source``: refuse a folder in FASHIONBENCH_DATA that lacks files of the data set.

DVC does not know of environment variables, and skips the stage download once it has files: so
this one always runs. Its output is always the same, so no other stage runs because of it.
"""

from pathlib import Path

from fashionbench.data.sources import check, user_folder
from fashionbench.files import replace_file
from fashionbench.params import load_params

SOURCE_FILE = Path("data/source")


def run() -> None:
    """Check FASHIONBENCH_DATA, if it is set. Raises DataError."""
    if folder := user_folder():
        check(load_params().dataset, folder)
    replace_file(SOURCE_FILE, b"the files can be had as declared\n")
