"""The page and the figures do not depend on Python's hash seed, which is another at each start."""

import json
import os
import subprocess
import sys

from digests import digests
from made_up_figures import draw_all
from repositories import PROJECT


def in_another_process() -> dict[str, str]:
    """Make everything in a Python of its own, whose hash seed is not this one's."""
    support = PROJECT / "tests/support"
    env = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": str(support)}
    command = [sys.executable, str(support / "digests.py")]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_the_same_results_give_the_same_bytes_in_every_process() -> None:
    found = in_another_process()
    assert found.keys() == {*draw_all(), "page"}
    assert digests() == found
