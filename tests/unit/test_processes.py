"""Processes: which of them run, and that none is taken for another."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from fashionbench.pipeline.processes import Owner, is_alive


@pytest.fixture
def other() -> Iterator[Owner]:
    """Describe another process of this machine that is alive."""
    code = "import sys; from fashionbench.pipeline.processes import Owner\n"
    code += "print(Owner.current(), flush=True); sys.stdin.read()"
    command, pipe = [sys.executable, "-c", code], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout
        owner = Owner.parse(process.stdout.readline().strip())
        assert owner
        yield owner


def test_what_is_written_is_read() -> None:
    owner = Owner.current()
    assert Owner.parse(str(owner)) == owner
    assert "/" not in str(owner)
    assert not owner.is_known_dead()
    assert [Owner.parse(text) for text in ("", "host:17", "a,b,c,d,e")] == [None] * 3


def test_an_owner_is_alive_until_it_ends(other: Owner) -> None:
    assert other.is_known_alive()
    assert not other.is_known_dead()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone = replace(other, number=ended.pid)
    assert not gone.is_known_alive()
    assert gone.is_known_dead()


def test_a_number_is_known_to_be_given_anew_but_nothing_of_other_machines_and_containers(
    other: Owner,
) -> None:
    given_anew = (replace(other, start="1"), replace(other, boot="1"))
    for changed in (*given_anew, replace(other, host="1"), replace(other, container="1")):
        assert not changed.is_known_alive()
        assert changed.is_known_dead() == (changed in given_anew)
    assert replace(Owner.current(), start="1").is_known_dead()


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
