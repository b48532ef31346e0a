"""Processes: which of them run."""

import os
import subprocess

import psutil

from fashionbench.pipeline.processes import is_alive


def test_a_process_is_alive_until_it_ends_even_if_nobody_has_waited_for_it() -> None:
    assert is_alive(os.getpid())
    assert is_alive(1)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        assert is_alive(process.pid)
        assert process.stdin
        process.stdin.close()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            pass
        assert not is_alive(process.pid)
    assert not is_alive(process.pid)
