"""The process that logs to a run is taken for alive or dead only where that is certain."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from fashionbench.tracking.owners import Owner


@pytest.fixture
def other() -> Iterator[Owner]:
    """Describe another process of this machine that is alive."""
    code = "import sys; from fashionbench.tracking.owners import Owner; print(Owner.current())\n"
    code += "sys.stdout.flush(); sys.stdin.read()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        owner = Owner.parse(process.stdout.readline().strip())
        assert owner
        yield owner


def test_what_is_written_is_read() -> None:
    owner = Owner.current()
    assert Owner.parse(str(owner)) == owner
    assert [Owner.parse(text) for text in ("", "host:17", "a|b|c|d|e")] == [None] * 3


def test_a_process_is_alive_until_it_ends(other: Owner) -> None:
    assert other.is_known_alive()
    assert not other.is_known_dead()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone = replace(other, number=ended.pid)
    assert not gone.is_known_alive()
    assert gone.is_known_dead()


def test_a_number_that_was_given_anew_belongs_to_another(other: Owner) -> None:
    for changed in (replace(other, start="1"), replace(other, boot="an earlier start")):
        assert changed.is_known_dead()
        assert not changed.is_known_alive()
    reused = replace(Owner.current(), start="1")
    assert reused.number == os.getpid()
    assert reused.is_known_dead()


def test_of_other_machines_and_containers_nothing_is_known(other: Owner) -> None:
    for changed in (replace(other, host="elsewhere"), replace(other, container="4026531836x")):
        assert not changed.is_known_alive()
        assert not changed.is_known_dead()
