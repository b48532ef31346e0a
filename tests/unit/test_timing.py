"""The measures of make bench: how times are taken, and on how many cores."""

import os
import subprocess
import sys
from functools import partial

import pytest
import timing


def test_contenders_take_turns_and_the_first_round_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([0, 100, 0, 100, 0, 1, 0, 4, 0, 2, 0, 5, 0, 9, 0, 6])
    monkeypatch.setattr(timing, "perf_counter", lambda: next(clock))
    called: list[str] = []
    work = {name: partial(called.append, name) for name in ("first", "second")}
    assert timing.in_turns(work, rounds=3) == {"first": 2, "second": 5}
    assert called == ["first", "second"] * 4


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores cannot be chosen here")
def test_what_starts_on_one_core_has_one_core() -> None:
    before = os.sched_getaffinity(0)
    command = [sys.executable, "-c", "import os; print(len(os.sched_getaffinity(0)))"]
    with timing.one_core():
        assert subprocess.check_output(command, text=True).strip() == "1"
    assert os.sched_getaffinity(0) == before
