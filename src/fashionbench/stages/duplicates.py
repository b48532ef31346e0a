"""Stage ``duplicates``: count images that occur more than once in the official files."""

import json
from dataclasses import asdict

from fashionbench.analysis.files import DUPLICATES_FILE
from fashionbench.data.duplicates import count_duplicates
from fashionbench.data.official import read_official
from fashionbench.whole_files import replace_file


def run() -> None:
    """Count the duplicates; DataError for damaged files."""
    found = count_duplicates(read_official("train"), read_official("t10k"))
    replace_file(DUPLICATES_FILE, f"{json.dumps(asdict(found), indent=2)}\n".encode())
