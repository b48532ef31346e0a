"""Stage ``duplicates``: count images of the data set that occur more than once."""

import json
from dataclasses import asdict

from fashionbench.analysis.result_files import DUPLICATES_FILE
from fashionbench.data.sources import read_part
from fashionbench.data.splits import count_duplicates
from fashionbench.files import replace_file
from fashionbench.params import load_params


def run() -> None:
    """Count the duplicates; DataError for damaged files."""
    dataset = load_params().dataset
    train = read_part(dataset, "train")
    test = read_part(dataset, "test") if dataset.has_test_part else train.take(slice(0))
    found = count_duplicates(train, test)
    replace_file(DUPLICATES_FILE, f"{json.dumps(asdict(found), indent=2)}\n".encode())
