"""The page and the figures do not depend on Python's hash seed, which is another at each start."""

import json
import os
import subprocess
import sys

from made_up_figures import draw_all
from repositories import PROJECT


def start(hash_seed: str) -> subprocess.Popen[str]:
    """Make everything in a Python of its own."""
    support = PROJECT / "tests/support"
    env = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(support)}
    command = [sys.executable, str(support / "digests.py")]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)


def test_the_same_results_give_the_same_bytes_in_every_process() -> None:
    processes = [start(hash_seed) for hash_seed in ("1", "2")]
    first, second = (json.loads(process.communicate(timeout=300)[0]) for process in processes)
    assert first.keys() == {*draw_all(), "page"}
    assert first == second
