"""The page and the figures do not depend on Python's hash seed, which is another at each start."""

import json
import os
import subprocess
import sys

from digests import digests
from repositories import PROJECT


def in_another_process() -> dict[str, str]:
    """Make everything in a Python of its own, whose hash seed is not this one's."""
    support = PROJECT / "tests/support"
    hash_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    env = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(support / "digests.py")]
    done = subprocess.run(
        command, env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=300
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_the_same_results_give_the_same_bytes_in_every_process() -> None:
    assert digests() == in_another_process()
