"""The page and the figures do not depend on Python's hash seed, which is another at each start."""

import json
import os
import subprocess
import sys

import pytest
from pages import digests


@pytest.mark.slow
def test_the_same_results_give_the_same_bytes_in_every_process() -> None:
    hash_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    env = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", "import json, pages; print(json.dumps(pages.digests()))"]
    done = subprocess.run(
        command, env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=300
    )
    assert digests() == json.loads(done.stdout)
